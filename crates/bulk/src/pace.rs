//! When the next call may be made: by the rate that was asked for, and after what went wrong.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muster_client::Backoff;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How far calls that came late may be made up for.
const SLACK: Duration = Duration::from_millis(50);

/// What remains of the pace each time that it was too fast, and how slow it becomes by that at most.
const SLOWER: f64 = 0.98;
const SLOWEST: f64 = 0.5;

/// The pace of all calls of an import.
pub(crate) struct Pace {
    /// Between two calls, if all goes well.
    period: Duration,
    /// How long it may take until a call is answered again.
    patience: Duration,
    state: Mutex<State>,
    is_stopped: watch::Sender<bool>,
}

/// No call is to be made any more.
#[derive(Debug)]
pub(crate) struct Stopped;

struct State {
    /// How much of the rate is made use of.
    share: f64,
    next: Instant,
    paused_until: Instant,
    backoff: Backoff,
    /// When the first of the calls failed since one was answered as it should be.
    failing_since: Option<Instant>,
    retries: u64,
    /// Until when any lost call may be carried out.
    in_doubt_until: Instant,
    trouble: Option<String>,
    /// Until when, and why, a batch waits that could be sent otherwise.
    held: Option<(Instant, &'static str)>,
}

/// What goes wrong at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why the last call failed.
    pub cause: String,
    /// How long no call is made for it yet.
    pub pause: Duration,
}

impl Pace {
    /// `rate_per_s` calls a second, or as many as can be made.
    pub(crate) fn new(rate_per_s: Option<f64>, patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            period: rate_per_s.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            patience,
            state: Mutex::new(State {
                share: 1.0,
                next: now,
                paused_until: now,
                backoff: Backoff::default(),
                failing_since: None,
                retries: 0,
                in_doubt_until: now,
                trouble: None,
                held: None,
            }),
            is_stopped: watch::Sender::new(false),
        }
    }

    /// Waits until a call may be made.
    pub(crate) async fn turn(&self) -> Result<(), Stopped> {
        loop {
            let (at, is_pause) = self.next_turn(Instant::now());
            self.wait_until(at).await?;
            if !is_pause {
                return Ok(());
            }
        }
    }

    /// Waits until a time, unless it is stopped before.
    pub(crate) async fn wait_until(&self, time: Instant) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            stopped = self.stopped() => Err(stopped),
            () = sleep_until(time) => Ok(()),
        }
    }

    /// Likewise, and tells why.
    pub(crate) async fn hold(&self, until: Instant, cause: &'static str) -> Result<(), Stopped> {
        self.lock().held = Some((until, cause));
        let waited = self.wait_until(until).await;
        self.lock().held = None;
        waited
    }

    /// Comes back once it is stopped.
    pub(crate) async fn stopped(&self) -> Stopped {
        // The sender is this.
        let _ = self
            .is_stopped
            .subscribe()
            .wait_for(|stopped| *stopped)
            .await;
        Stopped
    }

    /// From now on nobody gets a turn.
    pub(crate) fn stop(&self) {
        self.is_stopped.send_replace(true);
    }

    /// When the turn is, and whether it is only the end of a pause.
    fn next_turn(&self, now: Instant) -> (Instant, bool) {
        let mut state = self.lock();
        if state.paused_until > now {
            return (state.paused_until, true);
        }
        let at = state.next.max(now.checked_sub(SLACK).unwrap_or(now));
        state.next = at + self.period.div_f64(state.share);
        (at, false)
    }

    /// A call was answered as it should be.
    pub(crate) fn well(&self) {
        let mut state = self.lock();
        state.failing_since = None;
        state.backoff = Backoff::default();
        state.trouble = None;
    }

    /// A call failed, and another try is worth it after a while: nobody calls for at least that long, and
    /// more slowly after that if it was `too_fast`. Returns whether there is patience left.
    pub(crate) fn failed(&self, cause: String, at_least: Duration, too_fast: bool) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        state.retries += 1;
        state.trouble = Some(cause);
        // Those that fail together are one failure.
        if now >= state.paused_until {
            let pause = state.backoff.next(at_least, fastrand::f64());
            state.paused_until = now + pause;
            if too_fast {
                state.share = (state.share * SLOWER).max(SLOWEST);
            }
        }
        let since = *state.failing_since.get_or_insert(now);
        state.paused_until <= since + self.patience
    }

    /// Nothing was heard of a call, which may be carried out for so long. Returns until when that is.
    pub(crate) fn lost(&self, doubt: Duration) -> Instant {
        let until = Instant::now() + doubt;
        let mut state = self.lock();
        state.in_doubt_until = state.in_doubt_until.max(until);
        until
    }

    /// Until when any lost call may be carried out, also one of a batch that was given up.
    pub(crate) fn in_doubt_until(&self) -> Instant {
        self.lock().in_doubt_until
    }

    /// What goes wrong, and how often a call had to be made again until now.
    pub(crate) fn trouble(&self) -> (Option<Trouble>, u64) {
        let state = self.lock();
        let (cause, until) = match (&state.trouble, state.held) {
            (Some(cause), _) => (cause.clone(), state.paused_until),
            (None, Some((until, cause))) => (cause.to_owned(), until),
            (None, None) => return (None, state.retries),
        };
        let pause = until.saturating_duration_since(Instant::now());
        (Some(Trouble { cause, pause }), state.retries)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(5);

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_than_the_rate() {
        let pace = Pace::new(Some(100.0), PATIENCE);
        let begun = Instant::now();
        for _ in 0..=1000 {
            pace.turn().await.unwrap();
        }
        assert_eq!(begun.elapsed().as_millis() / 10, 1000);
        // What was not made use of is not made up for.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let begun = Instant::now();
        for _ in 0..100 {
            pace.turn().await.unwrap();
        }
        assert!(begun.elapsed() >= Duration::from_millis(900));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_calls_during_a_pause() {
        let pace = Pace::new(None, PATIENCE);
        let begun = Instant::now();
        assert!(pace.failed("60007".to_owned(), Duration::from_secs(1), true));
        assert_eq!(pace.trouble().0.unwrap().cause, "60007");
        pace.turn().await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1));
        pace.well();
        assert_eq!(pace.trouble(), (None, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_a_turn_after_the_stop() {
        let pace = Pace::new(None, PATIENCE);
        pace.failed("gone".to_owned(), Duration::from_hours(1), false);
        let begun = Instant::now();
        let (turn, ()) = tokio::join!(pace.turn(), async { pace.stop() });
        assert!(turn.is_err() && pace.turn().await.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_if_nothing_goes_well() {
        let pace = Pace::new(None, PATIENCE);
        let begun = Instant::now();
        while pace.failed("gone".to_owned(), Duration::ZERO, false) {
            pace.turn().await.unwrap();
            assert!(begun.elapsed() < 2 * PATIENCE);
        }
        assert!(begun.elapsed() > PATIENCE / 2);
        // Time in which nobody calls takes none of it.
        pace.well();
        tokio::time::sleep(2 * PATIENCE).await;
        assert!(pace.failed("gone".to_owned(), Duration::ZERO, false));
        // Longer than it has, as a limit of a day is: at once.
        pace.well();
        pace.turn().await.unwrap();
        assert!(!pace.failed("60028".to_owned(), Duration::from_hours(24), false));
    }
}
