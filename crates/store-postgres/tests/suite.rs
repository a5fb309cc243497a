//! The store in a private PostgreSQL, against what every store must do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use muster_accounts::{AccountStore, Edition, NewApp, SdkAppId, Transfer as _, UnixSeconds};
use muster_store_postgres::{OpenError, Options, PostgresStore};
use muster_store_suite::{Subject, concurrent, model, transfer};
use muster_testkit::{PATIENCE, postgres};
use muster_usersig::SecretKey;
use tokio_postgres::NoTls;

/// Each call is some statements, so fewer cases than of a store in the same process.
const CASES: u32 = 12;

struct Postgres {
    url: String,
    store: PostgresStore,
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&Options::parse(url).unwrap())
        .await
        .unwrap()
}

impl Subject for Postgres {
    type Store = PostgresStore;
    const KEEPS_ORDER: bool = false;
    const COUNTS_IDS: bool = false;

    async fn new() -> Self {
        let url = postgres::shared().new_database();
        let store = open(&url).await;
        Self { url, store }
    }

    fn store(&self) -> &PostgresStore {
        &self.store
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        let store = open(&self.url).await;
        Self { store, ..self }
    }
}

/// The SQL by which `docs/scale.md` spreads the accounts over partitions.
fn partitions() -> &'static str {
    let document = include_str!("../../../docs/scale.md");
    let (_, sql) = document.split_once("```sql\n").unwrap();
    sql.split_once("```").unwrap().0
}

struct Partitioned(Postgres);

impl Subject for Partitioned {
    type Store = PostgresStore;
    const KEEPS_ORDER: bool = false;
    const COUNTS_IDS: bool = false;

    async fn new() -> Self {
        let made = Postgres::new().await;
        made.store.close().await.unwrap();
        postgres::shared().sql(&made.url, partitions());
        Self(made.reopen().await)
    }

    fn store(&self) -> &PostgresStore {
        &self.0.store
    }

    async fn reopen(self) -> Self {
        Self(self.0.reopen().await)
    }
}

#[test]
fn it_answers_as_the_model_does() {
    model::run::<Postgres>(CASES);
}

