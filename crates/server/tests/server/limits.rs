//! What an app's own settings and the caller's failures limit (wire §2, checks 10, 11 and 14).

use std::{collections::BTreeMap, sync::Arc};

use muster_accounts::{
    AccountStore as _, AppChange, AppPatch, ReferenceStore, SdkAppId, UnixSeconds,
};
use muster_server::Limits;
use serde_json::json;

use crate::{
    harness::{
        ALICE, APP, CHECK, IMPORT, KEY, KICK, NOW_S, QUERYSTATE, Running, STATUS, Setup, post,
        query, query_with, request, start, usersig, usersig_of_another_app,
    },
    peer::{Answer, Peer},
};

async fn configured(setup: Setup, patch: AppPatch) -> Running {
    let store = Arc::new(ReferenceStore::default());
    let server = Setup {
        store: store.clone(),
        ..setup
    }
    .start()
    .await;
    let change = AppChange::Configure(Box::new(patch));
    let now = UnixSeconds(NOW_S);
    store.change_app(SdkAppId(APP), change, now).await.unwrap();
    server
}

fn rates(limits: &[(&str, Option<u32>)]) -> AppPatch {
    let limits = limits
        .iter()
        .map(|(name, limit)| ((*name).to_owned(), *limit));
    AppPatch {
        rate_limits: Some(limits.collect::<BTreeMap<_, _>>()),
        ..AppPatch::default()
    }
}

/// How many of `calls` calls pass in one second.
async fn passing(server: &Running, path: &str, calls: usize) -> usize {
    let mut peer = Peer::connect(server.public).await;
    let mut passed = 0;
    for _ in 0..calls {
        peer.send(post(path, &query("administrator"), "{}")).await;
        passed += usize::from(peer.answer().await.code() != 60007);
    }
    passed
}

#[tokio::test]
async fn an_app_has_limits_of_its_own() {
    let limits = [("account_check", Some(3)), ("kick", None), ("*", Some(5))];
    let server = configured(Setup::default(), rates(&limits)).await;
    assert_eq!(passing(&server, CHECK, 10).await, 3);
    let over = server.call(CHECK, "{}").await;
    assert_eq!(
        over.json()["ErrorInfo"],
        "More than 3 calls per second to account_check for SDKAppID 1400000000."
    );
    let kick = "/v4/im_open_login_svc/kick";
    assert_eq!(passing(&server, kick, 300).await, 300);
    assert_eq!(passing(&server, IMPORT, 10).await, 5);
    server.hand.advance(1);
    assert_eq!(passing(&server, CHECK, 10).await, 3);
}

#[tokio::test]
async fn a_limit_of_zero_lets_nothing_pass() {
    let server = configured(Setup::default(), rates(&[("account_check", Some(0))])).await;
    assert_eq!(passing(&server, CHECK, 3).await, 0);
    assert_eq!(passing(&server, IMPORT, 250).await, 200);
}

/// Both paths of the online status share one count (wire §2.1).
#[tokio::test]
async fn both_status_commands_count_together() {
    let server = start().await;
    assert_eq!(passing(&server, QUERYSTATE, 120).await, 120);
    assert_eq!(passing(&server, STATUS, 120).await, 80);
    let over = server.call(QUERYSTATE, "{}").await;
    assert_eq!(
        over.json()["ErrorInfo"],
        "More than 200 calls per second to querystate for SDKAppID 1400000000."
    );
    server.hand.advance(1);
    assert_eq!(passing(&server, STATUS, 300).await, 200);

    let own = configured(Setup::default(), rates(&[("query_online_status", Some(2))])).await;
    assert_eq!(passing(&own, QUERYSTATE, 4).await, 2);
}

async fn call_with(server: &Running, identifier: &str, usersig: &str) -> Answer {
    let mut peer = Peer::connect(server.public).await;
    let query = query_with(identifier, usersig);
    peer.send(post(IMPORT, &query, ALICE)).await;
    peer.answer().await
}

