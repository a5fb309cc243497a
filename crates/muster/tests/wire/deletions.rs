//! `account_delete` (wire §3.4).

use crate::{server::serving, transcript::run};

#[test]
fn accounts_are_deleted() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"alice","Nick":"Alice"},{"UserID":"bob"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

# Each entry is answered in its place: a repeated one is gone the second time, a name that cannot be
# a user id does not exist, an admin stays.
POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":[{"UserID":"alice"},{"UserID":"alice"},{"UserID":"josé"},{"UserID":""},{"UserID":"administrator"},{"UserID":"nobody"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"alice"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"alice"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"josé"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":""},{"ResultCode":70402,"ResultInfo":"Invaild parameters. UserID \"administrator\" is an app admin and cannot be deleted.","UserID":"administrator"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"nobody"}]}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"},{"UserID":"bob"},{"UserID":"administrator"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},{"UserID":"bob","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},{"UserID":"administrator","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}]}

POST /v4/profile/portrait_set?Q
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40003,"ErrorInfo":"Account \"alice\" is not imported.","ErrorDisplay":""}

# The developer edition has no bar. The profile is gone for good.
POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
    });
}

#[test]
fn parameters_of_a_deletion() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_delete?Q
{}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. DeleteItem is missing."}

POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":[]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. DeleteItem is empty."}

POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":{}}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. DeleteItem is not an array."}

POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":[{}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. DeleteItem[0].UserID is missing."}

POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":["alice"]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. DeleteItem[0] is not an object."}

POST /v4/im_open_login_svc/account_delete?Q
{"DeleteItem":[{"UserID":null}]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

POST /v4/im_open_login_svc/account_delete?Q
[]
{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"The request body is not a JSON object."}
"#,
        );
    });
}
