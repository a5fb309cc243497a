//! What differs from app to app: keys, accounts, the cap (wire §5).

use std::collections::BTreeSet;

use muster_testkit::{
    http::{Connection, request},
    usersig,
};

use crate::{
    server::{query_of, serving, signed},
    transcript::run_with,
};

/// Wire §3.3 step 8, §5: 100 accounts without `administrator`.
#[test]
fn a_trial_app_holds_100_accounts() {
    const TRIAL: u32 = 1_400_000_002;
    let ids = |range: std::ops::Range<u32>| {
        let ids: Vec<_> = range.map(|i| format!(r#""user-{i}""#)).collect();
        ids.join(",")
    };
    serving(|server| {
        let key = server.create_app(TRIAL, "trial");
        let query = query_of(
            TRIAL,
            "administrator",
            &signed(&key, TRIAL, "administrator"),
        );
        run_with(
            server,
            &[
                ("trial", query.as_str()),
                ("user-0 to user-97", &ids(0..98)),
                ("user-95 to user-99", &ids(95..100)),
                ("user-0 to user-99", &ids(0..100)),
            ],
            r#"
POST /v4/im_open_login_svc/multiaccount_import?<trial>
{"Accounts":[<user-0 to user-97>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# 98 and 3 are too many: nothing is imported, nobody is updated, invalid ids are not named.
POST /v4/im_open_login_svc/multiaccount_import?<trial>
{"AccountList":[{"UserID":"user-0","Nick":"lost"},{"UserID":"one"},{"UserID":"two"},{"UserID":"josé"},{"UserID":"three"}]}
{"ActionStatus":"FAIL","ErrorCode":70398,"ErrorInfo":"Exceeded accunt number limit. To create more than 100 accunts, please upgrade to pro-version","FailAccounts":[]}

POST /v4/im_open_login_svc/account_check?<trial>
{"CheckItem":[{"UserID":"one"},{"UserID":"two"},{"UserID":"three"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"one","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"two","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"three","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}

POST /v4/profile/portrait_get?<trial>
{"To_Account":["user-0"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"user-0","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""}],"ResultCode":0,"ResultInfo":""}]}

# Only new ids count, each once: two fit.
POST /v4/im_open_login_svc/multiaccount_import?<trial>
{"Accounts":[<user-95 to user-99>,<user-95 to user-99>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# At the cap, one more.
POST /v4/im_open_login_svc/account_import?<trial>
{"UserID":"one"}
{"ActionStatus":"FAIL","ErrorCode":70398,"ErrorInfo":"Exceeded accunt number limit. To create more than 100 accunts, please upgrade to pro-version"}

POST /v4/im_open_login_svc/multiaccount_import?<trial>
{"Accounts":["user-0","one"]}
{"ActionStatus":"FAIL","ErrorCode":70398,"ErrorInfo":"Exceeded accunt number limit. To create more than 100 accunts, please upgrade to pro-version","FailAccounts":[]}

# The bytes of an id come before the cap.
POST /v4/im_open_login_svc/account_import?<trial>
{"UserID":"josé"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"josé\" has a byte outside 0x20-0x7e."}

# An update needs no room.
POST /v4/im_open_login_svc/account_import?<trial>
{"UserID":"user-99","Nick":"updated"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/multiaccount_import?<trial>
{"Accounts":[<user-0 to user-99>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/im_open_login_svc/multiaccount_import?<trial>
{"AccountList":[{"UserID":"user-98","Nick":"also updated"},{"UserID":"administrator","Nick":"root"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/profile/portrait_get?<trial>
{"To_Account":["user-98","user-99","administrator","one"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"user-98","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"also updated"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"user-99","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"updated"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"root"}],"ResultCode":0,"ResultInfo":""},
 {"To_Account":"one","ResultCode":40003,"ResultInfo":"Account \"one\" is not imported."}],"Fail_Account":["one"]}

# The app of muster dev, edition developer, has no cap.
POST /v4/im_open_login_svc/multiaccount_import?Q
{"Accounts":[<user-0 to user-99>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"one"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}
"#,
        );
    });
}

/// Wire §3.3 step 8: the cap is exact, however many imports want the last places at once.
#[test]
fn parallel_imports_stop_at_the_cap() {
    const TRIAL: u32 = 1_400_000_004;
    const IMPORTS: usize = 100;
    const USERS: usize = 3;
    serving(|server| {
        let key = server.create_app(TRIAL, "trial");
        let query = query_of(
            TRIAL,
            "administrator",
            &signed(&key, TRIAL, "administrator"),
        );
        let target = format!("/v4/im_open_login_svc/multiaccount_import?{query}");
        // Half of the users are wanted by two of the imports.
        let bodies: Vec<_> = (0..IMPORTS)
            .map(|i| {
                let ids: Vec<_> = (0..USERS)
                    .map(|n| format!(r#""user-{}""#, i * USERS / 2 + n))
                    .collect();
                format!(r#"{{"Accounts":[{}]}}"#, ids.join(","))
            })
            .collect();
        let url = server.muster().accounts_url();
        let start = std::sync::Barrier::new(IMPORTS);
        let answers: Vec<String> = std::thread::scope(|scope| {
            let imports: Vec<_> = bodies
                .iter()
                .map(|body| {
                    scope.spawn(|| {
                        let mut connection = Connection::open(url);
                        start.wait();
                        connection.send(request("POST", &target, &[], body.as_bytes()));
                        connection.answer().text().to_owned()
                    })
                })
                .collect();
            imports
                .into_iter()
                .map(|import| import.join().unwrap())
                .collect()
        });
        let (mut imported, mut refused) = (BTreeSet::new(), 0);
        for (i, answer) in answers.iter().enumerate() {
            if answer.contains(r#""ErrorCode":0"#) {
                imported.extend((0..USERS).map(|n| i * USERS / 2 + n));
            } else {
                assert!(answer.contains(r#""ErrorCode":70398"#), "{answer}");
                refused += 1;
            }
        }
        // The last places went to single users, if three at a time left any.
        for n in 1000..1000 + USERS {
            let body = format!(r#"{{"Accounts":["user-{n}"]}}"#);
            if server
                .post(&target, body.as_bytes())
                .contains(r#""ErrorCode":0"#)
            {
                imported.insert(n);
            }
        }
        assert!(refused > 0);
        assert_eq!(imported.len(), 100);
        let path = format!("/muster/v1/apps/{TRIAL}");
        // `administrator` does not count.
        assert_eq!(server.operator("GET", &path, "")["accounts"], 101);
    });
}

/// Accounts of one app are unknown in another (wire §4.1), and so are keys and admins.
#[test]
fn apps_are_apart() {
    const OTHER: u32 = 1_400_000_003;
    serving(|server| {
        let key = server.create_app(OTHER, "enterprise");
        let other = query_of(
            OTHER,
            "administrator",
            &signed(&key, OTHER, "administrator"),
        );
        let sample_key_elsewhere = query_of(
            OTHER,
            "administrator",
            &signed(&muster_testkit::sample_key(), OTHER, "administrator"),
        );
        let token_elsewhere = query_of(OTHER, "administrator", &usersig("administrator"));
        let admin_elsewhere = query_of(OTHER, "ops", &signed(&key, OTHER, "ops"));
        server.operator("PUT", "/muster/v1/apps/1400000000/admins/ops", "");
        run_with(
            server,
            &[
                ("other", other.as_str()),
                (
                    "signed with the key of the first app",
                    &sample_key_elsewhere,
                ),
                ("token of the first app", &token_elsewhere),
                ("admin of the first app", &admin_elsewhere),
            ],
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice","Nick":"Alice here"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_check?<other>
{"CheckItem":[{"UserID":"alice"},{"UserID":"administrator"},{"UserID":"ops"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"administrator","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"ops","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}

POST /v4/profile/portrait_set?<other>
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice there"}]}
{"ActionStatus":"FAIL","ErrorCode":40003,"ErrorInfo":"Account \"alice\" is not imported.","ErrorDisplay":""}

POST /v4/im_open_login_svc/account_import?<other>
{"UserID":"alice","Nick":"Alice there"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice here"}],"ResultCode":0,"ResultInfo":""}]}

POST /v4/profile/portrait_get?<other>
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Alice there"}],"ResultCode":0,"ResultInfo":""}]}

POST /v4/im_open_login_svc/account_import?<signed with the key of the first app>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID. Please regenerate UserSig by Secret Key from its own SDKAppID."}

POST /v4/im_open_login_svc/account_import?<token of the first app>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70014,"ErrorInfo":"The requested SDKAppID(1400000003) does not match the Usersig(1400000000). You can run a self-checking with the assistant tool on the console."}

POST /v4/im_open_login_svc/account_import?<admin of the first app>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"ops\" is not an app admin."}
"#,
        );
    });
}
