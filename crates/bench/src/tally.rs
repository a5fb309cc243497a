//! What came of the calls of a phase: counters and histograms.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::{command::Command, lane::CallError};

/// Longest latency that is told apart: longer than any call may take.
const LATENCY_LIMIT_US: u64 = 3_600_000_000;

/// What all connections of a phase add to. A call holds the lock for less than a microsecond.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) commands: [CommandCounts; Command::ALL.len()],
    pub(crate) codes: BTreeMap<u32, Occurrences>,
    pub(crate) http: Option<Occurrences>,
    pub(crate) fail_accounts: u64,
    pub(crate) not_imported: u64,
    pub(crate) reconnects: u64,
    pub(crate) max_lag: Duration,
}

/// Calls of one command.
#[derive(Default)]
pub(crate) struct CommandCounts {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Of the calls that did not fail.
    pub(crate) accounts: u64,
    /// In microseconds, of the calls that did not fail; made with the first.
    pub(crate) latency: Option<Histogram<u64>>,
}

/// How often something happened, and what was said the first time.
#[derive(Clone, Debug)]
pub(crate) struct Occurrences {
    pub(crate) calls: u64,
    pub(crate) first: String,
}

/// What a call came to.
pub(crate) enum Outcome {
    Done {
        accounts: u64,
        latency: Duration,
        fail_accounts: u64,
        not_imported: u64,
    },
    Refused {
        code: u32,
    },
    /// No answer, or not one of this protocol.
    Http,
}

impl Tally {
    /// `says` is asked for the text of a failure only if it is the first of its kind.
    pub(crate) fn add(
        &self,
        command: Command,
        lag: Duration,
        outcome: &Outcome,
        says: impl FnOnce() -> String,
    ) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.max_lag = counts.max_lag.max(lag);
        let of_command = &mut counts.commands[command.index()];
        of_command.calls += 1;
        match *outcome {
            Outcome::Done {
                accounts,
                latency,
                fail_accounts,
                not_imported,
            } => {
                of_command.accounts += accounts - fail_accounts.min(accounts);
                let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                let histogram = of_command.latency.get_or_insert_with(histogram);
                histogram.saturating_record(latency_us);
                counts.fail_accounts += fail_accounts;
                counts.not_imported += not_imported;
            }
            Outcome::Refused { code } => {
                of_command.failed += 1;
                let of_code = counts.codes.entry(code);
                of_code.or_insert_with(|| Occurrences::first(says())).calls += 1;
            }
            Outcome::Http => {
                of_command.failed += 1;
                let http = &mut counts.http;
                http.get_or_insert_with(|| Occurrences::first(says())).calls += 1;
            }
        }
    }

    pub(crate) fn add_reconnects(&self, reconnects: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.reconnects += reconnects;
    }

    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Occurrences {
    fn first(says: String) -> Occurrences {
        Occurrences {
            calls: 0,
            first: says,
        }
    }
}

/// Precise to a thousandth of the value.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_LIMIT_US, 3).expect("the bounds are in order")
}

/// A failure of HTTP with its cause.
pub(crate) fn said(error: &CallError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
