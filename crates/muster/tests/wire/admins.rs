//! Check 13 of wire §2: whether the caller is an admin.

use muster_testkit::usersig;

use crate::{server::serving, transcript::run_with};

#[test]
fn callers_who_are_no_admins() {
    let of_alice = usersig("alice");
    let of_upper = usersig("Administrator");
    let long_name = "é".repeat(65);
    let of_long = usersig(&long_name);
    serving(|server| {
        run_with(
            server,
            &[
                (
                    "alice",
                    &format!("sdkappid=1400000000&identifier=alice&usersig={of_alice}"),
                ),
                (
                    "Administrator",
                    &format!("sdkappid=1400000000&identifier=Administrator&usersig={of_upper}"),
                ),
                (
                    "long",
                    &format!(
                        "sdkappid=1400000000&identifier={}&usersig={of_long}",
                        "%C3%A9".repeat(65)
                    ),
                ),
            ],
            r#"
# Not imported.
POST /v4/im_open_login_svc/account_import?<alice>
{"UserID":"bob"}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"alice\" is not an app admin."}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

# Imported, and yet no admin; on each command.
POST /v4/im_open_login_svc/account_import?<alice>
{"UserID":"bob"}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"alice\" is not an app admin."}

# Not by this command itself, so without FailAccounts.
POST /v4/im_open_login_svc/multiaccount_import?<alice>
{"Accounts":["bob"]}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"alice\" is not an app admin."}

POST /v4/im_open_login_svc/account_check?<alice>
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"alice\" is not an app admin."}

POST /v4/profile/portrait_get?<alice>
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40004,"ErrorInfo":"identifier \"alice\" is not an app admin.","ErrorDisplay":""}

POST /v4/profile/portrait_set?<alice>
{"From_Account":"alice","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"A"}]}
{"ActionStatus":"FAIL","ErrorCode":40004,"ErrorInfo":"identifier \"alice\" is not an app admin.","ErrorDisplay":""}

# Names are case-sensitive.
POST /v4/im_open_login_svc/account_import?<Administrator>
{"UserID":"bob"}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"Administrator\" is not an app admin."}

# A name that can be no UserID can still be signed.
POST /v4/im_open_login_svc/account_import?<long>
{"UserID":"bob"}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"<é*64>...\" is not an app admin."}
"#,
        );
    });
}

#[test]
fn admins_come_and_go() {
    let of_ops = format!("identifier=ops&usersig={}", usersig("ops"));
    let names = [("ops", of_ops.as_str())];
    serving(|server| {
        run_with(
            server,
            &names,
            r#"
POST /v4/im_open_login_svc/account_check?sdkappid=1400000000&<ops>
{"CheckItem":[{"UserID":"ops"}]}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"ops\" is not an app admin."}
"#,
        );
        let app = server.operator("PUT", "/muster/v1/apps/1400000000/admins/ops", "");
        assert_eq!(app["admins"], serde_json::json!(["administrator", "ops"]));
        // Making a UserID admin creates the account (wire §5).
        run_with(
            server,
            &names,
            r#"
POST /v4/im_open_login_svc/account_check?sdkappid=1400000000&<ops>
{"CheckItem":[{"UserID":"ops"},{"UserID":"administrator"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"ops","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"administrator","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}]}

POST /v4/profile/portrait_set?sdkappid=1400000000&<ops>
{"From_Account":"ops","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ops"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}
"#,
        );
        server.operator("DELETE", "/muster/v1/apps/1400000000/admins/ops", "");
        run_with(
            server,
            &names,
            r#"
POST /v4/im_open_login_svc/account_check?sdkappid=1400000000&<ops>
{"CheckItem":[{"UserID":"ops"}]}
{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"ops\" is not an app admin."}

POST /v4/profile/portrait_get?sdkappid=1400000000&<ops>
{"To_Account":["ops"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":40004,"ErrorInfo":"identifier \"ops\" is not an app admin.","ErrorDisplay":""}

# The account stays.
POST /v4/profile/portrait_get?Q
{"To_Account":["ops"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"ops","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ops"}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
    });
}
