//! Answers that say less than muster's, or more, or in another order, as those of Tencent may.

use muster_client::{AccountStatus, CallError, ImportEntry, OnlineState, ProfileValue, tag};

use serde_json::json;

use crate::{
    client,
    wire_tap::{WireTap, status_200},
};

async fn answering(body: &str) -> WireTap {
    WireTap::answering(&status_200(body)).await
}

#[tokio::test]
async fn texts_and_lists_may_be_absent_or_null_and_fields_may_be_more() {
    for body in [
        r#"{"ActionStatus":"OK","ErrorCode":0}"#,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":null,"FailAccounts":null}"#,
        r#"{"RequestId":"7-x","ErrorDisplay":"","ErrorCode":0,"ActionStatus":"OK","New":{"a":[1]}}"#,
    ] {
        let tap = answering(body).await;
        let alice = ImportEntry::id("alice");
        client(&tap).account_import(&alice).await.expect(body);
        let tap = answering(body).await;
        let left_out = client(&tap).multiaccount_import(&[alice]).await;
        assert_eq!(left_out.expect(body), [""; 0], "{body}");
    }

    let tap = answering(r#"{"ActionStatus":"FAIL","ErrorCode":60007}"#).await;
    let error = client(&tap).kick("alice").await.unwrap_err();
    let text = "the call was refused with code 60007";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn items_may_come_in_another_order_and_without_texts() {
    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[
        {"UserID":"bob","ResultCode":0,"AccountStatus":"NotImported"},
        {"UserID":"odd","ResultCode":70402,"ResultInfo":null,"AccountStatus":null},
        {"UserID":"alice","ResultCode":0,"ResultInfo":null,"AccountStatus":"Imported","More":1}]}"#,
    )
    .await;
    let asked = ["alice", "bob", "odd", "alice"];
    let checked = client(&tap).account_check(&asked).await.unwrap();
    let ids: Vec<_> = checked.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(ids, asked);
    assert_eq!(checked[0].status, Ok(AccountStatus::Imported));
    assert_eq!(checked[1].status, Ok(AccountStatus::NotImported));
    assert_eq!(checked[2].status.as_ref().unwrap_err().code, 70402);
    assert_eq!(checked[3].status, Ok(AccountStatus::Imported));

    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[
        {"ResultCode":70107,"UserID":"bob"},{"ResultCode":0,"UserID":"alice"}]}"#,
    )
    .await;
    let deleted = client(&tap)
        .account_delete(&["alice", "bob"])
        .await
        .unwrap();
    assert_eq!(deleted[0].outcome, Ok(()));
    assert_eq!(deleted[1].outcome.as_ref().unwrap_err().code, 70107);

    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"UserProfileItem":[
        {"To_Account":"bob","ResultCode":0},
        {"To_Account":"alice","ResultCode":0,"ProfileItem":[
         {"Tag":"Tag_Profile_IM_Level","Value":18446744073709551615}]}]}"#,
    )
    .await;
    let asked = ["alice", "bob"];
    let profiles = client(&tap).portrait_get(&asked, &[tag::LEVEL]).await;
    let profiles = profiles.unwrap();
    let level = (tag::LEVEL.to_owned(), ProfileValue::Number(u64::MAX));
    assert_eq!(profiles[0].fields, Ok(vec![level]));
    assert_eq!(profiles[1].fields, Ok(vec![]));
}

#[tokio::test]
async fn online_status_has_either_name_and_needs_no_lists() {
    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"QueryResult":[
        {"To_Account":"bob","Status":"PushOnline","Detail":null},
        {"To_Account":"alice","State":"Online"}]}"#,
    )
    .await;
    let users = client(&tap).query_online_status(&["alice", "bob"]).await;
    let users = users.unwrap();
    let state = |at: usize| &users[at].status.as_ref().unwrap().state;
    assert_eq!(state(0), &OnlineState::Online);
    assert_eq!(state(1), &OnlineState::PushOnline);

    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorList":[{"To_Account":"a","ErrorCode":70107}]}"#,
    )
    .await;
    let users = client(&tap).query_online_status(&["a"]).await.unwrap();
    assert_eq!(users[0].status.as_ref().unwrap_err().code, 70107);
}

