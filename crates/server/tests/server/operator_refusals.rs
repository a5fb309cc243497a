//! What the operator API does not take, and how it says so.

use muster_server::Limits;
use serde_json::json;

use crate::{
    harness::{self, APP, KEY, Setup, TOKEN, request},
    operator::{APPS, assert_error, code_with_key},
    peer::Peer,
};

/// Status, code, method, path, body.
const WRONG: &str = r#"
404 not_found          GET /
404 not_found          POST /v4/im_open_login_svc/account_import?sdkappid=1 {}
404 not_found          GET /muster/v1/apps/
405 method_not_allowed DELETE /muster/v1/apps
405 method_not_allowed POST /metrics
404 app_not_found      GET /muster/v1/apps/7
404 app_not_found      GET /muster/v1/apps/7/accounts
404 app_not_found      GET /muster/v1/apps/7/accounts/alice
404 app_not_found      PUT /muster/v1/apps/7/admins/alice
404 app_not_found      POST /muster/v1/apps/7/rotate-key
404 account_not_found  GET /muster/v1/apps/1400000000/accounts/alice
400 invalid_request    GET /muster/v1/apps/seven
400 invalid_request    GET /muster/v1/apps/+7
400 invalid_request    GET /muster/v1/apps/4294967296
400 invalid_request    GET /muster/v1/apps/%ff
400 invalid_request    GET /muster/v1/apps/1400000000/accounts/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
400 invalid_request    PUT /muster/v1/apps/1400000000/admins/%0a
400 invalid_request    PUT /muster/v1/apps/1400000000/admins/%ff
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?limit=0
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?limit=10001
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?limit=x
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?limit=1&limit=2
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?after=1
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?prefix=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?prefix=%c3%a9
404 app_not_found      GET /muster/v1/apps/7/accounts?prefix=a
404 app_not_found      GET /muster/v1/apps/7/internal-ids/144115188075855873
400 invalid_request    GET /muster/v1/apps/1400000000/internal-ids/144115188075855872
400 invalid_request    GET /muster/v1/apps/1400000000/internal-ids/alice
404 account_not_found  GET /muster/v1/apps/1400000000/internal-ids/144115188075855879
404 app_not_found      POST /muster/v1/apps/7/accounts {"accounts":[{"user_id":""}]}
404 app_not_found      POST /muster/v1/apps/7/accounts {"accounts":[{"user_id":"a"}]}
400 invalid_request    POST /muster/v1/apps/1400000000/accounts {"accounts":[]}
400 invalid_request    POST /muster/v1/apps/1400000000/accounts {"accounts":{}}
400 invalid_request    POST /muster/v1/apps/1400000000/accounts {"accounts":[{"user_id":"a"}],"dry":true}
404 app_not_found      GET /muster/v1/apps/7/sessions
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?user_id=
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?after=x
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?limit=0
400 invalid_request    DELETE /muster/v1/apps/1400000000/sessions/x
404 session_not_found  DELETE /muster/v1/apps/1400000000/sessions/1
404 session_not_found  DELETE /muster/v1/apps/7/sessions/1
404 fault_not_found    DELETE /muster/v1/faults/1
400 invalid_request    DELETE /muster/v1/faults/x
400 invalid_request    POST /muster/v1/apps
400 invalid_request    POST /muster/v1/apps not json
400 invalid_request    POST /muster/v1/apps {}
400 invalid_request    POST /muster/v1/apps {"sdkappid":"7"}
400 invalid_request    POST /muster/v1/apps {"sdkappid":4294967296}
400 invalid_request    POST /muster/v1/apps {"sdkappid":0}
400 invalid_request    POST /muster/v1/apps {"sdkappid":7,"edition":"gold"}
400 invalid_request    POST /muster/v1/apps {"sdkappid":7,"secret_key":""}
400 invalid_request    POST /muster/v1/apps {"sdkappid":7,"key":"x"}
409 app_exists         POST /muster/v1/apps {"sdkappid":1400000000}
400 invalid_request    POST /muster/v1/apps/1400000000/rotate-key []
400 invalid_request    POST /muster/v1/apps/1400000000/rotate-key {"grace_s":-1}
400 invalid_request    POST /muster/v1/apps/1400000000/rotate-key {"grace_s":31536001}
404 app_not_found      PATCH /muster/v1/apps/7 {}
404 app_not_found      PATCH /muster/v1/apps/7 {"webhook":{"url":"http://127.0.0.1:1/"}}
"#;

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = harness::start().await;
    for case in WRONG.trim().lines() {
        let mut words = case.split_ascii_whitespace();
        let mut word = || words.next().unwrap();
        let (status, code, method, path) = (word().parse().unwrap(), word(), word(), word());
        let body = words.collect::<Vec<_>>().join(" ");
        let answer = server.operate(method, path, &body).await;
        assert_error(&answer, status, code);
        if status == 405 {
            assert!(answer.header("allow").is_some());
        }
    }
    let answer = server
        .operate("GET", &format!("{APPS}/1400000009"), "")
        .await;
    assert_eq!(
        answer.json()["error"]["message"],
        "There is no app 1400000009. `muster app list` shows the apps."
    );
}

