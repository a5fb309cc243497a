//! Webhooks (wire §8), with a real receiver.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use muster_accounts::{
    AccountStore, AppChange, AppPatch, Edition, NewApp, ReferenceStore, SdkAppId, UnixSeconds,
    app::{Webhook, WebhookToken},
};
use muster_server::Limits;
use muster_usersig::{Claims, SecretKey, sign};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::{
    harness::{
        ALICE, APP, DELETE, IMPORT, IMPORT_MANY, KEY, KICK, NOW_S, Running, SET, Setup, post,
        query, request,
    },
    log::{line_with, lines_with},
    peer::{Peer, soon},
    receiver::{Manner, Receiver, status},
    sessions::Device,
};

const OTHER_APP: u32 = 1_400_000_001;

/// A server, and the store behind it.
struct Told {
    server: Running,
    store: Arc<ReferenceStore>,
}

fn webhook(url: String) -> Webhook {
    Webhook {
        url,
        token: None,
        retry: false,
        imports: false,
    }
}

/// A server with alice imported and nobody told so far.
async fn start(setup: Setup) -> Told {
    let store = Arc::new(ReferenceStore::default());
    let server = Setup {
        store: store.clone(),
        ..setup
    }
    .start()
    .await;
    assert_eq!(server.call(IMPORT, ALICE).await.code(), 0);
    Told { server, store }
}

/// Likewise, with the default limits and this webhook.
async fn telling(webhook: Webhook) -> Told {
    let told = start(Setup::default()).await;
    told.configure(APP, Some(webhook)).await;
    told
}

impl Told {
    async fn configure(&self, app: u32, webhook: Option<Webhook>) {
        let patch = AppPatch {
            webhook: Some(webhook.map(Into::into)),
            ..AppPatch::default()
        };
        let change = AppChange::Configure(Box::new(patch));
        let now = UnixSeconds(NOW_S);
        let changed = self.store.change_app(SdkAppId(app), change, now).await;
        changed.unwrap();
    }

    /// Sets a user's level, which has to succeed.
    async fn set_level(&self, user_id: &str, level: u32) {
        let body = set_level(user_id, level);
        assert_eq!(self.server.call(SET, &body).await.code(), 0);
    }

    /// Waits until so many events have ended in this way.
    async fn ended(&self, outcome: &str, expected: f64) {
        let series = series(outcome);
        soon(async { while self.server.metric(&series).await != expected {} }).await;
    }

    async fn count(&self, outcome: &str) -> f64 {
        self.server.metric(&series(outcome)).await
    }

    /// Waits until nothing waits.
    async fn idle(&self) {
        soon(async { while self.server.metric("muster_webhook_waiting").await != 0.0 {} }).await;
    }
}

fn series(outcome: &str) -> String {
    format!(
        "muster_webhook_events_total{{command=\"Profile.CallbackPortraitSet\",outcome=\"{outcome}\"}}"
    )
}

fn set_level(user_id: &str, level: u32) -> String {
    set(
        user_id,
        &json!([{"Tag": "Tag_Profile_IM_Level", "Value": level}]),
    )
}

fn set(user_id: &str, items: &Value) -> String {
    json!({"From_Account": user_id, "ProfileItem": items}).to_string()
}

