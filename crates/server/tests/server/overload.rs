//! More than the server takes on at a time: refused at once, with 60018, and nothing of it done (wire
//! §1.2).

use muster_server::Limits;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::{
    harness::{
        ALICE, CHECK, GET, IMPORT, IMPORT_MANY, Running, SET, Setup, post, post_chunked_head,
        post_head, query,
    },
    peer::{Peer, soon},
    stub_store::{Fault, StubStore},
};

const HELD: &str = "muster_body_memory_bytes";

async fn start(limits: Limits) -> Running {
    Setup {
        limits,
        rate_limits: false,
        ..Setup::default()
    }
    .start()
    .await
}

fn with_memory(body_memory_bytes: usize) -> Limits {
    Limits {
        body_memory_bytes,
        ..Limits::default()
    }
}

/// An import of alice whose body has this size.
fn import_of(bytes: usize) -> String {
    format!("{ALICE}{}", " ".repeat(bytes - ALICE.len()))
}

async fn refusals(server: &Running, reason: &str) -> f64 {
    let series = format!("muster_overload_refusals_total{{reason=\"{reason}\"}}");
    server.metric(&series).await
}

/// Waits until the figure fits.
async fn until(server: &Running, series: &str, fits: impl Fn(f64) -> bool) {
    soon(async {
        while !fits(server.metric(series).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn calls_beyond_those_in_progress() {
    let store = StubStore::new();
    let server = Setup {
        limits: Limits {
            max_calls: 1,
            deadline_s: 60,
            ..Limits::default()
        },
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    for reason in ["calls", "request_memory", "answer_memory", "store"] {
        assert_eq!(refusals(&server, reason).await, 0.0);
    }
    store.set(Fault::Blocks);
    let mut first = Peer::connect(server.public).await;
    first
        .send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    store.reached().await;
    assert_eq!(server.metric("muster_calls_in_progress").await, 1.0);

    // The others are answered while it waits, and their connections go on.
    let mut second = Peer::connect(server.public).await;
    for (path, body, exact) in [
        (
            IMPORT,
            r#"{"UserID":"bob"}"#,
            r#"{"ActionStatus":"FAIL","ErrorCode":60018,"ErrorInfo":"The server has too much to do, nothing was done; try again in a second."}"#,
        ),
        (
            IMPORT_MANY,
            r#"{"Accounts":["bob"]}"#,
            r#"{"ActionStatus":"FAIL","ErrorCode":60018,"ErrorInfo":"The server has too much to do, nothing was done; try again in a second."}"#,
        ),
        (
            GET,
            r#"{"To_Account":["bob"],"TagList":["Tag_Profile_IM_Nick"]}"#,
            r#"{"ActionStatus":"FAIL","ErrorCode":60018,"ErrorInfo":"The server has too much to do, nothing was done; try again in a second.","ErrorDisplay":""}"#,
        ),
    ] {
        second.send(post(path, &query("administrator"), body)).await;
        let answer = second.answer().await;
        assert_eq!((answer.text().as_str(), answer.closes()), (exact, false));
    }
    assert_eq!(refusals(&server, "calls").await, 3.0);

    store.set(Fault::None);
    store.release();
    assert_eq!(first.answer().await.code(), 0);
    assert_eq!(server.metric("muster_calls_in_progress").await, 0.0);
    second
        .send(post(
            CHECK,
            &query("administrator"),
            r#"{"CheckItem":[{"UserID":"alice"},{"UserID":"bob"}]}"#,
        ))
        .await;
    let found = second.answer().await.json();
    assert_eq!(found["ResultItem"][0]["AccountStatus"], "Imported");
    assert_eq!(found["ResultItem"][1]["AccountStatus"], "NotImported");
}

/// However a call ends, the next one may begin.
#[tokio::test]
async fn a_call_that_fails_makes_room() {
    let store = StubStore::new();
    let server = Setup {
        limits: Limits {
            max_calls: 1,
            deadline_s: 0,
            ..Limits::default()
        },
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    for (fault, code) in [
        (Fault::Blocks, 70169),
        (Fault::Panics, 70500),
        (Fault::Fails, 70500),
    ] {
        store.set(fault);
        for _ in 0..3 {
            assert_eq!(server.call(IMPORT, ALICE).await.code(), code, "{fault:?}");
        }
    }
    assert_eq!(server.metric("muster_calls_in_progress").await, 0.0);
}

#[tokio::test]
async fn bodies_beyond_those_in_memory() {
    let server = start(with_memory(100_000)).await;
    let slow = import_of(90_000);
    let large = import_of(60_000);
    // Announcing much takes no room.
    let mut announced = Vec::new();
    for _ in 0..10 {
        let mut peer = Peer::connect(server.public).await;
        peer.send(post_head(IMPORT, &query("administrator"), slow.len()))
            .await;
        announced.push(peer);
    }
    assert_eq!(server.call(IMPORT, &large).await.code(), 0);

    let mut first = announced.pop().unwrap();
    first.send(&slow[..80_000]).await;
    until(&server, HELD, |bytes| bytes >= 80_000.0).await;
    let mut chunked = Peer::connect(server.public).await;
    chunked
        .send(post_chunked_head(IMPORT, &query("administrator")))
        .await;
    for _ in 0..10 {
        chunked
            .send(format!("2710\r\n{}\r\n", " ".repeat(10_000)))
            .await;
    }
    let over = chunked.answer().await;
    assert_eq!((over.code(), over.closes()), (60018, true));
    let over = server.call(IMPORT, &large).await;
    assert_eq!((over.code(), over.closes()), (60018, true));
    assert_eq!(refusals(&server, "request_memory").await, 2.0);
    // A small one is taken, and the slow one too, once all of it has come.
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    first.send(&slow[80_000..]).await;
    assert_eq!(first.answer().await.code(), 0);
    assert_eq!(server.call(IMPORT, &large).await.code(), 0);
    // One that is cut off makes room as well.
    let mut cut = announced.pop().unwrap();
    cut.send(&slow[..80_000]).await;
    until(&server, HELD, |bytes| bytes >= 80_000.0).await;
    drop(cut);
    until(&server, HELD, |bytes| bytes == 0.0).await;
}

/// The answers to these are as long as their bodies.
#[tokio::test]
async fn a_write_is_answered_although_there_is_no_room() {
    let server = start(with_memory(150_000)).await;
    let invalid: Vec<_> = (0..99)
        .map(|i| format!("{i}{}", "\u{e9}".repeat(500)))
        .collect();
    let mut ids: Vec<_> = invalid.iter().map(String::as_str).collect();
    ids.push("alice");
    let body = json!({"Accounts": ids}).to_string();
    assert!((75_000..150_000).contains(&body.len()));
    let answer = server.call(IMPORT_MANY, &body).await;
    assert_eq!(answer.code(), 0);
    assert_eq!(answer.json()["FailAccounts"], json!(invalid));
    until(&server, HELD, |bytes| bytes == 0.0).await;
}

/// A profile of some kilobytes, for alice.
async fn set_large_profile(server: &Running) {
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    let items: Vec<_> = ["Nick", "Image", "SelfSignature"]
        .iter()
        .map(|tag| {
            // Six bytes each in JSON.
            let value = "\u{1}".repeat(500);
            json!({"Tag": format!("Tag_Profile_IM_{tag}"), "Value": value})
        })
        .collect();
    let set = json!({"From_Account": "alice", "ProfileItem": items}).to_string();
    assert_eq!(server.call(SET, &set).await.code(), 0);
}

/// Asks for alice's profile so often at a time.
fn portraits(times: usize) -> String {
    let tags = ["Nick", "Image", "SelfSignature"].map(|tag| format!("Tag_Profile_IM_{tag}"));
    json!({"To_Account": vec!["alice"; times], "TagList": tags}).to_string()
}

/// A read of 4.5 MB, which is more than the sockets hold, and a caller who does not take it.
#[tokio::test]
async fn answers_beyond_those_in_memory() {
    let server = start(with_memory(6_000_000)).await;
    set_large_profile(&server).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reader = Peer::over(soon(socket.connect(server.public)).await.unwrap());
    reader
        .send(post(GET, &query("administrator"), &portraits(500)))
        .await;
    until(&server, HELD, |bytes| bytes > 4_500_000.0).await;

    let refused = server.call(GET, &portraits(400)).await;
    assert_eq!((refused.code(), refused.closes()), (60018, false));
    assert_eq!(refusals(&server, "answer_memory").await, 1.0);
    // A smaller one has room, and so has every write.
    let small = server.call(GET, &portraits(1)).await.json();
    assert_ne!(small["UserProfileItem"][0]["ProfileItem"], Value::Null);
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);

    assert!(reader.answer().await.body.len() > 4_500_000);
    until(&server, HELD, |bytes| bytes == 0.0).await;
    assert_eq!(server.call(GET, &portraits(400)).await.code(), 0);
}

/// Others wait without anything in memory, but for their request.
#[tokio::test]
async fn profiles_are_read_for_some_at_a_time() {
    const CALLS: usize = 40;
    let store = StubStore::new();
    let limits = Limits {
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
    set_large_profile(&server).await;
    store.set(Fault::Blocks);
    let mut peers = Vec::new();
    for _ in 0..CALLS {
        let mut peer = Peer::connect(server.public).await;
        peer.send(post(GET, &query("administrator"), &portraits(1)))
            .await;
        peers.push(peer);
    }
    until(&server, "muster_calls_in_progress", |calls| calls == 40.0).await;
    assert_eq!(store.waiting(), 32);
    for _ in &peers {
        store.release();
    }
    for mut peer in peers {
        assert_eq!(peer.answer().await.code(), 0);
    }
}
