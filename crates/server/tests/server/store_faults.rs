//! A store that fails, panics or does not answer.

use muster_server::Limits;
use serde_json::json;

use crate::{
    harness::{
        ALICE, APP, CHECK, DELETE, GET, IMPORT, IMPORT_MANY, KICK, QUERYSTATE, Running, SET,
        STATUS, Setup,
    },
    log,
    stub_store::{Fault, StubStore},
};

/// Every command with a body that reaches the store.
const CALLS: [(&str, &str); 10] = [
    (IMPORT, ALICE),
    (IMPORT_MANY, r#"{"Accounts":["alice"]}"#),
    (CHECK, r#"{"CheckItem":[{"UserID":"alice"}]}"#),
    (
        SET,
        r#"{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":3}]}"#,
    ),
    // The Tag is unknown, but the account is judged first (wire §3.8).
    (
        SET,
        r#"{"From_Account":"alice","ProfileItem":[{"Tag":"nonsense","Value":3}]}"#,
    ),
    (
        GET,
        r#"{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}"#,
    ),
    (KICK, ALICE),
    (DELETE, r#"{"DeleteItem":[{"UserID":"alice"}]}"#),
    (STATUS, r#"{"To_Account":["alice"]}"#),
    (QUERYSTATE, r#"{"To_Account":["alice"]}"#),
];

async fn start(store: &std::sync::Arc<StubStore>, limits: Limits) -> Running {
    Setup {
        limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await
}

/// The code of a path's service for a failure inside, or for one that took too long.
fn code_inside(path: &str, timed_out: bool) -> u64 {
    let service = path.split('/').nth(2);
    match (service, timed_out) {
        (Some("profile"), _) => 40006,
        (Some("openim"), true) => 90992,
        (Some("openim"), false) => 90994,
        (_, true) => 70169,
        (_, false) => 70500,
    }
}

/// Every command fails with its service's code; only the batch import has a list (wire §3.3).
async fn assert_fails(server: &Running, timed_out: bool) {
    for (path, body) in CALLS {
        let answer = server.call(path, body).await;
        let code = code_inside(path, timed_out);
        assert_eq!(answer.code(), code, "{path}");
        let json = answer.json();
        let text = match code {
            70169 | 90992 => "Timed out inside the server, try again.",
            _ => "Internal error, try again.",
        };
        assert_eq!(json["ErrorInfo"], text);
        let expected = (path == IMPORT_MANY).then(|| json!([]));
        assert_eq!(json.get("FailAccounts"), expected.as_ref(), "{path}");
    }
}

#[tokio::test]
async fn a_failure_is_answered_and_its_cause_logged() {
    let store = StubStore::new();
    let server = start(&store, Limits::default()).await;
    store.set(Fault::Fails);
    assert_fails(&server, false).await;
    let answer = server.call(IMPORT, ALICE).await;
    assert!(!answer.closes());
    let lines = log::lines_with(answer.header("x-request-id").unwrap());
    let cause = lines.iter().find(|line| line.contains("ERROR")).unwrap();
    assert!(cause.contains("disk on fire"), "{cause}");
    store.set(Fault::None);
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
}

#[tokio::test]
async fn a_failure_at_the_gate_gives_no_list() {
    let store = StubStore::new();
    let server = start(&store, Limits::default()).await;
    store.set(Fault::FailsAtOnce);
    for (path, body) in CALLS {
        let answer = server.call(path, body).await;
        assert_eq!(answer.code(), code_inside(path, false));
        assert_eq!(answer.json().get("FailAccounts"), None);
    }
}

#[tokio::test]
async fn a_panic_ends_one_call_only() {
    let store = StubStore::new();
    let server = start(&store, Limits::default()).await;
    store.set(Fault::Panics);
    assert_fails(&server, false).await;
    let answer = server.call(IMPORT, ALICE).await;
    let lines = log::lines_with(answer.header("x-request-id").unwrap());
    assert!(
        lines.iter().any(|line| line.contains("the store panics")),
        "{lines:?}"
    );
    let page = format!("/muster/v1/apps/{APP}/accounts");
    let operated = server.operate("GET", &page, "").await;
    assert_eq!(
        (operated.status, &operated.json()["error"]["code"]),
        (500, &json!("internal"))
    );
    store.set(Fault::None);
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    assert_eq!(server.operate("GET", &page, "").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let store = StubStore::new();
    let server = start(
        &store,
        Limits {
            deadline_s: 0,
            ..Limits::default()
        },
    )
    .await;
    store.set(Fault::Blocks);
    assert_fails(&server, true).await;
    // To the byte, as the binary cannot be brought to it.
    for ((path, body), exact) in CALLS.into_iter().zip([
        r#"{"ActionStatus":"FAIL","ErrorCode":70169,"ErrorInfo":"Timed out inside the server, try again."}"#,
        r#"{"ActionStatus":"FAIL","ErrorCode":70169,"ErrorInfo":"Timed out inside the server, try again.","FailAccounts":[]}"#,
        r#"{"ActionStatus":"FAIL","ErrorCode":70169,"ErrorInfo":"Timed out inside the server, try again."}"#,
        r#"{"ActionStatus":"FAIL","ErrorCode":40006,"ErrorInfo":"Internal error, try again.","ErrorDisplay":""}"#,
    ]) {
        assert_eq!(server.call(path, body).await.text(), exact, "{path}");
    }
    let page = format!("/muster/v1/apps/{APP}/accounts");
    for path in [page.as_str(), "/muster/v1/ready"] {
        let answer = server.operate("GET", path, "").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["error"]["code"], "store_unavailable");
    }
}

#[tokio::test]
async fn an_app_that_is_gone_is_unknown() {
    let store = StubStore::new();
    let server = start(&store, Limits::default()).await;
    store.set(Fault::ForgetsTheApp);
    for (path, body) in CALLS {
        let answer = server.call(path, body).await;
        assert_eq!(answer.code(), 70020);
        assert_eq!(answer.json().get("FailAccounts"), None);
    }
}
