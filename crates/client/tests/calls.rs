//! Every call against a socket: what goes out is read from the bytes, what comes back is canned.
#![expect(clippy::unwrap_used, reason = "tests, and their tools")]

mod operator;
mod wire_tap;

use std::time::Duration;

use muster_client::{
    AccountStatus, CallError, CheckedAccount, Client, ImportEntry, Options, ProfileValue,
    SecretKey, SetupError, TransportError,
};
use muster_usersig::{Expected, verify};
use serde_json::json;
use wire_tap::{WireTap, status_200};

const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

fn client(tap: &WireTap) -> Client {
    let key = SecretKey::parse(KEY).unwrap();
    Client::new(&tap.base, 1_400_000_000, "administrator", key).unwrap()
}

const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

#[tokio::test]
async fn the_request_line_is_signed() {
    let tap = WireTap::answering(&status_200(OK)).await;
    let before_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    client(&tap)
        .account_import(&ImportEntry::id("alice"))
        .await
        .unwrap();

    let sent = tap.request().await;
    assert_eq!(sent.method, "POST");
    assert_eq!(sent.path, "/v4/im_open_login_svc/account_import");
    let names: Vec<&str> = sent.query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["sdkappid", "identifier", "usersig", "random", "contenttype"]
    );
    assert_eq!(sent.parameter("sdkappid"), "1400000000");
    assert_eq!(sent.parameter("identifier"), "administrator");
    assert_eq!(sent.parameter("contenttype"), "json");
    sent.parameter("random").parse::<u32>().unwrap();
    let expected = Expected {
        sdkappid: 1_400_000_000,
        identifier: "administrator",
    };
    let key = SecretKey::parse(KEY).unwrap();
    let verified = verify(sent.parameter("usersig"), &expected, &[key], before_s).unwrap();
    assert!(verified.claims.time_s >= before_s);
    assert_eq!(verified.claims.expire_s, 86_400);
}

#[tokio::test]
async fn bodies_and_results_of_imports() {
    let full = ImportEntry {
        user_id: "alice",
        nick: Some("Ä\"lice"),
        face_url: Some(""),
    };
    let answer = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["josé"]}"#;

    let tap = WireTap::answering(&status_200(OK)).await;
    client(&tap).account_import(&full).await.unwrap();
    let expected = json!({"UserID": "alice", "Nick": "Ä\"lice", "FaceUrl": ""});
    assert_eq!(tap.request().await.json(), expected);

    let tap = WireTap::answering(&status_200(answer)).await;
    let entries = [full, ImportEntry::id("josé")];
    let fail_accounts = client(&tap).multiaccount_import(&entries).await.unwrap();
    assert_eq!(fail_accounts, ["josé"]);
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/im_open_login_svc/multiaccount_import");
    assert_eq!(
        sent.json(),
        json!({"AccountList": [expected, {"UserID": "josé"}]})
    );

    let tap = WireTap::answering(&status_200(answer)).await;
    let fail_accounts = client(&tap)
        .multiaccount_import_ids(&["alice", "josé"])
        .await
        .unwrap();
    assert_eq!(fail_accounts, ["josé"]);
    assert_eq!(
        tap.request().await.json(),
        json!({"Accounts": ["alice", "josé"]})
    );
}

#[tokio::test]
async fn account_check() {
    let tap = WireTap::answering(&status_200(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
        {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
        {"UserID":"nobody","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
        {"UserID":"odd","ResultCode":70402,"ResultInfo":"Invaild parameters."}]}"#,
    ))
    .await;
    let checked = client(&tap)
        .account_check(&["alice", "nobody", "odd"])
        .await
        .unwrap();
    let status = |status| {
        CheckedAccount {
            user_id: String::new(),
            status,
        }
        .status
    };
    assert_eq!(checked[0].user_id, "alice");
    assert_eq!(checked[0].status, status(Ok(AccountStatus::Imported)));
    assert_eq!(checked[1].status, status(Ok(AccountStatus::NotImported)));
    assert_eq!(checked[2].status.as_ref().unwrap_err().code, 70402);

    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/im_open_login_svc/account_check");
    let ids = json!([{"UserID": "alice"}, {"UserID": "nobody"}, {"UserID": "odd"}]);
    assert_eq!(sent.json(), json!({"CheckItem": ids}));
}