#[tokio::test]
async fn a_changed_profile_is_told() {
    let mut receiver = Receiver::start(status("200 OK")).await;
    let told = telling(webhook(receiver.url())).await;
    let items = json!([
        {"Tag": "Tag_Profile_IM_Nick", "Value": "A"},
        {"Tag": "Tag_Profile_IM_Level", "Value": 7},
        {"Tag": "Tag_Profile_IM_Nick", "Value": "Alice"},
    ]);
    // What fails is not told.
    for (user_id, level, code) in [("nobody", json!(1), 40003), ("alice", json!("1"), 40610)] {
        let items = json!([{"Tag": "Tag_Profile_IM_Level", "Value": level}]);
        let answer = told.server.call(SET, &set(user_id, &items)).await;
        assert_eq!(answer.code(), code);
    }
    let answer = told.server.call(SET, &set("alice", &items)).await;
    assert_eq!(answer.code(), 0);

    let first = receiver.posted().await;
    assert_eq!(
        first.request_line,
        "POST /hook?SdkAppid=1400000000&CallbackCommand=Profile.CallbackPortraitSet\
         &contenttype=json&ClientIP=127.0.0.1&OptPlatform=RESTAPI HTTP/1.1"
    );
    let body = concat!(
        r#"{"CallbackCommand":"Profile.CallbackPortraitSet","Operator_Account":"administrator","#,
        r#""From_Account":"alice","EventTime":1700000000000,"ProfileItem":["#,
        r#"{"Tag":"Tag_Profile_IM_Nick","Value":"Alice"},"#,
        r#"{"Tag":"Tag_Profile_IM_Level","Value":7}]}"#
    );
    assert_eq!(first.body, body);
    let address = receiver.address;
    assert_eq!(
        first.headers,
        [
            "accept: */*".to_owned(),
            format!("content-length: {}", body.len()),
            "content-type: application/json".to_owned(),
            format!("host: {address}"),
            format!("user-agent: muster/{}", env!("CARGO_PKG_VERSION")),
        ]
    );
    told.ended("delivered", 1.0).await;
    told.set_level("alice", 8).await;
    let second = receiver.posted().await;
    assert_eq!(second.connection, first.connection);
    told.ended("delivered", 2.0).await;

    told.configure(APP, None).await;
    told.set_level("alice", 9).await;
    told.configure(APP, Some(webhook(receiver.url()))).await;
    told.set_level("alice", 10).await;
    let items = &receiver.posted().await.json()["ProfileItem"];
    assert_eq!(items[0]["Value"], 10);
    told.idle().await;
    assert_eq!(receiver.more(), []);
}

#[tokio::test]
async fn events_are_signed_when_they_are_sent() {
    const SECRET: &str = "s3cret-of-the-webhook";
    let mut receiver = Receiver::start(Manner::Holds).await;
    let told = telling(Webhook {
        token: WebhookToken::new(SECRET.to_owned()),
        ..webhook(receiver.url())
    })
    .await;
    told.set_level("alice", 1).await;
    told.set_level("alice", 2).await;
    let first = receiver.posted().await;
    told.server.hand.advance(60);
    receiver.release();
    let second = receiver.posted().await;
    // printf s3cret-of-the-webhook1700000000 | sha256sum
    for (posted, time, sign) in [
        (
            &first,
            "1700000000",
            "c3a7ff1a57e193c70ee26502c55d15636bd8f224cb4d4d683fff61830376efc4",
        ),
        (
            &second,
            "1700000060",
            "bb3a247c2f08ddc6d1e5343d526482a8e622934da331856b6515121861c62a59",
        ),
    ] {
        assert_eq!(posted.parameter("RequestTime"), Some(time));
        assert_eq!(posted.parameter("Sign"), Some(sign));
        assert_eq!(posted.json()["EventTime"], 1_700_000_000_000_u64);
        assert_eq!(lines_with(sign), Vec::<String>::new());
    }
    told.idle().await;
    assert!(!lines_with(&receiver.address.to_string()).is_empty());
    assert_eq!(lines_with(SECRET), Vec::<String>::new());
}

#[tokio::test]
async fn imports_are_told_if_switched_on() {
    let mut receiver = Receiver::start(status("200 OK")).await;
    let told = telling(webhook(receiver.url())).await;
    for is_told in [false, true] {
        let webhook = Webhook {
            imports: is_told,
            ..webhook(receiver.url())
        };
        told.configure(APP, Some(webhook)).await;
        let entries = json!([
            {"UserID": "bob", "Nick": format!("Bob, {is_told}"), "FaceUrl": ""},
            {"UserID": "alice"},
            {"UserID": "josé", "Nick": "José"},
        ]);
        let batch = json!({"AccountList": entries}).to_string();
        assert_eq!(told.server.call(IMPORT_MANY, &batch).await.code(), 0);
        let one = json!({"UserID": "alice", "FaceUrl": format!("https://{is_told}")}).to_string();
        assert_eq!(told.server.call(IMPORT, &one).await.code(), 0);
    }
    let mut items = BTreeMap::new();
    for _ in 0..2 {
        let event = receiver.posted().await.json();
        assert_eq!(event["Operator_Account"], "administrator");
        let user_id = event["From_Account"].as_str().unwrap();
        items.insert(user_id.to_owned(), event["ProfileItem"].clone());
    }
    let expected = [
        (
            "alice",
            json!([{"Tag": "Tag_Profile_IM_Image", "Value": "https://true"}]),
        ),
        (
            "bob",
            json!([
                {"Tag": "Tag_Profile_IM_Nick", "Value": "Bob, true"},
                {"Tag": "Tag_Profile_IM_Image", "Value": ""},
            ]),
        ),
    ];
    let expected = expected.map(|(user_id, items)| (user_id.to_owned(), items));
    assert_eq!(items, BTreeMap::from(expected));
    told.idle().await;
    assert_eq!(receiver.more(), []);
}

