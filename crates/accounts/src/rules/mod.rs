//! The rules, as pure functions: what is stored, what is asked and the time go in, a plan comes
//! out. One file a subject.
//!
//! A plan is a list of [`Write`]s that a store carries out as one: all of them durable and then
//! visible, or none. A plan without writes changes nothing on disk.

pub mod app;
pub mod delete;
pub mod import;
pub mod kick;
pub mod profile;

use crate::{Account, InternalId, Tombstone};

/// What a store knows of one user of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Never imported.
    Nothing,
    /// Imported, and not deleted since.
    Account(Account),
    /// Deleted, and not imported since.
    Deleted(Tombstone),
}

impl Known {
    /// The user's kick mark, which a deleted user has too.
    pub fn kicked_at(&self) -> Option<crate::UnixSeconds> {
        match self {
            Self::Nothing => None,
            Self::Account(account) => account.kicked_at,
            Self::Deleted(tombstone) => tombstone.kicked_at,
        }
    }
}

/// One record that a plan puts in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new account. If the user was deleted before, `replaces` is the tombstone that goes.
    Create {
        /// The account, with its new internal id.
        account: Account,
        /// The internal id under which the tombstone stands.
        replaces: Option<InternalId>,
    },
    /// New values for an account that is there.
    Update(Account),
    /// The account of this internal id goes and leaves the tombstone.
    Delete(Tombstone),
}
