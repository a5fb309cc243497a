//! Calls whose caller goes while they wait for the database.

use std::time::Duration;

use muster_accounts::{AccountStore, ProfileField};
use muster_testkit::postgres;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::{APP, DEADLINE, NOW, import_of, open_with_app, soon, user};

/// A transaction of somebody else's, which has taken the rows of `muster.account`.
struct Locked(tokio_postgres::Client);

impl Locked {
    async fn take(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let lock = "BEGIN; SELECT FROM muster.account FOR UPDATE";
        client.batch_execute(lock).await.unwrap();
        Self(client)
    }

    /// Statements of muster that wait for it.
    async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.0.query_one(waiting, &[]).await.unwrap().get(0)
    }

    async fn release(self) {
        self.0.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_a_call_that_was_dropped() {
    let url = postgres::shared().new_database();
    let store = open_with_app(&url).await;
    store.import(APP, import_of("ann", "a"), NOW).await.unwrap();
    let locked = Locked::take(&url).await;

    // One waits in a transaction, one in a statement of its own.
    let level = || vec![ProfileField::Level(1)];
    for _ in 0..2 {
        let set = store.set_profile(APP, user("ann"), level(), NOW);
        let import = store.import(APP, import_of("ann", "b"), NOW);
        let given_up = Duration::from_millis(100);
        let both = tokio::join!(timeout(given_up, set), timeout(given_up, import));
        assert!(both.0.is_err() && both.1.is_err(), "the row is locked");
    }
    for name in ["bob", "cid"] {
        let checked = timeout(DEADLINE, store.check(APP, &[user("ann")])).await;
        assert_eq!(checked.expect("a free connection").unwrap(), [true]);
        let import = store.import(APP, import_of(name, "b"), NOW);
        let imported = timeout(DEADLINE, import).await;
        imported.expect("a free connection").unwrap();
    }
    // What was dropped goes before the database gives it up by itself.
    let gone = soon("it goes", async || locked.waiting().await == 0);
    timeout(DEADLINE, gone).await.expect("it is cancelled");

    locked.release().await;
    let ann = store.accounts(APP, &[user("ann")]).await.unwrap();
    let profile = &ann[0].as_ref().unwrap().profile;
    assert_eq!((profile.nick.as_str(), &profile.more), ("a", &None));
    store.import(APP, import_of("ann", "c"), NOW).await.unwrap();
}
