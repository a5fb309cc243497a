//! Faults and the clock: what an operator orders, callers of the account API get.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time;

use crate::{
    harness::{
        self, ALICE, CHECK, IMPORT, IMPORT_MANY, NOW_S, Running, Setup, TOKEN, post, query,
        query_with, request, usersig,
    },
    operator::assert_error,
    peer::{Peer, soon},
};

const FAULTS: &str = "/muster/v1/faults";
const CLOCK: &str = "/muster/v1/clock";
const ADVANCE: &str = "/muster/v1/clock/advance";
const CHECK_ALICE: &str = r#"{"CheckItem":[{"UserID":"alice"}]}"#;

async fn add(server: &Running, fault: Value) -> Value {
    let answer = server.operate("POST", FAULTS, &fault.to_string()).await;
    assert_eq!(answer.status, 201, "{fault}: {answer:?}");
    answer.json()
}

async fn faults(server: &Running) -> Value {
    server.operate("GET", FAULTS, "").await.json()["faults"].take()
}

async fn is_imported(server: &Running) -> bool {
    let answer = server.call(CHECK, CHECK_ALICE).await.json();
    answer["ResultItem"][0]["AccountStatus"] == "Imported"
}

#[tokio::test]
async fn a_code_comes_instead_of_the_answer() {
    let server = harness::start().await;
    let added = add(
        &server,
        json!({"command": "account_import", "code": 70500, "count": 2, "sdkappid": 1_400_000_000}),
    )
    .await;
    let mut fault = json!({
        "id": "1", "sdkappid": 1_400_000_000, "command": "account_import", "code": 70500,
        "message": null, "latency_ms": 0, "cut": false, "carried_out": false, "probability": 1.0,
        "until": null, "struck": 0, "left": 2,
    });
    assert_eq!(added, fault);
    let answer = server.call(IMPORT, ALICE).await;
    assert_eq!(answer.code(), 70500);
    assert_eq!(
        answer.json()["ErrorInfo"],
        "Injected fault: internal error."
    );
    assert!(!is_imported(&server).await);
    fault["struck"] = 1.into();
    fault["left"] = 1.into();
    assert_eq!(faults(&server).await, json!([fault]));
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 70500);
    // It is over after its count.
    assert_eq!(faults(&server).await, json!([]));
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
}

#[tokio::test]
async fn a_call_may_be_carried_out_all_the_same() {
    let server = harness::start().await;
    add(
        &server,
        json!({"code": 70169, "message": "Nobody knows.", "carried_out": true, "count": 1}),
    )
    .await;
    let answer = server.call(IMPORT, ALICE).await;
    assert_eq!(answer.code(), 70169);
    assert_eq!(answer.json()["ErrorInfo"], "Nobody knows.");
    assert!(is_imported(&server).await);
}

/// Whether a call is cut off without an answer.
async fn is_cut(server: &Running) -> bool {
    let mut peer = Peer::connect(server.public).await;
    peer.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    peer.closed_in_silence().await
}

#[tokio::test]
async fn a_connection_is_cut() {
    let server = harness::start().await;
    add(&server, json!({"cut": true, "count": 1})).await;
    assert!(is_cut(&server).await);
    assert!(!is_imported(&server).await);
    add(
        &server,
        json!({"cut": true, "carried_out": true, "count": 1}),
    )
    .await;
    assert!(is_cut(&server).await);
    assert!(is_imported(&server).await);
}

