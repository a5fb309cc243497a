//! Each command: what goes out is read from the bytes, what comes back is canned.

use muster_client::{AccountStatus, ImportEntry, OnlineState, ProfileValue, SecretKey, tag};
use muster_usersig::{Expected, verify};
use serde_json::json;

use crate::{
    KEY, OK, client,
    wire_tap::{WireTap, status_200},
};

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
    let ids: Vec<_> = checked.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(ids, ["alice", "nobody", "odd"]);
    assert_eq!(checked[0].status, Ok(AccountStatus::Imported));
    assert_eq!(checked[1].status, Ok(AccountStatus::NotImported));
    assert_eq!(checked[2].status.as_ref().unwrap_err().code, 70402);

    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/im_open_login_svc/account_check");
    let ids = json!([{"UserID": "alice"}, {"UserID": "nobody"}, {"UserID": "odd"}]);
    assert_eq!(sent.json(), json!({"CheckItem": ids}));
}

#[tokio::test]
async fn account_delete() {
    let tap = WireTap::answering(&status_200(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
        {"ResultCode":0,"ResultInfo":"","UserID":"alice"},
        {"ResultCode":70107,"ResultInfo":"not there","UserID":"nobody"},
        {"ResultCode":70107,"ResultInfo":"gone","UserID":"alice"}]}"#,
    ))
    .await;
    let asked = ["alice", "nobody", "alice"];
    let deleted = client(&tap).account_delete(&asked).await.unwrap();
    let ids: Vec<_> = deleted.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(ids, asked);
    assert_eq!(deleted[0].outcome, Ok(()));
    let failure = deleted[1].outcome.as_ref().unwrap_err();
    assert_eq!((failure.code, failure.info.as_str()), (70107, "not there"));
    assert_eq!(failure.to_string(), "refused with code 70107: not there");
    assert_eq!(deleted[2].outcome.as_ref().unwrap_err().info, "gone");

    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/im_open_login_svc/account_delete");
    let ids = json!([{"UserID": "alice"}, {"UserID": "nobody"}, {"UserID": "alice"}]);
    assert_eq!(sent.json(), json!({"DeleteItem": ids}));
}

#[tokio::test]
async fn kick() {
    let tap = WireTap::answering(&status_200(OK)).await;
    client(&tap).kick("alice").await.unwrap();
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/im_open_login_svc/kick");
    assert_eq!(sent.json(), json!({"UserID": "alice"}));
}

#[tokio::test]
async fn online_status() {
    let answer = status_200(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","QueryResult":[
        {"To_Account":"alice","Status":"Online","State":"Online","Detail":[
         {"Platform":"Web","Status":"Online"},{"Platform":"IPhone","Status":"PushOnline"}]},
        {"To_Account":"bob","Status":"Offline","State":"Offline"}],
        "ErrorList":[{"To_Account":"nobody","ErrorCode":70107}]}"#,
    );
    let asked = ["nobody", "alice", "bob"];
    let tap = WireTap::answering(&answer).await;
    let users = client(&tap).query_online_status(&asked).await.unwrap();
    let ids: Vec<_> = users.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(ids, asked);
    let failure = users[0].status.as_ref().unwrap_err();
    assert_eq!(failure.to_string(), "refused with code 70107");
    let alice = users[1].status.as_ref().unwrap();
    assert_eq!(alice.state, OnlineState::Online);
    let devices = alice.devices.iter();
    let devices: Vec<_> = devices
        .map(|device| (device.platform.as_str(), device.state.clone()))
        .collect();
    let expected = [
        ("Web", OnlineState::Online),
        ("IPhone", OnlineState::PushOnline),
    ];
    assert_eq!(devices, expected);
    let bob = users[2].status.as_ref().unwrap();
    assert_eq!((&bob.state, bob.devices.len()), (&OnlineState::Offline, 0));
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/openim/query_online_status");
    let body = json!({"To_Account": asked, "IsNeedDetail": 1});
    assert_eq!(sent.json(), body);

    let tap = WireTap::answering(&answer).await;
    assert_eq!(client(&tap).querystate(&asked).await.unwrap(), users);
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/openim/querystate");
    assert_eq!(sent.json(), body);
}

#[tokio::test]
async fn portraits() {
    let tap = WireTap::answering(&status_200(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
        {"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice"},
         {"Tag":"Tag_Profile_IM_Level","Value":3},
         {"Tag":"Tag_Profile_Custom_Team","Value":"blue"}],"ResultCode":0,"ResultInfo":""},
        {"To_Account":"nobody","ResultCode":40003,"ResultInfo":"not imported"}],
        "Fail_Account":["nobody"]}"#,
    ))
    .await;
    let team = tag::custom("Team");
    let tags = [tag::NICK, tag::LEVEL, &team];
    let profiles = client(&tap)
        .portrait_get(&["alice", "nobody"], &tags)
        .await
        .unwrap();
    let fields = profiles[0].fields.as_ref().unwrap();
    assert_eq!(fields[0], (tags[0].to_owned(), ProfileValue::from("Alice")));
    assert_eq!(fields[1], (tags[1].to_owned(), ProfileValue::from(3)));
    assert_eq!(fields[2], (team.clone(), ProfileValue::from("blue")));
    assert_eq!(profiles[1].fields.as_ref().unwrap_err().code, 40003);
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/profile/portrait_get");
    let names = [
        "Tag_Profile_IM_Nick",
        "Tag_Profile_IM_Level",
        "Tag_Profile_Custom_Team",
    ];
    assert_eq!(
        sent.json(),
        json!({"To_Account": ["alice", "nobody"], "TagList": names})
    );

    let tap = WireTap::answering(&status_200(OK)).await;
    let fields = [
        (tags[0], "Alice".into()),
        (tags[1], 3.into()),
        (tags[2], "blue".into()),
    ];
    client(&tap).portrait_set("alice", &fields).await.unwrap();
    let sent = tap.request().await;
    assert_eq!(sent.path, "/v4/profile/portrait_set");
    let items = json!([
        {"Tag": names[0], "Value": "Alice"},
        {"Tag": names[1], "Value": 3},
        {"Tag": names[2], "Value": "blue"},
    ]);
    assert_eq!(
        sent.json(),
        json!({"From_Account": "alice", "ProfileItem": items})
    );
}
