//! Many callers at once. What is asked of a store is what holds in every order that the calls may have
//! taken effect in, so nothing here depends on which of them was faster.
//!
//! - `groups`: each call writes a whole group of users, and every read sees one writing whole.
//! - `comings`: users come and go; of each, imports and deletions alternate.
//! - `newcomers`: one user is new to one caller only.
//! - `limits`: what is limited is never more, and what callers change of an app adds up.
//!
//! Callers step aside before each call, as calls on a store that never waits would not overlap else.

mod comings;
mod groups;
mod limits;
mod newcomers;

use std::{
    collections::HashSet,
    panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use muster_accounts::{
    AccountStore, Edition, NewApp, Nick, SdkAppId, UnixSeconds, UserId, rules::import::ImportEntry,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    answer::all_accounts,
    call::{entry_of, key},
};

/// Callers of each kind.
const CALLERS: usize = 16;

/// When calls are taken for waiting on one another for ever.
const PATIENCE: Duration = Duration::from_mins(5);

/// Drives an empty store from many tasks at once. To be called on a multi-threaded runtime.
pub async fn run(store: Arc<dyn AccountStore>) {
    run_over(vec![store]).await;
}

/// Likewise through several doors to the same records, as when several nodes share a database: each
/// caller uses one of them, so that what one node acknowledged is asked of another. Of apps, what a door
/// remembers may be a moment old; what it changes may not.
pub async fn run_over(stores: Vec<Arc<dyn AccountStore>>) {
    let flavor = Handle::current().runtime_flavor();
    assert_eq!(flavor, RuntimeFlavor::MultiThread, "nothing would overlap");
    let shared = Shared {
        stores: stores.into(),
        ticks: Arc::default(),
    };
    let scenarios = async {
        let mut scenarios = JoinSet::new();
        scenarios.spawn(groups::run(shared.clone()));
        scenarios.spawn(comings::run(shared.clone()));
        scenarios.spawn(newcomers::run(shared.clone()));
        scenarios.spawn(limits::run(shared.clone()));
        all(scenarios).await;
    };
    let ended = timeout(PATIENCE, scenarios).await;
    ended.expect("calls wait for one another");
    for store in &*shared.stores {
        assert_adds_up(&**store).await;
    }
}

/// What all callers share.
#[derive(Clone)]
struct Shared {
    stores: Arc<[Arc<dyn AccountStore>]>,
    ticks: Arc<AtomicU64>,
}

impl Shared {
    /// The door that this caller uses.
    fn store(&self, caller: usize) -> Arc<dyn AccountStore> {
        self.stores[caller % self.stores.len()].clone()
    }

    /// A number greater than all that were given before. A call that ends before another begins has an
    /// end less than the other's beginning.
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn create_app(&self, sdkappid: SdkAppId, edition: Edition) {
        let new = NewApp {
            sdkappid,
            edition,
            key: key(1),
        };
        self.store(0).create_app(new, time(0)).await.unwrap();
        self.until_known(sdkappid).await;
    }

    /// Waits until every door knows the app: a node may learn of it a moment after another made it.
    async fn until_known(&self, sdkappid: SdkAppId) {
        for store in &*self.stores {
            while store.app(sdkappid).await.unwrap().is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// The time of a call, another one for each tick.
fn time(tick: u64) -> UnixSeconds {
    UnixSeconds(1_800_000_000).plus(tick)
}

fn user(name: &str, number: usize) -> UserId {
    UserId::parse(&format!("{name}{number}")).unwrap()
}

fn entry(user_id: UserId, nick: u64) -> ImportEntry {
    ImportEntry {
        nick: Some(Nick::parse(nick.to_string().into()).unwrap()),
        ..entry_of(user_id)
    }
}

/// Waits for all tasks, and panics as the first of them that does.
async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(result) => results.push(result),
            Err(error) => panic::resume_unwind(error.into_panic()),
        }
    }
    results
}

/// Once all is quiet, every way of asking gives the same accounts.
async fn assert_adds_up(store: &dyn AccountStore) {
    let mut ids = HashSet::new();
    for app in store.apps().await.unwrap() {
        let accounts = all_accounts(store, &app, 7).await;
        let count = store.count(app.sdkappid).await.unwrap();
        assert_eq!(accounts.len() as u64, count, "{}", app.sdkappid);
        let users: Vec<UserId> = accounts.iter().map(|account| account.user_id).collect();
        let found = store.check(app.sdkappid, &users).await.unwrap();
        assert_eq!(found, vec![true; users.len()], "{}", app.sdkappid);
        let same = store.accounts(app.sdkappid, &users).await.unwrap();
        let same: Vec<_> = same.into_iter().flatten().collect();
        assert_eq!(same, accounts, "{}", app.sdkappid);
        for account in accounts {
            let new = ids.insert(account.internal_id);
            assert!(new, "two accounts have {}", account.internal_id);
        }
    }
}
