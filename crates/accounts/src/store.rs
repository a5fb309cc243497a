//! The seam behind which the records live.
//!
//! What every store promises, and what the shared test-suite checks:
//!
//! - **Durable, then visible, then acknowledged.** An `Ok` means that the result outlives a power
//!   cut, and no reader saw it before it did.
//! - **Atomic.** All writes of one call are there after a crash, or none.
//! - **In order.** Calls on one app that overlap have the effect of some order of them; a call that
//!   began after another ended sees all that the other wrote.
//! - **The rules decide.** A store fetches, asks [`crate::rules`], and carries out the plan.
//! - An internal id is given once and never again.
//!
//! An `Err` of [`StoreError`] says that the outcome is unknown: the writes may be there or not, but
//! never in part. Repeating an import or a profile change is safe.

use std::{io, sync::Arc};

use async_trait::async_trait;
use thiserror::Error;

use crate::{
    Account, App, AppChange, Cluster, InternalId, NewApp, ProfileField, SdkAppId, UnixSeconds,
    UserId,
    rules::{
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

/// Keeps the accounts and apps. Batch-shaped: one call is one request of any size.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Imports users ([`crate::rules::import`]).
    async fn import(
        &self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>>;

    /// Says of each user whether they have an account, in the order asked.
    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError>;

    /// The account of each user, in the order asked.
    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError>;

    /// Changes fields of one profile ([`crate::rules::profile`]).
    async fn set_profile(
        &self,
        app: SdkAppId,
        user_id: UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>>;

    /// Deletes users ([`crate::rules::delete`]), and says what became of each, in the order given.
    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>>;

    /// Ends all UserSigs that a user has ([`crate::rules::kick`]).
    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>>;

    /// The user's kick mark ([`Account::kicked_at`]), also that of a deleted user.
    async fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Option<UnixSeconds>, StoreError>;

    /// A number that is another one after any kick than before it, so that who knows a mark knows
    /// whether to ask again. It changes no later than the kick is acknowledged. Cheap to read.
    fn kicks(&self) -> u64;

    /// Up to `limit` accounts of an app in order of internal id, those after `after`. An empty
    /// answer is the end.
    async fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;

    /// How many accounts an app has, `administrator` included. Up to 100,000 it is exact; beyond that it
    /// may be a figure of a while ago, as a store that has to look at each counts them in the background.
    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError>;

    /// One app.
    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError>;

    /// All apps, by number.
    async fn apps(&self) -> Result<Vec<Arc<App>>, StoreError>;

    /// Makes an app and the account of its `administrator` ([`crate::rules::app::create`]).
    async fn create_app(
        &self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>>;

    /// Changes an app ([`crate::rules::app::change`]) and answers it as it is then.
    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>>;

    /// Whether the store can take writes now; an error says why it cannot.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Ends when the store can take no more writes until it is opened again, with the reason; a
    /// store that recovers by itself never ends this.
    async fn stopped(&self) -> StoreError;

    /// Takes no more requests, carries out those that were accepted, and lets go of what it holds.
    ///
    /// # Errors
    ///
    /// If it had stopped by itself, or if what was accepted but not acknowledged may not be there.
    async fn close(&self) -> Result<(), StoreError>;

    /// Writes all that the store holds at this moment, in a form that its own kind of store reads.
    /// Meanwhile everything else goes on. Blocks, and takes as long as `out` takes.
    ///
    /// # Errors
    ///
    /// If the store or `out` fails, or if this kind of store is backed up by other means; the text
    /// says which.
    fn back_up(&self, out: &mut dyn io::Write) -> Result<(), StoreError>;

    /// What several servers over this store share beside the accounts; `None` if there can only be one.
    fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        None
    }

    /// Figures for monitoring, cheap to read.
    fn stats(&self) -> StoreStats;
}

/// An operation did not happen: its rule refused it, or the store failed.
#[derive(Debug, Error)]
pub enum OpError<R> {
    /// The rule refused; nothing was written.
    #[error(transparent)]
    Refused(R),
    /// The store failed; see [`StoreError`] for what that means.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can go wrong in a store. The texts are for the operator's log, not for callers.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// There is no such app; nothing was written.
    #[error("there is no app {0}")]
    UnknownApp(SdkAppId),
    /// The store has stopped: it is shutting down, or a write failed earlier and it takes no more
    /// until it is opened again.
    #[error("the store has stopped: {0}")]
    Stopped(Arc<str>),
    /// More calls are in progress than the store has room for; nothing was written.
    #[error("the store has no room for one more call")]
    Busy,
    /// The disk or the database failed; the text names what and where.
    #[error("{0}")]
    Failed(Arc<str>),
}

/// Figures of a store since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Accounts in all apps.
    pub accounts: u64,
    /// Requests that wait to be committed.
    pub waiting: u64,
    /// Group commits, each with one sync.
    pub commits: u64,
    /// Requests carried out in those commits.
    pub committed_requests: u64,
    /// Records written in those commits.
    pub committed_records: u64,
    /// Time spent in those commits, sync included, in microseconds.
    pub commit_time_us: u64,
}
