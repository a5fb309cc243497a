//! `muster dev`: one command, and it works.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use muster_client::{ImportEntry, operator::Account};
use muster_testkit::{
    Muster, SAMPLE_KEY, SDKAPPID,
    http::{Connection, request},
};
use serde_json::{Value, json};

use crate::run::{account, accounts, client, dev, is_there, noted, operator, sh, stop, wait};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The command that it printed.
pub(crate) fn curl(muster: &Muster) -> String {
    let printed = muster.printed().join("\n");
    let (_, from_curl) = printed.split_once("\ncurl ").unwrap();
    let (curl, _) = from_curl.split_once("\n\n").unwrap();
    format!("curl {curl}")
}

/// Runs the printed command, or sends what it would send. Returns the answer.
pub(crate) fn paste(muster: &Muster) -> Value {
    let curl = curl(muster);
    if is_there("curl") {
        let done = sh(&curl);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done}");
        return serde_json::from_str(&done.out).unwrap();
    }
    let parts: Vec<&str> = curl.split('\'').collect();
    let ["curl -sS -d ", body, " ", url, ""] = parts[..] else {
        panic!("{parts:?}");
    };
    let (base, target) = url.split_at(url.find("/v4/").unwrap());
    let mut connection = Connection::open(base);
    connection.send(request("POST", target, &[], body.as_bytes()));
    serde_json::from_slice(&connection.answer().body).unwrap()
}

#[test]
fn the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = dev(&data_dir).start();

    let printed = muster.printed();
    assert_eq!(printed.last().unwrap(), "muster is ready");
    assert_eq!(
        printed[0],
        format!(
            "muster {}, the stand-in for the account API of Tencent Cloud Live and Chat",
            env!("CARGO_PKG_VERSION")
        )
    );
    // Each is there once, so that a script can find it.
    for (name, url) in [
        ("accounts API", muster.accounts_url()),
        ("operator API", muster.operator_url()),
    ] {
        assert_eq!(noted(printed, name), url);
        let lines = printed.iter().filter(|line| line.contains(name));
        assert_eq!(lines.count(), 1, "{name}: {printed:#?}");
    }
    assert_eq!(
        noted(printed, "data"),
        format!("{} (new)", data_dir.display())
    );
    assert_eq!(
        noted(printed, "app"),
        "SDKAppID 1400000000, edition developer, admin administrator"
    );
    assert_eq!(
        noted(printed, "secret key"),
        format!("{SAMPLE_KEY} (public: a sample that everyone knows)")
    );
    let token_path = data_dir.join("operator.token");
    assert_eq!(
        noted(printed, "operator token"),
        format!("in {}", token_path.display())
    );
    assert!(!printed.concat().contains(&muster.operator_token()));

    assert_eq!(mode(&data_dir), 0o700);
    assert_eq!(mode(&token_path), 0o600);

    let app = wait(operator(&muster).app(SDKAPPID)).unwrap();
    assert_eq!(app.edition, "developer");
    assert_eq!(app.admins, ["administrator"]);
    stop(muster);
}

#[test]
fn the_printed_curl_imports_the_sample() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(&dir.path().join("data")).start();
    let answer = paste(&muster);
    let expected = json!({
        "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "FailAccounts": [],
    });
    assert_eq!(answer, expected);

    let found = wait(accounts(&muster));
    let found: Vec<_> = found
        .iter()
        .map(
            |Account {
                 user_id,
                 nick,
                 face_url,
                 ..
             }| { (user_id.as_str(), nick.as_str(), face_url.as_str()) },
        )
        .collect();
    // Of the second user the last entry counts.
    assert_eq!(
        found,
        [
            ("UserID_001", "Nick_001", "http://www.qq.com"),
            ("UserID_002", "Nick_001", "http://www.qq.com"),
        ]
    );
    stop(muster);
}

