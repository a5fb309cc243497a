//! Sessions over a real WebSocket (`docs/sessions.md`), and what the protocol says of them.

use futures_util::{SinkExt as _, StreamExt as _};
use muster_accounts::{
    AccountStore as _, AppChange, AppPatch, Edition, NewApp, ReferenceStore, SdkAppId, UnixSeconds,
    UserId, app::AppSettings,
};
use muster_server::Limits;
use muster_usersig::SecretKey;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{
    harness::{
        APP, DELETE, IMPORT, KEY, KICK, NOW_S, Running, STATUS, Setup, request, start, usersig,
    },
    peer::{Peer, soon},
};

/// What is said to a first message that is no sign-in.
const SIGN_IN: &str = "The first message must be a JSON object with sdkappid, a number, and \
                       identifier, usersig and platform, each a string.";

/// A client program with a WebSocket.
pub(crate) struct Device(WebSocketStream<TcpStream>);

impl Device {
    pub(crate) async fn connect(server: &Running) -> Self {
        let stream = TcpStream::connect(server.public).await.unwrap();
        let url = format!("ws://{}/muster/v1/session", server.public);
        let (socket, _) = soon(client_async(url, stream)).await.unwrap();
        Self(socket)
    }

    /// Sends the first message and gives what the server says to it.
    pub(crate) async fn say(&mut self, first: &Value) -> Value {
        self.0.send(Message::text(first.to_string())).await.unwrap();
        match soon(self.0.next()).await.unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Signs a user in with a good UserSig.
    pub(crate) async fn sign_in(server: &Running, user: &str, platform: &str) -> Self {
        let mut device = Self::connect(server).await;
        let said = device.say(&first(user, platform)).await;
        assert_eq!(said["event"], "signed_in", "{said}");
        device
    }

    /// Waits until the server closes, and gives code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match soon(self.0.next()).await.unwrap().unwrap() {
                Message::Close(Some(CloseFrame { code, reason })) => {
                    return (code.into(), reason.as_str().to_owned());
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Closes in good form, and sees that the server does too.
    pub(crate) async fn sign_out(self) {
        assert_eq!(self.close_with(CloseCode::Normal).await, 1000);
    }

    /// Closes with this code, and gives that of the server's answer.
    pub(crate) async fn close_with(mut self, code: CloseCode) -> u16 {
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        self.0.close(Some(frame)).await.unwrap();
        self.closed().await.0
    }
}

/// The first message of a user with a UserSig of [`NOW_S`].
fn first(user: &str, platform: &str) -> Value {
    let usersig = usersig(user, KEY, NOW_S, 86_400);
    json!({"sdkappid": APP, "identifier": user, "usersig": usersig, "platform": platform})
}

async fn status(server: &Running, users: &[&str]) -> Value {
    let body = json!({"To_Account": users, "IsNeedDetail": 1}).to_string();
    let answer: Value = serde_json::from_str(&server.call(STATUS, &body).await.text()).unwrap();
    assert_eq!(answer["ErrorCode"], 0, "{answer}");
    answer
}

async fn state(server: &Running, user: &str) -> String {
    let answer = status(server, &[user]).await;
    answer["QueryResult"][0]["State"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Waits for a state, which follows the end of a connection at some distance.
async fn until(server: &Running, user: &str, expected: &str) {
    soon(async {
        while state(server, user).await != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Rates are not what is tested here, and waiting asks often.
fn setup() -> Setup {
    Setup {
        rate_limits: false,
        ..Setup::default()
    }
}

#[tokio::test]
async fn online_while_signed_in() {
    let server = setup().start().await;
    let mut web = Device::connect(&server).await;
    let said = web.say(&first("alice", "Web")).await;
    assert_eq!(
        said,
        json!({"event": "signed_in", "session_id": "1", "timeout_s": 400})
    );
    let online = |detail: Value| json!([{"To_Account": "alice", "Status": "Online", "State": "Online", "Detail": detail}]);
    let answer = status(&server, &["alice", "nobody"]).await;
    let on_web = json!({"Platform": "Web", "Status": "Online"});
    assert_eq!(answer["QueryResult"], online(json!([on_web])));
    assert_eq!(
        answer["ErrorList"],
        json!([{"To_Account": "nobody", "ErrorCode": 70107}])
    );

    // Several devices at once, of one platform or of several.
    let phone = Device::sign_in(&server, "alice", "iOS").await;
    let other_web = Device::sign_in(&server, "alice", "Web").await;
    let answer = status(&server, &["alice"]).await;
    let on_phone = json!({"Platform": "IPhone", "Status": "Online"});
    assert_eq!(answer["QueryResult"], online(json!([on_web, on_phone])));
    web.sign_out().await;
    other_web.sign_out().await;
    soon(async {
        while status(&server, &["alice"]).await["QueryResult"] != online(json!([on_phone])) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // One that breaks off without a word is gone too.
    drop(phone);
    until(&server, "alice", "Offline").await;
    assert_eq!(server.metric("muster_sessions").await, 0.0);
    assert_eq!(
        server.metric(r#"muster_sign_ins_total{code="0"}"#).await,
        3.0
    );
}

#[tokio::test]
async fn a_kick_ends_every_device_and_the_usersig() {
    let server = setup().start().await;
    let mut devices = [
        Device::sign_in(&server, "alice", "Web").await,
        Device::sign_in(&server, "alice", "Android").await,
    ];
    let of_bob = Device::sign_in(&server, "bob", "Mac").await;
    let kicked = server.call(KICK, r#"{"UserID":"alice"}"#).await.text();
    assert!(kicked.contains(r#""ErrorCode":0"#), "{kicked}");
    // Offline from the answer on.
    assert_eq!(state(&server, "alice").await, "Offline");
    for device in &mut devices {
        assert_eq!(device.closed().await, (4001, "kicked".to_owned()));
    }
    let mut again = Device::connect(&server).await;
    assert_eq!(
        again.say(&first("alice", "Web")).await,
        json!({
            "event": "refused",
            "code": 70052,
            "message": "The UserSig of \"alice\" was invalidated by a kick."
        })
    );
    assert_eq!(again.closed().await, (1008, "refused".to_owned()));
    // Signed later, it is good again.
    server.hand.advance(1);
    let mut message = first("alice", "Web");
    message["usersig"] = usersig("alice", KEY, NOW_S + 1, 86_400).into();
    let said = Device::connect(&server).await.say(&message).await;
    assert_eq!(said["event"], "signed_in");
    assert_eq!(state(&server, "bob").await, "Online");
    of_bob.sign_out().await;
}

#[tokio::test]
async fn deletion_ends_a_session() {
    let server = setup().start().await;
    let mut device = Device::sign_in(&server, "alice", "Web").await;
    let deleted = server
        .call(
            DELETE,
            r#"{"DeleteItem":[{"UserID":"alice"},{"UserID":"bob"}]}"#,
        )
        .await;
    assert!(deleted.text().contains(r#""ResultCode":0"#));
    assert_eq!(device.closed().await, (4002, "account deleted".to_owned()));
    let answer = status(&server, &["alice"]).await;
    assert_eq!(answer["QueryResult"], json!([]));
}

#[tokio::test]
async fn refused_sign_ins() {
    let store = Arc::new(ReferenceStore::default());
    let server = Setup {
        store: store.clone(),
        limits: Limits {
            failed_usersigs_per_min: 0,
            ..Limits::default()
        },
        ..setup()
    }
    .start()
    .await;
    let disabled = SdkAppId(1_400_000_009);
    let new = NewApp {
        sdkappid: disabled,
        edition: Edition::Developer,
        key: SecretKey::parse(KEY).unwrap(),
    };
    let now = UnixSeconds(NOW_S);
    store.create_app(new, now).await.unwrap();
    let patch = AppPatch {
        disabled: Some(true),
        ..AppPatch::default()
    };
    let change = AppChange::Configure(Box::new(patch));
    store.change_app(disabled, change, now).await.unwrap();

    let with = |key: &str, value: Value| {
        let mut message = first("alice", "Web");
        message[key] = value;
        message
    };
    let expired = usersig("alice", KEY, NOW_S - 100, 99);
    let of_bob = usersig("bob", KEY, NOW_S, 100);
    let other_key = usersig("alice", &KEY.replace('5', "6"), NOW_S, 100);
    let too_long = "a".repeat(33);
    let of_too_long = usersig(&too_long, KEY, NOW_S, 100);
    let mut long = with("identifier", too_long.as_str().into());
    long["usersig"] = of_too_long.as_str().into();
    for (message, code, text) in [
        (json!([]), 60003, SIGN_IN),
        (json!({}), 60003, SIGN_IN),
        (with("more", 1.into()), 60003, SIGN_IN),
        (with("sdkappid", "1400000000".into()), 60003, SIGN_IN),
        (
            with("platform", "Toaster".into()),
            70402,
            "platform must be one of iOS, iPad, Android, Web, Windows, Mac, Linux.",
        ),
        (
            with("sdkappid", 7.into()),
            70020,
            "SDKAppID 7 does not exist.",
        ),
        (
            with("sdkappid", disabled.0.into()),
            60016,
            "SDKAppID 1400000009 is disabled.",
        ),
        (
            with("usersig", "".into()),
            70003,
            "The UserSig in use is illegal. Please regenerate UserSig through official API. (FYI: https://cloud.tencent.com/document/product/269/32688 )",
        ),
        (
            with("usersig", of_bob.into()),
            70013,
            "The requested UserID(alice) does not match the Usersig(bob).",
        ),
        (
            with("usersig", other_key.into()),
            70009,
            "UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID. Please regenerate UserSig by Secret Key from its own SDKAppID.",
        ),
        (
            with("usersig", expired.into()),
            70001,
            "The UserSig in use is expired: it ended at 1699999999, the server time is 1700000000.",
        ),
        (
            long,
            70402,
            "Invaild parameters. UserID \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is 33 bytes long, 1 to 32 are allowed.",
        ),
    ] {
        let mut device = Device::connect(&server).await;
        let said = device.say(&message).await;
        assert_eq!(
            said,
            json!({"event": "refused", "code": code, "message": text}),
            "{message}"
        );
        assert_eq!(device.closed().await, (1008, "refused".to_owned()));
    }
    assert_eq!(server.metric("muster_sessions").await, 0.0);
    let found = store
        .check(SdkAppId(APP), &[UserId::parse("alice").unwrap()])
        .await;
    assert_eq!(found.unwrap(), [false]);
}

/// A client's own code comes back to it (RFC 6455 §5.5.1); anything else looks like an accident.
#[tokio::test]
async fn a_close_is_answered() {
    let server = setup().start().await;
    for code in [1000, 1001, 4999] {
        let device = Device::sign_in(&server, "alice", "Web").await;
        assert_eq!(device.close_with(CloseCode::from(code)).await, code);
        let unsigned = Device::connect(&server).await;
        assert_eq!(unsigned.close_with(CloseCode::from(code)).await, code);
    }
    until(&server, "alice", "Offline").await;
    let unsigned = server.metric("muster_sessions_unsigned_total").await;
    assert_eq!(unsigned, 3.0);
}

/// Whoever sends what cannot be read is told so.
#[tokio::test]
async fn what_is_no_message() {
    let server = setup().start().await;
    // Text that is not UTF-8, masked with zeros; a frame without a mask.
    let not_utf8 = [0x81, 0x81, 0, 0, 0, 0, 0xff];
    let not_masked = [0x81, 0x01, b'x'];
    for (frame, code) in [(&not_utf8[..], 1007), (&not_masked, 1002)] {
        for signed_in in [true, false] {
            let mut device = if signed_in {
                Device::sign_in(&server, "alice", "Web").await
            } else {
                Device::connect(&server).await
            };
            let stream = device.0.get_mut();
            tokio::io::AsyncWriteExt::write_all(stream, frame)
                .await
                .unwrap();
            assert_eq!(device.closed().await.0, code, "{frame:?} {signed_in}");
        }
    }
    let mut device = Device::sign_in(&server, "alice", "Web").await;
    let huge = Message::text("x".repeat(17_000));
    device.0.send(huge).await.unwrap();
    assert_eq!(device.closed().await.0, 1009);
    until(&server, "alice", "Offline").await;
}

/// Nobody can lock an admin's calls out by sign-ins, which an allow-list does not keep away.
#[tokio::test]
async fn failed_sign_ins_do_not_stop_calls() {
    let server = Setup {
        limits: Limits {
            failed_usersigs_per_min: 1,
            ..Limits::default()
        },
        ..setup()
    }
    .start()
    .await;
    let mut bad = first("administrator", "Web");
    bad["usersig"] = "x".into();
    for code in [70003, 70050] {
        let said = Device::connect(&server).await.say(&bad).await;
        assert_eq!(said["code"], code);
    }
    assert_eq!(server.call(IMPORT, r#"{"UserID":"bob"}"#).await.code(), 0);
}

/// Failed sign-ins count as failed calls do (wire §2, check 11).
#[tokio::test]
async fn failed_sign_ins_are_counted() {
    let server = Setup {
        limits: Limits {
            failed_usersigs_per_min: 2,
            ..Limits::default()
        },
        ..setup()
    }
    .start()
    .await;
    let mut bad = first("alice", "Web");
    bad["usersig"] = "x".into();
    for message in [&bad, &bad] {
        let said = Device::connect(&server).await.say(message).await;
        assert_eq!(said["code"], 70003);
    }
    let said = Device::connect(&server)
        .await
        .say(&first("alice", "Web"))
        .await;
    assert_eq!(
        (&said["code"], &said["message"]),
        (
            &json!(70050),
            &json!("Too many failed UserSig checks for \"alice\"; wait one minute.")
        )
    );
    server.hand.advance(60);
    Device::sign_in(&server, "alice", "Web").await;
}

#[tokio::test]
async fn whether_unknown_users_are_imported() {
    let store = Arc::new(ReferenceStore::default());
    let server = Setup {
        store: store.clone(),
        ..setup()
    }
    .start()
    .await;
    assert!(AppSettings::default().import_at_sign_in);
    let _alice = Device::sign_in(&server, "alice", "Web").await;
    assert_eq!(state(&server, "alice").await, "Online");

    let configure = async |patch| {
        let change = AppChange::Configure(Box::new(patch));
        let now = UnixSeconds(NOW_S);
        store.change_app(SdkAppId(APP), change, now).await.unwrap();
    };
    configure(AppPatch {
        import_at_sign_in: Some(false),
        ..AppPatch::default()
    })
    .await;
    let said = Device::connect(&server)
        .await
        .say(&first("bob", "Web"))
        .await;
    assert_eq!(
        said,
        json!({"event": "refused", "code": 70107, "message": "Err_TLS_PT_Open_Login_Account_Not_Exist"})
    );
    Device::sign_in(&server, "alice", "Web").await;
    server.call(IMPORT, r#"{"UserID":"bob"}"#).await;
    Device::sign_in(&server, "bob", "Web").await;

    // What refuses an import refuses a sign-in that needs one.
    configure(AppPatch {
        import_at_sign_in: Some(true),
        edition: Some(Edition::Trial),
        ..AppPatch::default()
    })
    .await;
    for i in 2..100 {
        let body = format!(r#"{{"UserID":"user-{i}"}}"#);
        let answer = server.call(IMPORT, &body).await.text();
        assert!(answer.contains(r#""ErrorCode":0"#), "{answer}");
    }
    let said = Device::connect(&server)
        .await
        .say(&first("carol", "Web"))
        .await;
    assert_eq!(said["code"], 70398);
}

/// A client that answers no ping is taken to be gone; one that does stays.
#[tokio::test]
async fn signs_of_life() {
    let server = Setup {
        limits: Limits {
            session_timeout_s: 1,
            ..Limits::default()
        },
        ..setup()
    }
    .start()
    .await;
    let mut silent = Device::sign_in(&server, "silent", "Web").await;
    let mut alive = Device::sign_in(&server, "alive", "Web").await;
    let (pinged, mut pings) = tokio::sync::mpsc::unbounded_channel();
    let answering = tokio::spawn(async move {
        while let Some(Ok(message)) = alive.0.next().await {
            assert!(message.is_ping(), "{message:?}");
            let _ = pinged.send(());
        }
    });
    // Five pings a quarter of a second apart are more than the second of the time-out.
    for _ in 0..5 {
        soon(pings.recv()).await.unwrap();
    }
    until(&server, "silent", "Offline").await;
    assert_eq!(state(&server, "alive").await, "Online");
    answering.abort();
    // The pings that it has not answered come first.
    assert_eq!(silent.closed().await, (4008, "timed out".to_owned()));
}

#[tokio::test]
async fn there_are_only_so_many_sessions() {
    let server = Setup {
        limits: Limits {
            max_sessions: 1,
            ..Limits::default()
        },
        ..setup()
    }
    .start()
    .await;
    let only = Device::sign_in(&server, "alice", "Web").await;
    let said = Device::connect(&server)
        .await
        .say(&first("bob", "Web"))
        .await;
    assert_eq!(
        said,
        json!({"event": "refused", "code": 60018, "message": "Every session is taken; try again later."})
    );
    only.sign_out().await;
    until(&server, "alice", "Offline").await;
    Device::sign_in(&server, "bob", "Web").await;
}

#[tokio::test]
async fn one_user_has_only_so_many_sessions() {
    let server = setup().start().await;
    let mut devices = Vec::new();
    for _ in 0..50 {
        devices.push(Device::sign_in(&server, "alice", "Web").await);
    }
    let said = Device::connect(&server)
        .await
        .say(&first("alice", "Web"))
        .await;
    assert_eq!(
        said,
        json!({"event": "refused", "code": 60018, "message": "The user has 50 sessions, and no more are allowed; close one."})
    );
    Device::sign_in(&server, "bob", "Web").await;
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let mut server = setup().start().await;
    let mut signed_in = Device::sign_in(&server, "alice", "Web").await;
    let mut undecided = Device::connect(&server).await;
    server.stop();
    for device in [&mut signed_in, &mut undecided] {
        assert_eq!(device.closed().await, (1001, "server stops".to_owned()));
    }
    assert_eq!(server.stopped().await.cut_connections, 0);
}

#[tokio::test]
async fn no_sign_in_in_time() {
    let server = Setup {
        limits: Limits {
            header_timeout_s: 1,
            ..Limits::default()
        },
        ..setup()
    }
    .start()
    .await;
    let mut device = Device::connect(&server).await;
    // Pings are none.
    device.0.send(Message::Ping("x".into())).await.unwrap();
    let pong = soon(device.0.next()).await.unwrap().unwrap();
    assert!(pong.is_pong());
    assert_eq!(
        device.closed().await,
        (1008, "no sign-in came in time".to_owned())
    );
}

#[tokio::test]
async fn what_is_no_sign_in_at_all() {
    let server = start().await;
    for message in [
        Message::binary(first("alice", "Web").to_string().into_bytes()),
        Message::text("x".repeat(15_000)),
    ] {
        let mut device = Device::connect(&server).await;
        device.0.send(message).await.unwrap();
        let said = soon(device.0.next()).await.unwrap().unwrap();
        assert!(said.to_text().unwrap().contains("60003"), "{said:?}");
    }
    // Beyond the limit nothing is read any more.
    let mut device = Device::connect(&server).await;
    let huge = Message::text("x".repeat(17_000));
    device.0.send(huge).await.unwrap();
    assert_eq!(device.closed().await.0, 1009);
}

#[tokio::test]
async fn without_a_handshake() {
    let server = start().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (method, headers) in [("GET", ""), ("POST", ""), ("GET", upgrade)] {
        let mut peer = Peer::connect(server.public).await;
        let path = "/muster/v1/session";
        peer.send(request(method, path, headers, "")).await;
        let answer = peer.answer().await;
        assert_eq!(answer.status, 426, "{method} {headers}");
        assert_eq!(
            answer.text(),
            r#"{"error":{"code":"upgrade_required","message":"A session is a WebSocket, version 13; its first message signs in."}}"#
        );
        assert_eq!(answer.header("upgrade"), Some("websocket"));
        assert!(peer.closed_in_silence().await);
    }
}
