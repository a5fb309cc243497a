//! Checks 1 to 8 of wire §2: the request line alone.

use muster_testkit::{http::request, usersig};

use crate::{
    server::{assert_protocol_headers, query, serving},
    transcript::{run, run_with},
};

/// Check 1: only POST, only three segments.
#[test]
fn what_is_no_call() {
    serving(|server| {
        run(
            server,
            r#"
GET /
(empty)
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

POST /
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

GET /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

PUT /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

PATCH /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

DELETE /v4/im_open_login_svc/account_import?Q
(empty)
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

OPTIONS /v4/im_open_login_svc/account_import?Q
(empty)
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

OPTIONS *
(empty)
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

TRACE /v4/im_open_login_svc/account_import?Q
(empty)
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# Methods are case-sensitive.
post /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

BREW /v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

POST /v4?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

POST /v4/im_open_login_svc?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# A slash at the end is a fourth segment.
POST /v4/im_open_login_svc/account_import/?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

POST /v4/im_open_login_svc/account_import/alice?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

POST //v4/im_open_login_svc/account_import?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# On a profile command there is no ErrorDisplay before check 3.
GET /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# Nothing of the above imported anyone.
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}
"#,
        );

        // The documented probe, and HEAD on a command: the answer of GET without its body.
        let target = format!("/v4/im_open_login_svc/account_import?{}", query());
        let mut peer = server.connect();
        for target in ["/", &target] {
            peer.send(request("HEAD", target, &[], b""));
            let answer = peer.answer_to_head();
            assert_protocol_headers(&answer);
            let length =
                r#"{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}"#;
            let length = length.len().to_string();
            assert_eq!(answer.header("content-length"), Some(length.as_str()));
        }
    });
}

/// Check 1: escapes (wire §1.1).
#[test]
fn escapes() {
    let sig = usersig("administrator");
    serving(|server| {
        run_with(
            server,
            &[("sig", &sig), ("sig%2A", &sig.replace('*', "%2A"))],
            r#"
# Names and values are decoded.
POST /v4/im_open_login_svc/account_import?%73dkappi%64=140000000%30&identifier=%61dministrator&usersig=<sig%2A>
{"UserID":"escaped"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

# The path is not.
POST /v4/im_open_login_svc/account%5Fimport?Q
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/im_open_login_svc/account%5Fimport\"."}

# A plus is a space.
POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=the+administrator&usersig=<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70013,"ErrorInfo":"The requested UserID(the administrator) does not match the Usersig(administrator)."}

POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=%C3%A9%22%0A&usersig=<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70013,"ErrorInfo":"The requested UserID(é\"\n) does not match the Usersig(administrator)."}

# Breaking in the middle of an escape.
POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=administrator&usersig=<sig>&random=%4
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=administrator&usersig=<sig>&random=%
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# No hexadecimal digits, in a parameter that nobody looks at.
POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=administrator&usersig=<sig>&apn=%zz
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# In a name.
POST /v4/im_open_login_svc/account_import?%u0073dkappid=1&sdkappid=1400000000&identifier=administrator&usersig=<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# Half a character of UTF-8.
POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=administrator&usersig=<sig>&random=%C3
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}

# Also on an unknown command: check 1 comes first.
POST /v4/nothing/at_all?random=%C3
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}
"#,
        );
    });
}

/// Check 2.
#[test]
fn unknown_commands() {
    serving(|server| {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_export?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/im_open_login_svc/account_export\"."}

POST /v4/sns/friend_add?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/sns/friend_add\"."}

# A command of another service.
POST /v4/profile/account_import?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/profile/account_import\"."}

POST /v3/im_open_login_svc/account_import?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v3/im_open_login_svc/account_import\"."}

POST /v4/im_open_login_svc/Account_Import?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/im_open_login_svc/Account_Import\"."}

# An empty segment is one.
POST /v4//account_import?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4//account_import\"."}

POST /v4/im_open_login_svc/?Q
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/im_open_login_svc/\"."}

POST ///
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"///\"."}

# 64 characters are shown, of 65.
POST /v4/im_open_login_svc/<x*43>
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/im_open_login_svc/<x*42>...\"."}

POST /v4/im_open_login_svc/<x*42>
{}
{"ActionStatus":"FAIL","ErrorCode":60009,"ErrorInfo":"Unknown service or command \"/v4/im_open_login_svc/<x*42>\"."}
"#,
        );
    });
}

/// Checks 3 and 4.
#[test]
fn sdkappid() {
    let sig = usersig("administrator");
    serving(|server| {
        run_with(
            server,
            &[("rest", &format!("identifier=administrator&usersig={sig}"))],
            r#"
POST /v4/im_open_login_svc/account_import?<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60012,"ErrorInfo":"sdkappid is missing from the URL."}

# No query at all.
POST /v4/im_open_login_svc/account_import
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60012,"ErrorInfo":"sdkappid is missing from the URL."}

# Names are case-sensitive.
POST /v4/im_open_login_svc/account_import?SdkAppid=1400000000&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60012,"ErrorInfo":"sdkappid is missing from the URL."}

POST /v4/profile/portrait_get?<rest>
{}
{"ActionStatus":"FAIL","ErrorCode":60012,"ErrorInfo":"sdkappid is missing from the URL.","ErrorDisplay":""}

POST /v4/im_open_login_svc/account_import?sdkappid=&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=live&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"live\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=-1400000000&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"-1400000000\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=%2B1400000000&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"+1400000000\" is not a number."}

