//! Accounts through the operator API: found, shown whole, imported in bulk.

use std::sync::Arc;

use muster_accounts::{
    AccountStore as _, FaceUrl, Nick, ReferenceStore, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use serde_json::{Value, json};

use crate::{
    harness::{self, APP, IMPORT, IMPORT_MANY, NOW_S, Running, SET, Setup},
    operator::assert_error,
};

const ACCOUNTS: &str = "/muster/v1/apps/1400000000/accounts";
const THIS_APP: &str = "/muster/v1/apps/1400000000";
const DELETE: &str = "/v4/im_open_login_svc/account_delete";
const KICK: &str = "/v4/im_open_login_svc/kick";

async fn get(server: &Running, path: &str) -> Value {
    let answer = server.operate("GET", path, "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// An import that is answered with 200.
async fn import(server: &Running, body: Value) -> Value {
    let answer = server.operate("POST", ACCOUNTS, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn edition(server: &Running, edition: &str) {
    let body = json!({"edition": edition}).to_string();
    assert_eq!(server.operate("PATCH", THIS_APP, &body).await.status, 200);
}

async fn delete(server: &Running, user_id: &str) {
    let body = json!({"DeleteItem": [{"UserID": user_id}]}).to_string();
    let answer = server.call(DELETE, &body).await;
    assert_eq!(
        answer.json()["ResultItem"][0]["ResultCode"],
        0,
        "{answer:?}"
    );
}

#[tokio::test]
async fn accounts_are_found_by_a_prefix() {
    let server = harness::start().await;
    let ids: Vec<_> = (0..30)
        .map(|i| format!("{}{i}", if i % 3 == 0 { "bot-" } else { "user" }))
        .collect();
    let body = json!({"Accounts": ids}).to_string();
    assert_eq!(server.call(IMPORT_MANY, &body).await.code(), 0);
    for limit in [1, 4, 9, 10, 11, 10_000] {
        let mut found = Vec::new();
        let mut query = format!("prefix=bot-&limit={limit}");
        loop {
            let page = get(&server, &format!("{ACCOUNTS}?{query}")).await;
            let accounts = page["accounts"].as_array().unwrap();
            assert!(accounts.len() <= limit);
            found.extend(accounts.iter().map(|account| account["user_id"].clone()));
            let Some(after) = page["next_after"].as_str() else {
                break;
            };
            query = format!("prefix=bot-&limit={limit}&after={after}");
        }
        let expected: Vec<_> = ids.iter().filter(|id| id.starts_with("bot-")).collect();
        assert_eq!(json!(found), json!(expected), "{limit}");
    }
    let none = get(&server, &format!("{ACCOUNTS}?prefix=Bot")).await;
    assert_eq!(none, json!({"accounts": [], "next_after": null}));
    let all = get(&server, &format!("{ACCOUNTS}?prefix=")).await;
    assert_eq!(all["accounts"].as_array().unwrap().len(), 31);
}

/// A server with these accounts, imported past the API's limits.
async fn start_with(entries: impl Iterator<Item = ImportEntry>) -> Running {
    let store = Arc::new(ReferenceStore::default());
    let server = Setup {
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    let request = ImportRequest::new(entries.collect());
    let now = UnixSeconds(NOW_S);
    store.import(SdkAppId(APP), request, now).await.unwrap();
    server
}

fn entry(position: usize, user_id: &str) -> ImportEntry {
    ImportEntry {
        position,
        user_id: UserId::parse(user_id).unwrap(),
        nick: None,
        face_url: None,
    }
}

/// A page never gets too long for clients to read.
#[tokio::test]
async fn a_page_of_large_accounts_is_short() {
    // As JSON six times as long.
    let text = "\u{1}".repeat(500);
    let large = |position| ImportEntry {
        nick: Nick::parse(text.as_str().into()).ok(),
        face_url: FaceUrl::parse(text.as_str().into()).ok(),
        ..entry(position, &format!("user{position}"))
    };
    let server = start_with((0..9999).map(large)).await;
    for (prefix, expected) in [("", 10_000), ("&prefix=user", 9999)] {
        let mut path = format!("{ACCOUNTS}?limit=10000{prefix}");
        let mut pages = Vec::new();
        loop {
            let answer = server.operate("GET", &path, "").await;
            assert!(answer.body.len() <= 48 * 1024 * 1024);
            let page = answer.json();
            pages.push(page["accounts"].as_array().unwrap().len());
            let Some(after) = page["next_after"].as_str() else {
                break;
            };
            path = format!("{ACCOUNTS}?limit=10000{prefix}&after={after}");
        }
        assert_eq!(pages.iter().sum::<usize>(), expected);
        assert_eq!(pages.len(), 2, "{pages:?}");
    }
}

/// What a request looks at is bounded, so the caller goes on where it stopped.
#[tokio::test]
async fn a_search_stops_after_100_000_accounts() {
    let users = (0..100_000).map(|i| entry(i, &format!("user{i}")));
    let server = start_with(users.chain([entry(100_000, "zoe")])).await;
    // With `administrator` there are 100,002 accounts.
    let page = get(&server, &format!("{ACCOUNTS}?prefix=zo")).await;
    assert_eq!(page["accounts"], json!([]));
    let after = page["next_after"].as_str().unwrap();
    let page = get(&server, &format!("{ACCOUNTS}?prefix=zo&after={after}")).await;
    assert_eq!(page["accounts"][0]["user_id"], "zoe");
    assert_eq!(page["next_after"], Value::Null);
}

#[tokio::test]
async fn an_account_is_shown_whole() {
    let server = harness::start().await;
    let body = json!({"custom_fields": ["Vip"]}).to_string();
    assert_eq!(server.operate("PATCH", THIS_APP, &body).await.status, 200);
    let body = r#"{"UserID":"alice","Nick":"Alice"}"#;
    assert_eq!(server.call(IMPORT, body).await.code(), 0);
    let path = format!("{ACCOUNTS}/alice");
    let mut expected = json!({
        "internal_id": "144115188075855874", "user_id": "alice", "nick": "Alice", "face_url": "",
        "imported_at": "2023-11-14T22:13:20Z", "changed_at": "2023-11-14T22:13:20Z",
        "kicked_at": null, "profile": {},
    });
    assert_eq!(get(&server, &path).await, expected);

    server.hand.advance(1);
    let set = r#"{"From_Account":"alice","ProfileItem":[
        {"Tag":"Tag_Profile_IM_Nick","Value":"Al"},
        {"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Female"},
        {"Tag":"Tag_Profile_IM_Level","Value":0},
        {"Tag":"Tag_Profile_Custom_Vip","Value":"gold"}]}"#;
    assert_eq!(server.call(SET, set).await.code(), 0);
    server.hand.advance(1);
    assert_eq!(server.call(KICK, r#"{"UserID":"alice"}"#).await.code(), 0);
    // A field that is not declared any more is still there.
    let body = json!({"custom_fields": []}).to_string();
    assert_eq!(server.operate("PATCH", THIS_APP, &body).await.status, 200);
    let changed = json!({
        "nick": "Al", "changed_at": "2023-11-14T22:13:21Z", "kicked_at": "2023-11-14T22:13:22Z",
        "profile": {
            "Tag_Profile_IM_Gender": "Gender_Type_Female", "Tag_Profile_IM_Level": 0,
            "Tag_Profile_Custom_Vip": "gold",
        },
    });
    let fields = expected.as_object_mut().unwrap();
    fields.extend(changed.as_object().unwrap().clone());
    assert_eq!(get(&server, &path).await, expected);
    let by_id = format!("{THIS_APP}/internal-ids/144115188075855874");
    assert_eq!(get(&server, &by_id).await, expected);
    let administrator = format!("{THIS_APP}/internal-ids/144115188075855873");
    let first = get(&server, &administrator).await;
    assert_eq!(first["user_id"], "administrator");
}

/// An id of a deleted account, or of another app's, is none of this app's.
#[tokio::test]
async fn internal_ids_are_exact() {
    let server = harness::start().await;
    let three = json!({"accounts": [{"user_id": "a"}, {"user_id": "b"}, {"user_id": "c"}]});
    import(&server, three).await;
    delete(&server, "b").await;
    let other = r#"{"sdkappid":7}"#;
    let made = server.operate("POST", "/muster/v1/apps", other).await;
    assert_eq!(made.status, 201);
    for (id, found) in [(874, "a"), (875, ""), (876, "c"), (877, "")] {
        let path = format!("{THIS_APP}/internal-ids/144115188075855{id}");
        let answer = server.operate("GET", &path, "").await;
        if found.is_empty() {
            assert_error(&answer, 404, "account_not_found");
        } else {
            assert_eq!(answer.json()["user_id"], found);
        }
    }
}

#[tokio::test]
async fn a_bad_entry_refuses_only_itself() {
    let server = harness::start().await;
    import(
        &server,
        json!({"accounts": [{"user_id": "old", "nick": "Old"}]}),
    )
    .await;
    let refused = |position: usize, user_id: Value, code: u32, reason: &str| {
        json!({"position": position, "user_id": user_id, "result": "refused", "code": code,
            "reason": reason})
    };
    let accounts = json!([
        {"user_id": "new", "nick": "superseded"},
        {"user_id": "old"},
        {"user_id": "new", "nick": null, "face_url": "https://img.example.com/new.png"},
        {"user_id": "old", "nick": "x".repeat(501)},
        {"user_id": "josé"},
        {"user_id": ""},
        {"user_id": 7},
        {"nick": "nobody"},
        {"user_id": "kim", "nick": 7},
        {"user_id": "kim", "Nick": "Kim"},
        "kim",
        {"user_id": "old", "nick": "Older"},
        {"user_id": "x".repeat(33)},
        {"user_id": "kim", "face_url": "é".repeat(251)},
    ]);
    let expected = json!({
        "dry_run": true, "created": 1, "updated": 1, "unchanged": 0, "superseded": 2, "refused": 10,
        "entries": [
            {"position": 0, "user_id": "new", "result": "superseded"},
            {"position": 1, "user_id": "old", "result": "superseded"},
            {"position": 2, "user_id": "new", "result": "created"},
            refused(3, json!("old"), 40601, "nick is 501 bytes long, the limit is 500."),
            refused(4, json!("josé"), 70402,
                "user_id cannot be one: it has a byte outside 0x20-0x7e."),
            refused(5, json!(""), 70402,
                "user_id cannot be one: it is 0 bytes long, 1 to 32 are allowed."),
            refused(6, Value::Null, 60015, "user_id is not a string."),
            refused(7, Value::Null, 70402, "user_id is missing."),
            refused(8, json!("kim"), 70402, "nick is not a string."),
            refused(9, json!("kim"), 70402, "There is no field \"Nick\"."),
            refused(10, Value::Null, 70402, "The entry is not an object."),
            {"position": 11, "user_id": "old", "result": "updated"},
            refused(12, json!("x".repeat(33)), 70402,
                "user_id cannot be one: it is 33 bytes long, 1 to 32 are allowed."),
            refused(13, json!("kim"), 40601, "face_url is 502 bytes long, the limit is 500."),
        ],
    });
    // A dry run says the same and writes nothing.
    let dry = import(&server, json!({"accounts": accounts, "dry_run": true})).await;
    assert_eq!(dry, expected);
    assert_eq!(get(&server, THIS_APP).await["accounts"], 2);
    let old = get(&server, &format!("{ACCOUNTS}/old")).await;
    assert_eq!(old["nick"], "Old");

    let done = import(&server, json!({"accounts": accounts})).await;
    let mut expected = expected;
    expected["dry_run"] = false.into();
    assert_eq!(done, expected);
    assert_eq!(get(&server, THIS_APP).await["accounts"], 3);
    let old = get(&server, &format!("{ACCOUNTS}/old")).await;
    assert_eq!(old["nick"], "Older");
    let new = get(&server, &format!("{ACCOUNTS}/new")).await;
    assert_eq!(
        (&new["nick"], &new["face_url"]),
        (&json!(""), &json!("https://img.example.com/new.png"),)
    );
    let again = import(&server, json!({"accounts": accounts})).await;
    assert_eq!(
        (&again["created"], &again["unchanged"]),
        (&json!(0), &json!(2))
    );
}

#[tokio::test]
async fn over_the_cap_nothing_is_imported() {
    let server = harness::start().await;
    edition(&server, "trial").await;
    let accounts: Vec<_> = (0..99)
        .map(|i| json!({"user_id": format!("u{i}")}))
        .collect();
    let answer = import(&server, json!({"accounts": accounts})).await;
    assert_eq!(answer["created"], 99);
    let over = json!({"accounts": [
        {"user_id": "u0", "nick": "changed"}, {"user_id": "x"}, {"user_id": "é"}, {"user_id": "y"},
    ]});
    let answer = import(&server, over).await;
    let codes: Vec<_> = answer["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["result"], &entry["code"]))
        .collect();
    let refused = json!("refused");
    let (cap, bad) = (json!(70398), json!(70402));
    assert_eq!(
        codes,
        [
            (&refused, &cap),
            (&refused, &cap),
            (&refused, &bad),
            (&refused, &cap)
        ]
    );
    assert_eq!(
        answer["entries"][1]["reason"],
        "The app's edition allows 100 accounts; with all the new ones that were to be imported in one go \
         there would be more."
    );
    assert_eq!(
        answer["entries"][0]["reason"],
        "Left as it is, for nothing is imported in one go with new accounts that go beyond the 100 of \
         the app's edition."
    );
    assert_eq!(get(&server, &format!("{ACCOUNTS}/u0")).await["nick"], "");
    assert_eq!(get(&server, THIS_APP).await["accounts"], 100);
    let fits = import(&server, json!({"accounts": [{"user_id": "x"}]})).await;
    assert_eq!(fits["created"], 1);
}

/// The bar of 90 days passes in no time.
#[tokio::test]
async fn a_bar_of_90_days_passes() {
    let server = harness::start().await;
    let body = json!({"edition": "pro", "deletion": true}).to_string();
    assert_eq!(server.operate("PATCH", THIS_APP, &body).await.status, 200);
    let two = json!({"accounts": [{"user_id": "alice"}, {"user_id": "bob"}]});
    import(&server, two.clone()).await;
    delete(&server, "alice").await;
    let reason = "The user was deleted and cannot be imported again before 2024-02-12T22:13:20Z.";
    let barred = json!({"position": 0, "user_id": "alice", "result": "refused", "code": 70399,
        "reason": reason});
    let answer = import(&server, two.clone()).await;
    assert_eq!(answer["entries"][0], barred);
    assert_eq!(answer["entries"][1]["result"], "unchanged");
    // All are barred.
    let alice = json!({"accounts": [{"user_id": "alice"}]});
    let answer = import(&server, alice.clone()).await;
    assert_eq!(answer["entries"], json!([barred]));
    let wire = server.call(IMPORT, r#"{"UserID":"alice"}"#).await;
    assert_eq!(wire.code(), 70399);

    let advance = "/muster/v1/clock/advance";
    let answer = server
        .operate("POST", advance, r#"{"seconds":7775999}"#)
        .await;
    assert_eq!(answer.json()["now"], "2024-02-12T22:13:19Z");
    let answer = import(&server, alice.clone()).await;
    assert_eq!(answer["refused"], 1);
    let answer = server.operate("POST", advance, r#"{"seconds":1}"#).await;
    assert_eq!(answer.json()["now"], "2024-02-12T22:13:20Z");
    let answer = import(&server, alice).await;
    assert_eq!(answer["created"], 1, "{answer}");
}

#[tokio::test]
async fn a_request_has_10_000_entries_at_most() {
    let server = harness::start().await;
    let accounts = |count| {
        let accounts: Vec<_> = (0..count)
            .map(|i| json!({"user_id": format!("u{i}")}))
            .collect();
        json!({"accounts": accounts}).to_string()
    };
    let answer = server.operate("POST", ACCOUNTS, &accounts(10_001)).await;
    assert_error(&answer, 400, "invalid_request");
    assert_eq!(
        answer.json()["error"]["message"],
        "accounts has 10001 entries; 1 to 10000 are allowed."
    );
    let answer = server.operate("POST", ACCOUNTS, &accounts(10_000)).await;
    assert_eq!(answer.json()["created"], 10_000);
    let long = json!({"accounts": [{"user_id": "a", "nick": "x".repeat(1024 * 1024)}]});
    let answer = server.operate("POST", ACCOUNTS, &long.to_string()).await;
    assert_error(&answer, 413, "payload_too_large");
    assert_eq!(
        answer.json()["error"]["message"],
        "The body is larger than 1048576 bytes. Send a long list in several requests."
    );
}

/// Times are those of the server's clock.
#[tokio::test]
async fn imports_are_stamped() {
    let server = harness::start().await;
    server.hand.set(UnixSeconds(NOW_S + 60));
    import(&server, json!({"accounts": [{"user_id": "alice"}]})).await;
    let alice = get(&server, &format!("/muster/v1/apps/{APP}/accounts/alice")).await;
    assert_eq!(alice["imported_at"], "2023-11-14T22:14:20Z");
}
