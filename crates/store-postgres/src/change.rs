//! A change of accounts or of an app: one transaction that takes what it is about, so that nobody else
//! changes it, is planned from what it then reads, and writes the plan.

use std::time::Instant;

use deadpool_postgres::{Client, Transaction};
use muster_accounts::{SdkAppId, StoreError, UserId, rules::Write};

use crate::{
    Shared,
    apps::{self, Revised},
    retry::Failure,
    statements::{self, Also, StoredUsers},
};

/// A change that has begun. Dropping it undoes it; whatever fails before [`Change::commit`] has done so
/// too ([`Failure::undone`]).
pub(crate) struct Change<'c> {
    transaction: Transaction<'c>,
    began: Instant,
    records: usize,
}

impl<'c> Change<'c> {
    pub(crate) async fn begin<R>(client: &'c mut Client) -> Result<Self, Failure<R>> {
        let began = Instant::now();
        let transaction = client.transaction().await;
        Ok(Self {
            transaction: transaction.map_err(|error| Failure::from(error).undone())?,
            began,
            records: 0,
        })
    }

    /// The app if there is one, which nobody else changes or counts from now on.
    pub(crate) async fn app_locked<R>(&self, app: SdkAppId) -> Result<Option<Revised>, Failure<R>> {
        let found = apps::locked(&self.transaction, app).await;
        found.map_err(Failure::undone)
    }

    /// The app, which nobody changes from now on.
    pub(crate) async fn app_unchanging<R>(&self, app: SdkAppId) -> Result<Revised, Failure<R>> {
        let found = apps::unchanging(&self.transaction, app).await;
        let found = found.map_err(Failure::undone)?;
        Ok(found.ok_or(StoreError::UnknownApp(app))?)
    }

    /// How many accounts an app has, counted no further than `limit`.
    pub(crate) async fn count<R>(&self, app: SdkAppId, limit: u64) -> Result<u64, Failure<R>> {
        let counted = statements::count(&self.transaction, app, limit).await;
        counted.map_err(Failure::undone)
    }

    /// What is stored of these users, whom nobody else changes from now on.
    pub(crate) async fn users<'u, R>(
        &self,
        app: SdkAppId,
        users: impl Iterator<Item = &'u UserId>,
    ) -> Result<StoredUsers, Failure<R>> {
        let stored = statements::locked(&self.transaction, app, users).await;
        stored.map_err(Failure::undone)
    }

    /// Writes a plan that was made from `stored`.
    pub(crate) async fn put<R>(
        &mut self,
        app: SdkAppId,
        writes: &[Write],
        stored: &StoredUsers,
        also: Also,
    ) -> Result<(), Failure<R>> {
        self.records += writes.len();
        let put = statements::put(&self.transaction, app, writes, stored, also).await;
        put.map_err(Failure::undone)
    }

    /// Writes an app ([`apps::write`]).
    pub(crate) async fn put_app<R>(&mut self, revised: &Revised) -> Result<(), Failure<R>> {
        self.records += 1;
        let written = apps::write(&self.transaction, revised).await;
        written.map_err(Failure::undone)
    }

    /// Makes it durable. Only from here on may it have happened although it failed.
    pub(crate) async fn commit<R>(self, shared: &Shared) -> Result<(), Failure<R>> {
        self.transaction.commit().await?;
        shared.committed(self.records, self.began);
        Ok(())
    }
}
