//! What one node does to an app, all honour.

use muster_client::{
    ImportEntry,
    operator::{AppChange, Change, WebhookChange},
};
use muster_testkit::postgres;

use crate::{SDKAPPID, are_there, client, make_app, node, operator, soon};

const TRIAL: u32 = 1_400_000_078;

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

/// Each node merges a change into what is stored, not into what it remembers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_webhook_is_of_the_one_that_another_node_made() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = [node(dir.path(), "a", &url), node(dir.path(), "b", &url)];
    make_app(&nodes[0], SDKAPPID, "developer").await;
    let url = "http://127.0.0.1:9/events";
    let changes = [
        WebhookChange::default().url(url.to_owned()),
        WebhookChange::default().token(Change::Set("hush".to_owned())),
        WebhookChange::default().retry(true),
        WebhookChange::default().imports(true),
    ];
    let mut last = None;
    for (i, change) in changes.into_iter().enumerate() {
        let change = AppChange::default().webhook(Change::Set(change));
        let answer = operator(&nodes[i % 2]).change_app(SDKAPPID, &change).await;
        last = answer.unwrap().webhook;
    }
    let last = last.unwrap();
    assert_eq!(last.url, url);
    assert!(last.has_token && last.retry && last.imports, "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_cannot_be_read_is_logged_once() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let node = node(dir.path(), "a", &url);
    make_app(&node, SDKAPPID, "developer").await;
    let change = "UPDATE muster.counter SET number = number + 1 WHERE name = 'apps'";
    let damage = format!("UPDATE muster.app SET version = 99, revision = revision + 1; {change}");
    postgres::shared().sql(&url, &damage);
    soon("it is known", async || {
        operator(&node).app(SDKAPPID).await.is_err()
    })
    .await;
    make_app(&node, TRIAL, "trial").await;
    operator(&node).ready().await.unwrap();
    let logged = node.log();
    let named = logged
        .lines()
        .filter(|line| line.contains("an app cannot be read"));
    assert_eq!(named.count(), 1, "{logged}");
}
