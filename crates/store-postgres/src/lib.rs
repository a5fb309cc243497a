//! The account store in a PostgreSQL database, for any number of muster nodes at a time.
//!
//! A node keeps nothing of its own: it reads what is stored, asks the rules, and writes the plan in one
//! statement that does nothing if another call has changed one of the users since; then it plans anew.
//! So a batch costs one round trip if all of its users are new or none is changed, and two otherwise. An
//! import that was overtaken takes its rows before it plans anew; other changes always do.
//!
//! - `schema`: the tables, and how they come to be.
//! - `connect`, `retry`: connections, and what is done when they or the database fail.
//! - `statements`, `row`, `text`, `more`: accounts in SQL.
//! - `apps`: apps in SQL and in memory.
//! - `ids`: internal ids, in blocks.
//! - `feed`: what other nodes have changed.
//! - `cluster`: what the nodes share beside the accounts: who is online, rates.

mod apps;
mod cluster;
mod connect;
mod feed;
mod ids;
mod more;
mod retry;
mod row;
mod schema;
mod statements;
mod text;

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Pool, Transaction};
use muster_accounts::{
    Account, AccountStore, App, AppChange, Cluster, InternalId, NewApp, OpError, ProfileField,
    SdkAppId, StoreError, StoreStats, UnixSeconds, UserId,
    rules::{
        self, Known, Write,
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest, Stored},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

use crate::{
    apps::{Apps, Revised},
    cluster::PostgresCluster,
    feed::{Feed, Health},
    ids::Ids,
    retry::{Failure, Repeat, tried},
    row::{COLUMNS, StoredUser},
    statements::{Also, StoredUsers, known, locked, make_or_known, put},
};
use tokio::{sync::Notify, time::timeout};

pub use crate::{
    connect::{OpenError, Options},
    schema::{SchemaError, VERSION as SCHEMA_VERSION},
};

/// How long the first connection may take.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// The PostgreSQL [`AccountStore`].
pub struct PostgresStore {
    shared: Arc<Shared>,
    feed: Feed,
}

/// What the calls and the feed share.
pub(crate) struct Shared {
    pool: Pool,
    apps: Apps,
    ids: Ids,
    health: Health,
    cluster: cluster::State,
    /// Wakes the feed.
    nudged: Notify,
    /// [`AccountStore::kicks`].
    kicks: AtomicU64,
    accounts: AtomicU64,
    commits: AtomicU64,
    committed_records: AtomicU64,
    commit_time_us: AtomicU64,
}

impl PostgresStore {
    /// Connects, makes the schema or brings it up to date, and reads the apps. Needs a tokio runtime,
    /// on which it goes on asking what other nodes have changed, over two connections of its own.
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let pool = connect::pool(options);
        let connected = timeout(OPEN_PATIENCE, pool.get()).await;
        let connected = connected.map_err(|_| OpenError::Connect("it is silent".to_owned()))?;
        let mut client = connected.map_err(|error| OpenError::Connect(retry::told(&error)))?;
        let encoding = client.query_one("SHOW server_encoding", &[]).await;
        let encoding: String = encoding.map_err(SchemaError::Database)?.get(0);
        if encoding != "UTF8" {
            return Err(OpenError::Encoding(encoding));
        }
        schema::migrate(&mut client).await?;
        drop(client);
        let shared = Arc::new(Shared {
            pool,
            apps: Apps::default(),
            ids: Ids::default(),
            health: Health::default(),
            cluster: cluster::State::new(),
            nudged: Notify::new(),
            kicks: AtomicU64::new(0),
            accounts: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            committed_records: AtomicU64::new(0),
            commit_time_us: AtomicU64::new(0),
        });
        let feed = Feed::start(shared.clone(), connect::pool(&options.of_feed()))
            .await
            .map_err(|error| OpenError::Connect(error.to_string()))?;
        Ok(Self { shared, feed })
    }

    fn known_app(&self, app: SdkAppId) -> Result<Arc<App>, StoreError> {
        self.shared.apps.get(app).ok_or(StoreError::UnknownApp(app))
    }
}

/// The outcome of a call that no rule can refuse.
fn unrefused<T>(outcome: Result<T, OpError<Infallible>>) -> Result<T, StoreError> {
    outcome.map_err(|error| match error {
        OpError::Refused(never) => match never {},
        OpError::Store(error) => error,
    })
}

/// What a plan is made from, in the order of the call's users.
fn in_order<'u>(
    users: impl Iterator<Item = &'u UserId>,
    stored: &StoredUsers,
) -> impl Iterator<Item = Known> {
    users.map(|user_id| match stored.get(user_id) {
        Some(stored) => stored.known.clone(),
        None => Known::Nothing,
    })
}