#[tokio::test]
async fn the_source_is_that_of_the_call() {
    let mut receiver = Receiver::start(status("200 OK")).await;
    let told = start(Setup {
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        ..Setup::default()
    })
    .await;
    told.configure(APP, Some(webhook(receiver.url()))).await;
    for source in ["192.0.2.7", "2001:db8::7"] {
        let mut peer = Peer::connect(told.server.public).await;
        let target = format!("{SET}?{}", query("administrator"));
        let forwarded = format!("X-Forwarded-For: {source}\r\n");
        let body = set_level("alice", 1);
        peer.send(request("POST", &target, &forwarded, &body)).await;
        assert_eq!(peer.answer().await.code(), 0);
        assert_eq!(receiver.posted().await.parameter("ClientIP"), Some(source));
    }
}

#[tokio::test]
async fn events_of_a_user_come_in_order() {
    const USERS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
    let mut receiver = Receiver::start(Manner::Holds).await;
    let told = telling(webhook(receiver.url())).await;
    let accounts = json!({"Accounts": USERS}).to_string();
    assert_eq!(told.server.call(IMPORT_MANY, &accounts).await.code(), 0);
    for level in 0..20 {
        for user_id in USERS {
            told.set_level(user_id, level).await;
        }
    }
    // All wait by now, but for the first of each lane.
    receiver.release();
    let mut levels = BTreeMap::<_, Vec<u64>>::new();
    for _ in 0..20 * USERS.len() {
        let event = receiver.posted().await.json();
        let user_id = event["From_Account"].as_str().unwrap().to_owned();
        let level = event["ProfileItem"][0]["Value"].as_u64().unwrap();
        levels.entry(user_id).or_default().push(level);
    }
    let expected: Vec<u64> = (0..20).collect();
    for user_id in USERS {
        assert_eq!(levels[user_id], expected, "{user_id}");
    }
}

#[tokio::test]
async fn sign_ins_and_kicks_are_told() {
    let mut receiver = Receiver::start(status("200 OK")).await;
    let told = telling(webhook(receiver.url())).await;
    let mut devices = Vec::new();
    for (platform, opt_platform) in [("Web", "Web"), ("iOS", "IOS")] {
        devices.push(Device::sign_in(&told.server, "alice", platform).await);
        let posted = receiver.posted().await;
        assert_eq!(
            posted.request_line,
            format!(
                "POST /hook?SdkAppid=1400000000&CallbackCommand=State.StateChange\
                 &contenttype=json&ClientIP=127.0.0.1&OptPlatform={opt_platform} HTTP/1.1"
            )
        );
        assert_eq!(
            posted.json()["Info"],
            json!({"Action": "Login", "To_Account": "alice", "Reason": "Register"})
        );
    }
    // Who has no device has no state that could change.
    let bob = r#"{"UserID":"bob"}"#;
    assert_eq!(told.server.call(IMPORT, bob).await.code(), 0);
    for user_id in ["bob", "alice"] {
        let body = json!({"UserID": user_id}).to_string();
        assert_eq!(told.server.call(KICK, &body).await.code(), 0);
    }
    let posted = receiver.posted().await;
    assert_eq!(posted.parameter("OptPlatform"), Some("RESTAPI"));
    let body = concat!(
        r#"{"CallbackCommand":"State.StateChange","EventTime":1700000000000,"#,
        r#""Info":{"Action":"Logout","To_Account":"alice","Reason":"Unregister"}}"#
    );
    assert_eq!(posted.body, body);
    for device in &mut devices {
        device.closed().await;
    }
    told.idle().await;
    assert_eq!(receiver.more(), []);
    let series = "muster_webhook_events_total{command=\"State.StateChange\",outcome=\"delivered\"}";
    assert_eq!(told.server.metric(series).await, 3.0);
}

