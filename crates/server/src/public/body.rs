//! Takes a request's body in, or lets it pass unread.

use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap,
    body::{Body, Incoming},
    header::EXPECT,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    Limits,
    connections::CutOff,
    load::{Full, Load},
};

/// A body that has not been taken in yet.
pub(crate) struct RequestBody {
    body: Incoming,
    limit_bytes: usize,
    /// When it has to be complete.
    end: Instant,
    /// The caller waits for `100 Continue` before sending the body.
    waits: bool,
}

/// Why a body was not taken in. The caller may still be sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRefusal {
    /// It is over the limit, by its announced length or by what came.
    TooLarge,
    /// It was not complete in time.
    Slow,
    /// It is not framed as HTTP frames bodies.
    Malformed,
    /// There is no room for it beside what the server holds.
    NoRoom,
}

impl From<Full> for BodyRefusal {
    fn from(Full: Full) -> Self {
        Self::NoRoom
    }
}

impl RequestBody {
    /// The body that follows a head which has just been read.
    pub(crate) fn new(body: Incoming, headers: &HeaderMap, limits: &Limits) -> Self {
        Self {
            body,
            limit_bytes: limits.body_limit_bytes,
            end: Instant::now() + Duration::from_secs(limits.body_timeout_s),
            waits: headers.contains_key(EXPECT),
        }
    }

    /// Reads the body to its end. It counts as held until the last slice of it is gone.
    pub(crate) async fn read(mut self, load: &Load) -> Result<Result<Bytes, BodyRefusal>, CutOff> {
        let announced = self.body.size_hint().exact();
        // `next` judges the announced length.
        let announced_bytes = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let mut piece = match self.next().await? {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(None) => return Ok(Ok(Bytes::new())),
            Ok(Some(first)) => first,
        };
        if self.body.is_end_stream() {
            return Ok(load.hold(piece).map_err(BodyRefusal::from));
        }
        let mut pieces = load.pieces();
        loop {
            if let Err(full) = pieces.push(&piece, announced_bytes) {
                return Ok(Err(full.into()));
            }
            piece = match self.next().await? {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(None) => return Ok(Ok(pieces.whole())),
                Ok(Some(next)) => next,
            };
        }
    }

    /// Lets the body pass without keeping it, so that a caller who sends all before reading anything
    /// reads the answer, and the connection can go on. Says whether all of it has passed.
    pub(crate) async fn discard(mut self) -> Result<bool, CutOff> {
        if self.waits && !self.body.is_end_stream() {
            return Ok(false);
        }
        loop {
            match self.next().await? {
                Err(_) => return Ok(false),
                Ok(None) => return Ok(true),
                Ok(Some(_)) => {}
            }
        }
    }

    /// The next piece, `None` at the end.
    async fn next(&mut self) -> Result<Result<Option<Bytes>, BodyRefusal>, CutOff> {
        if self.body.size_hint().lower() > self.limit_bytes as u64 {
            return Ok(Err(BodyRefusal::TooLarge));
        }
        loop {
            let frame = match timeout_at(self.end, self.body.frame()).await {
                Err(_) => return Ok(Err(BodyRefusal::Slow)),
                Ok(None) => return Ok(Ok(None)),
                Ok(Some(Err(error))) if is_malformed(&error) => {
                    return Ok(Err(BodyRefusal::Malformed));
                }
                Ok(Some(Err(_))) => return Err(CutOff),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing to anyone here.
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            let Some(left_bytes) = self.limit_bytes.checked_sub(piece.len()) else {
                return Ok(Err(BodyRefusal::TooLarge));
            };
            self.limit_bytes = left_bytes;
            return Ok(Ok(Some(piece)));
        }
    }
}

/// Whether the bytes that came are wrong; otherwise the connection has failed.
fn is_malformed(error: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData
            );
        }
        cause = error.source();
    }
    false
}
