//! An app's settings: how they are changed, and what they do on the other listener.

use muster_accounts::UnixSeconds;
use muster_server::Limits;
use serde_json::{Value, json};

use crate::{
    harness::{self, ALICE, APP, IMPORT, KEY, NOW_S, Running, Setup, post, query_with, usersig},
    operator::{app, assert_error, code_with_key},
    peer::{Answer, Peer, soon},
    stub_store::{Fault, StubStore},
};

const THIS_APP: &str = "/muster/v1/apps/1400000000";

async fn patch(server: &Running, body: &Value) -> Answer {
    server.operate("PATCH", THIS_APP, &body.to_string()).await
}

/// Takes a change that has to succeed, and yields the app.
async fn set(server: &Running, body: Value) -> Value {
    let answer = patch(server, &body).await;
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    let shown = server.operate("GET", THIS_APP, "").await.json();
    assert_eq!(answer.json(), shown);
    shown
}

#[tokio::test]
async fn what_is_sent_is_taken_over_and_the_rest_stays() {
    let server = harness::start().await;
    let mut expected = app(APP, "developer", &["administrator"], 1);
    assert_eq!(set(&server, json!({})).await, expected);
    for (sent, shown) in [
        (json!({"edition": "pro"}), json!({"edition": "pro"})),
        (json!({"disabled": true}), json!({"disabled": true})),
        (json!({"deletion": true}), json!({"deletion": true})),
        (
            json!({"import_at_sign_in": false}),
            json!({"import_at_sign_in": false}),
        ),
        (
            json!({"allow_list": ["10.1.2.3/8", "192.0.2.1", "2001:db8::/32"]}),
            json!({"allow_list": ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]}),
        ),
        (
            json!({"custom_fields": ["Vip", "Team", "Vip"]}),
            json!({"custom_fields": ["Team", "Vip"]}),
        ),
        (
            json!({"rate_limits": {"account_import": 0, "query_online_status": 7, "*": null}}),
            json!({"rate_limits": {"account_import": 0, "query_online_status": 7, "*": null}}),
        ),
        (
            json!({"edition": "trial", "disabled": false, "rate_limits": {}, "allow_list": []}),
            json!({"edition": "trial", "disabled": false, "rate_limits": {}, "allow_list": []}),
        ),
    ] {
        let expected = expected.as_object_mut().unwrap();
        expected.extend(shown.as_object().unwrap().clone());
        let shown = set(&server, sent).await;
        assert_eq!(shown.as_object().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_webhook_is_kept_in_what_is_left_out() {
    let server = harness::start().await;
    let url = "https://backend.example.com/muster";
    let other = "http://127.0.0.1:9/other";
    for (sent, shown) in [
        (
            json!({"url": url}),
            json!({"url": url, "has_token": false, "retry": false, "imports": false}),
        ),
        (
            json!({"token": "webhook-secret", "retry": true}),
            json!({"url": url, "has_token": true, "retry": true, "imports": false}),
        ),
        (
            json!({"url": other, "imports": true}),
            json!({"url": other, "has_token": true, "retry": true, "imports": true}),
        ),
        (
            json!({"token": null, "retry": false}),
            json!({"url": other, "has_token": false, "retry": false, "imports": true}),
        ),
        (Value::Null, Value::Null),
        (Value::Null, Value::Null),
    ] {
        let app = set(&server, json!({"webhook": sent})).await;
        assert_eq!(app["webhook"], shown, "{sent}");
        assert!(!app.to_string().contains("webhook-secret"), "{app}");
    }
    let answer = patch(&server, &json!({"webhook": {"retry": true}})).await;
    assert_refused(
        &answer,
        "The app has no webhook yet; give webhook.url to make one.",
    );
}

fn assert_refused(answer: &Answer, message: &str) {
    assert_error(answer, 400, "invalid_request");
    assert_eq!(answer.json()["error"]["message"], message);
}

#[tokio::test]
async fn refusals_change_nothing() {
    let server = harness::start().await;
    let before = server.operate("GET", THIS_APP, "").await.json();
    let webhook = "The field webhook must be null or an object with any of url, a string; token, a \
                   string or null; and retry and imports, each true or false.";
    let taken = "edition, disabled, deletion, import_at_sign_in, allow_list, custom_fields, \
                 rate_limits, webhook";
    let scheme = "webhook.url: the webhook URL has to start with https:// or http://, as in \
                  https://hooks.example.com/muster.";
    let host = "webhook.url: the webhook URL has no valid host; give a name, an IPv4 address, or an \
                IPv6 address in brackets, as in http://[::1]:8080/.";
    let query = "webhook.url: the webhook URL has a query; muster writes a query of its own, so \
                 leave out the question mark and what follows, or use the path.";
    let user = "webhook.url: the webhook URL has a user name or password, which is never sent; \
                leave it out, and set a token for the receiver to know the sender by.";
    let length = "webhook.url: the webhook URL has 2049 bytes, 1 to 2048 are allowed.";
    let long_url = format!("https://example.com/{}", "x".repeat(2029));
    let many: Vec<String> = (0..101).map(|i| format!("10.0.0.{i}")).collect();
    let fields: Vec<String> = ('a'..='u').map(String::from).collect();
    for (sent, message) in [
        (
            json!({"edition": null}),
            "The field edition must be a string.".to_owned(),
        ),
        (
            json!({"disabled": 1}),
            "The field disabled must be true or false.".to_owned(),
        ),
        (
            json!({"keys": []}),
            format!("There is no field \"keys\"; the body takes {taken}."),
        ),
        (json!({"webhook": {"has_token": true}}), webhook.to_owned()),
        (json!({"webhook": {"retry": null}}), webhook.to_owned()),
        (
            json!({"rate_limits": {"kick": -1}}),
            "The field rate_limits must be an object with whole numbers up to 4294967295 or null \
             in it."
                .to_owned(),
        ),
        (
            json!({"edition": "gold"}),
            "unknown edition \"gold\"; use trial, developer, standard, pro, pro_plus or enterprise."
                .to_owned(),
        ),
        (
            json!({"allow_list": ["10.0.0.0/8", "10.0.0.0/33"]}),
            "allow_list: \"10.0.0.0/33\" is no address and no network; write it like 192.0.2.1 or \
             10.0.0.0/8."
                .to_owned(),
        ),
        (
            json!({"allow_list": many}),
            "allow_list has more than 100 entries.".to_owned(),
        ),
        (
            json!({"custom_fields": ["Vip", "Nine_Long"]}),
            "custom_fields: \"Nine_Long\" is no name of a custom field; give 1 to 8 ASCII letters, \
             what stands after Tag_Profile_Custom_."
                .to_owned(),
        ),
        (
            json!({"custom_fields": fields}),
            "custom_fields has more than 20 names.".to_owned(),
        ),
        (
            json!({"rate_limits": {"querystate": 1}}),
            "rate_limits: querystate has no limit of its own; it shares that of \
             query_online_status."
                .to_owned(),
        ),
        (
            json!({"rate_limits": {"Kick": 1}}),
            "rate_limits: there is no command \"Kick\"; use account_import, multiaccount_import, \
             account_delete, account_check, kick, query_online_status, portrait_set, portrait_get \
             or *."
                .to_owned(),
        ),
        (json!({"webhook": {"url": "ftp://example.com"}}), scheme.to_owned()),
        (json!({"webhook": {"url": "https://"}}), host.to_owned()),
        // No name has this label, which only the reader of URLs knows.
        (json!({"webhook": {"url": "https://xn--1.example/"}}), host.to_owned()),
        (json!({"webhook": {"url": "https://example.com/?a=b"}}), query.to_owned()),
        (json!({"webhook": {"url": "https://me:pw@example.com"}}), user.to_owned()),
        (json!({"webhook": {"url": long_url}}), length.to_owned()),
        (
            json!({"webhook": {"url": "https://example.com", "token": ""}}),
            "webhook.token: 1 to 256 bytes are allowed.".to_owned(),
        ),
    ] {
        // All or nothing.
        let mut sent = sent;
        let fields = sent.as_object_mut().unwrap();
        fields.insert("deletion".to_owned(), true.into());
        let answer = patch(&server, &sent).await;
        assert_refused(&answer, &message);
        let after = server.operate("GET", THIS_APP, "").await.json();
        assert_eq!(after, before, "{sent}");
    }
    for body in ["", "[]", "null"] {
        let answer = server.operate("PATCH", THIS_APP, body).await;
        assert_error(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_change_counts_for_the_next_call() {
    let server = harness::start().await;
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    for (change, code) in [
        (json!({"disabled": true}), 60016),
        (
            json!({"disabled": false, "allow_list": ["10.0.0.0/8"]}),
            60021,
        ),
        (json!({"allow_list": [], "rate_limits": {"*": 0}}), 60007),
        (json!({"rate_limits": {}}), 0),
    ] {
        set(&server, change.clone()).await;
        assert_eq!(server.call(IMPORT, ALICE).await.code(), code, "{change}");
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_of() {
    let store = StubStore::new();
    let limits = Limits {
        deadline_s: 1,
        ..Limits::default()
    };
    let server = Setup {
        store: store.clone(),
        limits,
        ..Setup::default()
    }
    .start()
    .await;
    let disable = json!({"disabled": true});
    for (fault, status, code) in [
        (Fault::Fails, 503, "store_unavailable"),
        (Fault::Panics, 500, "internal"),
        (Fault::ForgetsTheApp, 404, "app_not_found"),
    ] {
        store.set(fault);
        assert_error(&patch(&server, &disable).await, status, code);
    }
    // What takes too long is carried out all the same.
    store.set(Fault::Blocks);
    let late = patch(&server, &disable).await;
    assert_error(&late, 503, "store_unavailable");
    store.set(Fault::None);
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    store.release();
    soon(async {
        while server.call(IMPORT, ALICE).await.code() != 60016 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn old_keys_verify_during_the_grace() {
    let server = harness::start().await;
    let rotate = format!("{THIS_APP}/rotate-key");
    let second = "0123456789abcdef-the-second";
    let body = json!({"secret_key": second, "grace_s": 3600});
    let answer = server.operate("POST", &rotate, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let in_an_hour = "2023-11-14T23:13:20Z";
    let keys = json!([{"until": null}, {"until": in_an_hour}]);
    assert_eq!(answer.json()["keys"], keys);
    assert!(!answer.text().contains(second) && !answer.text().contains(KEY));
    assert_eq!(code_with_key(&server, second).await, 0);
    assert_eq!(code_with_key(&server, KEY).await, 0);

    // An old key ends when it was to end, whatever grace the next rotation gives.
    let third = "0123456789abcdef-the-third";
    let body = json!({"secret_key": third, "grace_s": 7200});
    let answer = server.operate("POST", &rotate, &body.to_string()).await;
    let in_two = "2023-11-15T00:13:20Z";
    let keys = json!([{"until": null}, {"until": in_two}, {"until": in_an_hour}]);
    assert_eq!(answer.json()["keys"], keys);

    server.hand.set(UnixSeconds(NOW_S + 3600));
    assert_eq!(later_code(&server, KEY).await, 70009);
    assert_eq!(later_code(&server, second).await, 0);
    server.hand.set(UnixSeconds(NOW_S + 7200));
    assert_eq!(later_code(&server, second).await, 70009);
    assert_eq!(later_code(&server, third).await, 0);
    let shown = server.operate("GET", THIS_APP, "").await.json();
    assert_eq!(shown["keys"], json!([{"until": null}]));
}

/// Likewise with a UserSig that is good for a day.
async fn later_code(server: &Running, key: &str) -> u64 {
    let mut peer = Peer::connect(server.public).await;
    let usersig = usersig("administrator", key, NOW_S, 86_400);
    let query = query_with("administrator", &usersig);
    peer.send(post(IMPORT, &query, ALICE)).await;
    peer.answer().await.code()
}

#[tokio::test]
async fn keys_that_are_good_are_bounded() {
    let server = harness::start().await;
    let rotate = format!("{THIS_APP}/rotate-key");
    let with_grace = r#"{"grace_s":31536000}"#;
    for _ in 0..4 {
        let answer = server.operate("POST", &rotate, with_grace).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = server.operate("POST", &rotate, with_grace).await;
    assert_error(&answer, 409, "too_many_keys");
    assert_eq!(code_with_key(&server, KEY).await, 0);
    let answer = server.operate("POST", &rotate, "").await;
    assert_eq!(answer.json()["keys"], json!([{"until": null}]));
    assert_eq!(code_with_key(&server, KEY).await, 70009);
}
