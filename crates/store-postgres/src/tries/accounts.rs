//! Accounts: imported, read, changed, deleted, kicked.

use std::{convert::Infallible, mem, time::Instant};

use deadpool_postgres::Client;
use muster_accounts::{
    Account, App, InternalId, ProfileField, SdkAppId, StoreError, UnixSeconds, UserId,
    rules::{
        self, Known, Write,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest, Stored},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

use super::{in_order, known_of};
use crate::{
    Shared,
    apps::Revised,
    change::Change,
    counts,
    retry::Failure,
    row::{COLUMNS, StoredUser},
    statements::{Also, StoredUsers, count, known, make_or_known, put},
};

impl Shared {
    pub(crate) async fn try_import(
        &self,
        client: &mut Client,
        app: &App,
        request: &ImportRequest,
        now: UnixSeconds,
        again: bool,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        if app.edition.account_cap().is_some() {
            return self
                .try_capped_import(client, app.sdkappid, request, now)
                .await;
        }
        if again {
            return self.try_locked_import(client, app, request, now).await;
        }
        let sdkappid = app.sdkappid;
        let entries = request.entries();
        let plan = |stored: &mut StoredUsers, ids: &[InternalId]| {
            plan_import(app, 0, request.clone(), stored, ids, now)
        };
        if request.is_dry_run() {
            let users = entries.iter().map(|entry| &entry.user_id);
            let mut stored = known(client, sdkappid, users).await?;
            return Ok(plan(&mut stored, &[])?.1);
        }
        let began = Instant::now();
        let ids = self.ids.take(client, entries.len()).await?;
        let mut stored = make_or_known(client, sdkappid, entries, &ids, now).await?;
        let (writes, outcome) = plan(&mut stored, &ids)?;
        if !stored.is_empty() {
            put(client, sdkappid, &writes, &stored, Also::Nothing).await?;
        }
        self.committed(writes.len(), began);
        Ok(outcome)
    }

    /// One import into an app at a time, for only so can its accounts be counted.
    async fn try_capped_import(
        &self,
        client: &mut Client,
        sdkappid: SdkAppId,
        request: &ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        let ids = self.ids.take(client, request.entries().len()).await?;
        let change = Change::begin(client).await?;
        let found = change.app_locked(sdkappid).await?;
        let Revised { app, .. } = found.ok_or(StoreError::UnknownApp(sdkappid))?;
        let counted = match app.edition.account_cap() {
            // Who is there beyond the cap changes nothing, and `administrator`, whom every app has, does
            // not count.
            Some(cap) => change.count(sdkappid, cap + 1).await?.saturating_sub(1),
            None => 0,
        };
        self.import_in(change, &app, counted, request, &ids, now)
            .await
    }

    /// After another call came first: the users who are there wait for this one from now on.
    async fn try_locked_import(
        &self,
        client: &mut Client,
        app: &App,
        request: &ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        let ids = self.ids.take(client, request.entries().len()).await?;
        let change = Change::begin(client).await?;
        self.import_in(change, app, 0, request, &ids, now).await
    }

    async fn import_in(
        &self,
        mut change: Change<'_>,
        app: &App,
        counted: u64,
        request: &ImportRequest,
        ids: &[InternalId],
        now: UnixSeconds,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        let users = request.entries().iter().map(|entry| &entry.user_id);
        let mut stored = change.users(app.sdkappid, users).await?;
        let (writes, outcome) = plan_import(app, counted, request.clone(), &mut stored, ids, now)?;
        change
            .put(app.sdkappid, &writes, &stored, Also::Nothing)
            .await?;
        change.commit(self).await?;
        Ok(outcome)
    }

    pub(crate) async fn try_accounts(
        &self,
        client: &Client,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<StoredUsers, Failure<Infallible>> {
        known(client, app, users.iter()).await
    }

    pub(crate) async fn try_set_profile(
        &self,
        client: &mut Client,
        app: SdkAppId,
        user_id: &UserId,
        fields: &[ProfileField],
        now: UnixSeconds,
    ) -> Result<(), Failure<ProfileRefusal>> {
        let plan = |known| rules::profile::plan(known, fields.to_vec(), now);
        self.change_one(client, app, user_id, plan, Also::Nothing)
            .await
    }

    pub(crate) async fn try_kick(
        &self,
        client: &mut Client,
        app: SdkAppId,
        user_id: &UserId,
        now: UnixSeconds,
    ) -> Result<(), Failure<KickRefusal>> {
        let plan = |known| rules::kick::plan(known, now);
        self.change_one(client, app, user_id, plan, Also::Kicks)
            .await
    }

    async fn change_one<R, W: IntoIterator<Item = Write>>(
        &self,
        client: &mut Client,
        app: SdkAppId,
        user_id: &UserId,
        plan: impl FnOnce(Known) -> Result<W, R>,
        also: Also,
    ) -> Result<(), Failure<R>> {
        let mut change = Change::begin(client).await?;
        let stored = change.users(app, [user_id].into_iter()).await?;
        let writes = plan(known_of(&stored, user_id)).map_err(Failure::Refused)?;
        let writes = Vec::from_iter(writes);
        change.put(app, &writes, &stored, also).await?;
        change.commit(self).await
    }

    pub(crate) async fn try_delete(
        &self,
        client: &mut Client,
        sdkappid: SdkAppId,
        users: &[UserId],
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, Failure<DeleteRefusal>> {
        let mut change = Change::begin(client).await?;
        // Nobody becomes an admin meanwhile: that need not touch their account.
        let Revised { app, .. } = change.app_unchanging(sdkappid).await?;
        let stored = change.users(sdkappid, users.iter()).await?;
        let plan = rules::delete::plan(&app, users, in_order(users.iter(), &stored).collect(), now);
        let (writes, deletions) = plan.map_err(Failure::Refused)?;
        change
            .put(sdkappid, &writes, &stored, Also::Nothing)
            .await?;
        change.commit(self).await?;
        Ok(deletions)
    }

    pub(crate) async fn try_page(
        &self,
        client: &Client,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: i64,
    ) -> Result<Vec<Account>, Failure<Infallible>> {
        let page = format!(
            "SELECT {COLUMNS} FROM muster.account \
             WHERE sdkappid = $1 AND internal_id > $2 AND deleted_at IS NULL \
             ORDER BY internal_id LIMIT $3"
        );
        let statement = client.prepare_cached(&page).await?;
        // One beyond what is ever given is after all of them.
        let after = after.map_or(0, |id| i64::try_from(id.get()).unwrap_or(i64::MAX));
        let rows = client
            .query(&statement, &[&i64::from(app.0), &after, &limit])
            .await?;
        let mut accounts = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Known::Account(account) = StoredUser::read(row)?.known {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }

    pub(crate) async fn try_count(
        &self,
        client: &Client,
        app: SdkAppId,
    ) -> Result<u64, Failure<Infallible>> {
        let counted = count(client, app, counts::EXACT + 1).await?;
        Ok(self.counts.of(app, counted))
    }
}

/// Plans an import with these ids, one for each entry that makes an account. It takes from `stored` all but
/// the revisions: no user is named by two entries.
fn plan_import(
    app: &App,
    counted: u64,
    request: ImportRequest,
    stored: &mut StoredUsers,
    ids: &[InternalId],
    now: UnixSeconds,
) -> Result<(Vec<Write>, ImportOutcome), Failure<ImportRefusal>> {
    let known = request.entries().iter().map(|entry| {
        let stored = stored.get_mut(&entry.user_id);
        Stored::Known(stored.map_or(Known::Nothing, |stored| {
            mem::replace(&mut stored.known, Known::Nothing)
        }))
    });
    let known = known.collect();
    let mut ids = ids.iter();
    let next = || *ids.next().expect("there is one for each entry");
    rules::import::plan(app, counted, request, known, now, next).map_err(Failure::Refused)
}