#[tokio::test]
async fn a_call_is_late() {
    let server = harness::start().await;
    let fault = json!({"command": "account_import", "latency_ms": 60_000});
    let added = add(&server, fault).await;
    assert_eq!(added["carried_out"], true);
    let mut late = Peer::connect(server.public).await;
    late.send(post(IMPORT, &query("administrator"), ALICE))
        .await;
    soon(async {
        while faults(&server).await[0]["struck"] != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The call waits by now, and nothing of it is done.
    assert!(!is_imported(&server).await);
    // Its minute passes in no time.
    time::pause();
    time::advance(Duration::from_mins(1)).await;
    time::resume();
    assert_eq!(late.answer().await.code(), 0);
    assert!(is_imported(&server).await);
}

#[tokio::test]
async fn faults_aim() {
    let server = harness::start().await;
    let other = r#"{"sdkappid":7}"#;
    let made = server.operate("POST", "/muster/v1/apps", other).await;
    assert_eq!(made.status, 201);
    add(&server, json!({"sdkappid": 7, "code": 70500})).await;
    add(&server, json!({"command": "account_check", "code": 70169})).await;
    add(
        &server,
        json!({"command": "multiaccount_import", "code": 60018}),
    )
    .await;
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    assert_eq!(server.call(CHECK, CHECK_ALICE).await.code(), 70169);
    let many = server.call(IMPORT_MANY, r#"{"Accounts":["bob"]}"#).await;
    assert_eq!(many.code(), 60018);
    assert_eq!(many.json()["FailAccounts"], json!([]));
    // Who may not call does not use one up.
    let mut peer = Peer::connect(server.public).await;
    let forged = query_with("administrator", "forged");
    peer.send(post(CHECK, &forged, CHECK_ALICE)).await;
    assert_eq!(peer.answer().await.code(), 70003);
    let struck: Vec<_> = faults(&server)
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            (
                fault["id"].clone(),
                fault["struck"].clone(),
                fault["left"].clone(),
            )
        })
        .collect();
    let row = |id: &str, struck: u64| (json!(id), json!(struck), Value::Null);
    assert_eq!(struck, [row("1", 0), row("2", 1), row("3", 1)]);
}

#[tokio::test]
async fn faults_end() {
    let server = harness::start().await;
    let added = add(&server, json!({"code": 70500, "for_s": 60})).await;
    assert_eq!(added["until"], "2023-11-14T22:14:20Z");
    let added = add(
        &server,
        json!({"code": 70169, "until": "2023-11-14T23:15:20+01:00"}),
    )
    .await;
    assert_eq!(added["until"], "2023-11-14T22:15:20Z");
    add(&server, json!({"code": 40006})).await;
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 70500);
    for (seconds, code) in [(59, 70500), (1, 70169), (59, 70169), (1, 40006)] {
        server.hand.advance(seconds);
        assert_eq!(server.call(IMPORT, ALICE).await.code(), code);
    }
    assert_eq!(
        server
            .operate("DELETE", "/muster/v1/faults/3", "")
            .await
            .status,
        204
    );
    let again = server.operate("DELETE", "/muster/v1/faults/3", "").await;
    assert_error(&again, 404, "fault_not_found");
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    for _ in 0..3 {
        add(&server, json!({"cut": true})).await;
    }
    let cleared = server.operate("DELETE", FAULTS, "").await;
    assert_eq!(
        (cleared.status, cleared.json()),
        (200, json!({"removed": 3}))
    );
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
}

