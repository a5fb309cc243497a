//! By the account protocol: `multiaccount_import` (`docs/wire.md`, section 3.3).
//!
//! A call that fails is made again for as long as that may help. One that is refused for what is in it is
//! made in two halves, until the entries are known that are refused. For those that the server names
//! without a reason, it is asked for reasons.

use std::collections::HashSet;

use muster_client::{
    Advice, ApiFailure, CallError, Client, ImportEntry, TransportError, operator::Operator,
};
use tokio::time::Instant;

use super::{LaneError, Sent, Tempo};
use crate::{
    batches::BatchLimits,
    pace::Pace,
    record::{Entry, Fault},
};

pub(super) const LIMITS: BatchLimits = BatchLimits {
    users: 100,
    // Faulty ones are not sent.
    records: 10_000,
    bytes: 1024 * 1024,
};

/// Codes with which a whole call can be refused for one of its entries: bad parameter, not a string, value
/// too long, deleted too recently, sensitive words.
const OF_ENTRIES: [i64; 5] = [70402, 60015, 40601, 70399, 40005];

/// A part of the server did not answer the other in time.
const TIMED_OUT: [i64; 5] = [60008, 60014, 70169, 70202, 90992];

/// Calls came faster than allowed.
const TOO_FAST: i64 = 60007;

/// Where reasons come from for entries that are refused without one.
pub enum Reasons {
    /// From importing each of them by itself.
    Singly,
    /// From muster's operator API, for this app.
    Operator(Operator, u32),
}

pub(super) struct Wire {
    client: Client,
    reasons: Reasons,
    pub(super) tempo: Tempo,
    pub(super) pace: Pace,
}

impl Wire {
    pub(super) fn new(client: Client, reasons: Reasons, tempo: Tempo) -> Self {
        Self {
            client,
            reasons,
            pace: tempo.pace(),
            tempo,
        }
    }

    pub(super) async fn send(&self, entries: &[Entry]) -> Result<Sent, LaneError> {
        let mut outcome = Sent::default();
        let mut unexplained = Vec::new();
        // The parts of the batch that are still to be sent, the next one last.
        let mut parts = Vec::new();
        parts.push(0..entries.len());
        while let Some(part) = parts.pop() {
            let some = &entries[part.clone()];
            let sent: Vec<_> = some.iter().map(entry_of).collect();
            let answer = self.tried(Call::Many(&sent), &mut outcome.doubt_until);
            match answer.await? {
                Ok(names) => unexplained.extend(named(entries, part, &names)),
                Err(failure) => {
                    let names = failure.fail_accounts.unwrap_or_default();
                    let are_named = named(entries, part.clone(), &names);
                    if are_named.len() == part.len() {
                        unexplained.extend(are_named);
                    } else if let [entry] = some {
                        let fault = fault(entry, failure.code, failure.info);
                        outcome.refused.insert(place(part.start), fault);
                    } else {
                        let middle = part.start + part.len() / 2;
                        parts.push(middle..part.end);
                        parts.push(part.start..middle);
                    }
                }
            }
        }
        if !unexplained.is_empty() {
            self.explain(entries, &unexplained, &mut outcome).await?;
        }
        Ok(outcome)
    }

    /// Finds out why these are refused.
    async fn explain(
        &self,
        entries: &[Entry],
        places: &[usize],
        outcome: &mut Sent,
    ) -> Result<(), LaneError> {
        if let Reasons::Operator(operator, app) = &self.reasons {
            let asked: Vec<_> = places.iter().map(|at| entry_of(&entries[*at])).collect();
            // Should it not answer, they are asked for singly.
            if let Ok(told) = operator.import(*app, &asked, true).await
                && told.entries.len() == places.len()
                && told.entries.iter().all(|entry| entry.code.is_some())
            {
                for (at, told) in places.iter().zip(told.entries) {
                    let code = told.code.unwrap_or(0);
                    let reason = told.reason.unwrap_or_default();
                    outcome
                        .refused
                        .insert(place(*at), fault(&entries[*at], code, reason));
                }
                return Ok(());
            }
        }
        for at in places {
            let entry = entry_of(&entries[*at]);
            let answer = self.tried(Call::One(&entry), &mut outcome.doubt_until);
            if let Err(failure) = answer.await? {
                outcome
                    .refused
                    .insert(place(*at), fault(&entries[*at], failure.code, failure.info));
            }
        }
        Ok(())
    }

    /// Makes a call once, and returns whom the answer names as refused.
    async fn call(&self, call: Call<'_>) -> Result<Vec<String>, CallError> {
        match call {
            Call::Many(entries) => self.client.multiaccount_import(entries).await,
            Call::One(entry) => self.client.account_import(entry).await.map(|()| Vec::new()),
        }
    }

    /// Makes a call until it is answered: with what it gives, or with a refusal for what is in it.
    /// Until when a lost one may still be carried out is noted in `doubt_until`.
    async fn tried(
        &self,
        call: Call<'_>,
        doubt_until: &mut Option<Instant>,
    ) -> Result<Result<Vec<String>, ApiFailure>, LaneError> {
        let mut has_signed_anew = false;
        loop {
            self.pace.turn().await?;
            let error = match self.call(call).await {
                Ok(done) => {
                    self.pace.well();
                    return Ok(Ok(done));
                }
                Err(CallError::Api(failure)) if OF_ENTRIES.contains(&failure.code) => {
                    self.pace.well();
                    return Ok(Err(failure));
                }
                Err(error) => error,
            };
            if is_in_doubt(&error) {
                *doubt_until = Some(self.pace.lost(self.tempo.doubt));
            }
            let cause = told(&error);
            let advice = error.advice();
            let is_in_vain = advice == Advice::SignAnew && has_signed_anew;
            let at_least = match advice.pause() {
                Some(at_least) if !is_in_vain => at_least,
                _ => return Err(LaneError::Refused(cause)),
            };
            has_signed_anew |= advice == Advice::SignAnew;
            let too_fast = matches!(&error, CallError::Api(failure) if failure.code == TOO_FAST);
            if !self.pace.failed(cause.clone(), at_least, too_fast) {
                return Err(LaneError::GaveUp {
                    cause,
                    patience_s: self.tempo.patience.as_secs(),
                });
            }
        }
    }
}

/// Whether the call may still be carried out.
fn is_in_doubt(error: &CallError) -> bool {
    match error {
        CallError::Transport(TransportError::Connect { .. }) => false,
        CallError::Transport(_) | CallError::HttpStatus { .. } | CallError::NotAnAnswer { .. } => {
            true
        }
        CallError::Api(failure) => TIMED_OUT.contains(&failure.code),
        _ => false,
    }
}

/// A call of the account protocol.
#[derive(Clone, Copy)]
enum Call<'c> {
    Many(&'c [ImportEntry<'c>]),
    One(&'c ImportEntry<'c>),
}

fn entry_of(entry: &Entry) -> ImportEntry<'_> {
    let (nick, face_url) = entry.values();
    ImportEntry {
        user_id: entry.user_id.as_str(),
        nick,
        face_url,
    }
}

/// The places of the entries of a part that an answer names.
fn named(entries: &[Entry], part: std::ops::Range<usize>, names: &[String]) -> Vec<usize> {
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    part.filter(|at| names.contains(entries[*at].user_id.as_str()))
        .collect()
}

fn fault(entry: &Entry, code: i64, reason: String) -> Fault {
    Fault {
        user_id: Some(entry.user_id.as_str().to_owned()),
        code,
        reason,
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a batch has few entries")
}

/// An error with its causes.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
