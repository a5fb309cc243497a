//! How many UserSigs of an app's user have failed within the last minute (wire §2, check 11).
//!
//! Calls and sign-ins are counted apart: an app's allow-list keeps strangers from failing calls in
//! an admin's name, and they must not do it by sign-ins, which have no such list.
//!
//! With several servers each tells the others what has failed at it, and counts theirs with its own.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use muster_accounts::{SdkAppId, UnixSeconds};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

const WINDOW_S: u64 = 60;

/// Of how many users other servers are told, those who failed most.
const TOLD: usize = 500;

/// What a UserSig was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Call,
    SignIn,
}

/// Counts failures per app and identifier. The identifier is the caller's text, which can be
/// anything, so a digest of it is kept; when there are as many counters as may be, those that
/// are used least make room.
pub(crate) struct FailedChecks {
    limit: u32,
    counters: Cache<Key, Arc<Mutex<Failures>>>,
    /// Whether something has failed since the last note, or was in that.
    is_note_due: AtomicBool,
    /// What failed at other servers.
    elsewhere: RwLock<HashMap<Key, Failures>>,
    is_any_elsewhere: AtomicBool,
}

/// Use, app and identifier: the same at every server, and nobody finds another identifier for it.
type Key = u128;

/// Seconds, and the failures in each, the oldest first.
#[derive(Clone, Debug, Default)]
struct Failures(VecDeque<(UnixSeconds, u32)>);

impl FailedChecks {
    /// `limit` failures within a minute are too many; 0 is never.
    pub(crate) fn new(limit: u32, capacity: usize) -> Self {
        Self {
            limit,
            counters: Cache::new(capacity),
            is_note_due: AtomicBool::new(false),
            elsewhere: RwLock::default(),
            is_any_elsewhere: AtomicBool::new(false),
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
        // While nothing has failed, a call costs no digest.
        let is_any_elsewhere = self.is_any_elsewhere.load(Ordering::Relaxed);
        if self.limit == 0 || (self.counters.is_empty() && !is_any_elsewhere) {
            return false;
        }
        let key = key(used, sdkappid, identifier);
        let counter = self.counters.get(&key);
        let mut count = counter.map_or(0, |failures| lock(&failures).within_window(now));
        if is_any_elsewhere {
            let elsewhere = self.elsewhere.read();
            let elsewhere = elsewhere.unwrap_or_else(PoisonError::into_inner);
            let failures = elsewhere.get(&key);
            count = count.saturating_add(failures.map_or(0, |it| it.count(now)));
        }
        count >= self.limit
    }

    /// Counts one.
    pub(crate) fn count(&self, used: Use, sdkappid: SdkAppId, identifier: &str, now: UnixSeconds) {
        if self.limit == 0 {
            return;
        }
        let key = key(used, sdkappid, identifier);
        let counter = self
            .counters
            .get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        let Ok(failures) = counter;
        lock(&failures).add(now);
        self.is_note_due.store(true, Ordering::Relaxed);
    }

    /// What other servers are to know, if it may be something else than the last time: of each user how
    /// many failed within the last minute, as if all had with the last of them.
    pub(crate) fn note(&self, now: UnixSeconds) -> Option<String> {
        if !self.is_note_due.swap(false, Ordering::Relaxed) {
            return None;
        }
        // So that calls cost no digest any more once it is over.
        self.counters
            .retain(|_, failures| lock(failures).within_window(now) > 0);
        let counters = self.counters.iter();
        let mut told: Vec<_> = counters
            .filter_map(|(key, failures)| {
                let failures = lock(&failures);
                let (newest, _) = failures.0.back()?;
                Some((failures.count(now), key, newest.0))
            })
            .collect();
        told.sort_unstable_by_key(|(count, ..)| std::cmp::Reverse(*count));
        told.truncate(TOLD);
        let mut note = String::new();
        for (count, key, newest) in told {
            writeln!(note, "{key:x} {newest} {count}").expect("writing to a String does not fail");
        }
        // Until others know that it is over.
        self.is_note_due
            .fetch_or(!note.is_empty(), Ordering::Relaxed);
        Some(note)
    }

    /// Takes over what each other server tells.
    pub(crate) fn hear(&self, notes: &[Arc<str>]) {
        let mut elsewhere = HashMap::new();
        // What does not read is of a later muster, and is left out.
        for line in notes.iter().flat_map(|note| note.lines()) {
            let mut words = line.split(' ');
            let key = words
                .next()
                .and_then(|key| Key::from_str_radix(key, 16).ok());
            let Some(key) = key else { continue };
            let failures: &mut Failures = elsewhere.entry(key).or_default();
            while let (Some(second), Some(count)) = (words.next(), words.next()) {
                if let (Ok(second), Ok(count)) = (second.parse(), count.parse()) {
                    failures.0.push_back((UnixSeconds(second), count));
                }
            }
        }
        self.is_any_elsewhere
            .store(!elsewhere.is_empty(), Ordering::Relaxed);
        *self
            .elsewhere
            .write()
            .unwrap_or_else(PoisonError::into_inner) = elsewhere;
    }
}

fn key(used: Use, sdkappid: SdkAppId, identifier: &str) -> Key {
    let mut digest = Sha256::new();
    digest.update([used as u8]);
    digest.update(sdkappid.0.to_be_bytes());
    digest.update(identifier);
    let digest: [u8; 32] = digest.finalize().into();
    let (half, _) = digest.split_first_chunk().expect("it is longer");
    Key::from_be_bytes(*half)
}

fn lock(failures: &Mutex<Failures>) -> MutexGuard<'_, Failures> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Failures {
    /// Forgets what lies outside of the minute before `now`, and counts the rest.
    fn within_window(&mut self, now: UnixSeconds) -> u32 {
        self.0.retain(|(second, _)| is_within(*second, now));
        self.count(now)
    }