#[test]
fn it_does_so_in_partitions() {
    model::run::<Partitioned>(CASES / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once() {
    let url = postgres::shared().new_database();
    // What others want of transactions is not for muster's.
    let isolation = "SET default_transaction_isolation = 'repeatable read'";
    let (_, name) = url.rsplit_once('/').unwrap();
    postgres::shared().sql(&url, &format!("ALTER DATABASE {name} {isolation}"));
    concurrent::run(Arc::new(open(&url).await)).await;
}

/// It goes on from a copy of itself.
struct Copied(Postgres);

impl Subject for Copied {
    type Store = PostgresStore;
    const KEEPS_ORDER: bool = false;
    const COUNTS_IDS: bool = false;

    async fn new() -> Self {
        Self(Postgres::new().await)
    }

    fn store(&self) -> &PostgresStore {
        self.0.store()
    }

    async fn reopen(self) -> Self {
        Self(self.0.reopen().await)
    }

    async fn restore(self) -> Self {
        let copied = Postgres::new().await;
        transfer::copy(self.store(), copied.store()).await;
        self.0.store.close().await.unwrap();
        Self(copied)
    }
}

#[test]
fn a_copy_answers_as_the_model_does() {
    model::run::<Copied>(CASES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_filled() {
    let (filled, source) = (Postgres::new().await, Postgres::new().await);
    transfer::fill(filled.store(), source.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_filled_database_opens_for_filling_only() {
    let database = Postgres::new().await;
    database.store().begin_filling().await.unwrap();
    let mut options = Options::parse(&database.url).unwrap();
    let refused = PostgresStore::open(&options).await.err().unwrap();
    assert!(matches!(refused, OpenError::HalfFilled), "{refused}");
    options.for_filling();
    let filling = PostgresStore::open(&options).await.unwrap();
    let refused = filling.begin_filling().await.unwrap_err().to_string();
    assert!(
        refused.contains("other muster use this database"),
        "{refused}"
    );
    filling.end_filling().await.unwrap();
    database.reopen().await;
}

/// A lock that somebody else has.
struct Lock(tokio_postgres::Client);

impl Lock {
    async fn take(url: &str, lock: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let begin = format!("BEGIN; {lock}");
        client.batch_execute(&begin).await.unwrap();
        Self(client)
    }

    /// Waits until a connection of this name waits for it.
    async fn stops(&self, name: &str) {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND application_name = $1 AND datname = current_database()";
        let deadline = Instant::now() + PATIENCE;
        while self.0.query(waiting, &[&name]).await.unwrap().is_empty() {
            assert!(Instant::now() < deadline, "nothing waits for the lock");
            // It sees the same activity until a transaction ends.
            let again = "SELECT pg_stat_clear_snapshot()";
            self.0.batch_execute(again).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn release(self) {
        self.0.batch_execute("ROLLBACK").await.unwrap();
    }
}

fn named(url: &str, name: &str) -> Options {
    Options::parse(&format!("{url}?application_name={name}")).unwrap()
}

/// The node has looked for the note already, were it to do so before others see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_while_a_copy_begins_does_not_serve_what_is_half_filled() {
    let database = Postgres::new().await;
    let options = named(&database.url, "node");
    let lock = Lock::take(&database.url, "LOCK TABLE muster.node IN SHARE MODE").await;
    let node = tokio::spawn(async move { PostgresStore::open(&options).await });
    lock.stops("node").await;
    database.store().begin_filling().await.unwrap();
    lock.release().await;
    let refused = node.await.unwrap().err().unwrap();
    assert!(matches!(refused, OpenError::HalfFilled), "{refused}");
}

/// The copy has looked for nodes already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_begins_while_a_node_starts_leaves_the_database_to_it() {
    let Postgres { url, store } = Postgres::new().await;
    store.close().await.unwrap();
    let filling = PostgresStore::open(&named(&url, "copy")).await.unwrap();
    let note = "INSERT INTO muster.counter VALUES ('filling', 0)";
    postgres::shared().sql(&url, note);
    let of_note = "SELECT FROM muster.counter WHERE name = 'filling' FOR UPDATE";
    let lock = Lock::take(&url, of_note).await;
    let begun = tokio::spawn(async move { filling.begin_filling().await });
    lock.stops("copy").await;
    let _node = open(&url).await;
    lock.release().await;
    let refused = begun.await.unwrap().unwrap_err().to_string();
    assert!(
        refused.contains("other muster use this database"),
        "{refused}"
    );
    // Others can start as ever.
    open(&url).await;
}

/// Whoever changes a database that is held fails, rather than being left out of what is read of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_changes_a_database_that_is_held() {
    let database = Postgres::new().await;
    let new = |number| NewApp {
        sdkappid: SdkAppId(number),
        edition: Edition::Developer,
        key: SecretKey::from_random([1; 32]),
    };
    let store = database.store();
    let other = open(&database.url).await;
    let held = store.hold().await.unwrap();
    assert!(other.create_app(new(1), UnixSeconds(1)).await.is_err());
    held.release().await.unwrap();
    other.create_app(new(2), UnixSeconds(1)).await.unwrap();

    let held = other.hold().await.unwrap();
    postgres::shared().sql(
        &database.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)
         WHERE mode = 'ShareLock' AND pid <> pg_backend_pid() AND datname = current_database()",
    );
    assert!(held.release().await.is_err(), "the lock was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_of_several_nodes_at_once() {
    let url = postgres::shared().new_database();
    let nodes = [open(&url).await, open(&url).await];
    let nodes = nodes.into_iter().map(|store| Arc::new(store) as _);
    concurrent::run_over(nodes.collect()).await;
}
