//! `account_check` (wire §3.5).

use crate::{server::serving, transcript::run};

#[test]
fn account_check() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_check?Q
{}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem is missing."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":null}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem is missing."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":{"UserID":"alice"}}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem is not an array."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem is empty."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[<{"UserID":"alice"},*101>]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem has 101 entries, the limit is 100."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"},"alice"]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem[1] is not an object."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"Identifier":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem[0].UserID is missing."}

POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"},{"UserID":null}]}
{"ActionStatus":"FAIL","ErrorCode":60015,"ErrorInfo":"body account invalid"}

# The first wrong entry decides.
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{},{"UserID":7}]}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem[0].UserID is missing."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

# In request order, duplicates each time; administrator exists from the start; an id that can be none is not imported.
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"nobody"},{"UserID":"alice"},{"UserID":"administrator"},{"UserID":"alice"},{"UserID":"Alice"},{"UserID":"josé"},{"UserID":"nobody"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"nobody","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"administrator","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"Alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"josé","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"},
 {"UserID":"nobody","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}

# 100 entries are allowed.
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[<{"UserID":"alice"},*100>]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[<{"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},*100>]}
"#,
        );
    });
}
