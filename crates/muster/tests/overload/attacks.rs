//! Callers who do not mean to be answered.

use std::iter;

use muster_testkit::http::chunked;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    peer::{Outcome, Outcomes, Peer},
    server::{BESIDE_MIB, BODY_MEMORY, CONNECTIONS, Server, target},
};

const MIB: u64 = 1024 * 1024;

/// So many callers of one kind, side by side.
struct Attack(JoinSet<Outcome>);

impl Attack {
    /// Begins, with a connection for each.
    async fn begin<F>(server: &Server, callers: usize, one: impl Fn(Peer) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut attackers = JoinSet::new();
        for _ in 0..callers {
            attackers.spawn(one(server.connect().await));
        }
        Self(attackers)
    }

    /// Waits until all have come to an end.
    async fn outcomes(mut self) -> Outcomes {
        let mut outcomes = Outcomes::new();
        while let Some(outcome) = self.0.join_next().await {
            *outcomes.entry(outcome.unwrap()).or_default() += 1;
        }
        println!("{outcomes:?}");
        outcomes
    }
}

/// The head of a call with these header lines.
fn head(headers: &str) -> String {
    let target = target("im_open_login_svc/account_import");
    format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// Sends these bytes, and waits for what the server says or does.
async fn sends(mut peer: Peer, bytes: Vec<u8>) -> Outcome {
    // Who is refused may not get rid of all.
    let _ = peer.send(bytes).await;
    peer.outcome().await
}

/// Sends the first, and then the second for ever.
async fn sends_for_ever(mut peer: Peer, first: String, then: Vec<u8>) -> Outcome {
    match peer.send(first).await {
        Ok(()) => peer.send_for_ever(&then).await,
        Err(_) => Outcome::Closed,
    }
}

fn assert_only(outcomes: &Outcomes, allowed: &[Outcome]) {
    for outcome in outcomes.keys() {
        assert!(allowed.contains(outcome), "{outcomes:?}");
    }
}

fn assert_bounded(server: &Server, bound_mib: u64) {
    let peak_mib = server.peak_memory_mib();
    println!("peak {peak_mib} MiB");
    assert!(peak_mib < bound_mib + BESIDE_MIB, "{peak_mib} MiB");
}

/// Six times the bodies that there is memory for, each but for its last byte; and some without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_end() {
    const MEMORY_MIB: u64 = 64;
    const BODY_BYTES: usize = 1024 * 1024;
    let memory = format!("limits.body_memory_bytes={}", MEMORY_MIB * MIB);
    let server = Server::start(&["limits.body_timeout_s=3", &memory]);
    let stalled = Attack::begin(&server, 6 * 64, |peer| {
        let body = iter::repeat_n(b' ', BODY_BYTES - 1);
        let head = head(&format!("Content-Length: {BODY_BYTES}\r\n")).into_bytes();
        sends(peer, head.into_iter().chain(body).collect())
    })
    .await;
    server
        .until(BODY_MEMORY, |bytes| bytes > MEMORY_MIB * MIB / 2)
        .await;
    server.answers().await;
    let outcomes = stalled.outcomes().await;
    // Those that had room were slow, the others were refused.
    assert_only(&outcomes, &[Outcome::Code(60008), Outcome::Code(60018)]);
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");

    let chunk = vec![b' '; 64 * 1024];
    let mut chunk = chunked([chunk.as_slice()]);
    chunk.truncate(chunk.len() - b"0\r\n\r\n".len());
    for (headers, piece) in [
        ("Transfer-Encoding: chunked\r\n", chunk),
        ("Content-Length: 100000000000\r\n", vec![b' '; 64 * 1024]),
    ] {
        let endless = Attack::begin(&server, 50, |peer| {
            sends_for_ever(peer, head(headers), piece.clone())
        });
        let outcomes = endless.await.outcomes().await;
        assert_only(&outcomes, &[Outcome::Code(60008), Outcome::Code(60018)]);
    }
    assert_bounded(&server, MEMORY_MIB);
    server.is_as_before().await;
}

