//! `kick` (wire §3.6), and what it does to UserSigs (wire §2, check 12f).

use muster_testkit::usersig;

use crate::{
    server::serving,
    transcript::{run, run_with},
};

#[test]
fn parameters_of_a_kick() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/kick?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/kick?Q
{"Identifier":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/kick?Q
{"UserID":"bob","Identifier":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70107,"ErrorInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist"}

POST /v4/im_open_login_svc/kick?Q
{}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID is missing."}

POST /v4/im_open_login_svc/kick?Q
{"UserID":7}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

POST /v4/im_open_login_svc/kick?Q
{"UserID":"josé"}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID \"josé\" has a byte outside 0x20-0x7e."}
"#,
        );
    });
}

/// The token has been verified and remembered before the kick.
#[test]
fn a_kick_ends_the_usersigs_of_its_user() {
    let of_alice = usersig("alice");
    serving(|server| {
        run_with(
            server,
            &[(
                "alice",
                &format!("sdkappid=1400000000&identifier=alice&usersig={of_alice}"),
            )],
            r#"
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_check?<alice>
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"alice\" is not an app admin."}

POST /v4/im_open_login_svc/kick?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_check?<alice>
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70052,"ErrorInfo":"The UserSig of \"alice\" was invalidated by a kick."}

# The mark outlives the account, and counts for the next one.
POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":[{"UserID":"alice"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"alice"}]}

POST /v4/im_open_login_svc/account_check?<alice>
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70052,"ErrorInfo":"The UserSig of \"alice\" was invalidated by a kick."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_check?<alice>
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70052,"ErrorInfo":"The UserSig of \"alice\" was invalidated by a kick."}

# An admin can kick an admin, the caller included.
POST /v4/im_open_login_svc/kick?Q
{"UserID":"administrator"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/kick?Q
{"UserID":"administrator"}
{"ActionStatus":"FAIL","ErrorCode":70052,"ErrorInfo":"The UserSig of \"administrator\" was invalidated by a kick."}
"#,
        );
    });
}
