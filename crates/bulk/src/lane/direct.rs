//! To muster's operator API, thousands of lines a request.
//!
//! The server tells of each commit, so a request that breaks off is made again from there.

use std::time::Duration;

use bytes::Bytes;
use muster_client::operator::{Operator, OperatorError};
use serde::Serialize;
use tokio::time::timeout;

use super::{LaneError, Sent, Tempo, wire::told};
use crate::{
    batches::BatchLimits,
    pace::Pace,
    record::{Entry, Fault},
};

pub(super) const LIMITS: BatchLimits = BatchLimits {
    // A quarter of what the server commits at once: the less is under way, the less often a user is named
    // again meanwhile.
    users: 2500,
    records: 5000,
    bytes: 1024 * 1024,
};

/// More accounts than the app's edition allows: true of all later lines as well.
const OVER_CAP: i64 = 70398;

pub(super) struct Direct {
    operator: Operator,
    app: u32,
    /// How long a request may take.
    timeout: Duration,
    pub(super) tempo: Tempo,
    pub(super) pace: Pace,
}

impl Direct {
    pub(super) fn new(operator: Operator, app: u32, timeout: Duration, tempo: Tempo) -> Self {
        Self {
            operator,
            app,
            timeout,
            pace: tempo.pace(),
            tempo,
        }
    }

    pub(super) async fn send(&self, entries: &[Entry]) -> Result<Sent, LaneError> {
        let mut sent = Sent::default();
        let mut done = 0;
        let mut lines = lines_of(entries);
        loop {
            self.pace.turn().await?;
            let before = done;
            let sending = self.send_once(lines.clone(), &mut done, before, entries, &mut sent);
            let (cause, at_least) = match timeout(self.timeout, sending).await {
                Ok(Ok(())) => {
                    self.pace.well();
                    return Ok(sent);
                }
                Ok(Err(Failed::Lane(error))) => return Err(error),
                Ok(Err(Failed::Call(error))) => match error.advice().pause() {
                    Some(at_least) => (told(&error), at_least),
                    None => return Err(LaneError::Refused(told(&error))),
                },
                Err(_) => {
                    let timeout_s = self.timeout.as_secs();
                    let cause = format!("no answer to all lines within {timeout_s} s");
                    (cause, Duration::ZERO)
                }
            };
            if done > before {
                self.pace.well();
                lines = lines_of(&entries[done..]);
            }
            sent.doubt_until = Some(self.pace.lost(self.tempo.doubt));
            if !self.pace.failed(cause.clone(), at_least, false) {
                let patience_s = self.tempo.patience.as_secs();
                return Err(LaneError::GaveUp { cause, patience_s });
            }
        }
    }

    /// `done` goes on with what is committed; the lines begin after `before`.
    async fn send_once(
        &self,
        lines: Bytes,
        done: &mut usize,
        before: usize,
        entries: &[Entry],
        sent: &mut Sent,
    ) -> Result<(), Failed> {
        let mut import = self.operator.import_lines(self.app, lines, false).await?;
        while let Some(committed) = import.commit().await? {
            for refused in committed.refused {
                let reason = refused.reason;
                if refused.code == OVER_CAP {
                    let told = format!("the app has no room for all of these users: {reason}");
                    return Err(Failed::Lane(LaneError::Refused(told)));
                }
                let at = before + position(refused.line);
                let entry = entries.get(at).ok_or_else(out_of_order)?;
                let fault = Fault {
                    user_id: Some(entry.user_id.as_str().to_owned()),
                    code: refused.code,
                    reason,
                };
                let place = u32::try_from(at).expect("a batch has few entries");
                sent.refused.insert(place, fault);
            }
            *done = before + position(committed.last) + 1;
            if *done > entries.len() {
                return Err(out_of_order());
            }
        }
        if *done == entries.len() {
            Ok(())
        } else {
            Err(out_of_order())
        }
    }
}

enum Failed {
    Lane(LaneError),
    Call(OperatorError),
}

impl From<OperatorError> for Failed {
    fn from(error: OperatorError) -> Self {
        Self::Call(error)
    }
}

/// The server's answer is about other lines than those that were sent.
fn out_of_order() -> Failed {
    let text =
        "the server told of other lines than were sent to it; is it a muster of this version?";
    Failed::Lane(LaneError::Refused(text.to_owned()))
}

/// Where a line stands that the server counts from 1.
fn position(line: u64) -> usize {
    usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX / 2)
}

#[derive(Serialize)]
struct Line<'e> {
    user_id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    face_url: Option<&'e str>,
}

fn lines_of(entries: &[Entry]) -> Bytes {
    let mut lines = Vec::with_capacity(entries.len() * 160);
    for entry in entries {
        let (nick, face_url) = entry.values();
        let line = Line {
            user_id: entry.user_id.as_str(),
            nick,
            face_url,
        };
        serde_json::to_writer(&mut lines, &line).expect("texts, into memory");
        lines.push(b'\n');
    }
    lines.into()
}
