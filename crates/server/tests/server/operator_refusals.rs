//! What the operator API does not take, and how it says so.

use muster_server::Limits;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

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
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?limit=%2B5
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?after=%2B144115188075855873
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?limit=1&limit=2
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?after=1
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?prefix=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
400 invalid_request    GET /muster/v1/apps/1400000000/accounts?prefix=%c3%a9
404 app_not_found      GET /muster/v1/apps/7/accounts?prefix=a
404 app_not_found      GET /muster/v1/apps/7/internal-ids/144115188075855873
400 invalid_request    GET /muster/v1/apps/1400000000/internal-ids/144115188075855872
400 invalid_request    GET /muster/v1/apps/1400000000/internal-ids/alice
400 invalid_request    GET /muster/v1/apps/1400000000/internal-ids/+144115188075855873
404 account_not_found  GET /muster/v1/apps/1400000000/internal-ids/144115188075855879
404 app_not_found      POST /muster/v1/apps/7/accounts {"accounts":[{"user_id":""}]}
404 app_not_found      POST /muster/v1/apps/7/accounts {"accounts":[{"user_id":"a"}]}
400 invalid_request    POST /muster/v1/apps/1400000000/accounts {"accounts":[]}
400 invalid_request    POST /muster/v1/apps/1400000000/accounts {"accounts":{}}
400 invalid_request    POST /muster/v1/apps/1400000000/accounts {"accounts":[{"user_id":"a"}],"dry":true}
404 app_not_found      GET /muster/v1/apps/7/sessions
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?user_id=
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?after=x
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?after=%2B1
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?limit=0
400 invalid_request    GET /muster/v1/apps/1400000000/sessions?limit=%2B5
400 invalid_request    DELETE /muster/v1/apps/1400000000/sessions/x
400 invalid_request    DELETE /muster/v1/apps/1400000000/sessions/+1
404 session_not_found  DELETE /muster/v1/apps/1400000000/sessions/1
404 session_not_found  DELETE /muster/v1/apps/7/sessions/1
404 fault_not_found    DELETE /muster/v1/faults/1
400 invalid_request    DELETE /muster/v1/faults/x
400 invalid_request    DELETE /muster/v1/faults/+1
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
    let new_app = "The body must be a JSON object with sdkappid (a whole number up to 4294967295) \
                   and, where wanted, edition (a string), secret_key (a string).";
    let new_key = "The body must be a JSON object with any of secret_key (a string), grace_s (a \
                   whole number of seconds).";
    let number = "The field sdkappid must be a whole number up to 4294967295.";
    let missing = "The field sdkappid is missing; it must be a whole number up to 4294967295.";
    let text = "The field secret_key must be a string.";
    let edition = "The field edition must be a string.";
    let seconds = "The field grace_s must be a whole number of seconds.";
    let misspelt = "There is no field \"editon\"; the body takes sdkappid, edition, secret_key.";
    let escaped = "There is no field \"\\n\\\"é\"; the body takes secret_key, grace_s.";
    let long = "The body has a field of an unknown name, longer than any; it takes sdkappid, \
                edition, secret_key.";
    let key_as_name = format!(r#"{{"sdkappid":7,"{KEY}":1}}"#);
    let longest = "x".repeat(32);
    let longest_name =
        format!("There is no field {longest:?}; the body takes secret_key, grace_s.");
    for (path, body, expected) in [
        (APPS, r#"{"sdkappid":"MYSECRETKEY"}"#, number),
        (APPS, r#"{"sdkappid":-1}"#, number),
        (APPS, r#"{"sdkappid":4294967296}"#, number),
        (APPS, r#"{"sdkappid":1.5}"#, number),
        (APPS, r#"{"sdkappid":null}"#, number),
        (APPS, "{}", missing),
        (APPS, r#"{"secret_key":"MYSECRETKEY"}"#, missing),
        (APPS, r#"{"sdkappid":7,"editon":"MYSECRETKEY"}"#, misspelt),
        (APPS, &key_as_name, long),
        (APPS, r#"{"sdkappid":7,"secret_key":["MYSECRETKEY"]}"#, text),
        (APPS, r#"{"sdkappid":7,"secret_key":null}"#, text),
        (APPS, r#"{"sdkappid":7,"edition":null}"#, edition),
        (
            APPS,
            r#"{"sdkappid":7,"sdkappid":7}"#,
            "The body has a field twice.",
        ),
        (
            APPS,
            r#"{"sdkappid":7,"secret_key":"MYSECRETKEY"#,
            "The body is cut off at line 1 column 39.",
        ),
        (
            APPS,
            "{\n\"sdkappid\":\"7\",MYSECRETKEY}",
            "The body is not JSON at line 2 column 16.",
        ),
        (APPS, "", new_app),
        (APPS, r#""MYSECRETKEY""#, new_app),
        (APPS, "MYSECRETKEY", new_app),
        (APPS, r#"[7,"pro","MYSECRETKEYMYSECRETKEY"]"#, new_app),
        (&rotate, r#"["MYSECRETKEYMYSECRETKEY"]"#, new_key),
        (&rotate, " []", new_key),
        (&rotate, "null", new_key),
        (&rotate, r#"{"\n\"é":1}"#, escaped),
        (&rotate, &json!({&longest: 1}).to_string(), &longest_name),
        (&rotate, r#" {"secret_key":17}"#, text),
        (&rotate, r#"{"secret_key":null}"#, text),
        (&rotate, r#"{"grace_s":null}"#, seconds),
        (&rotate, r#"{"grace_s":-1}"#, seconds),
        (
            &rotate,
            "{secret_key:MYSECRETKEY}",
            "The body is not JSON at line 1 column 2.",
        ),
    ] {
        let answer = server.operate("POST", path, body).await;
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(answer.json()["error"]["message"], expected, "{body}");
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
    assert_error(&answer, 408, "body_timed_out");
    assert!(answer.closes());
    let mut gone = Peer::connect(server.operator).await;
    gone.send(&whole[..whole.len() - 1]).await;
    gone.stream.shutdown().await.unwrap();
    assert_error(&gone.answer().await, 400, "body_cut_off");
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
