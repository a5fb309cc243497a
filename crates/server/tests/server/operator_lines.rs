//! Accounts through the operator API, imported line by line: what is taken, and how it is accounted for.

use muster_accounts::UnixSeconds;
use serde_json::{Value, json};

use crate::{
    harness::{self, DELETE, Running, TOKEN},
    operator::assert_error,
    peer::Peer,
};

pub(crate) const LINES: &str = "/muster/v1/apps/1400000000/accounts:import";
const ACCOUNTS: &str = "/muster/v1/apps/1400000000/accounts";
const THIS_APP: &str = "/muster/v1/apps/1400000000";

/// The head of an import whose body has this length.
pub(crate) fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: muster\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// The head of an import whose body comes in chunks.
pub(crate) fn chunked_head() -> String {
    format!(
        "POST {LINES} HTTP/1.1\r\nHost: muster\r\nAuthorization: Bearer {TOKEN}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
}

pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The lines of an answer.
pub(crate) fn lines_of(body: &[u8]) -> Vec<Value> {
    assert!(body.ends_with(b"\n"));
    let lines = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The lines with which an import is answered.
async fn import_to(server: &Running, path: &str, body: impl AsRef<[u8]>) -> Vec<Value> {
    let mut peer = Peer::connect(server.operator).await;
    peer.send(head(path, body.as_ref().len())).await;
    peer.send(body).await;
    let answer = peer.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    lines_of(&answer.body)
}

async fn import(server: &Running, body: impl AsRef<[u8]>) -> Vec<Value> {
    import_to(server, LINES, body).await
}

async fn get(server: &Running, path: &str) -> Value {
    let answer = server.operate("GET", path, "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Lines of users of this name with these numbers.
pub(crate) fn users(name: &str, numbers: impl Iterator<Item = usize>) -> String {
    let line = |number| format!("{{\"user_id\":\"{name}{number}\"}}\n");
    numbers.map(line).collect::<Vec<_>>().concat()
}

/// Lines, each with whether it is good or blank, or with user id, code and reason of its refusal.
fn tried() -> Vec<(Vec<u8>, Value)> {
    let long = format!("{{\"user_id\":\"kim\"{}}}", " ".repeat(64 * 1024));
    let lines: [(&[u8], Value); 22] = [
        (br#"{"user_id": "new", "nick": "superseded"}"#, json!("good")),
        (b"", json!("blank")),
        (br#"{"user_id": "old"}"#, json!("good")),
        (b" \t\r", json!("blank")),
        (
            br#"{"user_id": "new", "nick": null, "face_url": "https://img.example.com/n\u00e9w.png"}"#,
            json!("good"),
        ),
        (
            "{\"user_id\": \"jos\u{e9}\"}".as_bytes(),
            json!([
                "jos\u{e9}",
                70402,
                "user_id cannot be one: it has a byte outside 0x20-0x7e."
            ]),
        ),
        (
            br#"{"user_id": ""}"#,
            json!(["", 70402, "user_id cannot be one: it is 0 bytes long, 1 to 32 are allowed."]),
        ),
        (br#"{"user_id": 7}"#, json!([null, 60015, "user_id is not a string."])),
        (br#"{"user_id": null}"#, json!([null, 60015, "user_id is not a string."])),
        (br#"{"nick": "nobody"}"#, json!([null, 70402, "user_id is missing."])),
        (
            br#"{"user_id": "kim", "nick": ["K", {"i": "m"}]}"#,
            json!(["kim", 70402, "nick is not a string."]),
        ),
        (
            br#"{"user_id": "kim", "Nick": "Kim"}"#,
            json!(["kim", 70402, "There is no field \"Nick\"."]),
        ),
        (br#""kim""#, json!([null, 70402, "The entry is not an object."])),
        (br#"["kim"]"#, json!([null, 70402, "The entry is not an object."])),
        (
            br#"{"user_id": "kim"}}"#,
            json!([null, 70402, "The line is not JSON at column 19."]),
        ),
        (
            br#"{"user_id": "kim""#,
            json!([null, 70402, "The line is cut off at column 17."]),
        ),
        (b"{\"user_id\": \"kim\xff\"}", json!([null, 70402, "The line is not UTF-8."])),
        (
            long.as_bytes(),
            json!([null, 70402, "The line is longer than 65536 bytes."]),
        ),
        (br#"{"user_id": "old", "nick": "Older"}"#, json!("good")),
        (
            br#"{"user_id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#,
            json!([
                "x".repeat(33),
                70402,
                "user_id cannot be one: it is 33 bytes long, 1 to 32 are allowed."
            ]),
        ),
        (br#"{"user_id": "first", "user_id": "same"}"#, json!("good")),
        (br#"{"user_id": "same"}"#, json!("good")),
    ];
    let lines = lines.into_iter();
    lines.map(|(line, fate)| (line.to_vec(), fate)).collect()
}

#[tokio::test]
async fn a_bad_line_refuses_only_itself() {
    let server = harness::start().await;
    import(&server, r#"{"user_id": "old", "nick": "Old"}"#).await;
    let mut body = b"\xef\xbb\xbf".to_vec();
    let lines = tried();
    let mut refused = Vec::new();
    for (i, (line, fate)) in lines.iter().enumerate() {
        body.extend_from_slice(line);
        body.extend_from_slice(if i % 2 == 0 { b"\n" } else { b"\r\n" });
        if let Some(fate) = fate.as_array() {
            refused.push(json!({
                "line": i + 1, "user_id": fate[0], "code": fate[1], "reason": fate[2],
            }));
        }
    }
    for (line, name, length) in [(23, "nick", 501), (24, "face_url", 502)] {
        let text = "x".repeat(length);
        body.extend(format!("{{\"user_id\":\"kim\",\"{name}\":\"{text}\"}}\n").bytes());
        refused.push(json!({
            "line": line, "user_id": "kim", "code": 40601,
            "reason": format!("{name} is {length} bytes long, the limit is 500."),
        }));
    }
    let commit = json!({
        "first": 1, "last": 24, "created": 2, "updated": 1, "unchanged": 0, "superseded": 3,
        "refused": refused,
    });
    let done = json!({
        "lines": 24, "created": 2, "updated": 1, "unchanged": 0, "superseded": 3,
        "refused": refused.len(), "done": true,
    });
    // A dry run says the same and writes nothing.
    let dry = import_to(&server, &format!("{LINES}?dry_run=true"), &body).await;
    assert_eq!(dry, [commit.clone(), done.clone()]);
    assert_eq!(get(&server, THIS_APP).await["accounts"], 2);

    assert_eq!(import(&server, &body).await, [commit, done]);
    assert_eq!(get(&server, THIS_APP).await["accounts"], 4);
    let old = get(&server, &format!("{ACCOUNTS}/old")).await;
    assert_eq!(old["nick"], "Older");
    let new = get(&server, &format!("{ACCOUNTS}/new")).await;
    assert_eq!(
        (&new["nick"], &new["face_url"]),
        (&json!(""), &json!("https://img.example.com/n\u{e9}w.png"))
    );
    let again = import(&server, &body).await;
    assert_eq!(
        (&again[0]["created"], &again[0]["unchanged"]),
        (&json!(0), &json!(3))
    );
}

#[tokio::test]
async fn nothing_is_imported_of_an_empty_body() {
    let server = harness::start().await;
    let done = |lines: u64| {
        json!({"lines": lines, "created": 0, "updated": 0, "unchanged": 0, "superseded": 0,
            "refused": 0, "done": true})
    };
    assert_eq!(import(&server, "").await, [done(0)]);
    let blank = import(&server, "\n\r\n ").await;
    assert_eq!(blank[0]["last"], 3);
    assert_eq!(blank[1..], [done(3)]);
}

#[tokio::test]
async fn lines_are_committed_10_000_at_a_time() {
    let server = harness::start().await;
    let body = users("user", (0..10_000).chain(9_000..12_000).chain([0, 0]));
    let answer = import(&server, body).await;
    let expected = [
        json!({"first": 1, "last": 10_000, "created": 10_000, "updated": 0, "unchanged": 0,
            "superseded": 0, "refused": []}),
        json!({"first": 10_001, "last": 13_002, "created": 2000, "updated": 0, "unchanged": 1001,
            "superseded": 1, "refused": []}),
        json!({"lines": 13_002, "created": 12_000, "updated": 0, "unchanged": 1001,
            "superseded": 1, "refused": 0, "done": true}),
    ];
    assert_eq!(answer, expected);
    assert_eq!(get(&server, THIS_APP).await["accounts"], 12_001);
}

/// Long lines make smaller commits, so that what is held stays small.
#[tokio::test]
async fn a_commit_has_about_4_mib_at_most() {
    let server = harness::start().await;
    let line = |i: usize| format!("{{\"user_id\":\"u{i}\"{}}}\n", " ".repeat(60 * 1024));
    let body: String = (0..150).map(line).collect();
    let answer = import(&server, body).await;
    let commits = &answer[..answer.len() - 1];
    assert_eq!(commits.len(), 3, "{commits:?}");
    let mut next = 1;
    for commit in commits {
        let count = commit["last"].as_u64().unwrap() - next + 1;
        assert_eq!(commit["first"], next);
        assert_eq!(commit["created"], count);
        assert!(count <= 70, "{commit}");
        next += count;
    }
    assert_eq!(answer[3]["created"], 150);
    // Lines that are too long count as well.
    let long = "x".repeat(64 * 1024 + 1);
    let line = |i: usize| format!("{long}\n{{\"user_id\":\"v{i}\"}}\n");
    let body: String = (0..150).map(line).collect();
    let answer = import(&server, body).await;
    assert_eq!(answer.len(), 4, "{answer:?}");
    let done = &answer[3];
    assert_eq!(
        (&done["created"], &done["refused"]),
        (&json!(150), &json!(150))
    );
}

#[tokio::test]
async fn a_commit_beyond_the_cap_is_refused() {
    let server = harness::start().await;
    let trial = r#"{"edition":"trial"}"#;
    assert_eq!(server.operate("PATCH", THIS_APP, trial).await.status, 200);
    let body = users("u", 0..90);
    assert_eq!(import(&server, body).await[0]["created"], 90);
    // The first commit only has users that are there, the second one goes beyond.
    let body = format!(
        "{}{}oops\n",
        users("u", (0..10_000).map(|i| i % 90)),
        users("u", 89..101)
    );
    let answer = import(&server, body).await;
    assert_eq!(
        (
            &answer[0]["unchanged"],
            &answer[0]["superseded"],
            &answer[0]["refused"]
        ),
        (&json!(90), &json!(9910), &json!([]))
    );
    let refused = answer[1]["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 13);
    let there = "Left as it is, for nothing is imported in one go with new accounts that go beyond the 100 \
                 of the app's edition.";
    let new = "The app's edition allows 100 accounts; with all the new ones that were to be imported in one go \
         there would be more.";
    let line = |line: u64, user_id: &str, reason: &str| json!({"line": line, "user_id": user_id, "code": 70398, "reason": reason});
    assert_eq!(refused[0], line(10_001, "u89", there));
    assert_eq!(refused[1], line(10_002, "u90", new));
    assert_eq!(refused[11], line(10_012, "u100", new));
    assert_eq!(refused[12]["code"], 70402);
    assert_eq!(answer[2]["refused"], 13);
    assert_eq!(get(&server, THIS_APP).await["accounts"], 91);
}

#[tokio::test]
async fn a_barred_user_is_refused_by_the_line_that_counts() {
    let server = harness::start().await;
    let body = json!({"edition": "pro", "deletion": true}).to_string();
    assert_eq!(server.operate("PATCH", THIS_APP, &body).await.status, 200);
    import(&server, users("u", 1..4)).await;
    let delete = json!({"DeleteItem": [{"UserID": "u2"}, {"UserID": "u3"}]}).to_string();
    assert_eq!(server.call(DELETE, &delete).await.code(), 0);
    let barred = |line: u64, user_id: &str| {
        json!({"line": line, "user_id": user_id, "code": 70399, "reason":
            "The user was deleted and cannot be imported again before 2024-02-12T22:13:20Z."})
    };
    let answer = import(&server, users("u", [1, 3, 2, 4, 2, 1].into_iter())).await;
    let expected = json!({
        "first": 1, "last": 6, "created": 1, "updated": 0, "unchanged": 1, "superseded": 2,
        "refused": [barred(2, "u3"), barred(5, "u2")],
    });
    assert_eq!(answer[0], expected);
    // All are barred.
    let answer = import(&server, users("u", [3, 2, 3].into_iter())).await;
    assert_eq!(
        answer[0]["refused"],
        json!([barred(2, "u2"), barred(3, "u3")])
    );
    assert_eq!(answer[0]["superseded"], 1);
}

/// As `curl -T` does.
#[tokio::test]
async fn a_caller_who_asks_first_is_told_to_go_on() {
    let server = harness::start().await;
    let body = users("u", 0..10);
    let mut peer = Peer::connect(server.operator).await;
    let head = head(LINES, body.len());
    peer.send(head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"))
        .await;
    peer.receives(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    peer.send(body).await;
    assert_eq!(peer.answer().await.status, 100);
    let answer = peer.answer().await;
    assert_eq!(lines_of(&answer.body)[0]["created"], 10);
    // The connection goes on.
    peer.send("GET /muster/v1/health HTTP/1.1\r\n\r\n").await;
    assert_eq!(peer.answer().await.status, 200);
}

#[tokio::test]
async fn imports_are_stamped_and_of_one_app() {
    let server = harness::start().await;
    let other = r#"{"sdkappid":7}"#;
    assert_eq!(
        server
            .operate("POST", "/muster/v1/apps", other)
            .await
            .status,
        201
    );
    server.hand.set(UnixSeconds(harness::NOW_S + 60));
    let path = "/muster/v1/apps/7/accounts:import";
    import_to(&server, path, users("u", 0..1)).await;
    let one = get(&server, "/muster/v1/apps/7/accounts/u0").await;
    assert_eq!(one["imported_at"], "2023-11-14T22:14:20Z");
    assert_eq!(get(&server, THIS_APP).await["accounts"], 1);
}

/// Before anything was read, and however long it is.
#[tokio::test]
async fn what_is_wrong_from_the_start_has_a_proper_status() {
    let server = harness::start().await;
    let body = users("u", 0..100_000);
    for (path, status, code) in [
        (
            "/muster/v1/apps/7/accounts:import".to_owned(),
            404,
            "app_not_found",
        ),
        (
            "/muster/v1/apps/x/accounts:import".to_owned(),
            400,
            "invalid_request",
        ),
        (format!("{LINES}?dry_run=maybe"), 400, "invalid_request"),
        (format!("{LINES}?dry-run=true"), 400, "invalid_request"),
    ] {
        let mut peer = Peer::connect(server.operator).await;
        peer.send(head(&path, body.len())).await;
        peer.send(&body).await;
        let answer = peer.answer().await;
        assert_error(&answer, status, code);
        assert!(answer.closes());
    }
    for (encoding, status) in [("gzip", 415), ("identity", 200)] {
        let encoding = format!("\r\nContent-Encoding: {encoding}\r\n\r\n");
        let dry = head(&format!("{LINES}?dry_run=true"), body.len());
        let mut peer = Peer::connect(server.operator).await;
        peer.send(dry.replace("\r\n\r\n", &encoding)).await;
        peer.send(&body).await;
        let answer = peer.answer().await;
        assert_eq!(answer.status, status);
        if status == 415 {
            assert_error(&answer, status, "body_encoded");
            assert!(answer.closes());
        }
    }
    let mut peer = Peer::connect(server.operator).await;
    peer.send(head(LINES, body.len()).replace(TOKEN, "another-token"))
        .await;
    peer.send(&body).await;
    assert_error(&peer.answer().await, 401, "unauthorized");
    assert_eq!(get(&server, THIS_APP).await["accounts"], 1);
}
