//! The tests that every account store must pass, whatever it keeps its bytes in.
//!
//! - [`model`]: long random sequences of calls, with the store closed and opened again, or restored
//!   from its backup, in between. Whatever [`muster_accounts::ReferenceStore`] answers, the store must answer.
//! - [`concurrent`]: many callers at once. What they saw must be what some order of their calls gives.
//! - [`transfer`]: stores that are copied into another.
//!
//! A store has this crate as a dev-dependency and says of itself by a [`Subject`] how it is opened, and
//! what of its ways is its own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod answer;
mod call;
pub mod concurrent;
mod ids;
pub mod model;
pub mod transfer;

use std::future::{self, Future};

use muster_accounts::AccountStore;

/// A store under test. What is async here may also block.
///
/// Everything panics when it cannot do its part; that fails the test.
pub trait Subject: Sized {
    /// The kind of store.
    type Store: AccountStore;

    /// Whether calls that overlap take effect in the order in which they were made, in no more commits
    /// than there are calls that write. [`model`] then makes calls without waiting for answers, and the
    /// answers must be as if each call had waited for the one before. Of other stores each answer is
    /// waited for, and calls that overlap are left to [`concurrent`].
    const KEEPS_ORDER: bool;

    /// Whether internal ids are numbered as the reference store does it: from the first one up, over all
    /// apps, with no number left out. Of other stores only what [`AccountStore`] promises is asked: an
    /// id is given once and never again.
    const COUNTS_IDS: bool;

    /// A store that holds nothing.
    fn new() -> impl Future<Output = Self>;

    /// The store as it is open now.
    fn store(&self) -> &Self::Store;

    /// Closes the store and opens it again. What is promised of it must all still be there.
    fn reopen(self) -> impl Future<Output = Self>;

    /// Backs the store up, and goes on from the backup. By default it just goes on: for stores that are
    /// backed up by other means.
    fn restore(self) -> impl Future<Output = Self> {
        future::ready(self)
    }

    /// Clears away what [`Subject::new`] made, at the end of a test that went well.
    fn close(self) -> impl Future<Output = ()> {
        drop(self);
        future::ready(())
    }
}
