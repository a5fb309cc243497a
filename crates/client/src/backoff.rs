//! How long to pause between tries.

use std::time::Duration;

/// Pauses that grow with each try: exponential back-off with full jitter, so that callers who failed
/// together do not come back together.
///
/// It neither sleeps nor draws random numbers itself. A loop of one's own looks like this:
///
/// ```no_run
/// use std::time::{Duration, Instant};
/// use muster_client::{Backoff, CallError, Client, ImportEntry};
///
/// async fn import(client: &Client, entries: &[ImportEntry<'_>]) -> Result<Vec<String>, CallError> {
///     let give_up_at = Instant::now() + Duration::from_mins(10);
///     let mut backoff = Backoff::default();
///     loop {
///         let error = match client.multiaccount_import(entries).await {
///             Ok(fail_accounts) => return Ok(fail_accounts),
///             Err(error) => error,
///         };
///         let Some(at_least) = error.advice().pause() else {
///             return Err(error);
///         };
///         let pause = backoff.next(at_least, fastrand::f64());
///         if Instant::now() + pause > give_up_at {
///             return Err(error);
///         }
///         eprintln!("{error}; the next try is in {pause:?}");
///         tokio::time::sleep(pause).await;
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    bound: Duration,
    longest: Duration,
}

impl Backoff {
    /// The first pause is of any length up to `first`; each further bound is twice the one before,
    /// and never more than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            bound: first.min(longest),
            longest,
        }
    }

    /// The pause before the next try. `at_least` is what the failure asks for
    /// ([`Advice::pause`](crate::Advice::pause)), to which the back-off is added. `random` is of
    /// \[0, 1\], evenly distributed; what is outside counts as the nearer end.
    pub fn next(&mut self, at_least: Duration, random: f64) -> Duration {
        let random = if random.is_nan() { 1.0 } else { random };
        let seconds = self.bound.as_secs_f64() * random.clamp(0.0, 1.0);
        // A bound near the longest that there is may be rounded up beyond it.
        let back_off = Duration::try_from_secs_f64(seconds).unwrap_or(self.bound);
        self.bound = self.bound.saturating_mul(2).min(self.longest);
        at_least.saturating_add(back_off)
    }
}

/// First a pause of up to 200 ms, then of up to twice as much each time, and never of more than 10 s.
impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new(Duration::from_millis(200), Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_millis(700);

    fn pauses(at_least: Duration, random: f64) -> Vec<u128> {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let mut pause_ms = || backoff.next(at_least, random).as_millis();
        (0..5).map(|_| pause_ms()).collect()
    }

    #[test]
    fn bounds_double_up_to_the_longest() {
        assert_eq!(pauses(Duration::ZERO, 1.0), [100, 200, 400, 700, 700]);
        assert_eq!(pauses(Duration::ZERO, 0.5), [50, 100, 200, 350, 350]);
        assert_eq!(pauses(Duration::ZERO, 0.0), [0; 5]);
    }

    #[test]
    fn what_the_failure_asks_for_is_added() {
        let second = Duration::from_secs(1);
        assert_eq!(pauses(second, 0.5), [1050, 1100, 1200, 1350, 1350]);
        assert_eq!(pauses(second, 0.0), [1000; 5]);
    }

    #[test]
    fn nothing_from_outside_makes_it_panic() {
        for random in [-1.0, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut widest = Backoff::new(Duration::MAX, Duration::MAX);
            let bounds = Duration::ZERO..=Duration::MAX;
            assert!(bounds.contains(&widest.next(Duration::MAX, random)));
            let mut narrow = Backoff::new(FIRST, Duration::ZERO);
            assert_eq!(narrow.next(Duration::ZERO, random), Duration::ZERO);
        }
    }
}
