//! Imports of lines that do not come to their end, and what they hold meanwhile.

use std::{sync::Arc, time::Duration};

use muster_server::Limits;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::{
    harness::{Running, Setup},
    operator::assert_error,
    operator_lines::{LINES, chunk, chunked_head, head, lines_of, users},
    peer::{Peer, soon},
    stub_store::{Fault, StubStore},
};

async fn start(limits: Limits) -> (Running, Arc<StubStore>) {
    let store = StubStore::new();
    let server = Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    (server, store)
}

/// A server that waits a second for the next piece of a body, and a minute for its store.
async fn impatient() -> (Running, Arc<StubStore>) {
    start(Limits {
        body_timeout_s: 1,
        deadline_s: 60,
        ..Limits::default()
    })
    .await
}

/// An import of which these lines were sent, and which goes on.
async fn begin(server: &Running, lines: &str) -> Peer {
    let mut peer = Peer::connect(server.operator).await;
    peer.send(chunked_head()).await;
    peer.send(chunk(lines.as_bytes())).await;
    peer
}

async fn accounts(server: &Running) -> u64 {
    let app = server
        .operate("GET", "/muster/v1/apps/1400000000", "")
        .await;
    app.json()["accounts"].as_u64().unwrap()
}

fn error_of(line: &Value) -> (&str, &str, u64) {
    let error = &line["error"];
    (
        error["code"].as_str().unwrap(),
        error["message"].as_str().unwrap(),
        line["lines"].as_u64().unwrap(),
    )
}