/// Every way in which a session can end, and what the receiver hears of it, once.
#[tokio::test]
async fn every_end_of_a_session_is_told() {
    const ENDS: [(&str, &str, &str, &str); 9] = [
        ("signs out", "Logout", "Unregister", "Web"),
        ("leaves", "Disconnect", "LinkClose", "Web"),
        ("breaks", "Disconnect", "LinkClose", "Web"),
        ("is silent", "Disconnect", "TimeOut", "Web"),
        ("is kicked", "Logout", "Unregister", "RESTAPI"),
        ("is deleted", "Logout", "Unregister", "RESTAPI"),
        ("is closed", "Disconnect", "LinkClose", "Web"),
        ("loses its app", "Disconnect", "LinkClose", "Web"),
        ("loses its server", "Disconnect", "LinkClose", "Web"),
    ];
    for (end, action, reason, opt_platform) in ENDS {
        let mut receiver = Receiver::start(status("200 OK")).await;
        let limits = Limits {
            session_timeout_s: if end == "is silent" { 1 } else { 400 },
            ..Limits::default()
        };
        let mut told = start(Setup {
            limits,
            ..Setup::default()
        })
        .await;
        told.configure(APP, Some(webhook(receiver.url()))).await;
        let mut device = Device::sign_in(&told.server, "alice", "Web").await;
        assert_eq!(receiver.posted().await.json()["Info"]["Action"], "Login");
        // The receiver named when the session ends is the one that hears of it.
        let mut later = Receiver::start(status("200 OK")).await;
        told.configure(APP, Some(webhook(later.url()))).await;
        let app = format!("/muster/v1/apps/{APP}");
        match end {
            "signs out" => device.sign_out().await,
            "leaves" => assert_eq!(device.close_with(CloseCode::Away).await, 1001),
            "breaks" => drop(device),
            "is silent" => {}
            "is kicked" => {
                told.server.call(KICK, ALICE).await;
                assert_eq!(device.closed().await.0, 4001);
            }
            "is deleted" => {
                let alice = r#"{"DeleteItem":[{"UserID":"alice"}]}"#;
                told.server.call(DELETE, alice).await;
                assert_eq!(device.closed().await.0, 4002);
            }
            "is closed" => {
                let path = format!("{app}/sessions/1");
                let closed = told.server.operate("DELETE", &path, "").await;
                assert_eq!(closed.status, 204);
                assert_eq!(device.closed().await.0, 4004);
            }
            "loses its app" => {
                let body = r#"{"disabled":true}"#;
                told.server.operate("PATCH", &app, body).await;
                assert_eq!(device.closed().await.0, 4003);
            }
            _ => told.server.stop(),
        }
        let posted = later.posted().await;
        assert_eq!(
            posted.json()["Info"],
            json!({"Action": action, "To_Account": "alice", "Reason": reason}),
            "{end}"
        );
        assert_eq!(posted.parameter("OptPlatform"), Some(opt_platform), "{end}");
        if end != "loses its server" {
            told.idle().await;
        }
        assert_eq!(later.more(), [], "{end}");
        assert_eq!(receiver.more(), [], "{end}");
    }
}

/// While the receiver keeps alice's event, others come.
#[tokio::test]
async fn one_event_does_not_hold_all_up() {
    let mut receiver = Receiver::start(Manner::HoldsAbout("alice")).await;
    // With retries hers would be the next to come as well, if it held the others up.
    let told = telling(Webhook {
        retry: true,
        ..webhook(receiver.url())
    })
    .await;
    let users: Vec<_> = (0..20).map(|n| format!("user{n}")).collect();
    let accounts = json!({"Accounts": users}).to_string();
    assert_eq!(told.server.call(IMPORT_MANY, &accounts).await.code(), 0);
    told.set_level("alice", 1).await;
    let first = receiver.posted().await.json();
    assert_eq!(first["From_Account"], "alice");
    for user_id in &users {
        told.set_level(user_id, 1).await;
    }
    let second = receiver.posted().await.json();
    assert_ne!(second["From_Account"], "alice");
}

