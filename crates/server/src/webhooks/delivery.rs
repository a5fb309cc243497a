//! One event on its way to the receiver: what is posted, and how often it is tried (wire §8.1).

use std::time::Duration;

use bytes::Bytes;
use muster_accounts::{
    SdkAppId,
    app::{Webhook, WebhookToken},
};
use muster_wire::webhook::{CallbackCommand, Event, Notice};
use reqwest::StatusCode;
use tokio::time::sleep;

use super::{
    Origin,
    receivers::{Receivers, Unanswered, host_of},
};
use crate::{Clock, metrics::EventOutcome};

/// The pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// An event that waits, with all that its app said at the time of the event.
pub(super) struct Delivery {
    url: String,
    token: Option<WebhookToken>,
    retry: bool,
    notice: Notice,
    body: Bytes,
}

/// What became of an event.
pub(super) type Ended = Result<StatusCode, Unanswered>;

impl Delivery {
    pub(super) fn new(
        sdkappid: SdkAppId,
        webhook: &Webhook,
        event: &Event<'_>,
        origin: Origin,
        now_ms: u64,
    ) -> Self {
        Self {
            url: webhook.url.clone(),
            token: webhook.token.clone(),
            retry: webhook.retry,
            notice: Notice::new(sdkappid, event.command(), origin.source, origin.platform),
            body: event.body(now_ms).into(),
        }
    }

    pub(super) fn command(&self) -> CallbackCommand {
        self.notice.command()
    }

    /// How much memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.url.len() + self.body.len()
    }

    /// Host and port of the receiver, for the log.
    pub(super) fn host(&self) -> String {
        host_of(&self.url)
    }

    /// Brings the event to its receiver, or gives up.
    pub(super) async fn deliver(&self, receivers: &Receivers, clock: &Clock) -> Ended {
        with_retries(self.retry, || async {
            // Signed at each try: a receiver may refuse a signature that is old.
            let query = self.notice.query(self.token.as_ref(), clock.now());
            let body = self.body.clone();
            receivers.post(&self.url, &query, body).await
        })
        .await
    }
}

/// Tries again only after a time-out, and only if that is switched on: any other failure would be
/// the same a moment later, or a receiver that did get the event.
async fn with_retries<F>(is_on: bool, try_once: impl Fn() -> F) -> Ended
where
    F: Future<Output = Ended>,
{
    let mut ended = try_once().await;
    for pause in PAUSES {
        if !is_on || !matches!(ended, Err(Unanswered::TimedOut)) {
            break;
        }
        sleep(pause).await;
        ended = try_once().await;
    }
    ended
}

/// What is counted of an end.
pub(super) fn outcome(ended: &Ended) -> EventOutcome {
    match ended {
        Ok(StatusCode::OK) => EventOutcome::Delivered,
        Ok(_) => EventOutcome::Refused,
        Err(Unanswered::TimedOut) => EventOutcome::TimedOut,
        Err(Unanswered::Url | Unanswered::Failed(_)) => EventOutcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    /// Plays the ends of tries, and answers the last one with the seconds at which tries began.
    async fn tried(is_on: bool, ends: Vec<Ended>) -> (Ended, Vec<u64>) {
        let start = Instant::now();
        let begun = RefCell::new(Vec::new());
        let ends = RefCell::new(ends.into_iter());
        let ended = with_retries(is_on, || async {
            begun.borrow_mut().push(start.elapsed().as_secs());
            ends.borrow_mut().next().expect("no further try")
        })
        .await;
        (ended, begun.into_inner())
    }

    fn timed_out() -> Ended {
        Err(Unanswered::TimedOut)
    }

    fn failed() -> Ended {
        Err(Unanswered::Failed("refused".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_time_out_is_tried_again_and_only_if_switched_on() {
        use EventOutcome::{Delivered, Failed, Refused, TimedOut};
        for (is_on, ends, expected, begun) in [
            (false, vec![timed_out()], TimedOut, vec![0]),
            (false, vec![Ok(StatusCode::OK)], Delivered, vec![0]),
            (true, vec![Ok(StatusCode::OK)], Delivered, vec![0]),
            (true, vec![Ok(StatusCode::ACCEPTED)], Refused, vec![0]),
            (true, vec![Ok(StatusCode::BAD_GATEWAY)], Refused, vec![0]),
            (true, vec![failed()], Failed, vec![0]),
            (true, vec![Err(Unanswered::Url)], Failed, vec![0]),
            (
                true,
                vec![timed_out(), Ok(StatusCode::OK)],
                Delivered,
                vec![0, 1],
            ),
            (true, vec![timed_out(), failed()], Failed, vec![0, 1]),
            (
                true,
                vec![timed_out(), timed_out(), Ok(StatusCode::OK)],
                Delivered,
                vec![0, 1, 6],
            ),
            (
                true,
                vec![timed_out(), timed_out(), timed_out()],
                TimedOut,
                vec![0, 1, 6],
            ),
        ] {
            let (ended, found) = tried(is_on, ends).await;
            assert_eq!((outcome(&ended), found), (expected, begun));
        }
    }
}
