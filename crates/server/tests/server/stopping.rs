//! Stopping: every accepted call is answered, nothing new begins.

use muster_server::Limits;
use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    harness::{ALICE, CHECK, IMPORT, Running, Setup, post, query},
    peer::{Peer, soon},
    stub_store::{Fault, StubStore},
};

/// Waits until the server has noticed that it is to stop: then it accepts no more.
async fn accepts_no_more(server: &Running) {
    for address in [server.public, server.operator] {
        soon(async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_call_in_progress_is_answered() {
    let store = StubStore::new();
    let limits = Limits {
        deadline_s: 60,
        shutdown_grace_s: 60,
        ..Limits::default()
    };
    let mut server = Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    store.set(Fault::Blocks);
    let mut busy = Peer::connect(server.public).await;
    // The one behind it on the same connection has not been taken on.
    busy.send(post(IMPORT, &query("administrator"), ALICE).repeat(2))
        .await;
    store.reached().await;
    let mut operating = Peer::connect(server.operator).await;
    let mut idle = Peer::connect(server.public).await;
    operating
        .send("GET /muster/v1/health HTTP/1.1\r\n\r\n")
        .await;
    assert_eq!(operating.answer().await.status, 200);

    server.stop();
    accepts_no_more(&server).await;
    assert!(idle.closed_in_silence().await);
    assert!(operating.closed_in_silence().await);
    store.release();
    let answer = busy.answer().await;
    assert_eq!((answer.code(), answer.closes()), (0, true));
    busy.closed_in_silence().await;
    assert_eq!(server.stopped().await.cut_connections, 0);
}

#[tokio::test]
async fn a_request_that_comes_while_stopping_gets_503() {
    let store = StubStore::new();
    let limits = Limits {
        deadline_s: 60,
        ..Limits::default()
    };
    let mut server = Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    let call = post(IMPORT, &query("administrator"), ALICE);
    let health = "GET /muster/v1/health HTTP/1.1\r\n\r\n";
    // Heads that have begun keep their connections open.
    let mut half_sent = Peer::connect(server.public).await;
    half_sent.send(&call[..20]).await;
    let mut operating = Peer::connect(server.operator).await;
    operating.send(&health[..20]).await;
    // Answered on connections that came later, by a server of one thread: those have been read.
    for _ in 0..3 {
        assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
        server.metric("muster_store_waiting").await;
    }

    server.stop();
    accepts_no_more(&server).await;
    half_sent.send(&call[20..]).await;
    let answer = half_sent.answer().await;
    assert_eq!((answer.status, answer.closes()), (503, true));
    assert_eq!(answer.json()["ActionStatus"], "FAIL");
    operating.send(&health[20..]).await;
    assert_eq!(operating.answer().await.status, 503);
    assert_eq!(server.stopped().await.cut_connections, 0);
}

#[tokio::test]
async fn waiting_has_an_end() {
    let store = StubStore::new();
    let limits = Limits {
        deadline_s: 60,
        shutdown_grace_s: 0,
        ..Limits::default()
    };
    let mut server = Setup {
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
    server.stop();
    assert_eq!(server.stopped().await.cut_connections, 1);
    assert!(busy.closed_in_silence().await);
}

/// A call that a fault delays is answered at once as the fault says, rather than held up with the
/// stop.
#[tokio::test]
async fn a_stop_ends_the_wait_of_a_fault() {
    let mut server = Setup {
        limits: Limits {
            shutdown_grace_s: 60,
            ..Limits::default()
        },
        ..Setup::default()
    }
    .start()
    .await;
    // So long that no test waits for it.
    let mut as_usual = struck(&server, r#"{"latency_ms":60000,"count":1}"#).await;
    let fault = r#"{"latency_ms":60000,"code":70500,"count":1}"#;
    let mut failing = struck(&server, fault).await;
    let mut cut = struck(&server, r#"{"latency_ms":60000,"cut":true,"count":1}"#).await;
    let imported = server.call(CHECK, r#"{"CheckItem":[{"UserID":"alice"}]}"#);
    let imported = imported.await.json()["ResultItem"][0]["AccountStatus"].take();
    assert_eq!(imported, "NotImported");

    server.stop();
    for (peer, code) in [(&mut as_usual, 0), (&mut failing, 70500)] {
        let answer = peer.answer().await;
        assert_eq!((answer.code(), answer.closes()), (code, true));
    }
    assert!(cut.closed_in_silence().await);
    assert_eq!(server.stopped().await.cut_connections, 0);
}

/// An import that this fault has struck, as the only one there is.
async fn struck(server: &Running, fault: &str) -> Peer {
    const FAULTS: &str = "/muster/v1/faults";
    let ordered = server.operate("POST", FAULTS, fault).await;
    assert_eq!(ordered.status, 201, "{fault}");
    let mut peer = Peer::connect(server.public).await;
    peer.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    soon(async {
        while server.operate("GET", FAULTS, "").await.json()["faults"] != json!([]) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    peer
}