#[tokio::test]
async fn a_silent_receiver_delays_nobody_else_and_what_waits_is_bounded() {
    let mut silent = Receiver::start(Manner::Silent).await;
    let mut lively = Receiver::start(status("200 OK")).await;
    let told = start(Setup {
        limits: Limits {
            webhook_queue: 2,
            ..Limits::default()
        },
        ..Setup::default()
    })
    .await;
    // With its retries the first event keeps its place for longer than the calls take.
    let patient = Webhook {
        retry: true,
        ..webhook(silent.url())
    };
    told.configure(APP, Some(patient)).await;
    let other = NewApp {
        sdkappid: SdkAppId(OTHER_APP),
        edition: Edition::Developer,
        key: SecretKey::parse(KEY).unwrap(),
    };
    let now = UnixSeconds(NOW_S);
    told.store.create_app(other, now).await.unwrap();
    told.configure(OTHER_APP, Some(webhook(lively.url()))).await;

    for level in 0..5 {
        told.set_level("alice", level).await;
    }
    assert_eq!(told.count("dropped").await, 3.0);
    assert_eq!(told.server.metric("muster_webhook_waiting").await, 2.0);
    assert_eq!(silent.posted().await.json()["ProfileItem"][0]["Value"], 0);

    let claims = Claims {
        identifier: "administrator".to_owned(),
        sdkappid: OTHER_APP.into(),
        time_s: NOW_S,
        expire_s: 60,
        userbuf: None,
    };
    let sig = sign(&SecretKey::parse(KEY).unwrap(), &claims);
    let query = format!("sdkappid={OTHER_APP}&identifier=administrator&usersig={sig}");
    let mut peer = Peer::connect(told.server.public).await;
    peer.send(post(SET, &query, &set_level("administrator", 1)))
        .await;
    assert_eq!(peer.answer().await.code(), 0);
    let posted = lively.posted().await;
    assert_eq!(posted.parameter("SdkAppid"), Some("1400000001"));
    told.ended("delivered", 1.0).await;

    // Three were dropped, which is said once.
    let host = silent.address.to_string();
    let full = "too many events wait";
    let said = |text: &str| -> usize {
        let lines = lines_with(&host).into_iter();
        lines.filter(|line| line.contains(text)).count()
    };
    assert_eq!(said(full), 1);
    silent.release();
    line_with(&format!(
        "there is room for events of the app's webhook again sdkappid=1400000000 host=\"{host}\" \
         dropped=3"
    ))
    .await;
    told.idle().await;
    assert_eq!(said(full), 1);
    assert_eq!(told.count("dropped").await, 3.0);
    assert_eq!(told.count("delivered").await, 3.0);
}

#[tokio::test]
async fn a_time_out_is_tried_again_if_switched_on() {
    for (retry, outcome) in [(false, "timed_out"), (true, "delivered")] {
        let mut receiver = Receiver::start(Manner::Silent).await;
        let told = telling(Webhook {
            retry,
            ..webhook(receiver.url())
        })
        .await;
        told.set_level("alice", 1).await;
        let first = receiver.posted().await;
        receiver.answer(status("200 OK"));
        told.ended(outcome, 1.0).await;
        told.idle().await;
        let tries = receiver.more();
        assert_eq!(tries.len(), usize::from(retry));
        for again in tries {
            assert_eq!(again.request_line, first.request_line);
            assert_eq!(again.body, first.body);
        }
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_is_counted_and_said_once() {
    let elsewhere = Receiver::start(status("200 OK")).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let refusals = [
        status("500 Internal Server Error"),
        status("404 Not Found"),
        status("202 Accepted"),
        Manner::Says(redirect),
    ];
    let mut receiver = Receiver::start(Manner::Silent).await;
    let told = telling(Webhook {
        retry: true,
        ..webhook(receiver.url())
    })
    .await;
    let mut refused = 0.0;
    for manner in refusals {
        receiver.answer(manner);
        told.set_level("alice", 1).await;
        refused += 1.0;
        told.ended("refused", refused).await;
        receiver.posted().await;
    }
    receiver.answer(status("200 OK"));
    told.set_level("alice", 1).await;
    told.ended("delivered", 1.0).await;
    receiver.posted().await;
    assert_eq!(receiver.more(), []);

    let host = receiver.address;
    let again = format!("takes events again sdkappid=1400000000 host=\"{host}\" failed=4");
    line_with(&again).await;
    let lines = lines_with(&host.to_string());
    let said: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("does not take events"))
        .collect();
    assert_eq!(said.len(), 1, "{lines:?}");
    assert!(said[0].contains("WARN"), "{}", said[0]);
    assert!(said[0].contains("HTTP status 500"), "{}", said[0]);
}

#[tokio::test]
async fn a_receiver_that_is_down_is_counted_as_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    drop(listener);
    let told = telling(Webhook {
        retry: true,
        ..webhook(format!("http://{address}/path-with-a-s3cret"))
    })
    .await;
    told.set_level("alice", 1).await;
    told.ended("failed", 1.0).await;
    told.idle().await;
    let line = line_with(&format!("host=\"{address}\" command")).await;
    let lines = lines_with(&address.to_string());
    assert!(
        lines.iter().any(|line| line.contains("refused")),
        "{line} {lines:?}"
    );
    assert_eq!(lines_with("path-with-a-s3cret"), Vec::<String>::new());
}