/// One try of each call.
impl Shared {
    async fn client<R>(&self) -> Result<Object, Failure<R>> {
        Ok(self.pool.get().await?)
    }

    /// After a failover, connections may lead to a server that takes no writes.
    fn let_go<R>(&self, failure: &Failure<R>) {
        if retry::spoils_connections(failure) {
            self.pool.retain(|_, _| false);
        }
    }

    /// Something has changed that other nodes, and sessions of this one, are to know of now.
    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }

    fn committed(&self, records: usize, began: Instant) {
        if records == 0 {
            return;
        }
        let time_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.committed_records
            .fetch_add(records as u64, Ordering::Relaxed);
        self.commit_time_us.fetch_add(time_us, Ordering::Relaxed);
    }

    async fn try_import(
        &self,
        app: &App,
        request: &ImportRequest,
        now: UnixSeconds,
        again: bool,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        if app.edition.account_cap().is_some() {
            return self.try_capped_import(app.sdkappid, request, now).await;
        }
        if again {
            return self.try_locked_import(app, request, now).await;
        }
        let client = self.client().await?;
        let sdkappid = app.sdkappid;
        let entries = request.entries();
        let users = || entries.iter().map(|entry| &entry.user_id);
        let plan = |stored: &StoredUsers, ids: &[InternalId]| {
            plan_import(app, 0, request.clone(), stored, ids, now)
        };
        if request.is_dry_run() {
            let stored = known(&client, sdkappid, users()).await?;
            return Ok(plan(&stored, &[])?.1);
        }
        let began = Instant::now();
        let ids = self.ids.take(&client, entries.len()).await?;
        let stored = make_or_known(&client, sdkappid, entries, &ids, now).await?;
        let (writes, outcome) = plan(&stored, &ids)?;
        if !stored.is_empty() {
            put(&client, sdkappid, &writes, &stored, Also::Nothing).await?;
        }
        self.committed(writes.len(), began);
        Ok(outcome)
    }

    /// One import into an app at a time, for only so can its accounts be counted.
    async fn try_capped_import(
        &self,
        sdkappid: SdkAppId,
        request: &ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        let mut client = self.client().await?;
        let began = Instant::now();
        let entries = request.entries();
        let ids = self.ids.take(&client, entries.len()).await?;
        let transaction = client.transaction().await?;
        let Revised { app, .. } = apps::locked(&transaction, sdkappid)
            .await?
            .ok_or(StoreError::UnknownApp(sdkappid))?;
        let counted = count(&transaction, sdkappid).await?;
        let users = entries.iter().map(|entry| &entry.user_id);
        let stored = locked(&transaction, sdkappid, users).await?;
        // All but `administrator`, whom every app has.
        let counted = counted.saturating_sub(1);
        let (writes, outcome) = plan_import(&app, counted, request.clone(), &stored, &ids, now)?;
        put(&transaction, sdkappid, &writes, &stored, Also::Nothing).await?;
        transaction.commit().await?;
        self.committed(writes.len(), began);
        Ok(outcome)
    }

    /// After another call came first: the users who are there wait for this one from now on.
    async fn try_locked_import(
        &self,
        app: &App,
        request: &ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, Failure<ImportRefusal>> {
        let mut client = self.client().await?;
        let began = Instant::now();
        let entries = request.entries();
        let ids = self.ids.take(&client, entries.len()).await?;
        let transaction = client.transaction().await?;
        let users = entries.iter().map(|entry| &entry.user_id);
        let stored = locked(&transaction, app.sdkappid, users).await?;
        let (writes, outcome) = plan_import(app, 0, request.clone(), &stored, &ids, now)?;
        put(&transaction, app.sdkappid, &writes, &stored, Also::Nothing).await?;
        transaction.commit().await?;
        self.committed(writes.len(), began);
        Ok(outcome)
    }

    async fn try_accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<StoredUsers, Failure<Infallible>> {
        let client = self.client().await?;
        known(&client, app, users.iter()).await
    }

    async fn try_set_profile(
        &self,
        app: SdkAppId,
        user_id: &UserId,
        fields: &[ProfileField],
        now: UnixSeconds,
    ) -> Result<(), Failure<ProfileRefusal>> {
        let mut client = self.client().await?;
        let began = Instant::now();
        let transaction = client.transaction().await?;
        let stored = locked(&transaction, app, [user_id].into_iter()).await?;
        let plan = rules::profile::plan(known_of(&stored, user_id), fields.to_vec(), now);
        let writes = Vec::from_iter(plan.map_err(Failure::Refused)?);
        put(&transaction, app, &writes, &stored, Also::Nothing).await?;
        transaction.commit().await?;
        self.committed(writes.len(), began);
        Ok(())
    }

    async fn try_delete(
        &self,
        sdkappid: SdkAppId,
        users: &[UserId],
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, Failure<DeleteRefusal>> {
        let mut client = self.client().await?;
        let began = Instant::now();
        let transaction = client.transaction().await?;
        // Nobody becomes an admin meanwhile: that need not touch their account.
        let Revised { app, .. } = apps::unchanging(&transaction, sdkappid)
            .await?
            .ok_or(StoreError::UnknownApp(sdkappid))?;
        let stored = locked(&transaction, sdkappid, users.iter()).await?;
        let plan = rules::delete::plan(&app, users, in_order(users.iter(), &stored).collect(), now);
        let (writes, deletions) = plan.map_err(Failure::Refused)?;
        put(&transaction, sdkappid, &writes, &stored, Also::Nothing).await?;
        transaction.commit().await?;
        self.committed(writes.len(), began);
        Ok(deletions)
    }

    async fn try_kick(
        &self,
        app: SdkAppId,
        user_id: &UserId,
        now: UnixSeconds,
    ) -> Result<(), Failure<KickRefusal>> {
        let mut client = self.client().await?;
        let began = Instant::now();
        let transaction = client.transaction().await?;
        let stored = locked(&transaction, app, [user_id].into_iter()).await?;
        let plan = rules::kick::plan(known_of(&stored, user_id), now);
        let writes = Vec::from_iter(plan.map_err(Failure::Refused)?);
        put(&transaction, app, &writes, &stored, Also::Kicks).await?;
        transaction.commit().await?;
        self.committed(writes.len(), began);
        Ok(())
    }

    async fn try_page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: i64,
    ) -> Result<Vec<Account>, Failure<Infallible>> {
        let page = format!(
            "SELECT {COLUMNS} FROM muster.account \
             WHERE sdkappid = $1 AND internal_id > $2 AND deleted_at IS NULL \
             ORDER BY internal_id LIMIT $3"
        );
        let client = self.client().await?;
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

    async fn try_count(&self, app: SdkAppId) -> Result<u64, Failure<Infallible>> {
        let client = self.client().await?;
        count(&client, app).await
    }

    async fn try_create_app(
        &self,
        new: &NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, Failure<AppRefusal>> {
        let mut client = self.client().await?;
        let id = self.ids.take(&client, 1).await?[0];
        let transaction = client.transaction().await?;
        let existing = apps::locked(&transaction, new.sdkappid).await?;
        let existing = existing.as_ref().map(|revised| &*revised.app);
        let plan = rules::app::create(existing, new.clone(), now, || id);
        let (app, write) = plan.map_err(Failure::Refused)?;
        let revised = Revised {
            app: Arc::new(app),
            revision: 0,
        };
        self.write_app(transaction, revised, &[write], &StoredUsers::new())
            .await
    }

    async fn try_change_app(
        &self,
        app: SdkAppId,
        change: &AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, Failure<AppRefusal>> {
        let mut client = self.client().await?;
        let id = self.ids.take(&client, 1).await?[0];
        let transaction = client.transaction().await?;
        let Revised {
            app: before,
            revision,
        } = apps::locked(&transaction, app)
            .await?
            .ok_or(StoreError::UnknownApp(app))?;
        let new_admin = change.new_admin();
        let stored = locked(&transaction, app, new_admin.into_iter()).await?;
        let of_admin = new_admin.map_or(Known::Nothing, |user_id| known_of(&stored, user_id));
        let plan = rules::app::change(&before, change.clone(), of_admin, now, || id);
        let (changed, write) = plan.map_err(Failure::Refused)?;
        let revised = Revised {
            app: Arc::new(changed),
            revision: revision + 1,
        };
        self.write_app(transaction, revised, &Vec::from_iter(write), &stored)
            .await
    }

    async fn write_app(
        &self,
        transaction: Transaction<'_>,
        revised: Revised,
        writes: &[Write],
        stored: &StoredUsers,
    ) -> Result<Arc<App>, Failure<AppRefusal>> {
        let began = Instant::now();
        apps::write(&transaction, &revised).await?;
        let sdkappid = revised.app.sdkappid;
        put(&transaction, sdkappid, writes, stored, Also::Nothing).await?;
        transaction.commit().await?;
        self.committed(1 + writes.len(), began);
        let app = revised.app.clone();
        self.apps.put(revised);
        self.nudge();
        Ok(app)
    }
}

fn known_of(stored: &StoredUsers, user_id: &UserId) -> Known {
    let stored = stored.get(user_id);
    stored.map_or(Known::Nothing, |stored| stored.known.clone())
}

/// Plans an import with these ids, one for each entry that makes an account.
fn plan_import(
    app: &App,
    counted: u64,
    request: ImportRequest,
    stored: &StoredUsers,
    ids: &[InternalId],
    now: UnixSeconds,
) -> Result<(Vec<Write>, ImportOutcome), Failure<ImportRefusal>> {
    let users = request.entries().iter().map(|entry| &entry.user_id);
    let known = in_order(users, stored).map(Stored::Known).collect();
    let mut ids = ids.iter();
    let next = || *ids.next().expect("there is one for each entry");
    rules::import::plan(app, counted, request, known, now, next).map_err(Failure::Refused)
}

/// How many accounts an app has.
async fn count<R>(client: &impl GenericClient, app: SdkAppId) -> Result<u64, Failure<R>> {
    const COUNT: &str =
        "SELECT count(*) FROM muster.account WHERE sdkappid = $1 AND deleted_at IS NULL";
    let statement = client.prepare_cached(COUNT).await?;
    let row = client.query_one(&statement, &[&i64::from(app.0)]).await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

#[async_trait]
impl AccountStore for PostgresStore {
    async fn import(
        &self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        let app = self.known_app(app)?;
        let shared = &self.shared;
        tried!(shared, Repeat::Harmless, |again| shared
            .try_import(&app, &request, now, again))
    }

    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let found = self.accounts(app, users).await?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        let stored = tried!(shared, Repeat::Harmless, shared.try_accounts(app, users));
        let known = unrefused(stored)?;
        let known = in_order(users.iter(), &known);
        Ok(known
            .map(|known| match known {
                Known::Account(account) => Some(account),
                Known::Nothing | Known::Deleted(_) => None,
            })
            .collect())
    }

    async fn set_profile(
        &self,
        app: SdkAppId,
        user_id: UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>> {
        self.known_app(app)?;
        let shared = &self.shared;
        let set = || shared.try_set_profile(app, &user_id, &fields, now);
        tried!(shared, Repeat::Harmless, set())
    }

    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        self.known_app(app)?;
        let shared = &self.shared;
        tried!(shared, Repeat::Tells, shared.try_delete(app, &users, now))
    }

    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        self.known_app(app)?;
        let shared = &self.shared;
        let kicked = tried!(
            shared,
            Repeat::Harmless,
            shared.try_kick(app, &user_id, now)
        );
        // Also if it failed: it may have happened.
        shared.kicks.fetch_add(1, Ordering::Release);
        shared.nudge();
        kicked
    }

    async fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        let users = [*user_id];
        let stored = tried!(shared, Repeat::Harmless, shared.try_accounts(app, &users));
        Ok(known_of(&unrefused(stored)?, user_id).kicked_at())
    }

    fn kicks(&self) -> u64 {
        self.shared.kicks.load(Ordering::Acquire)
    }

    async fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        unrefused(tried!(
            shared,
            Repeat::Harmless,
            shared.try_page(app, after, limit)
        ))
    }

    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        unrefused(tried!(shared, Repeat::Harmless, shared.try_count(app)))
    }

    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        Ok(self.shared.apps.get(app))
    }

    async fn apps(&self) -> Result<Vec<Arc<App>>, StoreError> {
        Ok(self.shared.apps.all())
    }

    async fn create_app(
        &self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let shared = &self.shared;
        tried!(shared, Repeat::Tells, shared.try_create_app(&new, now))
    }

    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let shared = &self.shared;
        tried!(
            shared,
            Repeat::Tells,
            shared.try_change_app(app, &change, now)
        )
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.shared.health.ready()
    }

    /// Never: it works again as soon as the database does.
    async fn stopped(&self) -> StoreError {
        std::future::pending().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.feed.end();
        let shared = &self.shared;
        let leave = async || {
            let client = shared.client().await?;
            cluster::remove_node(&client, &shared.cluster).await
        };
        // If it fails, the others find out by themselves that this node is gone.
        let _: Result<_, Failure<Infallible>> = leave().await;
        self.shared.pool.close();
        Ok(())
    }

    fn back_up(&self, _: &mut dyn io::Write) -> Result<(), StoreError> {
        Err(StoreError::Failed(
            "accounts in a PostgreSQL database are backed up with its own means: pg_dump --schema=muster"
                .into(),
        ))
    }

    fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        Some(Arc::new(PostgresCluster(self.shared.clone())))
    }

    fn stats(&self) -> StoreStats {
        let shared = &self.shared;
        let commits = shared.commits.load(Ordering::Relaxed);
        StoreStats {
            accounts: shared.accounts.load(Ordering::Relaxed),
            waiting: shared.pool.status().waiting as u64,
            commits,
            committed_requests: commits,
            committed_records: shared.committed_records.load(Ordering::Relaxed),
            commit_time_us: shared.commit_time_us.load(Ordering::Relaxed),
        }
    }
}