/// Heads of 60 KiB that do not end, and heads that never would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_do_not_end() {
    const STALLED: usize = 1000;
    let server = Server::start(&["limits.header_timeout_s=3"]);
    let stalled = Attack::begin(&server, STALLED, |peer| {
        let line = format!("X: {}\r\n", "x".repeat(60 * 1024));
        let head = head(&line).into_bytes();
        sends(peer, head[..head.len() - 2].to_vec())
    })
    .await;
    server.answers().await;
    let outcomes = stalled.outcomes().await;
    assert_only(&outcomes, &[Outcome::Closed]);

    let target = target("im_open_login_svc/account_import");
    let line = format!("POST {target}");
    for (first, then) in [
        (format!("{line}&pad="), "x"),
        (format!("{line} HTTP/1.1\r\nX: "), "x"),
        (format!("{line} HTTP/1.1\r\n"), "X: x\r\n"),
    ] {
        let then = then.repeat(16 * 1024).into_bytes();
        let endless = Attack::begin(&server, 50, |peer| {
            sends_for_ever(peer, first.clone(), then.clone())
        });
        let outcomes = endless.await.outcomes().await;
        // Not all of it was read, and then the answer can get lost.
        let statuses = [400, 414, 431].map(Outcome::Status);
        assert_only(&outcomes, &[&statuses[..], &[Outcome::Closed]].concat());
    }
    assert_bounded(&server, (STALLED * 64 / 1024) as u64);
    server.is_as_before().await;
}

/// Callers who ask for 4.5 MB each and take nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes() {
    const MEMORY_MIB: u64 = 32;
    const ASKERS: u64 = 100;
    let memory = format!("limits.body_memory_bytes={}", MEMORY_MIB * MIB);
    let server = Server::start(&["limits.write_timeout_s=1", &memory]);
    server.answers().await;
    let tags = ["Nick", "Image", "SelfSignature"].map(|tag| format!("Tag_Profile_IM_{tag}"));
    // Six bytes a character in JSON.
    let value = "\u{1}".repeat(500);
    let items: Vec<_> = tags
        .iter()
        .map(|tag| json!({"Tag": tag, "Value": value}))
        .collect();
    let set = json!({"From_Account": "of-good-will", "ProfileItem": items}).to_string();
    let mut peer = server.connect().await;
    let outcome = peer.call(&target("profile/portrait_set"), &set).await;
    assert_eq!(outcome, Outcome::Code(0));
    drop(peer);

    let ask = json!({"To_Account": vec!["of-good-will"; 500], "TagList": tags}).to_string();
    let get = target("profile/portrait_get");
    let mut askers = Vec::new();
    for _ in 0..ASKERS {
        let mut peer = Peer::open_with(server.url(), |socket| {
            socket.set_recv_buffer_size(4096).unwrap();
        })
        .await;
        peer.send_call(&get, &ask).await.unwrap();
        askers.push(peer);
    }
    server.until(BODY_MEMORY, |bytes| bytes > 4 * MIB).await;
    server.answers().await;
    // Each had its answer begun and was cut off, or was refused, or its turn to read came too late.
    let answered = "muster_request_duration_seconds_count{command=\"portrait_get\"}";
    server.until(answered, |count| count == ASKERS).await;
    server.until(BODY_MEMORY, |bytes| bytes == 0).await;
    let mut outcomes = Outcomes::new();
    for mut asker in askers {
        *outcomes.entry(asker.outcome().await).or_default() += 1;
    }
    println!("{outcomes:?}");
    let [refused, cut_off] = [Outcome::Code(60018), Outcome::Closed];
    assert_only(&outcomes, &[refused, cut_off, Outcome::Code(40006)]);
    assert!(outcomes.contains_key(&refused), "{outcomes:?}");
    assert!(outcomes.contains_key(&cut_off), "{outcomes:?}");
    assert_bounded(&server, MEMORY_MIB);
    server.is_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections() {
    const IDLE: usize = 10_000;
    const FILES: u64 = IDLE as u64 + 2000;
    let hard = getrlimit(Resource::Nofile).maximum;
    if hard.is_some_and(|hard| hard < FILES) {
        eprintln!("skipped: the hard limit on open files is {hard:?}, and this takes {FILES}");
        return;
    }
    let raised = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let server = Server::start(&["limits.max_connections=10100", "limits.idle_timeout_s=600"]);
    let mut idle = Vec::new();
    for number in 0..IDLE {
        let mut peer = server.connect().await;
        // Some have made a call, the others have not said a word.
        if number.is_multiple_of(10) {
            let import = target("im_open_login_svc/account_import");
            let outcome = peer.call(&import, r#"{"UserID":"idle"}"#).await;
            assert_eq!(outcome, Outcome::Code(0));
        }
        idle.push(peer);
    }
    server.until(CONNECTIONS, |open| open >= IDLE as u64).await;
    server.answers().await;
    // 16 KiB each, half of it to read into.
    assert_bounded(&server, (IDLE * 16 / 1024) as u64);
    drop(idle);
    server.is_as_before().await;
}
