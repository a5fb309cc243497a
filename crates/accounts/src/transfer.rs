//! The lane by which one store is copied into another: records as they stand, rules aside.
//!
//! The source is held, so that it stays as it is; its records are read in the order of their internal
//! ids, app by app, and put into the target in that order. So whatever a copy that was broken off has
//! left is, of each app, the first part of it, and tells by itself where to go on:
//!
//! ```text
//! source.hold() · target.begin_filling()
//! for each app:  target.put_app(…) · source.records(…) ─► target.put_records(…), again and again
//! target.end_filling() · release()
//! ```
//!
//! While a store is filled nobody else may use it: what is put into it was not planned against what
//! others do at the same time.

use async_trait::async_trait;

use crate::{Account, AccountStore, App, InternalId, SdkAppId, StoreError, Tombstone, UserId};

/// What a store keeps of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The user's account.
    Account(Account),
    /// What is left of it.
    Deleted(Tombstone),
}

impl Record {
    /// The id under which it stands.
    pub fn internal_id(&self) -> InternalId {
        match self {
            Self::Account(account) => account.internal_id,
            Self::Deleted(tombstone) => tombstone.internal_id,
        }
    }

    /// Whose it is.
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Account(account) => account.user_id,
            Self::Deleted(tombstone) => tombstone.user_id,
        }
    }
}

/// A store that can be copied, and be filled with a copy. Apps are read as ever
/// ([`AccountStore::apps`]).
#[async_trait]
pub trait Transfer: AccountStore {
    /// Keeps all others from changing the store until that is released or dropped.
    ///
    /// # Errors
    ///
    /// Also if somebody is changing it now and does not come to an end.
    async fn hold(&self) -> Result<Box<dyn Hold>, StoreError>;

    /// All records of an app, those of deleted users included, in order of internal id, those after
    /// `after`. Of a user who was deleted and imported again there is the later one only.
    async fn records(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
    ) -> Result<Box<dyn RecordReader>, StoreError>;

    /// Notes that the store will be whole only once [`Transfer::end_filling`] is called; until then it
    /// does not open for anything but filling. A store may leave that to whoever keeps it under
    /// another name meanwhile.
    async fn begin_filling(&self) -> Result<(), StoreError>;

    /// Makes an app as it is given, without any account.
    ///
    /// # Errors
    ///
    /// Also if there is such an app.
    async fn put_app(&self, app: App) -> Result<(), StoreError>;

    /// Puts records of an app in place, all or none, durable when this returns: of users of whom the
    /// store knows nothing, in growing order of internal id, beyond those that the app has. Ids that the
    /// store itself gives from then on are greater than any of them.
    ///
    /// # Errors
    ///
    /// Also if anything is stored of one of the users; nothing is overwritten.
    async fn put_records(&self, app: SdkAppId, records: Vec<Record>) -> Result<(), StoreError>;

    /// Notes that the store is whole.
    async fn end_filling(&self) -> Result<(), StoreError>;
}

/// Reads on through the records of an app.
#[async_trait]
pub trait RecordReader: Send {
    /// The next `limit` records; fewer are the last ones.
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, StoreError>;
}

/// While this is there, nobody changes the store that is held.
#[async_trait]
pub trait Hold: Send + Sync {
    /// Lets others change it again.
    ///
    /// # Errors
    ///
    /// If the store may not have been held up to now, as when the connection to it was lost.
    async fn release(self: Box<Self>) -> Result<(), StoreError>;
}
