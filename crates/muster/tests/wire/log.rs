//! The log: it shows no secret, and no call depends on it.

use muster_testkit::{
    Launch, SDKAPPID,
    http::request,
    session::{Device, first_message},
    usersig,
};

use crate::server::{Server, assert_protocol_headers, serving, serving_with};

/// A client that escapes the `?`, or forgets it, puts the query into the path. The answer shows 64
/// characters of the path, the log 128: no UserSig may be among them.
#[test]
fn a_query_in_the_path_is_not_shown() {
    let usersig = usersig("administrator");
    serving(|server| {
        let mut peer = server.connect();
        for order in [
            format!("sdkappid={SDKAPPID}&identifier=administrator&usersig={usersig}"),
            format!("usersig={usersig}&identifier=administrator&sdkappid={SDKAPPID}"),
        ] {
            for mark in ["%3F", "&", ";"] {
                let target = format!("/v4/im_open_login_svc/kick{mark}{order}");
                peer.send(request("POST", &target, &[], b"{}"));
                let answer = peer.answer();
                assert_protocol_headers(&answer);
                assert!(answer.text().contains("60009"), "{}", answer.text());
            }
        }
    });
}

/// Also at the level at which libraries tell of every message.
#[test]
fn a_session_shows_no_usersig() {
    for level in [
        "trace",
        "trace,muster=info",
        "tungstenite=trace",
        "tokio_postgres::query=trace",
    ] {
        serving_with(
            |launch| launch.arg("--log-level").arg(level),
            |server| {
                let url = server.muster().accounts_url();
                Device::sign_in(url, "alice", "Web").sign_out();
                let wrong = first_message("alice", "Web").replace("1400000000", "1400000001");
                assert!(Device::open(url).say(&wrong).contains("70020"));
                let usersig = usersig("alice");
                let log = server.muster().log();
                for piece in usersig.as_bytes().chunks(24) {
                    let piece = str::from_utf8(piece).unwrap();
                    assert!(!log.contains(piece), "{level}: {log}");
                }
            },
        );
    }
}

/// A log that cannot be written is no reason not to answer.
#[test]
fn no_room_for_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"trap '' XFSZ; exec "$@""#;
    let data_dir = dir.path().join("data");
    let launch = Launch::dev_in_shell(env!("CARGO_BIN_EXE_muster"), &data_dir, script);
    let server = Server::start(launch);
    server.muster().limit_file_size(0);
    for _ in 0..3 {
        assert_eq!(
            server.call(
                "im_open_login_svc/account_check",
                r#"{"CheckItem":[{"UserID":"nobody"}]}"#
            ),
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":"nobody","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}"#
        );
    }
    server.end();
}

/// A reader of the log who stalls holds up no call: lines are lost instead.
#[test]
fn a_stalled_reader_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    // The reader opens the pipe and reads nothing; it outlives the test by some seconds.
    let script = format!(
        "mkfifo '{0}'; sleep 20 <'{0}' >/dev/null & exec \"$@\" 2>'{0}'",
        fifo.display()
    );
    let data_dir = dir.path().join("data");
    let launch = Launch::dev_in_shell(env!("CARGO_BIN_EXE_muster"), &data_dir, &script);
    let server = Server::start(launch.arg("--no-rate-limits"));
    // Each call logs some 200 bytes, and a pipe holds 64 KiB.
    for _ in 0..2_000 {
        let answer = server.call(
            "im_open_login_svc/account_check",
            r#"{"CheckItem":[{"UserID":"nobody"}]}"#,
        );
        assert!(answer.contains(r#""ErrorCode":0"#), "{answer}");
    }
    server.end();
}
