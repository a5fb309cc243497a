//! When calls are due.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::stop::Stop;

/// How long at most a sleep goes on before it is seen that the run is to stop.
const NAP: Duration = Duration::from_millis(50);

/// Calls at an even rate from a start on, whatever becomes of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    rate_per_s: f64,
}

impl Schedule {
    /// `rate_per_s` is above zero.
    pub(crate) fn new(start: Instant, rate_per_s: f64) -> Schedule {
        Schedule { start, rate_per_s }
    }

    /// When the call of this position, counted from 0, is due. Counted from the start rather than
    /// from the call before: no error adds up.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run has fewer than 2^52 calls"
    )]
    pub(crate) fn due(&self, position: u64) -> Instant {
        self.start + Duration::from_secs_f64(position as f64 / self.rate_per_s)
    }
}

/// Sleeps on this thread, whose clock is finer than the runtime's; shorter if the run is to stop.
pub(crate) fn sleep_until(due: Instant, stop: &Stop) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.is_told() {
            return;
        }
        thread::sleep(left.min(NAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_at_an_even_rate() {
        let start = Instant::now();
        for (rate_per_s, position, expected_us) in [
            (1.0, 0, 0),
            (1.0, 7, 7_000_000),
            (0.5, 1, 2_000_000),
            (3.0, 3, 1_000_000),
            (20_000.0, 1, 50),
            (20_000.0, 2_000_000_000, 100_000_000_000),
        ] {
            let due = Schedule::new(start, rate_per_s).due(position) - start;
            assert_eq!(due.as_micros(), expected_us, "{rate_per_s} {position}");
        }
    }

    #[test]
    fn nobody_sleeps_when_told_to_stop() {
        let stop = Stop::default();
        stop.tell();
        sleep_until(Instant::now() + Duration::from_hours(1), &stop);
    }
}
