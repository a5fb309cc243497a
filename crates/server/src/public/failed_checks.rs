//! How many UserSigs of an app's user have failed within the last minute (wire §2, check 11).
//!
//! Calls and sign-ins are counted apart: an app's allow-list keeps strangers from failing calls in
//! an admin's name, and they must not do it by sign-ins, which have no such list.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use muster_accounts::{SdkAppId, UnixSeconds};
use quick_cache::sync::Cache;

const WINDOW_S: u64 = 60;

/// What a UserSig was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Use {
    Call,
    SignIn,
}

/// Counts failures per app and identifier. The identifier is the caller's text, which can be
/// anything, so a keyed hash of it is kept; when there are as many counters as may be, those that
/// are used least make room.
pub(crate) struct FailedChecks {
    limit: u32,
    hasher: RandomState,
    counters: Cache<u64, Arc<Mutex<Failures>>>,
}

/// Seconds, and the failures in each, the oldest first.
#[derive(Default)]
struct Failures(VecDeque<(UnixSeconds, u32)>);

impl FailedChecks {
    /// `limit` failures within a minute are too many; 0 is never.
    pub(crate) fn new(limit: u32, capacity: usize) -> Self {
        Self {
            limit,
            hasher: RandomState::new(),
            counters: Cache::new(capacity),
        }
    }

    /// Whether there were too many.
    pub(crate) fn are_too_many(
        &self,
        used: Use,
        sdkappid: SdkAppId,
        identifier: &str,
        now: UnixSeconds,
    ) -> bool {
        // While nothing has failed, a call costs no hash.
        if self.limit == 0 || self.counters.is_empty() {
            return false;
        }
        let counter = self.counters.get(&self.key(used, sdkappid, identifier));
        counter.is_some_and(|failures| lock(&failures).within_window(now) >= self.limit)
    }

    /// Counts one.
    pub(crate) fn count(&self, used: Use, sdkappid: SdkAppId, identifier: &str, now: UnixSeconds) {
        if self.limit == 0 {
            return;
        }
        let key = self.key(used, sdkappid, identifier);
        let counter = self
            .counters
            .get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        let Ok(failures) = counter;
        lock(&failures).add(now);
    }

    fn key(&self, used: Use, sdkappid: SdkAppId, identifier: &str) -> u64 {
        self.hasher.hash_one((used, sdkappid, identifier))
    }
}

fn lock(failures: &Mutex<Failures>) -> MutexGuard<'_, Failures> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Failures {
    fn within_window(&mut self, now: UnixSeconds) -> u32 {
        // What lies ahead was counted by a clock that was set back since.
        self.0
            .retain(|(second, _)| *second <= now && now.0 - second.0 < WINDOW_S);
        self.0
            .iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn add(&mut self, now: UnixSeconds) {
        self.within_window(now);
        match self.0.back_mut() {
            Some((second, count)) if *second == now => *count = count.saturating_add(1),
            _ => self.0.push_back((now, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: SdkAppId = SdkAppId(1);
    const NOW: u64 = 1_700_000_000;

    #[test]
    fn a_minute_goes_by() {
        let checks = FailedChecks::new(3, 10);
        let are_too_many = |second| checks.are_too_many(Use::Call, APP, "a", UnixSeconds(second));
        for second in [NOW, NOW, NOW + 59] {
            assert!(!are_too_many(second));
            checks.count(Use::Call, APP, "a", UnixSeconds(second));
        }
        assert!(are_too_many(NOW + 59));
        assert!(!checks.are_too_many(Use::SignIn, APP, "a", UnixSeconds(NOW + 59)));
        assert!(!checks.are_too_many(Use::Call, APP, "b", UnixSeconds(NOW + 59)));
        assert!(!checks.are_too_many(Use::Call, SdkAppId(2), "a", UnixSeconds(NOW + 59)));
        // The first two are over.
        assert!(!are_too_many(NOW + 60));
        checks.count(Use::Call, APP, "a", UnixSeconds(NOW + 60));
        assert!(!are_too_many(NOW + 60));
        checks.count(Use::Call, APP, "a", UnixSeconds(NOW + 61));
        assert!(are_too_many(NOW + 61));
        // A clock that was set back begins anew.
        assert!(!are_too_many(NOW - 1000));
    }

    #[test]
    fn can_be_switched_off() {
        let checks = FailedChecks::new(0, 10);
        checks.count(Use::Call, APP, "a", UnixSeconds(NOW));
        assert!(!checks.are_too_many(Use::Call, APP, "a", UnixSeconds(NOW)));
    }

    #[test]
    fn the_number_of_counters_is_bounded() {
        let checks = FailedChecks::new(1, 100);
        for i in 0..10_000 {
            checks.count(Use::Call, APP, &i.to_string(), UnixSeconds(NOW));
        }
        assert!(checks.counters.len() <= 100);
    }
}
