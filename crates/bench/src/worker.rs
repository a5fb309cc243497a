//! One connection at work: takes a call, sends it, reads the answer, counts it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::StatusCode;
use tokio::time::sleep;

use crate::{
    answer,
    caller::Heads,
    command::Command,
    feed::Feed,
    lane::{CallError, Lane},
    progress::Progress,
    refusal,
    stop::Stop,
    tally::{Outcome, Tally, said},
};

/// How long a connection that could not be opened waits before it is tried again.
const REDIAL_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of a phase share.
pub(crate) struct Shared {
    pub(crate) heads: Arc<Heads>,
    pub(crate) tally: Tally,
    pub(crate) progress: Progress,
    pub(crate) stop: Stop,
    /// Calls without an answer since the last answer, over all connections.
    pub(crate) unanswered: AtomicU64,
    /// So many of them, and the server is taken to be gone.
    pub(crate) unanswered_limit: u64,
}

/// Works until there are no more calls. Gives the connection back for the next phase.
pub(crate) async fn work(mut lane: Lane, feed: Arc<Feed>, shared: Arc<Shared>) -> Lane {
    while let Some(due) = feed.next().await {
        if shared.stop.is_told() {
            break;
        }
        let command = due.call.command;
        let request = shared.heads.request(command, due.call.body);
        let begun = Instant::now();
        let from = due.at.unwrap_or(begun);
        let answered = lane.call(request).await;
        let latency = from.elapsed();
        let lag = begun.saturating_duration_since(from);
        shared.count(command, due.call.accounts, lag, latency, &answered);
        if let Err(CallError::Connect(_) | CallError::Closed) = answered {
            sleep(REDIAL_PAUSE).await;
        }
    }
    shared.tally.add_reconnects(lane.take_reconnects());
    lane
}

impl Shared {
    fn count(
        &self,
        command: Command,
        accounts: u64,
        lag: Duration,
        latency: Duration,
        answered: &Result<(StatusCode, Bytes), CallError>,
    ) {
        let (status, body) = match answered {
            Ok((status, body)) => (*status, body),
            Err(error) => {
                self.tally.add(command, lag, &Outcome::Http, || said(error));
                self.progress.add(0, true);
                self.mind_unanswered(error);
                return;
            }
        };
        self.unanswered.store(0, Ordering::Relaxed);
        let code = answer::error_code(body).filter(|_| status == StatusCode::OK);
        let Some(code) = code else {
            let says = || not_an_answer(status, body);
            self.tally.add(command, lag, &Outcome::Http, says);
            self.progress.add(0, true);
            return;
        };
        if code != 0 {
            let info = || answer::error_info(body);
            self.tally
                .add(command, lag, &Outcome::Refused { code }, info);
            self.progress.add(0, true);
            if refusal::is_hopeless(code) {
                self.stop.give_up(|| refusal_text(code, &info()));
            }
            return;
        }
        let fail_accounts = match command {
            Command::MultiaccountImport => answer::fail_accounts(body),
            _ => 0,
        };
        let not_imported = match command {
            Command::AccountCheck => answer::not_imported(body),
            Command::PortraitGet => answer::without_profile(body),
            _ => 0,
        };
        let done = Outcome::Done {
            accounts,
            latency,
            fail_accounts,
            not_imported,
        };
        self.tally.add(command, lag, &done, String::new);
        self.progress.add(accounts, false);
    }

    fn mind_unanswered(&self, error: &CallError) {
        let unanswered = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if unanswered >= self.unanswered_limit {
            let text = said(error);
            self.stop
                .give_up(|| format!("{unanswered} calls in a row had no answer ({text})"));
        }
    }
}

/// What is wrong with something that is not an answer of this protocol.
pub(crate) fn not_an_answer(status: StatusCode, body: &[u8]) -> String {
    let what = if answer::error_code(body).is_some() {
        answer::error_info(body)
    } else {
        "no ErrorCode in the answer".to_owned()
    };
    format!("status {}: {what}", status.as_u16())
}

/// The code with what the server says and what to do.
pub(crate) fn refusal_text(code: u32, info: &str) -> String {
    let mut text = format!("the server refuses the call with {code}: {info}");
    if let Some(advice) = refusal::advice(code) {
        text.push_str(if text.ends_with('.') {
            " To do: "
        } else {
            "; to do: "
        });
        text.push_str(advice);
    }
    text
}
