//! Whether a run is to end before its time, and why.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Tells a run to stop. Calls in flight are carried to their end and counted.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    told: AtomicBool,
    because: OnceLock<String>,
}

impl Stop {
    /// The user has seen enough.
    pub fn tell(&self) {
        self.0.told.store(true, Ordering::Relaxed);
    }

    /// There is no sense in going on. The first reason counts.
    pub(crate) fn give_up(&self, because: impl FnOnce() -> String) {
        if !self.is_told() {
            let _ = self.0.because.set(because());
        }
        self.tell();
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.told.load(Ordering::Relaxed)
    }

    /// Why the run gave up by itself.
    pub(crate) fn because(&self) -> Option<&str> {
        self.0.because.get().map(String::as_str)
    }
}
