//! What the server logs, recorded for all tests of the process; a test finds its own lines by the
//! request id.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use crate::harness::{self, ALICE, IMPORT, KEY, TOKEN, post, post_head, query, usersig};
use crate::peer::{Peer, soon};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static RECORD: Once = Once::new();

struct Recorder;

impl io::Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        recorded().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn recorded() -> MutexGuard<'static, Vec<u8>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records from now on.
pub(crate) fn record() {
    RECORD.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(|| Recorder)
            .init();
    });
}

/// The lines that hold `text`.
pub(crate) fn lines_with(text: &str) -> Vec<String> {
    let log = String::from_utf8(recorded().clone()).unwrap();
    log.lines()
        .filter(|line| line.contains(text))
        .map(str::to_owned)
        .collect()
}

/// Waits for a line that holds `text`.
pub(crate) async fn line_with(text: &str) -> String {
    soon(async {
        loop {
            if let Some(line) = lines_with(text).into_iter().next() {
                return line;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_request_is_one_line_without_secrets() {
    let server = harness::start().await;
    let sig = usersig("administrator", KEY, harness::NOW_S, 77);
    let answer = {
        let mut peer = Peer::connect(server.public).await;
        peer.send(post(
            IMPORT,
            &harness::query_with("administrator", &sig),
            ALICE,
        ))
        .await;
        peer.answer().await
    };
    let id = answer.header("x-request-id").unwrap();
    let lines = lines_with(id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "muster::request",
        "command=\"account_import\"",
        "sdkappid=1400000000",
        "code=0",
        "method=POST",
        "entries=1",
        "body_bytes=18",
        "duration_us=",
        "peer=127.0.0.1:",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(!lines[0].contains("path="));
    server.operate("GET", "/muster/v1/apps", "").await;
    server
        .operate_with(
            "Authorization: Bearer guessed-in-vain\r\n",
            "GET",
            "/muster/v1/apps",
            "",
        )
        .await;
    for secret in [sig.as_str(), KEY, TOKEN, "guessed-in-vain"] {
        assert_eq!(lines_with(secret), Vec::<String>::new());
    }
}

/// Why a call had no answer, and whose doing an answer was. The caller of a cut call has no request
/// id, so a line is found by the caller's address.
#[tokio::test]
async fn what_a_fault_did_is_said() {
    const FAULT: &str = " fault=true ";
    let server = harness::start().await;
    for (fault, message, code) in [
        (r#"{"cut":true,"count":1}"#, "cut off by a fault", None),
        (
            r#"{"cut":true,"carried_out":true,"count":1}"#,
            "cut off by a fault",
            None,
        ),
        (
            r#"{"code":70500,"count":1}"#,
            "answered",
            Some(" code=70500 "),
        ),
    ] {
        let ordered = server.operate("POST", "/muster/v1/faults", fault).await;
        assert_eq!(ordered.status, 201, "{fault}");
        let mut peer = Peer::connect(server.public).await;
        let address = peer.stream.local_addr().unwrap();
        let before = calls_from(address).len();
        peer.send(post(IMPORT, &query("administrator"), ALICE))
            .await;
        match code {
            None => assert!(peer.closed_in_silence().await, "{fault}"),
            Some(_) => assert_eq!(peer.answer().await.code(), 70500),
        }
        let line = call_after(before, address).await;
        assert!(line.contains(message) && line.contains(FAULT), "{line}");
        match code {
            None => assert!(!line.contains(" code="), "{line}"),
            Some(code) => assert!(line.contains(code), "{line}"),
        }
    }
    // What the caller did is no fault.
    let mut peer = Peer::connect(server.public).await;
    let address = peer.stream.local_addr().unwrap();
    let before = calls_from(address).len();
    peer.send(post_head(IMPORT, &query("administrator"), ALICE.len()))
        .await;
    drop(peer);
    let line = call_after(before, address).await;
    assert!(line.contains("cut off by the caller"), "{line}");
    assert!(!line.contains(FAULT.trim()), "{line}");
}

/// The lines of calls from this address. Other tests may have had it before: a port that is in use
/// towards one server is free towards another.
fn calls_from(address: SocketAddr) -> Vec<String> {
    let end = format!(" peer={address}");
    let mut lines = lines_with(&end);
    // Not those of a port that begins like this one, nor those of the other listener.
    lines.retain(|line| line.ends_with(&end) && line.contains(" muster::request: "));
    lines
}

/// Waits for the line of the call that follows on so many.
async fn call_after(before: usize, address: SocketAddr) -> String {
    soon(async {
        loop {
            if let Some(line) = calls_from(address).into_iter().nth(before) {
                return line;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// The protocol has one text for all that can be wrong inside a UserSig; the log says what it is.
#[tokio::test]
async fn an_illegal_usersig_is_explained() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    let sig = usersig("administrator", KEY, harness::NOW_S, 78).replace('_', "%253D");
    let query = harness::query_with("administrator", &format!("{sig}%253D"));
    peer.send(post(IMPORT, &query, ALICE)).await;
    let answer = peer.answer().await;
    assert_eq!(answer.code(), 70003);
    let line = lines_with(answer.header("x-request-id").unwrap()).remove(0);
    assert!(
        line.contains("reason=the token holds '%' at byte"),
        "{line}"
    );
    assert!(line.contains("still percent-encoded"), "{line}");
}

#[tokio::test]
async fn a_token_in_an_operators_path_is_not_shown() {
    let server = harness::start().await;
    let cases = [
        (
            "PUT",
            "/muster/v1/apps/1400000000/admins/bob%20b",
            200,
            "/muster/v1/apps/1400000000/admins/bob%20b",
        ),
        (
            "GET",
            "/muster/v1/apps/1400000000/accounts?limit=1&token=TOKEN",
            400,
            "/muster/v1/apps/1400000000/accounts",
        ),
        (
            "PUT",
            "/muster/v1/apps/1400000000/admins/eve%3FTOKEN",
            200,
            "/muster/v1/apps/1400000000/admins/eve",
        ),
        (
            "POST",
            "/muster/v1/apps/7/rotate-key",
            404,
            "/muster/v1/apps/7/rotate-key",
        ),
        (
            "GET",
            "/muster/v1/apps/1400000000/accounts/TOKEN",
            404,
            "/muster/v1/apps/1400000000/accounts/",
        ),
        (
            "DELETE",
            "/muster/v1/apps/7/sessions/9",
            404,
            "/muster/v1/apps/7/sessions/9",
        ),
        (
            "POST",
            "/muster/v1/clock/advance",
            400,
            "/muster/v1/clock/advance",
        ),
        (
            "DELETE",
            "/muster/v1/faults/TOKEN",
            400,
            "/muster/v1/faults/",
        ),
        ("GET", "/muster/v1/apps/TOKEN", 400, "/muster/v1/apps/"),
        ("GET", "/muster/v1/TOKEN", 404, "/muster/v1/"),
        ("GET", "/muster/v1/apps%3Ftoken=TOKEN", 404, "/muster/v1/"),
        ("GET", "/metrics?token=TOKEN", 200, "/metrics"),
        ("GET", "/TOKEN", 404, "/"),
        ("GET", "/TOKEN/apps", 404, "/"),
        ("GET", "/x?token=TOKEN", 404, "/"),
    ];
    for (method, path, status, shown) in cases {
        let answer = server
            .operate(method, &path.replace("TOKEN", TOKEN), "")
            .await;
        assert_eq!(answer.status, status, "{path}");
        let line = line_with(answer.header("x-request-id").unwrap()).await;
        assert!(line.contains(&format!(" path={shown} ")), "{path}: {line}");
    }
    assert_eq!(lines_with(TOKEN), Vec::<String>::new());
}

#[tokio::test]
async fn what_callers_send_cannot_break_a_line() {
    let server = harness::start().await;
    let mut peer = Peer::connect(server.public).await;
    let path = format!("/v4/im_open_login_svc/no_such\u{9b}31m{}", "x".repeat(1000));
    peer.send(post(&path, &query("administrator"), "{}")).await;
    let answer = peer.answer().await;
    assert_eq!(answer.code(), 60009);
    let line = line_with(answer.header("x-request-id").unwrap()).await;
    assert!(
        line.contains("path=/v4/im_open_login_svc/no_such"),
        "{line}"
    );
    assert!(!line.contains('\u{9b}'), "{line}");
    assert!(line.len() < 600, "{line}");
}
