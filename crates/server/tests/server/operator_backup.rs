//! The backup as the operator API streams it. What is in it is the store's business.

use std::sync::Arc;

use muster_server::Limits;

use crate::{
    harness::{Running, Setup, TOKEN, request},
    operator::assert_error,
    peer::Peer,
    stub_store::{BACKUP, Fault, StubStore},
};

const PATH: &str = "/muster/v1/backup";

async fn start(fault: Fault) -> (Running, Arc<StubStore>) {
    let store = StubStore::new();
    let limits = Limits {
        idle_timeout_s: 1,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    store.set(fault);
    (server, store)
}

async fn begin(server: &Running) -> Peer {
    let mut peer = Peer::connect(server.operator).await;
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    peer.send(request("GET", PATH, &authorization, "")).await;
    peer
}

/// The end of an idle connection is the sign that the idle time is over for the backup, too.
#[tokio::test]
async fn one_backup_at_a_time_which_takes_its_time() {
    let (server, store) = start(Fault::Blocks).await;
    let mut slow = begin(&server).await;
    store.reached().await;
    let refused = server.operate("GET", PATH, "").await;
    assert_error(&refused, 409, "backup_under_way");
    let mut idle = Peer::connect(server.operator).await;
    assert!(idle.closed_in_silence().await);

    store.release();
    let answer = slow.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(
        answer
            .body
            .windows(BACKUP.len())
            .filter(|seen| *seen == BACKUP)
            .count()
            == 2
    );

    store.set(Fault::None);
    assert_eq!(server.operate("GET", PATH, "").await.status, 200);
}

#[tokio::test]
async fn a_store_that_fails_at_once_is_a_proper_refusal() {
    let (server, _) = start(Fault::FailsAtOnce).await;
    let answer = server.operate("GET", PATH, "").await;
    assert_error(&answer, 503, "store_unavailable");
    assert!(!answer.text().contains("disk on fire"));
}

/// Whoever reads it must not take it for whole.
#[tokio::test]
async fn a_store_that_fails_later_cuts_the_answer_off() {
    let (server, store) = start(Fault::Fails).await;
    let mut peer = begin(&server).await;
    peer.receives(BACKUP).await;
    store.release();
    assert!(!peer.closed_in_silence().await);
    let received = peer.received();
    assert!(received.starts_with(b"HTTP/1.1 200 "));
    assert!(!received.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn a_reader_that_goes_away_makes_room_for_another() {
    let (server, store) = start(Fault::Blocks).await;
    let gone = begin(&server).await;
    store.reached().await;
    drop(gone);
    store.set(Fault::None);
    store.release();
    crate::peer::soon(async {
        while server.operate("GET", PATH, "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