#[tokio::test]
async fn faults_are_bounded() {
    let server = harness::start().await;
    for _ in 0..100 {
        add(&server, json!({"cut": true})).await;
    }
    let answer = server.operate("POST", FAULTS, r#"{"cut":true}"#).await;
    assert_error(&answer, 409, "too_many_faults");
}

#[tokio::test]
async fn what_cannot_be_a_fault_is_refused() {
    let server = harness::start().await;
    let effect = "Give at least one of code, cut and latency_ms.";
    for (fault, message) in [
        (json!({}), effect),
        (json!({"cut": false, "sdkappid": 1_400_000_000}), effect),
        (
            json!({"code": 70500, "cut": true}),
            "code and cut exclude each other.",
        ),
        (
            json!({"code": 12345}),
            "code: muster knows no code 12345; docs/wire.md, section 7, lists them.",
        ),
        (
            json!({"code": 0}),
            "code: muster knows no code 0; docs/wire.md, section 7, lists them.",
        ),
        (
            json!({"cut": true, "message": "x"}),
            "message goes with code, and there is none.",
        ),
        (
            json!({"code": 70500, "message": "é".repeat(251)}),
            "message is 502 bytes long, the limit is 500.",
        ),
        (
            json!({"latency_ms": 0}),
            "latency_ms is 0; 1 to 60000 are allowed.",
        ),
        (
            json!({"latency_ms": 60_001}),
            "latency_ms is 60001; 1 to 60000 are allowed.",
        ),
        (
            json!({"latency_ms": 1, "carried_out": false}),
            "carried_out goes with code or cut; with latency_ms alone the command is carried out \
             anyway.",
        ),
        (
            json!({"cut": true, "probability": 0}),
            "probability is not above 0 and up to 1.",
        ),
        (
            json!({"cut": true, "probability": 1.01}),
            "probability is not above 0 and up to 1.",
        ),
        (
            json!({"cut": true, "count": 0}),
            "count is 0, and the fault would never strike.",
        ),
        (
            json!({"cut": true, "for_s": 1, "until": "2024-01-01T00:00:00Z"}),
            "for_s and until exclude each other.",
        ),
        (
            json!({"cut": true, "for_s": 0}),
            "for_s is 0; 1 to 31536000 (365 days) are allowed.",
        ),
        (
            json!({"cut": true, "until": "tomorrow"}),
            "until: \"tomorrow\" is no time; write it like 2026-02-20T08:00:00Z.",
        ),
        (
            json!({"cut": true, "until": "2023-11-14T22:13:20Z"}),
            "until is 2023-11-14T22:13:20Z, and the server's time is 2023-11-14T22:13:20Z already.",
        ),
        (
            json!({"cut": true, "command": "import"}),
            "command: there is no command \"import\"; use account_import, multiaccount_import, \
             account_delete, account_check, kick, query_online_status, querystate, portrait_set, \
             portrait_get, or leave it out for all.",
        ),
        (
            json!({"cut": true, "codes": 1}),
            "There is no field \"codes\"; the body takes sdkappid, command, code, message, \
             latency_ms, cut, carried_out, probability, for_s, until, count.",
        ),
    ] {
        let answer = server.operate("POST", FAULTS, &fault.to_string()).await;
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(answer.json()["error"]["message"], message, "{fault}");
    }
    let answer = server
        .operate("POST", FAULTS, r#"{"sdkappid":7,"cut":true}"#)
        .await;
    assert_error(&answer, 404, "app_not_found");
    assert_eq!(faults(&server).await, json!([]));
}

#[tokio::test]
async fn a_field_of_a_fault_is_left_out_rather_than_null() {
    let server = harness::start().await;
    for (field, form) in [
        ("sdkappid", "a whole number up to 4294967295"),
        ("command", "a string"),
        ("code", "a whole number"),
        ("message", "a string"),
        ("latency_ms", "a whole number of milliseconds"),
        ("cut", "true or false"),
        ("carried_out", "true or false"),
        ("probability", "a number above 0 and up to 1"),
        ("for_s", "a whole number of seconds"),
        ("until", "a string"),
        ("count", "a whole number from 1 up"),
    ] {
        let mut fault = json!({"cut": true, "latency_ms": 1});
        fault[field] = Value::Null;
        let answer = server.operate("POST", FAULTS, &fault.to_string()).await;
        assert_error(&answer, 400, "invalid_request");
        let expected = format!("The field {field} must be {form}.");
        assert_eq!(answer.json()["error"]["message"], expected);
    }
    assert_eq!(faults(&server).await, json!([]));
}

#[tokio::test]
async fn the_clock_goes_ahead() {
    let server = harness::start().await;
    let now = server.operate("GET", CLOCK, "").await.json();
    assert_eq!(now["now"], "2023-11-14T22:13:20Z");
    let answer = server
        .operate("POST", ADVANCE, r#"{"seconds":86400}"#)
        .await;
    assert_eq!(answer.json()["now"], "2023-11-15T22:13:20Z");
    assert_eq!(server.operate("GET", CLOCK, "").await.json(), answer.json());
    // A UserSig that was good for a day is good no more.
    let mut peer = Peer::connect(server.public).await;
    let ended = usersig("administrator", harness::KEY, NOW_S, 86_399);
    let query = query_with("administrator", &ended);
    peer.send(post(IMPORT, &query, ALICE)).await;
    assert_eq!(peer.answer().await.code(), 70001);

    let far = "seconds is 3155760001; 1 to 3155760000 (100 years) are allowed at a time.";
    for (body, message) in [
        (
            r#"{"seconds":0}"#,
            "seconds is 0; 1 to 3155760000 (100 years) are allowed at a time.",
        ),
        (r#"{"seconds":3155760001}"#, far),
    ] {
        let answer = server.operate("POST", ADVANCE, body).await;
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(answer.json()["error"]["message"], message);
    }
    for body in [
        "",
        "{}",
        r#"{"seconds":-1}"#,
        r#"{"seconds":1.5}"#,
        r#"{"seconds":"1"}"#,
    ] {
        let answer = server.operate("POST", ADVANCE, body).await;
        assert_error(&answer, 400, "invalid_request");
    }
    let mut years = 0;
    let answer = loop {
        let answer = server
            .operate("POST", ADVANCE, r#"{"seconds":3155760000}"#)
            .await;
        if answer.status != 200 {
            break answer;
        }
        years += 100;
    };
    assert_eq!(years, 7900);
    assert_error(&answer, 400, "invalid_request");
    assert_eq!(
        answer.json()["error"]["message"],
        "The clock cannot go beyond the year 9997."
    );
}

#[tokio::test]
async fn they_are_not_there_unless_switched_on() {
    let server = Setup {
        test_controls: false,
        ..Setup::default()
    }
    .start()
    .await;
    for (method, path, body) in [
        ("POST", FAULTS, r#"{"cut":true}"#),
        ("POST", FAULTS, ""),
        ("GET", FAULTS, ""),
        ("DELETE", FAULTS, ""),
        ("DELETE", "/muster/v1/faults/1", ""),
        ("GET", CLOCK, ""),
        ("POST", ADVANCE, r#"{"seconds":1}"#),
    ] {
        let answer = server.operate(method, path, body).await;
        assert_error(&answer, 404, "test_controls_off");
        assert_eq!(
            answer.json()["error"]["message"],
            "Faults and the clock are switched off. Start the server with the setting \
             `test_controls = true`, as `muster dev` does; never where it matters, for with them \
             anything can be made to fail."
        );
    }
    // That is said before the body is read.
    for path in [FAULTS, ADVANCE] {
        let mut peer = Peer::connect(server.operator).await;
        let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
        let whole = request("POST", path, &authorization, "{}");
        peer.send(&whole[..whole.len() - 2]).await;
        assert_error(&peer.answer().await, 404, "test_controls_off");
    }
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
}
