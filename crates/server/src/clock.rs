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
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use muster_accounts::UnixSeconds;

/// Tells the time of day.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// The machine's clock, so many seconds ahead.
    Ahead(Arc<AtomicU64>),
    Hand(Arc<AtomicU64>),
}

/// Moves a clock made by [`Clock::adjustable`] or [`Clock::stopped_at`].
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<AtomicU64>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The machine's clock, which its hand can put ahead.
    pub fn adjustable() -> (Self, ClockHand) {
        let ahead_s = Arc::new(AtomicU64::new(0));
        (Self(Source::Ahead(ahead_s.clone())), ClockHand(ahead_s))
    }

    /// A clock that stands still at `time` until its hand is moved.
    pub fn stopped_at(time: UnixSeconds) -> (Self, ClockHand) {
        let hand = Arc::new(AtomicU64::new(time.0));
        (Self(Source::Hand(hand.clone())), ClockHand(hand))
    }

    /// What moves this clock; `None` for the machine's.
    pub fn hand(&self) -> Option<ClockHand> {
        match &self.0 {
            Source::System => None,
            Source::Ahead(hand) | Source::Hand(hand) => Some(ClockHand(hand.clone())),
        }
    }

    /// The time now; second 0 on a machine whose clock stands before 1970.
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds(self.since_1970().as_secs())
    }

    /// The time now in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.since_1970().as_millis()).unwrap_or(u64::MAX)
    }

    fn since_1970(&self) -> Duration {
        let system = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
        };
        match &self.0 {
            Source::System => system(),
            Source::Ahead(ahead_s) => {
                system().saturating_add(Duration::from_secs(ahead_s.load(Ordering::Relaxed)))
            }
            Source::Hand(hand) => Duration::from_secs(hand.load(Ordering::Relaxed)),
        }
    }
}

impl ClockHand {
    /// Moves the clock forward, and answers by how much it was moved or set in all.
    pub fn advance(&self, seconds: u64) -> u64 {
        let update = |hand: u64| Some(hand.saturating_add(seconds));
        let moved = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        moved.unwrap_or_default().saturating_add(seconds)
    }

    /// Sets a clock made by [`Clock::stopped_at`], forwards or backwards.
    pub fn set(&self, time: UnixSeconds) {
        self.0.store(time.0, Ordering::Relaxed);
    }

    /// How far an adjustable clock is ahead, in seconds.
    pub fn ahead_s(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
