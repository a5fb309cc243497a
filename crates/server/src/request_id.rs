//! Names for requests, so that an answer and the lines of the log about it can be brought together.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use hyper::header::HeaderValue;

/// Gives request ids: a random part for this run of the server and a counter.
pub(crate) struct RequestIds {
    run: u32,
    last: AtomicU64,
}

/// Is unique over all runs of all servers as far as 32 random bits go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId {
    run: u32,
    number: u64,
}

impl RequestIds {
    pub(crate) fn new(run: u32) -> Self {
        Self {
            run,
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> RequestId {
        RequestId {
            run: self.run,
            number: self.last.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}

impl RequestId {
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hex digits and a dash are a header value")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.run, self.number)
    }
}