/// A report comes as soon as its commit is made, while lines are still to come.
#[tokio::test]
async fn a_commit_is_told_of_while_lines_come() {
    let (server, _) = start(Limits::default()).await;
    let mut peer = begin(&server, &users("u", 0..10_000)).await;
    peer.receives(br#"{"first":1,"last":10000,"created":10000,"#)
        .await;
    peer.send(chunk(users("v", 0..10_000).as_bytes())).await;
    peer.receives(br#"{"first":10001,"last":20000,"created":10000,"#)
        .await;
    peer.send("0\r\n\r\n").await;
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!((lines.len(), &lines[2]["done"]), (3, &json!(true)));
}

/// Who has no more to send for now need not wait for the rest of a commit.
#[tokio::test]
async fn lines_are_committed_though_no_more_come() {
    let (server, _) = start(Limits::default()).await;
    let mut peer = begin(&server, &(users("u", 0..10) + "{")).await;
    peer.receives(br#"{"first":1,"last":10,"created":10,"#)
        .await;
    assert_eq!(accounts(&server).await, 11);
    peer.send(chunk(b"}\n")).await;
    peer.receives(br#"{"first":11,"last":11,"created":0,"#)
        .await;
    peer.send(chunk(users("v", 0..10).as_bytes())).await;
    peer.send("0\r\n\r\n").await;
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!(
        (&lines[2]["last"], &lines[3]["lines"]),
        (&json!(21), &json!(21))
    );
}

/// Bytes are no lines.
#[tokio::test]
async fn a_line_that_does_not_come_to_its_end_ends_it() {
    let (server, _) = impatient().await;
    // However slowly it comes...
    let mut peer = begin(&server, &users("u", 0..10)).await;
    soon(async {
        loop {
            peer.send(chunk(b"x")).await;
            let told = tokio::time::timeout(Duration::from_millis(100), peer.receives(b"error"));
            if told.await.is_ok() {
                return;
            }
        }
    })
    .await;
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!(lines[0]["created"], 10);
    let (code, _, accounted_for) = error_of(&lines[1]);
    assert_eq!((code, accounted_for), ("body_timed_out", 10));
    // ... or however fast.
    let mut peer = begin(&server, &users("v", 0..10)).await;
    let piece = chunk(&[b'x'; 1000]);
    soon(async { while peer.stream.write_all(&piece).await.is_ok() {} }).await;
    assert_eq!(accounts(&server).await, 21);
}

#[tokio::test]
async fn a_stall_ends_it_with_what_was_imported() {
    let (server, _) = impatient().await;
    let mut peer = begin(&server, &users("u", 0..10_100)).await;
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!(lines[0]["last"], 10_000);
    assert_eq!(
        (&lines[1]["first"], &lines[1]["created"]),
        (&json!(10_001), &json!(100))
    );
    let message = "The body did not arrive in time.";
    assert_eq!(error_of(&lines[2]), ("body_timed_out", message, 10_100));
    assert_eq!(lines.len(), 3);
    peer.closed_in_silence().await;
    assert_eq!(accounts(&server).await, 10_101);
}

#[tokio::test]
async fn a_stall_before_the_first_commit_has_a_proper_status() {
    let (server, _) = impatient().await;
    let mut peer = begin(&server, r#"{"user_id":"u""#).await;
    let answer = peer.answer().await;
    assert_error(&answer, 408, "body_timed_out");
    assert!(answer.closes());
    assert_eq!(accounts(&server).await, 1);
}

/// What matters is the time between two lines, not that of the whole; and a slow store is no stall.
#[tokio::test]
async fn a_body_may_take_longer_than_other_bodies_may() {
    let (server, store) = impatient().await;
    store.set(Fault::Blocks);
    let mut peer = begin(&server, &users("u", 0..20_000)).await;
    peer.send(b"0\r\n\r\n").await;
    store.reached().await;
    // Nothing is read while the store has one commit and the next one waits.
    let mut idle = begin(&server, "{").await;
    assert_error(&idle.answer().await, 408, "body_timed_out");
    store.set(Fault::None);
    store.release();
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!(lines[2]["created"], 20_000);
}

#[tokio::test]
async fn a_body_that_is_cut_off_ends_it_with_what_was_imported() {
    let (server, _) = start(Limits::default()).await;
    let body = users("u", 0..15_000) + r#"{"user_id":"cut"}"#;
    let mut peer = Peer::connect(server.operator).await;
    peer.send(head(LINES, body.len() + 1)).await;
    peer.send(&body).await;
    peer.receives(br#""last":15000,"#).await;
    peer.stream.shutdown().await.unwrap();
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!(
        error_of(&lines[2]),
        ("body_cut_off", "The body was cut off.", 15_000)
    );
    assert_eq!(accounts(&server).await, 15_001);
    // Before the first commit it has a status.
    let mut peer = begin(&server, "{").await;
    peer.stream.shutdown().await.unwrap();
    assert_error(&peer.answer().await, 400, "body_cut_off");
}

#[tokio::test]
async fn a_store_that_fails_at_once_has_a_proper_status() {
    let (server, store) = start(Limits::default()).await;
    store.set(Fault::Fails);
    let mut peer = begin(&server, &users("u", 0..20_000)).await;
    let answer = peer.answer().await;
    assert_error(&answer, 503, "store_unavailable");
    assert!(!answer.text().contains("disk on fire"));
    // An app that has gone meanwhile.
    store.set(Fault::ForgetsTheApp);
    let mut peer = begin(&server, &users("u", 0..20_000)).await;
    assert_error(&peer.answer().await, 404, "app_not_found");
}

#[tokio::test]
async fn a_store_that_fails_later_ends_it_with_what_was_imported() {
    for (fault, code) in [
        (Fault::Fails, "store_unavailable"),
        (Fault::ForgetsTheApp, "app_not_found"),
        (Fault::Panics, "internal"),
    ] {
        let (server, store) = start(Limits::default()).await;
        let mut peer = begin(&server, &users("u", 0..10_000)).await;
        peer.receives(br#""last":10000,"#).await;
        store.set(fault);
        // More than anybody reads any more.
        peer.send(chunk(users("v", 0..100_000).as_bytes())).await;
        let answer = peer.answer().await;
        assert!(!answer.text().contains("disk on fire"));
        let lines = lines_of(&answer.body);
        assert_eq!(
            (error_of(&lines[1]).0, error_of(&lines[1]).2),
            (code, 10_000)
        );
        assert_eq!(lines.len(), 2);
        // It makes room for the next one.
        store.set(Fault::None);
        let mut next = begin(&server, &users("w", 0..10_000)).await;
        next.receives(br#""last":10000,"#).await;
    }
}

#[tokio::test]
async fn a_commit_has_an_end() {
    let (server, store) = start(Limits {
        deadline_s: 0,
        ..Limits::default()
    })
    .await;
    store.set(Fault::Blocks);
    let mut peer = begin(&server, &users("u", 0..10_000)).await;
    let answer = peer.answer().await;
    assert_error(&answer, 503, "store_unavailable");
    let message = &answer.json()["error"]["message"];
    assert_eq!(
        *message,
        "The store did not answer in time; whether a change was made is unknown."
    );
}

#[tokio::test]
async fn four_go_on_at_a_time() {
    let (server, store) = start(Limits {
        deadline_s: 60,
        ..Limits::default()
    })
    .await;
    let mut under_way = Vec::new();
    for i in 0..4 {
        let mut peer = begin(&server, &users(&format!("u{i}-"), 0..10_000)).await;
        peer.receives(br#""last":10000,"#).await;
        under_way.push(peer);
    }
    let mut refused = begin(&server, &users("u", 0..100_000)).await;
    let answer = refused.answer().await;
    assert_error(&answer, 429, "too_many_imports");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer.json()["error"]["message"],
        "4 imports of lines are under way; try again when one of them is done."
    );
    // One that goes away in the middle of a commit makes room, and so does one that ends.
    store.set(Fault::Blocks);
    let mut gone = under_way.pop().unwrap();
    gone.send(chunk(users("gone", 0..10_000).as_bytes())).await;
    store.reached().await;
    drop(gone);
    store.set(Fault::None);
    store.release();
    let mut done = under_way.pop().unwrap();
    done.send("0\r\n\r\n").await;
    assert_eq!(done.answer().await.status, 200);
    for name in ["a", "b"] {
        soon(async {
            loop {
                let mut next = begin(&server, &users(name, 0..10_000)).await;
                let head = next.head_of_answer().await;
                if head.starts_with("HTTP/1.1 200 ") {
                    under_way.push(next);
                    return;
                }
            }
        })
        .await;
    }
    // The commit that was under way is made.
    assert_eq!(accounts(&server).await, 70_001);
}

/// Neither the lines of who is not read from nor the answer of who does not read are kept.
#[tokio::test]
async fn what_is_sent_beyond_two_commits_waits_with_the_caller() {
    let (server, store) = start(Limits {
        deadline_s: 60,
        write_timeout_s: 60,
        ..Limits::default()
    })
    .await;
    store.set(Fault::Blocks);
    let mut peer = Peer::connect(server.operator).await;
    peer.send(chunked_head()).await;
    let piece = chunk(users("u", 0..10_000).as_bytes());
    // More than fits between two ends of a connection.
    let mut sent = 0;
    let stuck = async {
        while sent < 1000 {
            peer.stream.write_all(&piece).await.unwrap();
            sent += 1;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(2), stuck);
    assert!(waited.await.is_err(), "all of it was taken");
    assert_eq!(store.waiting(), 1);
}

/// The answer can be long. Who sends without reading it is not read from either.
#[tokio::test]
async fn an_answer_that_nobody_reads_stops_the_reading() {
    let (server, _) = start(Limits {
        write_timeout_s: 1,
        ..Limits::default()
    })
    .await;
    let mut peer = Peer::connect(server.operator).await;
    peer.send(chunked_head()).await;
    let piece = chunk("x\n".repeat(10_000).as_bytes());
    let sent = soon(async {
        let mut sent = 0_u64;
        while peer.stream.write_all(&piece).await.is_ok() {
            sent += 10_000;
        }
        sent
    });
    // Each line is refused with a hundred bytes. A loopback connection holds some ten megabytes of them.
    let sent = sent.await;
    assert!(sent < 10_000_000, "{sent}");
}

#[tokio::test]
async fn a_stop_ends_it_after_the_commit_under_way() {
    let (mut server, store) = start(Limits {
        deadline_s: 60,
        shutdown_grace_s: 60,
        ..Limits::default()
    })
    .await;
    let mut peer = begin(&server, &users("u", 0..10_000)).await;
    peer.receives(br#""last":10000,"#).await;
    store.set(Fault::Blocks);
    // One commit under way, and one behind it.
    peer.send(chunk(users("v", 0..20_000).as_bytes())).await;
    store.reached().await;
    let mut waits = begin(&server, "{").await;
    assert_eq!(
        server.operate("GET", "/muster/v1/health", "").await.status,
        200
    );
    server.stop();
    let answer = waits.answer().await;
    assert_error(&answer, 503, "store_unavailable");
    store.release();
    let lines = lines_of(&peer.answer().await.body);
    assert_eq!(lines[1]["last"], 20_000);
    assert_eq!(
        error_of(&lines[2]),
        ("store_unavailable", "The server is stopping.", 20_000)
    );
    assert_eq!(lines.len(), 3);
    drop((peer, waits));
    assert_eq!(server.stopped().await.cut_connections, 0);
}
