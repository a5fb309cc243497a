//! Three nodes over a database with a standby. A node is killed and started again, then the database is
//! killed for good and the standby takes over, all while callers write through all nodes. Then:
//!
//! - what was acknowledged last of each user is there, at every node, and who was deleted is gone;
//! - nobody is there who was never asked for;
//! - no internal id was ever given to two users, before, between and after;
//! - all nodes went on by themselves.
//!
//! `MUSTER_FAILOVER_SEED` repeats a run's choices. The figures are for `--nocapture`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    thread::JoinHandle,
    time::Instant,
};

use muster_client::{ImportEntry, operator::Account};
use muster_testkit::{
    Muster,
    postgres::{Postgres, Replication},
};

use crate::{
    SDKAPPID, client, make_app, node, operator, soon,
    writers::{Load, NODES, Writer},
};

const NAMES: [&str; NODES] = ["a", "b", "c"];

/// Writes that each node is to acknowledge before the next blow.
const BETWEEN_BLOWS: usize = 60;

/// The database's URL with both hosts, of which the nodes take the one that takes writes.
fn url_of_both(primary: &Postgres, standby: &Postgres, database: &str) -> String {
    let (one, other) = (primary.url(database), standby.url(database));
    let (credentials_and_host, name) = one.rsplit_once('/').unwrap();
    let (_, host_and_name) = other.rsplit_once('@').unwrap();
    let (other_host, same_name) = host_and_name.split_once('/').unwrap();
    assert_eq!(name, same_name);
    format!("{credentials_and_host},{other_host}/{name}")
}

/// Waits until these nodes have acknowledged so many more writes.
async fn goes_on(load: &Load, writers: &[JoinHandle<Writer>], nodes: &[usize]) {
    let before = load.acknowledged();
    soon("writes at all nodes", async || {
        let has_panicked = writers.iter().any(JoinHandle::is_finished);
        assert!(
            !has_panicked,
            "a writer was told something wrong; it says what"
        );
        let now = load.acknowledged();
        nodes
            .iter()
            .all(|&node| now[node] - before[node] >= BETWEEN_BLOWS)
    })
    .await;
}

/// In one page, which is of one moment: between two, a user may go and come again with another id.
async fn all_accounts(node: &Muster) -> Vec<Account> {
    const LIMIT: u32 = 10_000;
    let page = operator(node).accounts(SDKAPPID, None, LIMIT).await;
    let accounts = page.unwrap().accounts;
    assert!(accounts.len() < LIMIT as usize, "there may be more");
    accounts
}

/// Who has which internal id, whenever it was looked.
#[derive(Default)]
struct Ids(HashMap<String, String>);

impl Ids {
    async fn look(&mut self, node: &Muster) -> BTreeMap<String, Account> {
        let mut by_user = BTreeMap::new();
        for account in all_accounts(node).await {
            let Account {
                internal_id,
                user_id,
                ..
            } = &account;
            let had = self.0.insert(internal_id.clone(), user_id.clone());
            assert!(
                had.as_ref().is_none_or(|had| had == user_id),
                "{internal_id} was {had:?}'s and is {user_id}'s"
            );
            let twice = by_user.insert(user_id.clone(), account);
            assert!(twice.is_none(), "{twice:?} is there twice");
        }
        by_user
    }
}

/// The users of whom something else is there than may be.
fn lost(writers: &[Writer], stored: &BTreeMap<String, Account>) -> Vec<String> {
    let mut lost = Vec::new();
    let mut asked_for = 0;
    for (user_id, expected) in writers.iter().flat_map(|writer| &writer.users) {
        let account = stored.get(user_id);
        let nick = account.map(|account| account.nick.clone());
        asked_for += usize::from(account.is_some());
        let kicked = account.and_then(|account| account.kicked_at.as_ref());
        if !expected.any_of.contains(&nick) {
            lost.push(format!("{user_id} is {nick:?}, not {:?}", expected.any_of));
        } else if expected.kicked && account.is_some() && kicked.is_none() {
            lost.push(format!("{user_id} was kicked, and is not marked"));
        }
    }
    // All but `administrator`.
    assert_eq!(stored.len(), asked_for + 1, "nobody asked for some");
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_nothing_is_lost() {
    let seed = std::env::var("MUSTER_FAILOVER_SEED");
    let seed = seed.map_or_else(|_| fastrand::u64(..1 << 32), |seed| seed.parse().unwrap());
    println!("MUSTER_FAILOVER_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let mut primary = Postgres::start();
    let database = primary.new_database();
    let mut standby = primary.standby(Replication::Synchronous);
    let url = url_of_both(&primary, &standby, &database);
    let start = |name| node(dir.path(), name, &url);
    let [a, b, c] = NAMES.map(start);
    make_app(&a, SDKAPPID, "developer").await;
    for node in [&b, &c] {
        let client = client(node, SDKAPPID);
        soon("the node knows the app", async || {
            client.account_check(&["x"]).await.is_ok()
        })
        .await;
    }

    let urls = [&a, &b, &c].map(|node| node.accounts_url().to_owned());
    let load = Arc::new(Load::new(urls));
    let writers = load.start(seed);
    let mut ids = Ids::default();
    goes_on(&load, &writers, &[0, 1, 2]).await;
    ids.look(&b).await;

    a.kill();
    goes_on(&load, &writers, &[1, 2]).await;
    let a = start("a");
    load.node_is_at(0, a.accounts_url());
    goes_on(&load, &writers, &[0, 1, 2]).await;
    ids.look(&c).await;

    primary.kill();
    let killed = Instant::now();
    for node in [&a, &b, &c] {
        soon("it says that it is not ready", async || {
            operator(node).ready().await.is_err()
        })
        .await;
    }
    standby.promote();
    let promoted = Instant::now();
    goes_on(&load, &writers, &[0, 1, 2]).await;
    for node in [&a, &b, &c] {
        soon("it is ready", async || operator(node).ready().await.is_ok()).await;
    }

    let writers = load.end(writers);
    let mut all_lost = Vec::new();
    for node in [&a, &b, &c] {
        all_lost.extend(lost(&writers, &ids.look(node).await));
    }
    let [of_a, of_b, of_c] = load.longest_gaps(killed).map(|gap| gap.as_secs_f64());
    println!(
        "writes acknowledged: {}, calls refused: {}, lost: {}; the standby took over {:.2} s after the \
         kill, longest time without a write: {of_a:.2} s at a, {of_b:.2} s at b, {of_c:.2} s at c",
        load.acknowledged().iter().sum::<usize>(),
        load.failed(),
        all_lost.len(),
        (promoted - killed).as_secs_f64(),
    );
    assert!(all_lost.is_empty(), "{all_lost:#?}");

    // Nor are ids given again after that.
    assert_eq!(c.terminate().status.code(), Some(0));
    let c = start("c");
    for (node, name) in [&a, &b, &c].into_iter().zip(NAMES) {
        let client = client(node, SDKAPPID);
        client.account_import(&ImportEntry::id(name)).await.unwrap();
        ids.look(node).await;
    }
}
