//! The calls of the operator API.

use std::collections::BTreeMap;

use muster_client::{
    ImportEntry, ProfileValue, SecretKey,
    operator::{
        AccountQuery, AppChange, Change, NewApp, NewFault, Operator, OperatorError, Outcome,
        WebhookChange,
    },
};
use serde_json::{Value, json};

use crate::wire_tap::{Sent, WireTap, status_200};

const APP: &str = r#"{"sdkappid":1400000001,"edition":"developer","admins":["administrator"],
    "keys":[{"until":null},{"until":"2026-02-21T08:00:00Z"}],"accounts":1,
    "created_at":"2026-02-20T08:00:00Z","disabled":false,"deletion":true,"import_at_sign_in":true,
    "allow_list":["10.0.0.0/8"],"custom_fields":["Vip"],"rate_limits":{"kick":7,"*":null},
    "webhook":{"url":"http://example.com/","has_token":true,"retry":false,"imports":true},
    "secret_key":"k3y"}"#;

#[tokio::test]
async fn apps_and_admins() {
    let tap = WireTap::answering(&status_200(APP)).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    let new = NewApp::new(1_400_000_001).edition("developer");
    let app = operator.create_app(&new).await.unwrap();
    assert_eq!(app.secret_key, Some(SecretKey::parse("k3y").unwrap()));
    assert!(!format!("{app:?} {operator:?}").contains("k3y"));
    let sent = tap.request().await;
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("POST", "/muster/v1/apps")
    );
    assert_eq!(sent.header("authorization"), "Bearer t0ken");
    assert_eq!(
        sent.json(),
        json!({"sdkappid": 1_400_000_001, "edition": "developer"})
    );

    let tap = WireTap::answering(&status_200(APP)).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    operator.add_admin(1_400_000_001, "a b/ü%?#").await.unwrap();
    let sent = tap.request().await;
    assert_eq!(sent.method, "PUT");
    assert_eq!(
        sent.path,
        "/muster/v1/apps/1400000001/admins/a%20b%2F%C3%BC%25%3F%23"
    );
    assert_eq!(sent.body, "");
    for user_id in ["", ".", ".."] {
        let error = operator.remove_admin(1, user_id).await.unwrap_err();
        assert!(
            matches!(&error, OperatorError::NotInAPath { segment } if segment == user_id),
            "{user_id:?}"
        );
    }
    // It is not always a user id.
    let error = operator.remove_fault("..").await.unwrap_err();
    assert_eq!(error.to_string(), "\"..\" cannot be part of a URL's path");
}

/// What an operator client sends for one call that is answered with `answer`.
async fn sent<T>(
    answer: &str,
    call: impl AsyncFnOnce(&Operator) -> Result<T, OperatorError>,
) -> (T, Sent) {
    let tap = WireTap::answering(&status_200(answer)).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    let result = call(&operator).await.unwrap();
    (result, tap.request().await)
}

#[tokio::test]
async fn changes_of_an_app() {
    let key = SecretKey::parse("0123456789abcdef").unwrap();
    let (app, rotate) = sent(APP, async |operator| {
        operator.rotate_key_with_grace(7, Some(&key), 60).await
    })
    .await;
    assert_eq!(
        (&*rotate.method, &*rotate.path),
        ("POST", "/muster/v1/apps/7/rotate-key")
    );
    assert_eq!(
        rotate.json(),
        json!({"secret_key": "0123456789abcdef", "grace_s": 60})
    );
    assert_eq!(app.keys[1].until.as_deref(), Some("2026-02-21T08:00:00Z"));
    assert_eq!(app.rate_limits["kick"], Some(7));
    assert_eq!(app.rate_limits["*"], None);
    assert!(app.webhook.unwrap().has_token);

    let webhook = |change| AppChange::default().webhook(change);
    let limits = BTreeMap::from([("kick".to_owned(), Some(7)), ("*".to_owned(), None)]);
    let all_of_it = WebhookChange::default()
        .url("http://example.com/".to_owned())
        .token(Change::Set("t0k".to_owned()))
        .retry(true)
        .imports(false);
    let all = AppChange::default()
        .edition("pro".to_owned())
        .disabled(false)
        .deletion(true)
        .import_at_sign_in(false)
        .allow_list(Vec::new())
        .custom_fields(vec!["Vip".to_owned()])
        .rate_limits(limits)
        .webhook(Change::Set(all_of_it));
    assert!(!format!("{all:?}").contains("t0k"));
    let no_token = WebhookChange::default().token(Change::Remove);
    for (change, expected) in [
        (AppChange::default(), json!({})),
        (
            all,
            json!({"edition": "pro", "disabled": false, "deletion": true,
                "import_at_sign_in": false, "allow_list": [], "custom_fields": ["Vip"],
                "rate_limits": {"kick": 7, "*": null},
                "webhook": {"url": "http://example.com/", "token": "t0k", "retry": true,
                    "imports": false}}),
        ),
        (webhook(Change::Remove), json!({"webhook": null})),
        (
            webhook(Change::Set(no_token)),
            json!({"webhook": {"token": null}}),
        ),
    ] {
        let (_, request) = sent(APP, async |operator| operator.change_app(7, &change).await).await;
        assert_eq!(
            (&*request.method, &*request.path),
            ("PATCH", "/muster/v1/apps/7")
        );
        assert_eq!(request.json(), expected);
    }
}