/// One user of 500 with a word of tomorrow takes nothing from the others.
#[tokio::test]
async fn unknown_values_are_those_of_their_user_alone() {
    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"QueryResult":[
        {"To_Account":"alice","State":"Online","Status":"Online"},
        {"To_Account":"bob","State":"Away","Detail":[{"Platform":"Watch","Status":"Asleep"}]}]}"#,
    )
    .await;
    let users = client(&tap).querystate(&["alice", "bob"]).await.unwrap();
    let status = |at: usize| users[at].status.as_ref().unwrap();
    assert_eq!(status(0).state, OnlineState::Online);
    assert_eq!(status(1).state, OnlineState::Other("Away".to_owned()));
    let asleep = OnlineState::Other("Asleep".to_owned());
    assert_eq!(status(1).devices[0].state, asleep);

    let tap = answering(
        r#"{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[
        {"UserID":"alice","ResultCode":0,"AccountStatus":"Frozen"},
        {"UserID":"bob","ResultCode":0,"AccountStatus":"Imported"}]}"#,
    )
    .await;
    let checked = client(&tap).account_check(&["alice", "bob"]).await.unwrap();
    let frozen = AccountStatus::Other("Frozen".to_owned());
    assert_eq!(checked[0].status, Ok(frozen));
    assert_eq!(checked[1].status, Ok(AccountStatus::Imported));

    let values = [
        ("-1", json!(-1)),
        ("0.5", json!(0.5)),
        ("true", json!(true)),
        ("null", json!(null)),
        (r#"["a",{"b":1}]"#, json!(["a", {"b": 1}])),
    ];
    for (text, value) in values {
        let body = format!(
            r#"{{"ActionStatus":"OK","ErrorCode":0,"UserProfileItem":[
            {{"To_Account":"alice","ResultCode":0,"ProfileItem":[
             {{"Tag":"Tag_Profile_IM_Level","Value":{text}}},
             {{"Tag":"Tag_Profile_IM_Role"}},
             {{"Tag":"Tag_Profile_IM_Nick","Value":"Alice"}}]}}]}}"#
        );
        let tap = answering(&body).await;
        let profiles = client(&tap).portrait_get(&["alice"], &[tag::NICK]).await;
        let expected = [
            (tag::LEVEL, ProfileValue::Other(value)),
            (tag::ROLE, ProfileValue::Other(json!(null))),
            (tag::NICK, "Alice".into()),
        ];
        let expected = expected.map(|(tag, value)| (tag.to_owned(), value));
        assert_eq!(profiles.unwrap()[0].fields, Ok(expected.to_vec()), "{text}");
    }
}

#[tokio::test]
async fn what_could_only_be_guessed_at_is_no_answer() {
    let asked = ["alice", "bob"];
    for body in [
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[]}"#,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[
        {"UserID":"alice","ResultCode":0,"AccountStatus":"Imported"},
        {"UserID":"alice","ResultCode":0,"AccountStatus":"Imported"}]}"#,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ResultItem":[
        {"UserID":"alice","ResultCode":0},{"UserID":"bob","ResultCode":0}]}"#,
    ] {
        let tap = answering(body).await;
        let error = client(&tap).account_check(&asked).await.unwrap_err();
        assert!(
            matches!(error, CallError::NotAnAnswer { .. }),
            "{body}: {error}"
        );
    }
    for body in [
        r#"{"ActionStatus":"OK","ErrorCode":0}"#,
        r#"{"ActionStatus":"OK","ErrorCode":0,"QueryResult":[{"To_Account":"alice"}]}"#,
    ] {
        let tap = answering(body).await;
        let error = client(&tap).querystate(&["alice"]).await.unwrap_err();
        assert!(
            matches!(error, CallError::NotAnAnswer { .. }),
            "{body}: {error}"
        );
    }
}
