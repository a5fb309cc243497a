//! The account store in a PostgreSQL database, for any number of muster nodes at a time.
//!
//! A node keeps nothing of its own: it reads what is stored, asks the rules, and writes the plan in one
//! statement that does nothing if another call has changed one of the users since; then it plans anew.
//! So a batch costs one round trip if all of its users are new or none is changed, and two otherwise. An
//! import that was overtaken takes its rows before it plans anew; other changes always do.
//!
//! - `schema`: the tables, and how they come to be.
//! - `connect`, `lent`, `retry`: connections, and what is done when they or the database fail.
//! - `tls`: encryption on the way.
//! - `tries`, `change`: one try of each call.
//! - `statements`, `row`, `text`, `more`: accounts in SQL.
//! - `apps`: apps in SQL and in memory.
//! - `ids`: internal ids, in blocks.
//! - `feed`, `bell`: what other nodes have changed.
//! - `cluster`: what the nodes share beside the accounts: who is online, rates.
//! - `counts`: how many accounts there are.
//! - `transfer`: all records as they stand, for a copy into another store or from one.
//! - `check`: whether a database is fit for all that, without changing it.

mod apps;
mod bell;
mod change;
mod check;
mod cluster;
mod connect;
mod counts;
mod feed;
mod ids;
mod lent;
mod more;
mod retry;
mod row;
mod schema;
pub mod sql;
mod statements;
mod text;
mod tls;
mod transfer;
mod tries;

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
use deadpool_postgres::Pool;
use muster_accounts::{
    Account, AccountStore, App, AppChange, Cluster, InternalId, NewApp, OpError, ProfileField,
    SdkAppId, StoreError, StoreStats, UnixSeconds, UserId,
    rules::{
        Known,
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

use crate::{
    apps::Apps,
    cluster::PostgresCluster,
    counts::Counts,
    feed::{Feed, Health},
    ids::Ids,
    lent::Lent,
    retry::{Failure, Repeat, tried},
    tries::{in_order, known_of},
};
use tokio::{sync::Notify, time::timeout};

pub use crate::{
    check::{Finding, Verdict, check},
    connect::{OpenError, Options},
    schema::{SchemaError, VERSION as SCHEMA_VERSION},
    tls::TlsError,
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
    /// Wakes those of the other nodes.
    rung: Notify,
    /// [`AccountStore::kicks`].
    kicks: AtomicU64,
    counts: Counts,
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
        let mut client = connected.map_err(|error| OpenError::Connect(tls::told(&error)))?;
        options.warn_of_plain_text();
        check::warn_of_lost_commits(&client).await;
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
            rung: Notify::new(),
            kicks: AtomicU64::new(0),
            counts: Counts::default(),
            commits: AtomicU64::new(0),
            committed_records: AtomicU64::new(0),
            commit_time_us: AtomicU64::new(0),
        });
        let feed = Feed::start(shared.clone(), options.of_feed())
            .await
            .map_err(|error| OpenError::Connect(error.to_string()))?;
        let store = Self { shared, feed };
        if let Err(refusal) = store.refuse_half_filled(options).await {
            // Whoever fills it waits until this node is gone.
            let _ = store.close().await;
            return Err(refusal);
        }
        Ok(store)
    }

    fn known_app(&self, app: SdkAppId) -> Result<Arc<App>, StoreError> {
        let known = self.shared.apps.get(app)?;
        known.ok_or(StoreError::UnknownApp(app))
    }
}

/// The outcome of a call that no rule can refuse.
fn unrefused<T>(outcome: Result<T, OpError<Infallible>>) -> Result<T, StoreError> {
    outcome.map_err(|error| match error {
        OpError::Refused(never) => match never {},
        OpError::Store(error) => error,
    })
}

impl Shared {
    async fn client<R>(&self) -> Result<Lent, Failure<R>> {
        Ok(Lent::new(self.pool.get().await?))
    }

    /// After a failover, connections may lead to a server that takes no writes.
    fn let_go<R>(&self, failure: &Failure<R>) {
        if retry::spoils_connections(failure) {
            self.pool.retain(|_, _| false);
        }
    }

    /// There is something to do at the next look, which is to be soon.
    pub(crate) fn look_soon(&self) {
        self.nudged.notify_one();
    }

    /// Other nodes are to look soon.
    pub(crate) fn ring(&self) {
        self.rung.notify_one();
    }

    /// Who found no connection because the database is away is told that.
    pub(crate) fn blamed<R>(&self, error: OpError<R>) -> OpError<R> {
        match (error, self.health.ready()) {
            (OpError::Store(StoreError::Busy), Err(cause)) => cause.into(),
            (error, _) => error,
        }
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
        tried!(shared, Repeat::Harmless, |client, again| shared
            .try_import(client, &app, &request, now, again))
    }

    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        let found = tried!(shared, Repeat::Harmless, |client| {
            statements::imported(client, app, users)
        });
        let imported = unrefused(found)?;
        Ok(users
            .iter()
            .map(|user_id| imported.contains(user_id))
            .collect())
    }

    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        let stored = tried!(shared, Repeat::Harmless, |client| shared
            .try_accounts(client, app, users));
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
        tried!(shared, Repeat::Harmless, |client| shared
            .try_set_profile(client, app, &user_id, &fields, now))
    }

    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        self.known_app(app)?;
        let shared = &self.shared;
        tried!(shared, Repeat::Tells, |client| shared
            .try_delete(client, app, &users, now))
    }

    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        self.known_app(app)?;
        let shared = &self.shared;
        let kicked = tried!(shared, Repeat::Harmless, |client| shared
            .try_kick(client, app, &user_id, now));
        // Also if it failed: it may have happened.
        shared.kicks.fetch_add(1, Ordering::Release);
        shared.ring();
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
        let stored = tried!(shared, Repeat::Harmless, |client| shared
            .try_accounts(client, app, &users));
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
        unrefused(tried!(shared, Repeat::Harmless, |client| shared
            .try_page(client, app, after, limit)))
    }

    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError> {
        self.known_app(app)?;
        let shared = &self.shared;
        unrefused(tried!(shared, Repeat::Harmless, |client| shared
            .try_count(client, app)))
    }

    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        self.shared.apps.get(app)
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
        tried!(shared, Repeat::Tells, |client| shared
            .try_create_app(client, &new, now))
    }

    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let shared = &self.shared;
        tried!(shared, Repeat::Tells, |client| shared
            .try_change_app(client, app, &change, now))
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
            cluster::remove_node(&*client, &shared.cluster).await
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
            accounts: shared.counts.all(),
            waiting: shared.pool.status().waiting as u64,
            commits,
            committed_requests: commits,
            committed_records: shared.committed_records.load(Ordering::Relaxed),
            commit_time_us: shared.commit_time_us.load(Ordering::Relaxed),
        }
    }
}
