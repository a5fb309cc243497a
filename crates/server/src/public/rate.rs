//! How many calls of a command an app has made in this second (wire §2, check 14).

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use muster_accounts::{App, SdkAppId, UnixSeconds};
use muster_wire::Command;

/// Counts calls per app and command. Only apps that exist are asked about, so their number bounds
/// the memory.
#[derive(Default)]
pub(crate) struct CallRates {
    apps: RwLock<HashMap<SdkAppId, Arc<[Window; Command::ALL.len()]>>>,
}

/// A second and the calls that passed in it: the low 32 bits of each, in one word, so that counting
/// takes no lock.
#[derive(Default)]
struct Window(AtomicU64);

impl CallRates {
    /// Whether one more call may pass at `now`, and counts it if so: at most so many as the app's
    /// settings or else [`Command::calls_per_s`] say in one second of the clock (wire §2.1). The
    /// error is that limit.
    pub(crate) fn pass(&self, app: &App, command: Command, now: UnixSeconds) -> Result<(), u32> {
        let command = command.counted_as();
        let limits = &app.settings.rate_limits;
        let own = limits.get(command.name()).or_else(|| limits.get("*"));
        let Some(limit) = own.copied().unwrap_or(Some(command.calls_per_s())) else {
            return Ok(());
        };
        let windows = self.windows(app.sdkappid);
        let passes = windows[command as usize].pass(limit, now);
        passes.then_some(()).ok_or(limit)
    }

    fn windows(&self, sdkappid: SdkAppId) -> Arc<[Window; Command::ALL.len()]> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(windows) = apps.get(&sdkappid) {
            return windows.clone();
        }
        drop(apps);
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        apps.entry(sdkappid).or_default().clone()
    }
}

impl Window {
    fn pass(&self, limit: u32, now: UnixSeconds) -> bool {
        let now = now.0 & u64::from(u32::MAX);
        let counted = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                let (second, count) = (word >> 32, word & u64::from(u32::MAX));
                // A call that read the clock just before the second changed comes after one that read
                // it just after: it counts in the new second. A clock set back begins anew.
                let counts_on = second == now || second == now + 1;
                match (counts_on, count) {
                    (false, _) if limit == 0 => None,
                    (false, _) => Some(now << 32 | 1),
                    (true, count) => (count < u64::from(limit)).then_some(word + 1),
                }
            });
        counted.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lets_the_limit_pass() {
        let window = Window::default();
        let passed = |second| {
            (0..5)
                .filter(|_| window.pass(3, UnixSeconds(second)))
                .count()
        };
        assert_eq!(passed(1_700_000_000), 3);
        assert_eq!(passed(1_700_000_000), 0);
        assert_eq!(passed(1_700_000_001), 3);
        // Late by one second: the same window. Further back: a clock that was set.
        assert_eq!(passed(1_700_000_000), 0);
        assert_eq!(passed(1_600_000_000), 3);
    }

    #[test]
    fn counts_exactly_under_contention() {
        let window = Window::default();
        let passed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1000)
                            .filter(|_| window.pass(1500, UnixSeconds(1_700_000_000)))
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(passed, 1500);
    }
}
