//! Who may pass, and in which order it is decided (wire §2).

use serde_json::json;

use crate::{
    harness::{
        self, ALICE, APP, CHECK, GET, IMPORT, KEY, NOW_S, Running, Setup, post, post_head, query,
        query_with, request, usersig,
    },
    peer::Peer,
};

const OTHER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test]
async fn answers_carry_the_headers_of_the_protocol() {
    let server = harness::start().await;
    for (path, body) in [(IMPORT, ALICE), ("/v4/no/such", "{}"), (IMPORT, "no json")] {
        let answer = server.call(path, body).await;
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("content-type", "application/json"),
            ("access-control-allow-origin", "*"),
            ("access-control-allow-headers", "X-Requested-With"),
            ("access-control-allow-methods", "POST"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert!(
            answer
                .header("x-request-id")
                .is_some_and(|id| id.len() >= 10)
        );
        assert_eq!(answer.header("connection"), None);
    }
    let answer = server.call(IMPORT, ALICE).await;
    assert_eq!(
        answer.json(),
        json!({"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})
    );
}

#[tokio::test]
async fn other_methods_are_answered_like_everything() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    for (method, target) in [
        ("GET", "/"),
        ("GET", IMPORT),
        ("PUT", IMPORT),
        ("OPTIONS", "*"),
        ("BREW", "/metrics"),
        ("POST", "/muster/v1/apps"),
    ] {
        peer.send(request(method, target, "", "a body")).await;
        let answer = peer.answer().await;
        let expected = if target == "/muster/v1/apps" {
            60009
        } else {
            60002
        };
        assert_eq!(answer.code(), expected, "{method} {target}");
    }
    peer.send("HEAD / HTTP/1.1\r\nHost: muster\r\n\r\n").await;
    let answer = peer.answer_to_head().await;
    assert_eq!((answer.status, answer.closes()), (200, false));
    peer.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    assert_eq!(peer.answer().await.code(), 0);
}

/// A proxy would read 200 as "the tunnel is open".
#[tokio::test]
async fn no_tunnel_is_opened() {
    let server = harness::start().await;
    for address in [server.public, server.operator] {
        for target in ["example.com:443", "/muster/v1/health"] {
            let mut peer = Peer::connect(address).await;
            peer.send(format!("CONNECT {target} HTTP/1.1\r\nHost: muster\r\n\r\n"))
                .await;
            let answer = peer.answer().await;
            assert!(answer.status >= 400, "{target}: {answer:?}");
            if address == server.public {
                assert_eq!(answer.status, 400);
                assert_eq!(answer.json()["ErrorCode"], 60002);
                assert!(answer.closes());
                assert!(peer.closed_in_silence().await);
            }
        }
    }
}

/// Each call fails two checks at least, and the earlier one has to decide.
#[tokio::test]
async fn the_first_check_that_fails_decides() {
    let mut setup = Setup::default();
    setup.limits.body_limit_bytes = 100;
    let server = setup.start().await;
    let too_large = "x".repeat(101);
    let good = query("administrator");
    let expired = |identifier| query_with(identifier, &usersig(identifier, KEY, 1000, 1000));
    let with_other_key = query_with("nobody", &usersig("nobody", OTHER_KEY, 1000, 1000));

    // 13 before 14 before 15: the limit of the check command is used up first.
    for _ in 0..100 {
        let answer = server
            .call(CHECK, r#"{"CheckItem":[{"UserID":"alice"}]}"#)
            .await;
        assert_eq!(answer.code(), 0);
    }
    for (path, query, body, expected) in [
        // 2, 3: nothing but the path is known.
        ("/v4/im_open_login_svc/no_such", String::new(), "{}", 60009),
        (
            IMPORT,
            "contenttype=xml".to_owned(),
            too_large.as_str(),
            60012,
        ),
        // 7, 8
        (
            IMPORT,
            "sdkappid=7&identifier=a&usersig=b&contenttype=xml".to_owned(),
            "{}",
            60025,
        ),
        // 8, 12
        (
            IMPORT,
            "sdkappid=7&identifier=a&usersig=b".to_owned(),
            "{}",
            70020,
        ),
        // 12, one after the other, then 13
        (
            IMPORT,
            query_with("nobody", "not_a_usersig"),
            &too_large,
            70003,
        ),
        (
            IMPORT,
            good.replace("=administrator", "=someone"),
            &too_large,
            70013,
        ),
        (IMPORT, with_other_key, &too_large, 70009),
        (IMPORT, expired("nobody"), &too_large, 70001),
        // 13, 14
        (CHECK, query("nobody"), &too_large, 70403),
        (GET, query("nobody"), &too_large, 40004),
        // 14, 15
        (CHECK, good.clone(), &too_large, 60007),
        // 15, 16
        (IMPORT, good.clone(), &too_large, 60008),
        // 16, 17
        (IMPORT, good.clone(), "[]", 60003),
        (IMPORT, good.clone(), "{}", 70402),
    ] {
        let mut peer = Peer::connect(server.public).await;
        peer.send(post(path, &query, body)).await;
        let answer = peer.answer().await;
        assert_eq!(answer.code(), expected, "{path}?{query}: {answer:?}");
        assert_eq!(answer.closes(), body == too_large);
    }
}

/// 12b: a token of another app.
#[tokio::test]
async fn a_token_of_another_app_is_refused() {
    let server = harness::start().await;
    let body = json!({"sdkappid": 7, "secret_key": KEY}).to_string();
    assert_eq!(
        server
            .operate("POST", "/muster/v1/apps", &body)
            .await
            .status,
        201
    );
    let foreign = query("administrator").replace(&APP.to_string(), "7");
    let mut peer = Peer::connect(server.public).await;
    peer.send(post(IMPORT, &foreign, ALICE)).await;
    assert_eq!(peer.answer().await.code(), 70014);
}

#[tokio::test]
async fn a_refused_caller_may_send_the_body_late_and_goes_on() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    let refused = query_with("administrator", "not_a_usersig");
    peer.send(post_head(IMPORT, &refused, ALICE.len())).await;
    for piece in ALICE.as_bytes().chunks(5) {
        peer.send(piece).await;
    }
    assert_eq!(peer.answer().await.code(), 70003);
    peer.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    assert_eq!(peer.answer().await.code(), 0);
}

#[tokio::test]
async fn a_remembered_token_ends_with_its_key() {
    let server = harness::start().await;
    for (hits, misses) in [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)] {
        assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
        assert_remembered(&server, hits, misses).await;
    }
    let path = format!("/muster/v1/apps/{APP}/rotate-key");
    let body = json!({"secret_key": OTHER_KEY}).to_string();
    assert_eq!(server.operate("POST", &path, &body).await.status, 200);
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 70009);

    let mut peer = Peer::connect(server.public).await;
    let renewed = usersig("administrator", OTHER_KEY, NOW_S, 60);
    peer.send(post(IMPORT, &query_with("administrator", &renewed), ALICE))
        .await;
    assert_eq!(peer.answer().await.code(), 0);
    // Back to the first key: the token is good again.
    let body = json!({"secret_key": KEY}).to_string();
    assert_eq!(server.operate("POST", &path, &body).await.status, 200);
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
}