#[tokio::test]
async fn accounts() {
    let page = r#"{"accounts":[{"internal_id":"144115188075855873","user_id":"alice","nick":"",
        "face_url":"","imported_at":"x","changed_at":"x","kicked_at":null,
        "profile":{"Tag_Profile_IM_Level":3,"Tag_Profile_Custom_Vip":"gold"}}],"next_after":"144115188075855873"}"#;
    let tap = WireTap::answering(&status_200(page)).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    let page = operator.accounts(1, Some("7"), 1).await.unwrap();
    assert_eq!(page.accounts[0].user_id, "alice");
    assert_eq!(page.accounts[0].kicked_at, None);
    let profile = &page.accounts[0].profile;
    assert_eq!(profile["Tag_Profile_IM_Level"], ProfileValue::from(3));
    assert_eq!(
        profile["Tag_Profile_Custom_Vip"],
        ProfileValue::from("gold")
    );
    assert_eq!(page.next_after.as_deref(), Some("144115188075855873"));
    let sent = tap.request().await;
    assert_eq!(sent.path, "/muster/v1/apps/1/accounts");
    assert_eq!(
        (sent.parameter("limit"), sent.parameter("after")),
        ("1", "7")
    );
}

#[tokio::test]
async fn accounts_by_prefix_and_internal_id() {
    let query = AccountQuery::default().prefix("a b");
    let none = r#"{"accounts":[],"next_after":"9"}"#;
    let (page, request) = sent(none, async |operator| {
        operator.find_accounts(7, &query).await
    })
    .await;
    assert_eq!(
        (page.accounts.len(), page.next_after.as_deref()),
        (0, Some("9"))
    );
    assert_eq!(request.query, [("prefix".to_owned(), "a+b".to_owned())]);

    let alice = r#"{"internal_id":"144115188075855874","user_id":"alice","nick":"",
        "face_url":"","imported_at":"x","changed_at":"x","kicked_at":"y","profile":{}}"#;
    let (account, request) = sent(alice, async |operator| {
        operator
            .account_by_internal_id(7, "144115188075855874")
            .await
    })
    .await;
    assert_eq!(account.kicked_at.as_deref(), Some("y"));
    assert_eq!(
        request.path,
        "/muster/v1/apps/7/internal-ids/144115188075855874"
    );
}

#[tokio::test]
async fn imports_with_reasons() {
    let answer = r#"{"dry_run":true,"created":1,"updated":0,"unchanged":0,"superseded":0,
        "refused":1,"entries":[{"position":2,"user_id":"bob","result":"put_off"},{"position":0,"user_id":"alice","result":"created"},
        {"position":1,"user_id":null,"result":"refused","code":70402,"reason":"No."}]}"#;
    let alice = ImportEntry {
        user_id: "alice",
        nick: Some("Alice"),
        face_url: None,
    };
    let entries = [alice, ImportEntry::id("")];
    let (imported, request) = sent(answer, async |operator| {
        operator.import(7, &entries, true).await
    })
    .await;
    assert!(imported.dry_run);
    assert_eq!((imported.created, imported.refused), (1, 1));
    let put_off = Outcome::Other("put_off".to_owned());
    assert_eq!(imported.entries[0].result, put_off);
    assert_eq!(imported.entries[1].result, Outcome::Created);
    assert_eq!(imported.entries[2].result, Outcome::Refused);
    assert_eq!(imported.entries[2].code, Some(70402));
    assert_eq!(
        (&*request.method, &*request.path),
        ("POST", "/muster/v1/apps/7/accounts")
    );
    assert_eq!(
        request.json(),
        json!({"accounts": [{"user_id": "alice", "nick": "Alice"}, {"user_id": ""}],
            "dry_run": true})
    );
}

#[tokio::test]
async fn sessions() {
    let answer = r#"{"sessions":[{"session_id":"17","user_id":"alice","platform":"Web",
        "source":"::1","since":"x"}],"next_after":null}"#;
    let (page, request) = sent(answer, async |operator| {
        operator.sessions(7, Some("alice"), Some("16"), 5).await
    })
    .await;
    assert_eq!(page.sessions[0].session_id, "17");
    assert_eq!(request.path, "/muster/v1/apps/7/sessions");
    for (name, value) in [("user_id", "alice"), ("after", "16"), ("limit", "5")] {
        assert_eq!(request.parameter(name), value);
    }
    let ((), request) = sent("", async |operator| operator.end_session(7, "17").await).await;
    assert_eq!(
        (&*request.method, &*request.path),
        ("DELETE", "/muster/v1/apps/7/sessions/17")
    );
}