/// Wire §2.1, 11: a hundred failures of the four kinds within a minute.
#[tokio::test]
async fn too_many_failed_usersigs() {
    let server = Setup {
        rate_limits: false,
        ..Setup::default()
    }
    .start()
    .await;
    let good = usersig("administrator", KEY, NOW_S, 86_400);
    let wrong_key = usersig("administrator", &KEY.replace('5', "6"), NOW_S, 86_400);
    let of_alice = usersig("alice", KEY, NOW_S, 86_400);
    let expired = usersig("administrator", KEY, NOW_S - 10, 1);
    let of_another_app = usersig_of_another_app();
    let kinds = [
        ("x", 70003),
        (&wrong_key, 70009),
        (&of_alice, 70013),
        (&of_another_app, 70014),
    ];
    for (bad, code) in kinds.into_iter().cycle().take(99) {
        let answer = call_with(&server, "administrator", bad).await;
        assert_eq!(answer.code(), code);
        // These count for nothing.
        let answer = call_with(&server, "administrator", &expired).await;
        assert_eq!(answer.code(), 70001);
        let answer = call_with(&server, "alice", &of_alice).await;
        assert_eq!(answer.code(), 70403);
    }
    assert_eq!(call_with(&server, "administrator", &good).await.code(), 0);
    server.hand.advance(30);
    let hundredth = call_with(&server, "administrator", &of_another_app).await;
    assert_eq!(hundredth.code(), 70014);
    for usersig in [&*good, "x", &expired] {
        let answer = call_with(&server, "administrator", usersig).await;
        assert_eq!(answer.code(), 70050);
        assert_eq!(
            answer.json()["ErrorInfo"],
            "Too many failed UserSig checks for \"administrator\"; wait one minute."
        );
    }
    // Another user is not meant.
    assert_eq!(call_with(&server, "alice", &of_alice).await.code(), 70403);
    // Refusals do not count, so the block ends by itself, a minute after the first failures.
    server.hand.advance(29);
    assert_eq!(
        call_with(&server, "administrator", &good).await.code(),
        70050
    );
    server.hand.advance(1);
    assert_eq!(call_with(&server, "administrator", &good).await.code(), 0);
}

/// Wire §2.1, 11: each kind by itself, and what is no failed signature check not at all.
#[tokio::test]
async fn each_of_the_four_kinds_counts() {
    let good = usersig("administrator", KEY, NOW_S + 1, 60);
    let wrong_key = usersig("administrator", &KEY.replace('5', "6"), NOW_S, 60);
    let of_alice = usersig("alice", KEY, NOW_S, 60);
    let of_another_app = usersig_of_another_app();
    let expired = usersig("administrator", KEY, NOW_S - 10, 1);
    let kicked = usersig("administrator", KEY, NOW_S, 60);
    for (bad, code, then) in [
        ("x", 70003, 70050),
        (&wrong_key, 70009, 70050),
        (&of_alice, 70013, 70050),
        (&of_another_app, 70014, 70050),
        (&expired, 70001, 0),
        (&kicked, 70052, 0),
    ] {
        let server = Setup {
            limits: Limits {
                failed_usersigs_per_min: 2,
                ..Limits::default()
            },
            ..Setup::default()
        }
        .start()
        .await;
        let kick = r#"{"UserID":"administrator"}"#;
        assert_eq!(server.call(KICK, kick).await.code(), 0);
        for _ in 0..2 {
            assert_eq!(call_with(&server, "administrator", &good).await.code(), 0);
            let answer = call_with(&server, "administrator", bad).await;
            assert_eq!(answer.code(), code);
        }
        let answer = call_with(&server, "administrator", &good).await;
        assert_eq!(answer.code(), then, "after {code}");
    }
}

#[tokio::test]
async fn failed_usersigs_can_go_uncounted() {
    let server = Setup {
        limits: Limits {
            failed_usersigs_per_min: 0,
            ..Limits::default()
        },
        ..Setup::default()
    }
    .start()
    .await;
    for _ in 0..150 {
        let answer = call_with(&server, "administrator", "x").await;
        assert_eq!(answer.code(), 70003);
    }
}

async fn call_from(server: &Running, forwarded_for: &str) -> Answer {
    let mut peer = Peer::connect(server.public).await;
    let target = format!("{IMPORT}?{}", query("administrator"));
    let header = format!("X-Forwarded-For: {forwarded_for}\r\n");
    peer.send(request("POST", &target, &header, ALICE)).await;
    peer.answer().await
}

#[tokio::test]
async fn the_address_behind_a_proxy_is_judged() {
    let allow = || AppPatch {
        allow_list: Some(vec!["203.0.113.0/24".parse().unwrap()]),
        ..AppPatch::default()
    };
    let proxied = Setup {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..Setup::default()
    };
    let server = configured(proxied, allow()).await;
    assert_eq!(call_from(&server, "203.0.113.7").await.code(), 0);
    let refused = call_from(&server, "203.0.113.7, 198.51.100.1").await;
    assert_eq!(
        refused.json(),
        json!({
            "ActionStatus": "FAIL",
            "ErrorCode": 60021,
            "ErrorInfo": "Source address 198.51.100.1 is not on the allow-list of SDKAppID 1400000000."
        })
    );
    // Without a proxy of ours the header is the caller's own word.
    let direct = configured(Setup::default(), allow()).await;
    let refused = call_from(&direct, "203.0.113.7").await;
    assert_eq!(
        refused.json()["ErrorInfo"],
        "Source address 127.0.0.1 is not on the allow-list of SDKAppID 1400000000."
    );
}