# An unescaped plus is a space.
POST /v4/im_open_login_svc/account_import?sdkappid=+1400000000&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \" 1400000000\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=1400000000.0&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"1400000000.0\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=0x53724e00&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"0x53724e00\" is not a number."}

# Digits, but not those of ASCII.
POST /v4/im_open_login_svc/account_import?sdkappid=%D9%A1%D9%A4&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"١٤\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=4294967296&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"4294967296\" is not a number."}

POST /v4/im_open_login_svc/account_import?sdkappid=<9*65>&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"<9*64>...\" is not a number."}

POST /v4/profile/portrait_set?sdkappid=live&<rest>
{}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"live\" is not a number.","ErrorDisplay":""}

# The largest number is one: check 8 decides.
POST /v4/im_open_login_svc/account_import?sdkappid=4294967295&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70020,"ErrorInfo":"SDKAppID 4294967295 does not exist."}

POST /v4/im_open_login_svc/account_import?sdkappid=0&<rest>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70020,"ErrorInfo":"SDKAppID 0 does not exist."}

POST /v4/profile/portrait_get?sdkappid=1400000001&<rest>
{}
{"ActionStatus":"FAIL","ErrorCode":70020,"ErrorInfo":"SDKAppID 1400000001 does not exist.","ErrorDisplay":""}

# Leading zeros are decimal digits.
POST /v4/im_open_login_svc/account_import?sdkappid=0001400000000&<rest>
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}
"#,
        );
    });
}

/// Checks 5 to 7.
#[test]
fn the_other_parameters() {
    let sig = usersig("administrator");
    let app = "sdkappid=1400000000";
    let who = "identifier=administrator";
    serving(|server| {
        run_with(
            server,
            &[
                ("app", app),
                ("who", who),
                ("sig", &format!("usersig={sig}")),
            ],
            r#"
POST /v4/im_open_login_svc/account_import?<app>&<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"identifier is missing from the URL."}

POST /v4/im_open_login_svc/account_import?<app>&identifier=&<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"identifier is missing from the URL."}

POST /v4/im_open_login_svc/account_import?<app>&identifier&<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"identifier is missing from the URL."}

POST /v4/profile/portrait_get?<app>&<sig>
{}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"identifier is missing from the URL.","ErrorDisplay":""}

POST /v4/im_open_login_svc/account_import?<app>&<who>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70002,"ErrorInfo":"usersig is missing from the URL."}

POST /v4/im_open_login_svc/account_import?<app>&<who>&usersig=
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70002,"ErrorInfo":"usersig is missing from the URL."}

POST /v4/profile/portrait_get?<app>&<who>
{}
{"ActionStatus":"FAIL","ErrorCode":70002,"ErrorInfo":"usersig is missing from the URL.","ErrorDisplay":""}

POST /v4/im_open_login_svc/account_import?<app>&<who>&<sig>&contenttype=xml
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"contenttype \"xml\" is not json."}

POST /v4/im_open_login_svc/account_import?<app>&<who>&<sig>&contenttype=JSON
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"contenttype \"JSON\" is not json."}

POST /v4/im_open_login_svc/account_import?<app>&<who>&<sig>&contenttype=
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"contenttype \"\" is not json."}

POST /v4/profile/portrait_set?<app>&<who>&<sig>&contenttype=xml
{}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"contenttype \"xml\" is not json.","ErrorDisplay":""}

# contenttype and random may be absent.
POST /v4/im_open_login_svc/account_import?<app>&<who>&<sig>
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

# Any order; random is not looked at, other parameters neither; empty pieces are nothing.
POST /v4/im_open_login_svc/account_import?apn=1&&random=-1&random=6f9619ff-8b86-d011-b42d-00cf4fc964ff&contenttype=json&<sig>&x&=&<who>&<app>&
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

# Of a repeated parameter the first counts, right or wrong.
POST /v4/im_open_login_svc/account_import?<app>&sdkappid=x&<who>&identifier=&<sig>&usersig=x&contenttype=json&contenttype=xml
{"UserID":"alice"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/im_open_login_svc/account_import?sdkappid=&<app>&<who>&<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60006,"ErrorInfo":"sdkappid \"\" is not a number."}

POST /v4/im_open_login_svc/account_import?<app>&identifier=&<who>&<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"identifier is missing from the URL."}

POST /v4/im_open_login_svc/account_import?<app>&<who>&usersig=&<sig>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70002,"ErrorInfo":"usersig is missing from the URL."}

POST /v4/im_open_login_svc/account_import?<app>&<who>&<sig>&contenttype=xml&contenttype=json
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":60025,"ErrorInfo":"contenttype \"xml\" is not json."}
"#,
        );
    });
}

/// Wire §1.1.
#[test]
fn a_request_line_of_32_kib_is_accepted() {
    const LINE_BYTES: usize = 32 * 1024;
    serving(|server| {
        let start = format!("/v4/im_open_login_svc/account_import?{}&pad=", query());
        let used = "POST ".len() + start.len() + " HTTP/1.1\r\n".len();
        let target = format!("{start}{}", "x".repeat(LINE_BYTES - used));
        let answer = server.post(&target, br#"{"UserID":"alice"}"#);
        assert_eq!(
            answer,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
        );
    });
}
