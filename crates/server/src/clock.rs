//! The one place that reads the wall clock.
//!
//! Rules, UserSigs and rate limits are judged at a time that is handed to them, and it is read here,
//! once a call. How long something takes (timeouts, durations in the log) is another matter and is
//! measured with the runtime's monotonic clock, which no one can set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use muster_accounts::UnixSeconds;

/// Tells the time of day.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Hand(Arc<AtomicU64>),
}

/// Moves a clock made by [`Clock::stopped_at`].
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<AtomicU64>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `time` until its hand is moved.
    pub fn stopped_at(time: UnixSeconds) -> (Self, ClockHand) {
        let hand = Arc::new(AtomicU64::new(time.0));
        (Self(Source::Hand(hand.clone())), ClockHand(hand))
    }

    /// The time now; second 0 on a machine whose clock stands before 1970.
    pub fn now(&self) -> UnixSeconds {
        match &self.0 {
            Source::System => {
                let since_1970 = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                UnixSeconds(since_1970.as_secs())
            }
            Source::Hand(hand) => UnixSeconds(hand.load(Ordering::Relaxed)),
        }
    }
}

impl ClockHand {
    /// Sets the clock, forwards or backwards.
    pub fn set(&self, time: UnixSeconds) {
        self.0.store(time.0, Ordering::Relaxed);
    }
}
