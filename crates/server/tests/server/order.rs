//! The order of the gate's checks, 8 to 14 (wire §2), where [`crate::gate`] and the tests of the
//! binary do not show it: each call fails several of them, and the earliest decides.

use muster_server::Limits;
use serde_json::json;

use crate::{
    harness::{ALICE, APP, IMPORT, KEY, KICK, NOW_S, Running, Setup, post, query_with, usersig},
    peer::Peer,
};

/// Changes settings of the app.
async fn set(server: &Running, settings: serde_json::Value) {
    let path = format!("/muster/v1/apps/{APP}");
    let answer = server.operate("PATCH", &path, &settings.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The code of an import.
async fn import(server: &Running, identifier: &str, usersig: &str) -> u64 {
    let mut peer = Peer::connect(server.public).await;
    peer.send(post(IMPORT, &query_with(identifier, usersig), ALICE))
        .await;
    peer.answer().await.code()
}

/// A server on which one failed check is one too many, with alice, bob and carol imported.
async fn start() -> Running {
    let limits = Limits {
        failed_usersigs_per_min: 1,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    for user_id in ["alice", "bob", "carol"] {
        let body = json!({"UserID": user_id}).to_string();
        assert_eq!(server.call(IMPORT, &body).await.code(), 0);
    }
    server
}

#[tokio::test]
async fn the_gates_checks_come_in_order() {
    let server = start().await;
    let good = |identifier| usersig(identifier, KEY, NOW_S, 86_400);
    let expired = |identifier| usersig(identifier, KEY, NOW_S - 10, 9);
    let kick = r#"{"UserID":"bob"}"#;
    assert_eq!(server.call(KICK, kick).await.code(), 0);
    // What fails at 14 for every caller; alice, bob and carol are not admins, and bob was kicked.
    set(&server, json!({"rate_limits": {"account_import": 0}})).await;
    let elsewhere = json!({"allow_list": ["192.0.2.0/24"]});
    for (checks, settings, identifier, usersig, code) in [
        (
            "14",
            json!({}),
            "administrator",
            good("administrator"),
            60007,
        ),
        ("13 before 14", json!({}), "alice", good("alice"), 70403),
        ("12f before 13", json!({}), "bob", good("bob"), 70052),
        ("12e before 12f", json!({}), "bob", expired("bob"), 70001),
        (
            "12a, the one that counts",
            json!({}),
            "carol",
            "x".to_owned(),
            70003,
        ),
        ("11 before 12a", json!({}), "carol", "x".to_owned(), 70050),
        ("11 before 12e", json!({}), "carol", expired("carol"), 70050),
        ("11 before 13", json!({}), "carol", good("carol"), 70050),
        ("10 before 11", elsewhere, "carol", good("carol"), 60021),
        ("10 before 12a", json!({}), "alice", "x".to_owned(), 60021),
        ("10 before 12e", json!({}), "bob", expired("bob"), 60021),
        ("10 before 12f", json!({}), "bob", good("bob"), 60021),
        (
            "9 before 10",
            json!({"disabled": true}),
            "alice",
            good("alice"),
            60016,
        ),
        ("9 before 11", json!({}), "carol", good("carol"), 60016),
        ("9 before 12a", json!({}), "alice", "x".to_owned(), 60016),
    ] {
        set(&server, settings).await;
        assert_eq!(
            import(&server, identifier, &usersig).await,
            code,
            "{checks}"
        );
    }
    // 10 and 9 count no failed check: with both lifted, alice has had none.
    set(&server, json!({"disabled": false, "allow_list": []})).await;
    assert_eq!(import(&server, "alice", &good("alice")).await, 70403);
    assert_eq!(import(&server, "carol", &good("carol")).await, 70050);
}