    fn count(&self, now: UnixSeconds) -> u32 {
        let counts = self.0.iter().filter(|(second, _)| is_within(*second, now));
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn add(&mut self, now: UnixSeconds) {
        self.within_window(now);
        match self.0.back_mut() {
            Some((second, count)) if *second == now => *count = count.saturating_add(1),
            _ => self.0.push_back((now, 1)),
        }
    }
}

/// What lies ahead was counted by a clock that was set back since, or is that of another server.
fn is_within(second: UnixSeconds, now: UnixSeconds) -> bool {
    second <= now && now.0 - second.0 < WINDOW_S
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

    #[test]
    fn servers_tell_each_other() {
        let [a, b] = [(), ()].map(|()| FailedChecks::new(3, 10));
        assert_eq!(a.note(UnixSeconds(NOW)), None);
        a.count(Use::Call, APP, "a", UnixSeconds(NOW));
        a.count(Use::Call, APP, "a", UnixSeconds(NOW + 5));
        a.count(Use::SignIn, APP, "b", UnixSeconds(NOW + 5));
        let note = a.note(UnixSeconds(NOW + 5)).unwrap();
        assert_eq!(note.lines().count(), 2, "{note}");
        assert_eq!(a.note(UnixSeconds(NOW + 6)).as_ref(), Some(&note));
        let are_too_many = |second| b.are_too_many(Use::Call, APP, "a", UnixSeconds(second));
        b.hear(&[note.into(), "what is this\n\n 7".into()]);
        assert!(!are_too_many(NOW + 6));
        b.count(Use::Call, APP, "a", UnixSeconds(NOW + 6));
        assert!(are_too_many(NOW + 6));
        assert!(!b.are_too_many(Use::SignIn, APP, "a", UnixSeconds(NOW + 6)));
        assert!(are_too_many(NOW + 64), "the last at the other is not over");
        assert!(!are_too_many(NOW + 65));
        b.hear(&[]);
        assert!(!are_too_many(NOW + 6));
        // What is over is not told any more.
        a.count(Use::Call, APP, "c", UnixSeconds(NOW + 100));
        assert_eq!(a.note(UnixSeconds(NOW + 100)).unwrap().lines().count(), 1);
        assert_eq!(a.note(UnixSeconds(NOW + 200)).as_deref(), Some(""));
        assert_eq!(a.note(UnixSeconds(NOW + 200)), None);
    }
}
