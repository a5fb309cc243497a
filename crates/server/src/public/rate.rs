//! How many calls of a command an app has made in this second (wire §2, check 14).
//!
//! With several servers the limit is for all of them together. A server then takes a part of what is
//! left of a limit ahead of the calls, first much and towards the end little: a limit of 100 costs one
//! server some ten counts in the store a second, three some thirty, whatever comes. No more calls pass than
//! the limit allows; if the servers' loads differ, the last few of a second may pass at none. While the
//! store does not count, each server keeps to the limit by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use muster_accounts::{App, Cluster, SdkAppId, UnixSeconds};
use muster_wire::Command;

/// Counts calls per app and command. Only apps that exist are asked about, so their number bounds
/// the memory.
pub(crate) struct CallRates {
    cluster: Option<Arc<dyn Cluster>>,
    apps: RwLock<HashMap<SdkAppId, Arc<Windows>>>,
}

type Windows = [Window; Command::ALL.len()];

/// The calls of one command of an app.
#[derive(Default)]
struct Window {
    share: Mutex<Share>,
    /// Held by the call that takes the next part, while the others wait for it.
    taking: tokio::sync::Mutex<()>,
}

/// A second, and what of the limit is this server's in it.
#[derive(Default)]
struct Share {
    second: UnixSeconds,
    /// How many more calls may pass here.
    left: u64,
    /// How many calls all servers had been given when this one asked last.
    given: u64,
}

impl CallRates {
    pub(crate) fn new(cluster: Option<Arc<dyn Cluster>>) -> Self {
        Self {
            cluster,
            apps: RwLock::default(),
        }
    }

    /// Whether one more call may pass at `now`, and counts it if so: at most so many as the app's
    /// settings or else [`Command::calls_per_s`] say in one second of the clock (wire §2.1). The
    /// error is that limit.
    pub(crate) async fn pass(
        &self,
        app: &App,
        command: Command,
        now: UnixSeconds,
    ) -> Result<(), u32> {
        let command = command.counted_as();
        let limits = &app.settings.rate_limits;
        let own = limits.get(command.name()).or_else(|| limits.get("*"));
        let Some(limit) = own.copied().unwrap_or(Some(command.calls_per_s())) else {
            return Ok(());
        };
        let windows = self.windows(app.sdkappid);
        let window = &windows[command as usize];
        let limit_calls = u64::from(limit);
        let mut passes = window.share().pass(now, limit_calls);
        if passes.is_none() {
            let _taking = window.taking.lock().await;
            passes = window.share().pass(now, limit_calls);
            if passes.is_none() {
                let took = self.take(window, app.sdkappid, command, limit_calls).await;
                passes = Some(took);
            }
        }
        if passes == Some(true) {
            Ok(())
        } else {
            Err(limit)
        }
    }

    /// Takes a part of what is left of the limit, and of it one call. Says whether there was one.
    async fn take(&self, window: &Window, app: SdkAppId, command: Command, limit: u64) -> bool {
        let (second, given) = {
            let share = window.share();
            (share.second, share.given)
        };
        let Some(cluster) = &self.cluster else {
            return window.share().take(second, limit - given, limit);
        };
        // Never all: what a server took and is killed with is nobody's for the rest of the second.
        let parts = 2 * cluster.nodes() as u64;
        let wanted = u32::try_from((limit - given) / parts)
            .unwrap_or(u32::MAX)
            .max(1);
        let counted = cluster
            .count_calls(app, command.name(), wanted, second)
            .await;
        let wanted = u64::from(wanted);
        match counted {
            Ok(before) => {
                let part = wanted.min(limit.saturating_sub(before));
                let given = before.saturating_add(wanted);
                window.share().take(second, part, given)
            }
            // As many pass here as if they had been counted, so that nobody waits for the next time-out.
            // What is wrong the calls are told by the store.
            Err(_) => window.share().take(second, wanted, given + wanted),
        }
    }

    fn windows(&self, sdkappid: SdkAppId) -> Arc<Windows> {
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
    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Whether a call passes; `None` if another part has to be taken for that.
    fn pass(&mut self, now: UnixSeconds, limit: u64) -> Option<bool> {
        // A call that read the clock just before the second changed comes after one that read it
        // just after: it counts in the new second. A clock set back begins anew.
        if self.second != now && self.second.0 != now.0.saturating_add(1) {
            *self = Self {
                second: now,
                ..Self::default()
            };
        }
        // The limit may have been lowered since the part was taken.
        if self.left > 0 && self.given - self.left < limit {
            self.left -= 1;
            return Some(true);
        }
        (self.given >= limit).then_some(false)
    }

    /// Gets a part of a second, if that is not over, and takes a call from it.
    fn take(&mut self, second: UnixSeconds, part: u64, given: u64) -> bool {
        if self.second == second {
            self.left = part.saturating_sub(1);
            // Whatever is counted elsewhere, no more than the limit is ever taken here.
            self.given = given.max(self.given + part);
        }
        part > 0
    }
}

#[cfg(test)]
mod tests;
