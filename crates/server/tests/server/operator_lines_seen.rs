//! What an operator sees of imports of lines: the log and the metrics.

use muster_server::Limits;
use tokio::io::AsyncWriteExt as _;

use crate::{
    harness::Setup,
    log::lines_with,
    operator_lines::{LINES, chunk, chunked_head, head, users},
    peer::{Answer, Peer, soon},
    stub_store::{Fault, StubStore},
};

const UNDER_WAY: &str = "muster_line_imports";

/// The line about the end of an import, with these in it.
async fn end_of(request_id: &str, parts: &[&str]) {
    let line = soon(async {
        loop {
            let lines = lines_with(request_id);
            if let Some(line) = lines
                .into_iter()
                .find(|line| line.contains("an import of lines ended"))
            {
                return line;
            }
            tokio::task::yield_now().await;
        }
    });
    let line = line.await;
    for part in parts {
        assert!(line.contains(part), "{part} in {line}");
    }
}

fn id_of(answer: &Answer) -> &str {
    answer.header("x-request-id").unwrap()
}

#[tokio::test]
async fn the_log_says_how_an_import_ended() {
    let store = StubStore::new();
    let server = Setup {
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    let body = users("u", [1, 2, 2].into_iter()) + "oops\n\n";
    let mut peer = Peer::connect(server.operator).await;
    for (query, dry_run) in [("?dry_run=true", "dry_run=true"), ("", "dry_run=false")] {
        peer.send(head(&format!("{LINES}{query}"), body.len()))
            .await;
        peer.send(&body).await;
        let parts = [
            " INFO muster::operator: ",
            "sdkappid=1400000000",
            "end=\"done\"",
            "lines=5",
            "created=2",
            "updated=0",
            "unchanged=0",
            "superseded=1",
            "refused=1",
            "duration_us=",
            dry_run,
        ];
        end_of(id_of(&peer.answer().await), &parts).await;
    }
    // One that fails before its first commit, and one that fails later.
    let mut late = Peer::connect(server.operator).await;
    late.send(chunked_head()).await;
    late.send(chunk(users("v", 0..10_000).as_bytes())).await;
    late.receives(b"10000").await;
    store.set(Fault::Fails);
    late.send(chunk(users("w", 0..10_000).as_bytes())).await;
    let failed = "end=\"store_unavailable\"";
    end_of(id_of(&late.answer().await), &[failed, "lines=10000"]).await;
    let mut early = Peer::connect(server.operator).await;
    early.send(head(LINES, body.len())).await;
    early.send(&body).await;
    end_of(id_of(&early.answer().await), &[failed, "lines=0"]).await;
}

/// Nobody waits for the end of one whose answer cannot be written.
#[tokio::test]
async fn an_import_whose_caller_went_away_is_seen_until_then() {
    let server = Setup {
        limits: Limits {
            write_timeout_s: 1,
            ..Limits::default()
        },
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(server.metric(UNDER_WAY).await, 0.0);
    let mut peer = Peer::connect(server.operator).await;
    peer.send(chunked_head()).await;
    peer.send(chunk(users("u", 0..10_000).as_bytes())).await;
    let head = peer.head_of_answer().await;
    assert_eq!(server.metric(UNDER_WAY).await, 1.0);
    let request_id = head.split("x-request-id: ").nth(1).unwrap();
    let request_id = request_id.split("\r\n").next().unwrap();
    let piece = chunk("x\n".repeat(10_000).as_bytes());
    soon(async { while peer.stream.write_all(&piece).await.is_ok() {} }).await;
    let parts = ["end=\"caller_went_away\"", "created=10000"];
    end_of(request_id, &parts).await;
    assert_eq!(server.metric(UNDER_WAY).await, 0.0);
}