#[tokio::test]
async fn portraits() {
    let tap = WireTap::answering(&status_200(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
        {"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice"},
         {"Tag":"Tag_Profile_IM_Level","Value":3}],"ResultCode":0,"ResultInfo":""},
        {"To_Account":"nobody","ResultCode":40003,"ResultInfo":"not imported"}],
        "Fail_Account":["nobody"]}"#,
    ))
    .await;
    let tags = ["Tag_Profile_IM_Nick", "Tag_Profile_IM_Level"];
    let profiles = client(&tap)
        .portrait_get(&["alice", "nobody"], &tags)
        .await
        .unwrap();
    let fields = profiles[0].fields.as_ref().unwrap();
    assert_eq!(fields[0], (tags[0].to_owned(), ProfileValue::from("Alice")));
    assert_eq!(fields[1], (tags[1].to_owned(), ProfileValue::from(3)));
    assert_eq!(profiles[1].fields.as_ref().unwrap_err().code, 40003);
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/profile/portrait_get");
    assert_eq!(
        sent.json(),
        json!({"To_Account": ["alice", "nobody"], "TagList": tags})
    );

    let tap = WireTap::answering(&status_200(OK)).await;
    let fields = [(tags[0], "Alice".into()), (tags[1], 3.into())];
    client(&tap).portrait_set("alice", &fields).await.unwrap();
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/profile/portrait_set");
    let items = json!([{"Tag": tags[0], "Value": "Alice"}, {"Tag": tags[1], "Value": 3}]);
    assert_eq!(
        sent.json(),
        json!({"From_Account": "alice", "ProfileItem": items})
    );
}

#[tokio::test]
async fn failures_are_told_apart() {
    let import = async |answer: &str| {
        let tap = WireTap::answering(answer).await;
        client(&tap)
            .multiaccount_import(&[ImportEntry::id("a")])
            .await
            .unwrap_err()
    };

    let barred =
        r#"{"ActionStatus":"FAIL","ErrorCode":70399,"ErrorInfo":"no","FailAccounts":["a"]}"#;
    let CallError::Api(failure) = import(&status_200(barred)).await else {
        panic!()
    };
    assert_eq!((failure.code, failure.info.as_str()), (70399, "no"));
    assert_eq!(failure.fail_accounts, Some(vec!["a".to_owned()]));

    let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(
        import(unavailable).await,
        CallError::HttpStatus { status: 503 }
    ));

    // A redirect is not followed: the UserSig would go along.
    let moved = "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(
        import(moved).await,
        CallError::HttpStatus { status: 307 }
    ));

    for body in [
        "<html>",
        "{}",
        r#"{"ActionStatus":"OK","ErrorCode":70500,"ErrorInfo":"","FailAccounts":[]}"#,
        r#"{"ActionStatus":"FAIL","ErrorCode":0,"ErrorInfo":""}"#,
        r#"{"ActionStatus":"ok","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}"#,
        OK, // FailAccounts is missing
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":null}"#,
    ] {
        let error = import(&status_200(body)).await;
        assert!(
            matches!(error, CallError::NotAnAnswer { .. }),
            "{body}: {error}"
        );
    }

    let broken = import("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await;
    assert!(
        matches!(broken, CallError::Transport(TransportError::Broken { .. })),
        "{broken}"
    );
}

#[tokio::test]
async fn nobody_there_and_nobody_answering() {
    let tap = WireTap::answering("").await;
    let key = || SecretKey::parse(KEY).unwrap();
    let options = Options {
        timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let silent = wire_tap::silent_listener().await;
    let base = format!("http://{}", silent.local_addr().unwrap());
    let waiting = Client::with_options(&base, 1, "administrator", key(), &options).unwrap();
    let timed_out = waiting.account_check(&["a"]).await.unwrap_err();
    assert!(matches!(
        timed_out,
        CallError::Transport(TransportError::TimedOut { .. })
    ));

    drop(silent);
    let refused = waiting.account_check(&["a"]).await.unwrap_err();
    assert!(
        matches!(
            refused,
            CallError::Transport(TransportError::Connect { .. })
        ),
        "{refused:?}"
    );

    // Neither the key nor a UserSig shows, whichever way an error or the client is printed.
    let usersig = {
        let _ = client(&tap).account_check(&["a"]).await;
        tap.request().await.parameter("usersig").to_owned()
    };
    for text in [format!("{refused:?} {timed_out:?}"), format!("{waiting:?}")] {
        assert!(!text.contains(KEY) && !text.contains("usersig="), "{text}");
        assert!(!text.contains(&usersig[..12]), "{text}");
    }
}

#[tokio::test]
async fn https_is_set_up_with_the_roots_of_the_machine() {
    let key = SecretKey::parse(KEY).unwrap();
    match Client::new("https://console.tim.qq.com", 1, "administrator", key) {
        // A machine without root certificates has to say so.
        Ok(_) | Err(SetupError::Tls(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
}
