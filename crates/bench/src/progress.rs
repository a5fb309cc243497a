//! How far a run is, for those who watch it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Counts while a run goes on; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: Mutex<Option<(u32, &'static str)>>,
    total_calls: AtomicU64,
    calls: AtomicU64,
    accounts: AtomicU64,
    failed_calls: AtomicU64,
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name of the phase.
    pub phase: &'static str,
    /// Its number, from 1 on; phases can have the same name.
    pub phase_number: u32,
    /// How many calls the phase has.
    pub total_calls: u64,
    /// How many came to an end.
    pub calls: u64,
    /// The accounts of those that did not fail.
    pub accounts: u64,
    /// How many of them failed.
    pub failed_calls: u64,
}

impl Progress {
    /// `None` before the first phase.
    pub fn seen(&self) -> Option<Seen> {
        let (phase_number, phase) = (*self.phase())?;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(Seen {
            phase,
            phase_number,
            total_calls: get(&self.0.total_calls),
            calls: get(&self.0.calls),
            accounts: get(&self.0.accounts),
            failed_calls: get(&self.0.failed_calls),
        })
    }

    pub(crate) fn begin(&self, phase: &'static str, total_calls: u64) {
        let mut current = self.phase();
        let number = current.map_or(1, |(number, _)| number + 1);
        *current = Some((number, phase));
        self.0.total_calls.store(total_calls, Ordering::Relaxed);
        for counter in [&self.0.calls, &self.0.accounts, &self.0.failed_calls] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn add(&self, accounts: u64, failed: bool) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.accounts.fetch_add(accounts, Ordering::Relaxed);
        self.0
            .failed_calls
            .fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Option<(u32, &'static str)>> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
