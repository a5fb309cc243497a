//! The operator API and the metrics: every route.

use serde_json::{Value, json};

use crate::{
    harness::{
        self, ALICE, APP, IMPORT, IMPORT_MANY, KEY, NOW_S, Running, Setup, TOKEN, post, query_with,
        usersig,
    },
    peer::{Answer, Peer},
    stub_store::{Fault, StubStore},
};

pub(crate) const APPS: &str = "/muster/v1/apps";
const ADMINS: &str = "/muster/v1/apps/1400000000/admins";
const ACCOUNTS: &str = "/muster/v1/apps/1400000000/accounts";

/// An app as it is shown, with the settings that a new one has.
pub(crate) fn app(sdkappid: u32, edition: &str, admins: &[&str], accounts: u64) -> Value {
    json!({
        "sdkappid": sdkappid, "edition": edition, "admins": admins, "keys": [{"until": null}],
        "accounts": accounts, "created_at": "2023-11-14T22:13:20Z",
        "disabled": false, "deletion": false, "import_at_sign_in": true, "allow_list": [],
        "custom_fields": [], "rate_limits": {}, "webhook": null,
    })
}

/// The answer is an error of this status and code, in the API's form.
pub(crate) fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-request-id").is_some());
    let json = answer.json();
    assert_eq!(json["error"]["code"], code);
    assert!(
        json["error"]["message"]
            .as_str()
            .is_some_and(|text| text.ends_with('.')),
        "{json}"
    );
    assert_eq!(json.as_object().unwrap().len(), 1);
}

pub(crate) async fn code_with_key(server: &Running, key: &str) -> u64 {
    let mut peer = Peer::connect(server.public).await;
    let query = query_with("administrator", &usersig("administrator", key, NOW_S, 60));
    peer.send(post(IMPORT, &query, ALICE)).await;
    peer.answer().await.code()
}

#[tokio::test]
async fn health_and_metrics_need_no_token() {
    let server = harness::start().await;
    let health = server
        .operate_with("", "GET", "/muster/v1/health", "")
        .await;
    assert_eq!(
        (health.status, health.json()),
        (200, json!({"status": "ok", "version": "0.1.0"}))
    );
    let ready = server.operate_with("", "GET", "/muster/v1/ready", "").await;
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"status": "ready"}))
    );
    assert_eq!(
        server.operate_with("", "GET", "/metrics", "").await.status,
        200
    );
}

