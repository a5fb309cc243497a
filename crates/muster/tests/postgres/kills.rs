//! A node is killed, or the database, which then starts again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use muster_client::{ApiFailure, CallError, Client, ImportEntry};
use muster_testkit::{Muster, postgres::Postgres};

use crate::{SDKAPPID, are_there, client, make_app, node, operator, soon};

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