#[test]
fn a_restart_keeps_everything_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let first = dev(&data_dir).start();
    let entry = ImportEntry {
        user_id: "alice",
        nick: Some("Alice"),
        face_url: None,
    };
    wait(client(&first).account_import(&entry)).unwrap();
    wait(operator(&first).add_admin(SDKAPPID, "bob")).unwrap();
    let (token, alice) = (first.operator_token(), account(&first, "alice"));
    stop(first);

    // Another edition is for an app that is yet to be made.
    let again = dev(&data_dir).arg("--edition").arg("pro").start();
    assert_eq!(again.operator_token(), token);
    assert_eq!(account(&again, "alice"), alice);
    let app = wait(operator(&again).app(SDKAPPID)).unwrap();
    assert_eq!(app.edition, "developer");
    assert_eq!(app.admins, ["administrator", "bob"]);
    let printed = again.printed();
    assert_eq!(
        noted(printed, "data"),
        format!("{} (kept from before, accounts: 3)", data_dir.display())
    );
    assert_eq!(
        noted(printed, "app"),
        "SDKAppID 1400000000, edition developer, admin administrator (chosen when the app was \
         made; --edition counts only then)"
    );
    // The command is signed anew.
    assert_eq!(paste(&again)["ErrorCode"], 0);
    stop(again);
}

/// The printed command works with whatever key the app has by then.
#[test]
fn a_restart_after_the_key_was_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let first = dev(&data_dir).start();
    let app = wait(operator(&first).rotate_key(SDKAPPID, None)).unwrap();
    stop(first);

    let again = dev(&data_dir).start();
    let printed = again.printed();
    assert_eq!(
        noted(printed, "secret key"),
        "its own, not the public sample key"
    );
    let key = app.secret_key.unwrap();
    assert!(!printed.concat().contains(key.as_str()));
    assert_eq!(paste(&again)["ErrorCode"], 0);
    stop(again);
}

#[test]
fn another_edition() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(&dir.path().join("data"))
        .arg("--edition")
        .arg("trial")
        .start();
    assert_eq!(
        noted(muster.printed(), "app"),
        "SDKAppID 1400000000, edition trial, admin administrator"
    );
    assert_eq!(
        wait(operator(&muster).app(SDKAPPID)).unwrap().edition,
        "trial"
    );
    stop(muster);
}

/// Sends calls a hundred at a time until one is over the limit, up to `calls`.
fn over_the_limit(muster: &Muster, calls: usize) -> bool {
    let usersig = muster_testkit::usersig("administrator");
    let target = format!(
        "/v4/im_open_login_svc/account_check?sdkappid={SDKAPPID}&identifier=administrator\
         &usersig={usersig}&random=1&contenttype=json"
    );
    let call = request(
        "POST",
        &target,
        &[],
        br#"{"CheckItem":[{"UserID":"alice"}]}"#,
    );
    let mut connection = Connection::open(muster.accounts_url());
    for _ in 0..calls / 100 {
        connection.send(call.repeat(100));
        let answers: Vec<_> = (0..100).map(|_| connection.answer()).collect();
        for answer in answers {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            match answer["ErrorCode"].as_u64() {
                Some(0) => {}
                Some(60007) => return true,
                _ => panic!("{answer}"),
            }
        }
    }
    false
}

#[test]
fn rate_limits_and_none() {
    let dir = tempfile::tempdir().unwrap();
    let limited = dev(&dir.path().join("a")).start();
    // 100 a second: more than any machine needs to make as many within one.
    assert!(over_the_limit(&limited, 20_000));
    stop(limited);

    let unlimited = dev(&dir.path().join("b")).arg("--no-rate-limits").start();
    assert!(!over_the_limit(&unlimited, 2_000));
    stop(unlimited);
}

/// Settings of the environment count; a `muster.toml` does not.
#[test]
fn no_configuration_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("muster.toml"), "this is not even TOML").unwrap();
    let muster = dev(&dir.path().join("data"))
        .env("MUSTER_LOG_FORMAT", "json")
        .env("MUSTER_OPERATOR_TOKEN", "0123456789abcdef")
        .start();
    assert_eq!(
        noted(muster.printed(), "operator token"),
        "in MUSTER_OPERATOR_TOKEN"
    );
    assert!(!muster.data_dir().join("operator.token").exists());
    let log = muster.log();
    for line in log.lines() {
        let _: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    }
    stop(muster);
}
