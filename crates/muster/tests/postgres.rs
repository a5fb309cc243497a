//! Several muster over one PostgreSQL database: what one acknowledges, all have, whatever ends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use muster_client::{
    AccountStatus, ApiFailure, CallError, Client, ImportEntry, SecretKey,
    operator::{NewApp, Operator},
};
use muster_testkit::{
    Launch, Muster, PATIENCE,
    postgres::{self, Postgres},
};

const SDKAPPID: u32 = 1_400_000_077;
const TRIAL: u32 = 1_400_000_078;
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn node(dir: &Path, name: &str, url: &str) -> Muster {
    let data_dir = dir.join(name);
    Launch::serve(env!("CARGO_BIN_EXE_muster"), &data_dir)
        .arg("--set")
        .arg("rate_limits=false")
        .on_database(url)
        .start()
}

fn operator(muster: &Muster) -> Operator {
    Operator::new(muster.operator_url(), &muster.operator_token()).unwrap()
}

fn key() -> SecretKey {
    SecretKey::parse(KEY).unwrap()
}

fn client(muster: &Muster, sdkappid: u32) -> Client {
    Client::new(muster.accounts_url(), sdkappid, "administrator", key()).unwrap()
}

async fn make_app(muster: &Muster, sdkappid: u32, edition: &str) {
    let key = key();
    let new = NewApp {
        sdkappid,
        edition: Some(edition),
        secret_key: Some(&key),
    };
    operator(muster).create_app(&new).await.unwrap();
}

/// Asks until the answer is yes.
async fn soon<F: Future<Output = bool>>(what: &str, asked: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !asked().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn are_there(client: &Client, users: &[String]) -> bool {
    for users in users.chunks(100) {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let checked = client.account_check(&users).await.unwrap();
        if !checked
            .iter()
            .all(|account| account.status == Ok(AccountStatus::Imported))
        {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_does_all_honour() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = [node(dir.path(), "a", &url), node(dir.path(), "b", &url)];
    let [a, b] = &nodes;
    make_app(a, SDKAPPID, "developer").await;
    make_app(b, TRIAL, "trial").await;
    let at_a = client(a, SDKAPPID);
    let at_b = client(b, SDKAPPID);
    soon("the other node knows the app", async || {
        at_b.account_check(&["x"]).await.is_ok()
    })
    .await;

    at_a.account_import(&ImportEntry::id("ann")).await.unwrap();
    assert!(are_there(&at_b, &["ann".to_owned()]).await);
    let ids = [operator(a), operator(b)].map(|operator| async move {
        operator.account(SDKAPPID, "ann").await.unwrap().internal_id
    });
    let [at_first, at_second] = ids;
    assert_eq!(at_first.await, at_second.await);

    // The cap is the cluster's, whichever node is asked.
    soon("the other node knows the app", async || {
        client(a, TRIAL).account_check(&["x"]).await.is_ok()
    })
    .await;
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..10 {
        let client = client(&nodes[call % 2], TRIAL);
        calls.spawn(async move {
            let users: Vec<String> = (0..15).map(|user| format!("{call}-{user}")).collect();
            let entries: Vec<_> = users.iter().map(|user| ImportEntry::id(user)).collect();
            client.multiaccount_import(&entries).await.is_ok()
        });
    }
    let taken = calls
        .join_all()
        .await
        .into_iter()
        .filter(|taken| *taken)
        .count();
    assert_eq!(taken, 6, "of 15 accounts each, where 100 are allowed");
    assert_eq!(operator(b).app(TRIAL).await.unwrap().accounts, 1 + 90);

    // Rotation at one node ends the old key at the other.
    operator(b).rotate_key(SDKAPPID, None).await.unwrap();
    soon("the old key is refused", async || {
        at_a.account_check(&["ann"]).await.is_err()
    })
    .await;
    for node in nodes {
        assert_eq!(node.terminate().status.code(), Some(0));
    }
}

/// Imports batches until told to stop. Returns the users of acknowledged ones.
async fn import(client: Client, worker: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for batch in 0.. {
        let users: Vec<String> = (0..20)
            .map(|user| format!("{worker}-{batch}-{user}"))
            .collect();
        let entries: Vec<_> = users.iter().map(|user| ImportEntry::id(user)).collect();
        match client.multiaccount_import(&entries).await {
            Ok(_) => acknowledged.extend(users),
            Err(CallError::Transport(_) | CallError::HttpStatus { .. } | CallError::Api(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

/// What every worker was told is there, once each, with ids of their own.
async fn judge(node: &Muster, acknowledged: &[String]) {
    let client = client(node, SDKAPPID);
    assert!(
        are_there(&client, acknowledged).await,
        "acknowledged and lost"
    );
    let mut ids = std::collections::HashSet::new();
    let mut after = None;
    loop {
        let page = operator(node)
            .accounts(SDKAPPID, after.as_deref(), 1000)
            .await
            .unwrap();
        for account in page.accounts {
            assert!(ids.insert(account.internal_id), "given twice");
        }
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert!(ids.len() > acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_node_or_the_database_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = Postgres::start();
    let url = database.new_database();
    let (a, b) = (node(dir.path(), "a", &url), node(dir.path(), "b", &url));
    make_app(&a, SDKAPPID, "pro").await;
    let at_b = client(&b, SDKAPPID);
    soon("the other node knows the app", async || {
        at_b.account_check(&["x"]).await.is_ok()
    })
    .await;

    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..6 {
        let client = client(if worker % 2 == 0 { &a } else { &b }, SDKAPPID);
        workers.spawn(import(client, worker, stop.clone()));
    }
    let imported = async |node: &Muster| {
        operator(node)
            .app(SDKAPPID)
            .await
            .map_or(0, |app| app.accounts)
    };
    let begun = imported(&b).await;
    soon("imports", async || imported(&b).await > begun + 200).await;
    a.kill();
    let survivor = imported(&b).await;
    soon("imports at the other node", async || {
        imported(&b).await > survivor + 200
    })
    .await;

    database.kill();
    soon("it says that it is not ready", async || {
        operator(&b).ready().await.is_err()
    })
    .await;
    assert!(matches!(
        at_b.account_check(&["x"]).await,
        Err(CallError::Api(ApiFailure { code: 70_500, .. }))
    ));
    database.start_again();
    soon("it is ready again", async || {
        operator(&b).ready().await.is_ok()
    })
    .await;
    let before = imported(&b).await;
    soon("imports again", async || imported(&b).await > before + 200).await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<String> = workers.join_all().await.concat();
    judge(&b, &acknowledged).await;
    b.kill();
    judge(&node(dir.path(), "a", &url), &acknowledged).await;
}
