//! What an operator chooses for an app, and what the protocol makes of it (wire §2, §3.8, §5).

use muster_testkit::{
    session::{Device, first_message},
    usersig_signed_at,
};

use crate::{
    server::{Server, query_of, serving},
    transcript::{run, run_with},
};

const SDKAPPID: u32 = muster_testkit::SDKAPPID;

/// Sets the app of `muster dev`.
fn set(server: &Server, settings: &str) {
    server.operator("PATCH", &format!("/muster/v1/apps/{SDKAPPID}"), settings);
}

#[test]
fn a_disabled_app_answers_nobody() {
    serving(|server| {
        let url = server.muster().accounts_url();
        let mut device = Device::sign_in(url, "alice", "Web");
        set(server, r#"{"disabled":true}"#);
        assert_eq!(device.wait_for_close(), Some(4003));
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":60016,"ErrorInfo":"SDKAppID 1400000000 is disabled."}

POST /v4/profile/portrait_get?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60016,"ErrorInfo":"SDKAppID 1400000000 is disabled.","ErrorDisplay":""}
"#,
        );
        let said = Device::open(url).say(&first_message("alice", "Web"));
        assert_eq!(
            said,
            r#"{"event":"refused","code":60016,"message":"SDKAppID 1400000000 is disabled."}"#
        );
        set(server, r#"{"disabled":false}"#);
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}]}
"#,
        );
    });
}

#[test]
fn an_allow_list_is_kept() {
    serving(|server| {
        set(server, r#"{"allow_list":["192.0.2.0/24","2001:db8::/32"]}"#);
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60021,"ErrorInfo":"Source address 127.0.0.1 is not on the allow-list of SDKAppID 1400000000."}
"#,
        );
        // It is about back ends, not about those who sign in.
        drop(Device::sign_in(
            server.muster().accounts_url(),
            "alice",
            "Web",
        ));
        set(server, r#"{"allow_list":["192.0.2.0/24","127.0.0.1"]}"#);
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}
"#,
        );
    });
}

/// Wire §3.8, §3.9: a custom field is a field once it is declared.
#[test]
fn custom_fields() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/profile/portrait_set?Q
{"From_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_Custom_Team","Value":"red"}]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"Tag_Profile_Custom_Team\".","ErrorDisplay":""}
"#,
        );
        set(server, r#"{"custom_fields":["Team","Motto"]}"#);
        run(
            server,
            r#"
POST /v4/profile/portrait_set?Q
{"From_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_Custom_Team","Value":"小红"},{"Tag":"Tag_Profile_IM_Level","Value":2}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["administrator"],"TagList":["Tag_Profile_Custom_Motto","Tag_Profile_Custom_Team","Tag_Profile_IM_Level"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_Custom_Team","Value":"小红"},{"Tag":"Tag_Profile_IM_Level","Value":2}],"ResultCode":0,"ResultInfo":""}]}

POST /v4/profile/portrait_set?Q
{"From_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_Custom_Team","Value":7}]}
{"ActionStatus":"FAIL","ErrorCode":40610,"ErrorInfo":"The value of Tag_Profile_Custom_Team must be a string.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
{"From_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_Custom_Team","Value":"<x*501>"}]}
{"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"ProfileItem[0].Value is 501 bytes long, the limit is 500.","ErrorDisplay":""}

# Names are case-sensitive.
POST /v4/profile/portrait_get?Q
{"To_Account":["administrator"],"TagList":["Tag_Profile_Custom_team"]}
{"ActionStatus":"FAIL","ErrorCode":40009,"ErrorInfo":"Unknown Tag \"Tag_Profile_Custom_team\".","ErrorDisplay":""}
"#,
        );
    });
}

/// Wire §5: deletion has to be switched on from the standard edition up, and bars the user for 90
/// days, which pass in a moment here.
#[test]
fn deletion_by_edition() {
    serving(|server| {
        set(server, r#"{"edition":"standard"}"#);
        run(
            server,
            r#"
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["alice","bob"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# Judged before the parameters.
POST /v4/im_open_login_svc/account_delete?Q
{}
{"ActionStatus":"FAIL","ErrorCode":71000,"ErrorInfo":"SDKAppID 1400000000 does not allow account deletion; lift the restriction in its settings."}
"#,
        );
        set(server, r#"{"deletion":true}"#);
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":[{"UserID":"alice"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"alice"}]}
"#,
        );
        let import = |body: &str| server.call("im_open_login_svc/account_import", body);
        let barred = import(r#"{"UserID":"alice"}"#);
        let text = r#"{"ActionStatus":"FAIL","ErrorCode":70399,"ErrorInfo":"UserID \"alice\" was deleted and cannot be imported again before "#;
        assert!(barred.starts_with(text), "{barred}");
        assert!(barred.ends_with("Z.\"}"), "{barred}");
        run(
            server,
            r#"
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":["alice","carol"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["alice"]}
"#,
        );
        let advance = |seconds: u32| {
            let body = format!(r#"{{"seconds":{seconds}}}"#);
            server.operator("POST", "/muster/v1/clock/advance", &body);
        };
        // A few seconds may have passed since the deletion, but no minute.
        advance(90 * 86_400 - 60);
        assert_eq!(import(r#"{"UserID":"alice"}"#), barred);
        advance(60);
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}
"#,
        );
    });
}

/// Wire §2, checks 11 and 13 at openim.
#[test]
fn too_many_failed_usersigs() {
    let of_alice = query_of(
        SDKAPPID,
        "alice",
        &usersig_signed_at("alice", 1_700_000_000),
    );
    serving(|server| {
        let wrong = format!(
            "/v4/im_open_login_svc/account_check?{}",
            query_of(SDKAPPID, "administrator", "wrong")
        );
        for _ in 0..100 {
            let answer = server.post(&wrong, b"{}");
            assert!(answer.contains(r#""ErrorCode":70003"#), "{answer}");
        }
        run_with(
            server,
            &[("alice", &of_alice)],
            r#"
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70050,"ErrorInfo":"Too many failed UserSig checks for \"administrator\"; wait one minute."}

POST /v4/openim/query_online_status?<alice>
{}
{"ActionStatus":"FAIL","ErrorCode":90009,"ErrorInfo":"identifier \"alice\" is not an app admin."}
"#,
        );
        server.operator("POST", "/muster/v1/clock/advance", r#"{"seconds":60}"#);
        let answer = server.call("im_open_login_svc/account_check", "{}");
        assert!(answer.contains("70402"), "{answer}");
    });
}