/// Whatever a body holds may be a secret key in the wrong place.
#[tokio::test]
async fn what_is_wrong_is_said_without_the_body() {
    let server = harness::start().await;
    let rotate = format!("{APPS}/{APP}/rotate-key");
    let new_app = "must be a JSON object with sdkappid, a number up to 4294967295, and, where \
                   wanted, edition and secret_key, each a string.";
    let new_key = "must be a JSON object with nothing but, where wanted, secret_key, a string, and \
                   grace_s, a number of seconds.";
    for (path, body, expected) in [
        (
            APPS,
            r#"{"sdkappid":"MYSECRETKEY"}"#,
            "does not fit at line 1 column 25: it {}",
        ),
        (
            APPS,
            "{\n\"sdkappid\":7,\"MYSECRETKEY\":1}",
            "does not fit at line 2 column 26: it {}",
        ),
        (APPS, "{}", "does not fit at line 1 column 2: it {}"),
        (
            APPS,
            r#"{"sdkappid":7,"secret_key":["MYSECRETKEY"]}"#,
            "does not fit at line 1 column 27: it {}",
        ),
        (
            APPS,
            r#"{"sdkappid":7,"secret_key":"MYSECRETKEY"#,
            "is cut off at line 1 column 39.",
        ),
        (APPS, "", "{}"),
        (APPS, r#""MYSECRETKEY""#, "{}"),
        (APPS, "MYSECRETKEY", "{}"),
        (APPS, r#"[7,"pro","MYSECRETKEYMYSECRETKEY"]"#, "{}"),
        (&rotate, r#"["MYSECRETKEYMYSECRETKEY"]"#, "{}"),
        (&rotate, " []", "{}"),
        (&rotate, "null", "{}"),
        (
            &rotate,
            r#"{"MYSECRETKEY":1}"#,
            "does not fit at line 1 column 14: it {}",
        ),
        (
            &rotate,
            r#" {"secret_key":17}"#,
            "does not fit at line 1 column 17: it {}",
        ),
        (
            &rotate,
            "{secret_key:MYSECRETKEY}",
            "is not JSON at line 1 column 2.",
        ),
    ] {
        let answer = server.operate("POST", path, body).await;
        assert_error(&answer, 400, "invalid_request");
        let fields = if path == APPS { new_app } else { new_key };
        assert_eq!(
            answer.json()["error"]["message"],
            format!("The body {}", expected.replace("{}", fields)),
            "{body}"
        );
    }
    assert_eq!(code_with_key(&server, KEY).await, 0);
}

#[tokio::test]
async fn an_unknown_edition_is_cut() {
    let server = harness::start().await;
    for (name, shown) in [
        ("gold", "gold".to_owned()),
        (&*"é".repeat(33), "é".repeat(32)),
    ] {
        let body = json!({"sdkappid": 7, "edition": name}).to_string();
        let answer = server.operate("POST", APPS, &body).await;
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(
            answer.json()["error"]["message"],
            format!(
                "unknown edition {shown:?}; use trial, developer, standard, pro, pro_plus or \
                 enterprise."
            )
        );
    }
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let limits = Limits {
        body_timeout_s: 1,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let answer = server
        .operate("POST", APPS, &" ".repeat(1024 * 1024 + 1))
        .await;
    assert_error(&answer, 413, "payload_too_large");
    assert!(answer.closes());
    let mut slow = Peer::connect(server.operator).await;
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    let whole = request("POST", APPS, &authorization, r#"{"sdkappid":7}"#);
    slow.send(&whole[..whole.len() - 1]).await;
    let answer = slow.answer().await;
    assert_error(&answer, 400, "invalid_request");
    assert!(answer.closes());
}

#[tokio::test]
async fn a_key_that_could_be_guessed_is_not_taken() {
    let server = harness::start().await;
    let rotate = format!("{APPS}/{APP}/rotate-key");
    for key in ["k", "0123456789abcde"] {
        for (path, body) in [
            (APPS, json!({"sdkappid": 7, "secret_key": key})),
            (&rotate, json!({"secret_key": key})),
        ] {
            let answer = server.operate("POST", path, &body.to_string()).await;
            assert_error(&answer, 400, "invalid_request");
            let bytes = key.len();
            assert_eq!(
                answer.json()["error"]["message"],
                format!("secret_key: the secret key has {bytes} bytes, fewer than 16.")
            );
        }
    }
    assert_eq!(code_with_key(&server, KEY).await, 0);
    let shortest = "0123456789abcdef";
    let body = json!({"secret_key": shortest}).to_string();
    assert_eq!(server.operate("POST", &rotate, &body).await.status, 200);
    assert_eq!(code_with_key(&server, shortest).await, 0);
}