#[tokio::test]
async fn a_store_that_fails_is_not_ready() {
    let store = StubStore::new();
    let server = Setup {
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    store.set(Fault::Fails);
    let answer = server.operate_with("", "GET", "/muster/v1/ready", "").await;
    assert_error(&answer, 503, "store_unavailable");
    assert!(!answer.text().contains("disk on fire"));
    assert_error(
        &server.operate("GET", ACCOUNTS, "").await,
        503,
        "store_unavailable",
    );
}

#[tokio::test]
async fn all_else_needs_the_token() {
    let server = harness::start().await;
    let wrong = [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
        format!("Authorization: Bearer {}\r\n", &TOKEN[1..]),
    ];
    for (method, path) in [
        ("GET", APPS.to_owned()),
        ("POST", APPS.to_owned()),
        ("GET", format!("{APPS}/{APP}")),
        ("POST", format!("{APPS}/{APP}/rotate-key")),
        ("PUT", format!("{ADMINS}/bob")),
        ("DELETE", format!("{ADMINS}/bob")),
        ("GET", ACCOUNTS.to_owned()),
        ("GET", format!("{ACCOUNTS}/alice")),
    ] {
        for headers in &wrong {
            let answer = server.operate_with(headers, method, &path, "").await;
            assert_error(&answer, 401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let lower_case = format!("authorization: bearer {TOKEN}\r\n");
    assert_eq!(
        server
            .operate_with(&lower_case, "GET", APPS, "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn apps_are_made_and_shown() {
    let server = harness::start().await;
    let body = json!({"sdkappid": 7, "edition": "pro_plus", "secret_key": KEY}).to_string();
    let made = server.operate("POST", APPS, &body).await;
    let seven = app(7, "pro_plus", &["administrator"], 1);
    assert_eq!((made.status, made.json()), (201, seven.clone()));

    let made = server
        .operate("POST", APPS, r#"{"sdkappid":4294967295}"#)
        .await;
    assert_eq!(made.status, 201);
    let mut shown = made.json();
    let key = shown.as_object_mut().unwrap().remove("secret_key").unwrap();
    assert_eq!(key.as_str().unwrap().len(), 64);
    let last = app(4_294_967_295, "developer", &["administrator"], 1);
    assert_eq!(shown, last);

    let apps = server.operate("GET", APPS, "").await.json();
    let first = app(APP, "developer", &["administrator"], 1);
    assert_eq!(apps, json!({"apps": [seven, first, last]}));
    let one = server
        .operate("GET", &format!("{APPS}/4294967295"), "")
        .await;
    assert_eq!((one.status, one.json()), (200, last));
}

#[tokio::test]
async fn keys_are_changed_and_shown_only_if_made_here() {
    let server = harness::start().await;
    let path = format!("{APPS}/{APP}/rotate-key");
    for body in ["", "{}"] {
        let answer = server.operate("POST", &path, body).await;
        assert_eq!(answer.status, 200);
        let key = answer.json()["secret_key"].as_str().unwrap().to_owned();
        assert_eq!(code_with_key(&server, &key).await, 0);
        assert_eq!(code_with_key(&server, KEY).await, 70009);
    }
    let answer = server
        .operate("POST", &path, &json!({"secret_key": KEY}).to_string())
        .await;
    assert_eq!(answer.json(), app(APP, "developer", &["administrator"], 2));
    assert_eq!(code_with_key(&server, KEY).await, 0);
}

#[tokio::test]
async fn admins_come_and_go() {
    let server = harness::start().await;
    let answer = server
        .operate("PUT", &format!("{ADMINS}/a%2Fb%20%25"), "")
        .await;
    assert_eq!(
        (answer.status, answer.json()["admins"][0].as_str()),
        (200, Some("a/b %"))
    );
    let answer = server
        .operate("PUT", &format!("{ADMINS}/a%2Fb%20%25"), "")
        .await;
    assert_eq!(
        answer.json(),
        app(APP, "developer", &["a/b %", "administrator"], 2)
    );
    let answer = server
        .operate("DELETE", &format!("{ADMINS}/a%2Fb%20%25"), "")
        .await;
    assert_eq!(answer.json(), app(APP, "developer", &["administrator"], 2));
    for i in 1..10 {
        assert_eq!(
            server
                .operate("PUT", &format!("{ADMINS}/admin{i}"), "")
                .await
                .status,
            200
        );
    }
    let answer = server
        .operate("PUT", &format!("{ADMINS}/one-more"), "")
        .await;
    assert_error(&answer, 409, "too_many_admins");
    let answer = server
        .operate("DELETE", &format!("{ADMINS}/administrator"), "")
        .await;
    assert_error(&answer, 409, "administrator_fixed");
    let answer = server
        .operate("DELETE", &format!("{ADMINS}/stranger"), "")
        .await;
    assert_error(&answer, 409, "not_an_admin");
}

#[tokio::test]
async fn accounts_are_paged_in_order_of_import() {
    let server = harness::start().await;
    let batch = r#"{"AccountList":[{"UserID":"zoe","Nick":"Zoé","FaceUrl":"https://img.example.com/z.png"},{"UserID":"a/b"},{"UserID":"carol"}]}"#;
    assert_eq!(server.call(IMPORT_MANY, batch).await.code(), 0);

    let mut names = Vec::new();
    let mut path = format!("{ACCOUNTS}?limit=2");
    loop {
        let page = server.operate("GET", &path, "").await.json();
        let accounts = page["accounts"].as_array().unwrap();
        assert_eq!(
            accounts.len(),
            2,
            "the last page is full, too, and known to be the last"
        );
        names.extend(
            accounts
                .iter()
                .map(|account| account["user_id"].as_str().unwrap().to_owned()),
        );
        let Some(after) = page["next_after"].as_str() else {
            break;
        };
        assert_eq!(accounts[1]["internal_id"], after);
        path = format!("{ACCOUNTS}?limit=2&after={after}");
    }
    assert_eq!(names, ["administrator", "zoe", "a/b", "carol"]);
    let whole = server.operate("GET", ACCOUNTS, "").await.json();
    assert_eq!(
        (
            whole["accounts"].as_array().unwrap().len(),
            &whole["next_after"]
        ),
        (4, &Value::Null)
    );

    server.hand.set(muster_accounts::UnixSeconds(NOW_S + 1));
    let renamed = r#"{"UserID":"zoe","Nick":"Zoë"}"#;
    assert_eq!(code_of(&server, renamed).await, 0);
    let zoe = server.operate("GET", &format!("{ACCOUNTS}/zoe"), "").await;
    let expected = json!({
        "internal_id": "144115188075855874", "user_id": "zoe", "nick": "Zoë",
        "face_url": "https://img.example.com/z.png",
        "imported_at": "2023-11-14T22:13:20Z", "changed_at": "2023-11-14T22:13:21Z",
        "kicked_at": null, "profile": {},
    });
    assert_eq!((zoe.status, zoe.json()), (200, expected));
    let answer = server
        .operate("GET", &format!("{ACCOUNTS}/a%2Fb"), "")
        .await;
    assert_eq!(
        (answer.status, &answer.json()["user_id"]),
        (200, &json!("a/b"))
    );
}

async fn code_of(server: &Running, import: &str) -> u64 {
    server.call(IMPORT, import).await.code()
}

#[tokio::test]
async fn a_scrape_tells_what_happened() {
    let store = StubStore::new();
    let server = Setup {
        store,
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    assert_eq!(server.call(IMPORT, "{}").await.code(), 70402);
    assert_eq!(server.call("/v4/made/up", "{}").await.code(), 60009);
    assert_eq!(server.call("/v4/made/up_too", "{}").await.code(), 60009);
    for (series, value) in [
        (
            "muster_requests_total{command=\"account_import\",code=\"0\"}",
            1.0,
        ),
        (
            "muster_requests_total{command=\"account_import\",code=\"70402\"}",
            1.0,
        ),
        (
            "muster_requests_total{command=\"unknown\",code=\"60009\"}",
            2.0,
        ),
        (
            "muster_request_duration_seconds_count{command=\"account_import\"}",
            2.0,
        ),
        ("muster_request_body_bytes_count", 2.0),
        ("muster_request_body_bytes_sum", 20.0),
        ("muster_connections_refused_total{listener=\"public\"}", 0.0),
        ("muster_usersig_cache_hits_total", 1.0),
        ("muster_usersig_cache_misses_total", 1.0),
        ("muster_store_accounts", 2.0),
        ("muster_store_waiting", 3.0),
        ("muster_store_commits_total", 5.0),
        ("muster_store_committed_requests_total", 7.0),
        ("muster_store_committed_records_total", 11.0),
        ("muster_store_commit_time_seconds_total", 1.5),
        ("muster_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(server.metric(series).await, value, "{series}");
    }
    if cfg!(target_os = "linux") {
        assert!(server.metric("process_resident_memory_bytes").await > 1e6);
        assert!(server.metric("process_open_fds").await > 3.0);
        server.metric("process_cpu_seconds_total").await;
    }
    let scrape = server.operate_with("", "GET", "/metrics", "").await;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(scrape.header("content-type"), Some(content_type));
    assert!(scrape.text().ends_with("# EOF\n"));
    assert!(!scrape.text().contains("up_too"));
}