#[tokio::test]
async fn a_url_that_is_none_is_counted_as_failed() {
    let told = telling(webhook("no URL".to_owned())).await;
    told.set_level("alice", 1).await;
    told.ended("failed", 1.0).await;
}

/// A long answer is not read to its end, but it is one.
#[tokio::test]
async fn the_answer_is_ignored() {
    let mut receiver = Receiver::start(Manner::Silent).await;
    let told = telling(webhook(receiver.url())).await;
    let long = "x".repeat(1_000_000);
    let mut delivered = 0.0;
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n{long}"),
        status_with_an_error(),
    ] {
        receiver.answer(Manner::Says(answer));
        told.set_level("alice", 1).await;
        delivered += 1.0;
        told.ended("delivered", delivered).await;
        receiver.posted().await;
    }
}

fn status_with_an_error() -> String {
    let body = r#"{"ActionStatus":"FAIL","ErrorInfo":"no","ErrorCode":1}"#;
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn an_event_goes_where_its_app_said_when_it_happened() {
    let mut old = Receiver::start(Manner::Holds).await;
    let mut new = Receiver::start(status("200 OK")).await;
    let told = telling(webhook(old.url())).await;
    told.set_level("alice", 1).await;
    told.set_level("alice", 2).await;
    old.posted().await;
    told.configure(APP, Some(webhook(new.url()))).await;
    told.set_level("alice", 3).await;
    old.release();
    let second = old.posted().await.json();
    assert_eq!(second["ProfileItem"][0]["Value"], 2);
    let third = new.posted().await.json();
    assert_eq!(third["ProfileItem"][0]["Value"], 3);
}

#[tokio::test]
async fn a_stop_sends_what_waits() {
    let mut receiver = Receiver::start(Manner::Holds).await;
    let mut told = telling(webhook(receiver.url())).await;
    for level in 1..=3 {
        told.set_level("alice", level).await;
    }
    receiver.posted().await;
    told.server.stop();
    line_with("stopping: sending the events that wait for webhooks events=3").await;
    receiver.release();
    assert_eq!(told.server.stopped().await.cut_connections, 0);
    let levels: Vec<_> = receiver
        .more()
        .iter()
        .map(|posted| posted.json()["ProfileItem"][0]["Value"].clone())
        .collect();
    assert_eq!(levels, [2, 3]);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut receiver = Receiver::start(Manner::Silent).await;
    let mut told = start(Setup {
        limits: Limits {
            shutdown_grace_s: 0,
            ..Limits::default()
        },
        ..Setup::default()
    })
    .await;
    let patient = Webhook {
        retry: true,
        ..webhook(receiver.url())
    };
    told.configure(APP, Some(patient)).await;
    for level in 1..=4 {
        told.set_level("alice", level).await;
    }
    receiver.posted().await;
    told.server.stop();
    told.server.stopped().await;
    let line = line_with("stopped before every event was sent to its webhook").await;
    assert!(
        line.contains("WARN") && line.contains("dropped=4"),
        "{line}"
    );
}