#[tokio::test]
async fn a_remembered_token_ends_with_its_time() {
    let server = harness::start().await;
    let sig = usersig("administrator", KEY, NOW_S, 10);
    let mut peer = Peer::connect(server.public).await;
    for (now_s, expected) in [
        (NOW_S, 0),
        (NOW_S + 10, 0),
        (NOW_S + 11, 70001),
        (NOW_S + 10, 0),
        (NOW_S + 999, 70001),
    ] {
        server.hand.set(muster_accounts::UnixSeconds(now_s));
        peer.send(post(IMPORT, &query_with("administrator", &sig), ALICE))
            .await;
        assert_eq!(peer.answer().await.code(), expected, "{now_s}");
    }
}

/// Asserts how many tokens were found remembered, and how many not.
async fn assert_remembered(server: &Running, hits: f64, misses: f64) {
    assert_eq!(server.metric("muster_usersig_cache_hits_total").await, hits);
    assert_eq!(
        server.metric("muster_usersig_cache_misses_total").await,
        misses
    );
}

#[tokio::test]
async fn a_token_is_remembered_whatever_white_space_is_in_it() {
    let server = harness::start().await;
    let sig = usersig("administrator", KEY, NOW_S, 10);
    let (front, back) = sig.split_at(64);
    let mut peer = Peer::connect(server.public).await;
    for spelling in [
        sig.clone(),
        format!("{front}%0A{back}"),
        format!("+%09{front}%0D%0A{back}+"),
        format!("{front}+{back}"),
    ] {
        peer.send(post(IMPORT, &query_with("administrator", &spelling), ALICE))
            .await;
        assert_eq!(peer.answer().await.code(), 0, "{spelling}");
    }
    assert_remembered(&server, 3.0, 1.0).await;
    // No other white space is passed over, remembered or not.
    let other = query_with("administrator", &format!("{front}%0B{back}"));
    peer.send(post(IMPORT, &other, ALICE)).await;
    assert_eq!(peer.answer().await.code(), 70003);
}