#[tokio::test]
async fn faults() {
    let answer = r#"{"id":"1","sdkappid":null,"command":"kick","code":70500,"message":null,
        "latency_ms":0,"cut":false,"carried_out":true,"probability":0.5,"until":null,"struck":1,
        "left":2}"#;
    let all = NewFault::default()
        .sdkappid(7)
        .command("kick")
        .code(70500)
        .message("No.")
        .latency_ms(10)
        .carried_out()
        .probability(0.5)
        .for_s(60)
        .count(3);
    let cut = NewFault::default().cut().until("2026-02-20T08:00:00Z");
    for (fault, expected) in [
        (
            all,
            json!({"sdkappid": 7, "command": "kick", "code": 70500, "message": "No.",
                "latency_ms": 10, "carried_out": true, "probability": 0.5, "for_s": 60,
                "count": 3}),
        ),
        (cut, json!({"cut": true, "until": "2026-02-20T08:00:00Z"})),
    ] {
        let (added, request) =
            sent(answer, async |operator| operator.add_fault(&fault).await).await;
        assert_eq!((&*added.id, added.struck, added.left), ("1", 1, Some(2)));
        assert_eq!(
            (&*request.method, &*request.path),
            ("POST", "/muster/v1/faults")
        );
        assert_eq!(request.json(), expected);
    }
    let list = format!(r#"{{"faults":[{answer}]}}"#);
    let (faults, request) = sent(&list, Operator::faults).await;
    assert_eq!(faults[0].command.as_deref(), Some("kick"));
    assert_eq!(
        (&*request.method, &*request.path),
        ("GET", "/muster/v1/faults")
    );
    let ((), request) = sent("", async |operator| operator.remove_fault("1").await).await;
    assert_eq!(
        (&*request.method, &*request.path),
        ("DELETE", "/muster/v1/faults/1")
    );
    let (removed, request) = sent(r#"{"removed":3}"#, Operator::clear_faults).await;
    assert_eq!(removed, 3);
    assert_eq!(
        (&*request.method, &*request.path),
        ("DELETE", "/muster/v1/faults")
    );
}

#[tokio::test]
async fn backups() {
    let tap = WireTap::answering(&status_200("all of it")).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    let mut backup = operator.back_up().await.unwrap();
    let debug = format!("{backup:?}");
    assert!(!debug.contains("t0ken"), "{debug}");
    let mut bytes = Vec::new();
    while let Some(chunk) = backup.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes, b"all of it");
    let sent = tap.request().await;
    assert_eq!((&*sent.method, &*sent.path), ("GET", "/muster/v1/backup"));
}

#[tokio::test]
async fn the_clock_and_the_description() {
    let answer = r#"{"now":"2026-05-21T08:00:00Z","ahead_s":7776000}"#;
    let (time, request) = sent(answer, Operator::clock).await;
    assert_eq!(time.now, "2026-05-21T08:00:00Z");
    assert_eq!(
        (&*request.method, &*request.path),
        ("GET", "/muster/v1/clock")
    );
    let (time, request) = sent(answer, async |operator| {
        operator.advance_clock(7_776_000).await
    })
    .await;
    assert_eq!(time.ahead_s, 7_776_000);
    assert_eq!(
        (&*request.method, &*request.path),
        ("POST", "/muster/v1/clock/advance")
    );
    assert_eq!(request.json(), json!({"seconds": 7_776_000}));
    let (document, request) = sent(r#"{"openapi":"3.1.0"}"#, Operator::openapi).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(request.path, "/muster/v1/openapi.json");
}

#[tokio::test]
async fn operator_refusals() {
    let not_found = r#"{"error":{"code":"app_not_found","message":"There is no app 9."}}"#;
    let length = not_found.len();
    let answer = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {length}\r\n\r\n{not_found}");
    let tap = WireTap::answering(&answer).await;
    let error = Operator::new(&tap.base, "t0ken")
        .unwrap()
        .app(9)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "There is no app 9. (HTTP status 404, app_not_found)"
    );

    // The other listener answers every call with 200.
    let fail = r#"{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}"#;
    let tap = WireTap::answering(&status_200(fail)).await;
    let error = Operator::new(&tap.base, "t0ken")
        .unwrap()
        .apps()
        .await
        .unwrap_err();
    assert!(
        matches!(error, OperatorError::NotAnAnswer { status: 200, .. }),
        "{error:?}"
    );

    let tap_for_ready = WireTap::answering(&status_200(fail)).await;
    let operator = Operator::new(&tap_for_ready.base, "t0ken").unwrap();
    let error = operator.ready().await.unwrap_err();
    assert!(
        matches!(error, OperatorError::NotAnAnswer { status: 200, .. }),
        "{error:?}"
    );

    assert!(Operator::new(&tap.base, "t0\nken").is_err());
    let _: Value = tap.request().await.body.parse().unwrap_or(Value::Null);
}
