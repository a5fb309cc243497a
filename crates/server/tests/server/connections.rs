//! Connections: how long they live, how many there are, what may come on them (wire §1.2).

use std::sync::Arc;

use bytestring::ByteString;
use muster_accounts::{
    AccountStore, Nick, ReferenceStore, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_server::{BindError, Clock, Limits, OperatorToken, Settings, bind};
use tokio::io::AsyncWriteExt;

use crate::{
    harness::{self, ALICE, APP, IMPORT, NOW_S, Setup, TOKEN, post, query, request},
    peer::{Peer, soon},
    stub_store::{Fault, StubStore},
};

#[tokio::test]
async fn persist_unless_the_caller_says_otherwise() {
    let server = harness::start().await;
    let call = post(IMPORT, &query("administrator"), ALICE);
    let close = call.replacen("Host:", "Connection: close\r\nHost:", 1);
    let http_1_0 = call.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let http_1_0_keep = http_1_0.replacen("Host:", "Connection: keep-alive\r\nHost:", 1);
    for (call, persists) in [
        (call, true),
        (close, false),
        (http_1_0, false),
        (http_1_0_keep, true),
    ] {
        let mut peer = Peer::connect(server.public).await;
        peer.send(&call).await;
        assert_eq!(peer.answer().await.code(), 0);
        if persists {
            peer.send(&call).await;
            assert_eq!(peer.answer().await.code(), 0);
        } else {
            assert!(peer.closed_in_silence().await);
        }
    }
}

#[tokio::test]
async fn calls_may_come_in_one_packet() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    peer.send(post(IMPORT, &query("administrator"), ALICE).repeat(3))
        .await;
    for _ in 0..3 {
        assert_eq!(peer.answer().await.code(), 0);
    }
}

#[tokio::test]
async fn a_request_line_of_32_kib_is_accepted() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    let fixed = post(IMPORT, &format!("{}&pad=", query("administrator")), ALICE);
    let line_bytes = fixed.find("\r\n").unwrap();
    let padding = "x".repeat(32 * 1024 - line_bytes);
    peer.send(fixed.replacen("pad=", &format!("pad={padding}"), 1))
        .await;
    assert_eq!(peer.answer().await.code(), 0);
}

#[tokio::test]
async fn what_is_not_http_gets_400() {
    let server = harness::start().await;
    for nonsense in ["nonsense\r\n\r\n", "POST / HTTP/1.1\r\nno colon\r\n\r\n"] {
        let mut peer = Peer::connect(server.public).await;
        peer.send(nonsense).await;
        assert_eq!(peer.answer().await.status, 400);
        assert!(peer.closed_in_silence().await);
    }
}

#[tokio::test]
async fn who_has_sent_all_may_close_that_direction() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    peer.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    peer.stream.shutdown().await.unwrap();
    assert_eq!(peer.answer().await.code(), 0);
    assert!(peer.closed_in_silence().await);
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let mut setup = Setup::default();
    setup.limits.header_timeout_s = 1;
    let server = setup.start().await;
    for address in [server.public, server.operator] {
        // On a new connection, and after a request.
        let mut fresh = Peer::connect(address).await;
        fresh.send("POST /v4/im_op").await;
        assert!(fresh.closed_in_silence().await);
        let mut used = Peer::connect(address).await;
        used.send("GET /muster/v1/health HTTP/1.1\r\n\r\n").await;
        used.answer().await;
        used.send("POST /v4/im_op").await;
        assert!(used.closed_in_silence().await);
    }
}

/// The end of the idle connection is the sign that the idle time is over for the busy one, too.
#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let store = StubStore::new();
    let limits = Limits {
        idle_timeout_s: 1,
        deadline_s: 60,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    store.set(Fault::Blocks);
    let mut busy = Peer::connect(server.public).await;
    busy.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    store.reached().await;

    let mut fresh = Peer::connect(server.public).await;
    let mut used = Peer::connect(server.public).await;
    used.send("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(used.answer().await.code(), 60002);
    assert!(fresh.closed_in_silence().await);
    assert!(used.closed_in_silence().await);

    store.release();
    assert_eq!(busy.answer().await.code(), 0);
}

#[tokio::test]
async fn too_many_connections_are_closed_at_once() {
    let limits = Limits {
        max_connections: 2,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let call = post(IMPORT, &query("administrator"), ALICE);
    let (mut first, mut second) = (
        Peer::connect(server.public).await,
        Peer::connect(server.public).await,
    );
    for peer in [&mut first, &mut second] {
        peer.send(&call).await;
        assert_eq!(peer.answer().await.code(), 0);
    }
    assert_eq!(
        server
            .metric("muster_connections{listener=\"public\"}")
            .await,
        2.0
    );
    let mut third = Peer::connect(server.public).await;
    assert!(third.closed_in_silence().await);
    let refused = "muster_connections_refused_total{listener=\"public\"}";
    assert_eq!(server.metric(refused).await, 1.0);
    // Those inside are not touched, and a place that is left is free again.
    second.send(&call).await;
    assert_eq!(second.answer().await.code(), 0);
    drop(first);
    soon(async {
        while server
            .metric("muster_connections{listener=\"public\"}")
            .await
            > 1.0
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = harness::start().await;
    let settings = |listen, operator_listen| Settings {
        listen,
        tls: None,
        operator_listen,
        operator_token: OperatorToken::from_random([1; 32]),
        rate_limits: true,
        trusted_proxies: Vec::new(),
        test_controls: false,
        limits: Limits::default(),
    };
    let any_port = "127.0.0.1:0".parse().unwrap();
    for (settings, listener, address) in [
        (
            settings(server.public, any_port),
            "account protocol",
            server.public,
        ),
        (
            settings(any_port, server.operator),
            "operator API",
            server.operator,
        ),
    ] {
        let store = Arc::new(ReferenceStore::default());
        let error = bind(settings, store, Clock::system()).await.err().unwrap();
        assert!(matches!(error, BindError::Listen { .. }));
        let text = error.to_string();
        assert!(
            text.contains(listener) && text.contains(&address.to_string()),
            "{text}"
        );
        assert!(text.contains("another process listens there"), "{text}");
    }
}

/// A page of accounts that no socket's buffers hold, and a caller who does not read it.
#[tokio::test]
async fn a_caller_who_does_not_read_is_not_waited_for() {
    let store = Arc::new(ReferenceStore::default());
    let limits = Limits {
        write_timeout_s: 1,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    let nick = Nick::parse(ByteString::from("\u{1}".repeat(500))).unwrap();
    let entries = (0..10_000).map(|position| ImportEntry {
        position,
        user_id: UserId::parse(&format!("user{position}")).unwrap(),
        nick: Some(nick.clone()),
        face_url: None,
    });
    let batch = ImportRequest::new(entries.collect());
    store
        .import(SdkAppId(APP), batch, UnixSeconds(NOW_S))
        .await
        .unwrap();

    let mut peer = Peer::connect(server.operator).await;
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    let path = format!("/muster/v1/apps/{APP}/accounts?limit=10000");
    peer.send(request("GET", &path, &authorization, "")).await;
    let open = "muster_connections{listener=\"operator\"}";
    // The one that scrapes is there each time.
    for (there, count) in [(true, 2.0), (false, 1.0)] {
        soon(async {
            while server.metric(open).await != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(there || peer.answer_to_head().await.status == 200);
    }
}
