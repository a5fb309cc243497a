//! A disk that is full: what callers are told, and what is left (wire §1.2, §3.1).

use std::path::Path;

use muster_testkit::{Launch, TEST_STORE};

use crate::{server::Server, transcript::run};

/// Room for the log of this test, none for what it stores.
const LIMIT_BYTES: u64 = 256 * 1024;

/// Started so that a write beyond the limit on file sizes fails instead of killing it.
fn start(data_dir: &Path) -> Server {
    let script = r#"trap '' XFSZ; exec "$@""#;
    let launch = Launch::dev_in_shell(env!("CARGO_BIN_EXE_muster"), data_dir, script);
    Server::start(launch.arg("--no-rate-limits"))
}

/// Imports a thousand accounts of half a kilobyte each.
fn fill(server: &Server) {
    let mut random = fastrand::Rng::new();
    for batch in 0..10 {
        let mut users = Vec::new();
        for i in 0..100 {
            let nick: String = std::iter::repeat_with(|| random.alphanumeric())
                .take(500)
                .collect();
            users.push(format!(
                r#"{{"UserID":"fill-{batch}-{i}","Nick":"{nick}"}}"#
            ));
        }
        let body = format!(r#"{{"AccountList":[{}]}}"#, users.join(","));
        let answer = server.call("im_open_login_svc/multiaccount_import", body);
        assert_eq!(
            answer,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}"#
        );
    }
}

/// The call that meets the full disk is told so. Then muster ends, as nobody can know what the disk
/// holds, and the next start finds all that was acknowledged.
#[test]
fn the_call_fails_and_what_was_acknowledged_stays() {
    if std::env::var_os(TEST_STORE).is_some() {
        // Accounts are in a database then, whose disk is not this one.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    for (command, body, expected) in [
        (
            "im_open_login_svc/account_import",
            r#"{"UserID":"new"}"#,
            r#"{"ActionStatus":"FAIL","ErrorCode":70500,"ErrorInfo":"Internal error, try again."}"#,
        ),
        (
            "im_open_login_svc/multiaccount_import",
            r#"{"AccountList":[{"UserID":"new","Nick":"after"},{"UserID":"josé"}]}"#,
            r#"{"ActionStatus":"FAIL","ErrorCode":70500,"ErrorInfo":"Internal error, try again.","FailAccounts":[]}"#,
        ),
        (
            "profile/portrait_set",
            r#"{"From_Account":"fill-0-0","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":7}]}"#,
            r#"{"ActionStatus":"FAIL","ErrorCode":40006,"ErrorInfo":"Internal error, try again.","ErrorDisplay":""}"#,
        ),
    ] {
        let server = start(&data_dir);
        fill(&server);
        server.muster().limit_file_size(LIMIT_BYTES);
        assert_eq!(server.call(command, body), expected);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(70), "{}", ended.said);
        assert!(ended.said.contains("ERROR"), "{}", ended.said);

        let again = start(&data_dir);
        run(
            &again,
            r#"
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"fill-0-0"},{"UserID":"fill-9-99"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"fill-0-0","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"fill-9-99","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"}]}

POST /v4/im_open_login_svc/account_import?Q
{"UserID":"fill-0-0","Nick":"again"}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["fill-0-0"],"TagList":["Tag_Profile_IM_Nick"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[
 {"To_Account":"fill-0-0","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"again"}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
        again.end();
    }
}