#[tokio::test]
async fn only_a_token_of_an_admin_is_remembered() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    let mut call = async |expected| {
        peer.send(post(IMPORT, &query("bob"), ALICE)).await;
        assert_eq!(peer.answer().await.code(), expected);
    };
    call(70403).await;
    call(70403).await;
    assert_remembered(&server, 0.0, 2.0).await;
    let path = format!("/muster/v1/apps/{APP}/admins/bob");
    assert_eq!(server.operate("PUT", &path, "").await.status, 200);
    call(0).await;
    call(0).await;
    assert_remembered(&server, 1.0, 3.0).await;
}

#[tokio::test]
async fn a_remembered_token_gives_no_role() {
    let server = harness::start().await;
    let path = format!("/muster/v1/apps/{APP}/admins/bob");
    let mut peer = Peer::connect(server.public).await;
    for (method, status, expected) in [("PUT", 200, 0), ("DELETE", 200, 70403), ("PUT", 200, 0)] {
        assert_eq!(server.operate(method, &path, "").await.status, status);
        peer.send(post(IMPORT, &query("bob"), ALICE)).await;
        assert_eq!(peer.answer().await.code(), expected);
    }
}

#[tokio::test]
async fn a_second_lets_the_limit_of_a_command_pass() {
    let server = harness::start().await;
    let body = json!({"sdkappid": 7, "secret_key": KEY}).to_string();
    assert_eq!(
        server
            .operate("POST", "/muster/v1/apps", &body)
            .await
            .status,
        201
    );
    let mut peer = Peer::connect(server.public).await;
    // A call that passed counts even if it fails later (wire §2.1).
    for i in 0..100 {
        let body = if i % 2 == 0 {
            "{}"
        } else {
            r#"{"CheckItem":[{"UserID":"alice"}]}"#
        };
        peer.send(post(CHECK, &query("administrator"), body)).await;
        assert_ne!(peer.answer().await.code(), 60007);
    }
    let over = server.call(CHECK, "{}").await;
    assert_eq!(over.code(), 60007);
    assert_eq!(
        over.json()["ErrorInfo"],
        "More than 100 calls per second to account_check for SDKAppID 1400000000."
    );
    // Another command, another app, the next second.
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    let claims = muster_usersig::Claims {
        identifier: "administrator".to_owned(),
        sdkappid: 7,
        time_s: NOW_S,
        expire_s: 60,
        userbuf: None,
    };
    let other_app = muster_usersig::sign(&muster_usersig::SecretKey::parse(KEY).unwrap(), &claims);
    let query = format!("sdkappid=7&identifier=administrator&usersig={other_app}");
    peer.send(post(CHECK, &query, "{}")).await;
    assert_eq!(peer.answer().await.code(), 70402);
    server.hand.set(muster_accounts::UnixSeconds(NOW_S + 1));
    assert_eq!(server.call(CHECK, "{}").await.code(), 70402);
}

#[tokio::test]
async fn limits_on_calls_can_be_switched_off() {
    let server = Setup {
        rate_limits: false,
        ..Setup::default()
    }
    .start()
    .await;
    let mut peer = Peer::connect(server.public).await;
    for _ in 0..150 {
        peer.send(post(CHECK, &query("administrator"), "{}")).await;
        assert_eq!(peer.answer().await.code(), 70402);
    }
}
