//! `muster store check`, on a cluster with every setting that it looks at.

use std::{collections::BTreeMap, process::Command};

use muster_testkit::{
    Launch,
    postgres::{Postgres, Replication},
};
use serde_json::Value;

use crate::{MUSTER, parted};

/// Each subject with its verdict, and text and advice together.
pub(crate) type Findings = BTreeMap<String, (String, String)>;

fn run(url: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let (url, password) = parted(url);
    let output = Command::new(MUSTER)
        .args(["store", "check", "--store", &url])
        .args(args)
        .env_clear()
        .env("MUSTER_STORE_PASSWORD", &password)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(
        !out.contains(&password) && !err.contains(&password),
        "{out}{err}"
    );
    (output.status.code(), out, err)
}

/// What is found, whose exit code says whether something is wrong.
pub(crate) fn check(url: &str) -> Findings {
    let (code, out, err) = run(url, &["--json"]);
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let findings: Findings = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            let told = format!("{}; {}", text("text"), text("advice"));
            (text("subject"), (text("verdict"), told))
        })
        .collect();
    let wrong = findings
        .values()
        .filter(|(verdict, _)| verdict == "wrong")
        .count();
    assert_eq!(document["wrong"], wrong);
    assert_eq!(code, Some(i32::from(wrong > 0)), "{findings:?}");
    findings
}

/// Every finding that is not ok, with a part of what is told.
#[track_caller]
fn assert_found(url: &str, expected: &[(&str, &str, &str)]) {
    let mut found = check(url);
    for (subject, verdict, told) in expected {
        let (is, text) = found
            .remove(*subject)
            .unwrap_or_else(|| panic!("no {subject}"));
        assert_eq!(is, *verdict, "{subject}: {text}");
        assert!(text.contains(told), "{subject}: {text}");
    }
    found.retain(|_, (verdict, _)| verdict != "ok");
    assert_eq!(found, Findings::new());
}

/// Starts a server on the database, which makes the schema. Returns its log.
fn serve_once(url: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let muster = Launch::serve(MUSTER, &dir.path().join("data"))
        .on_database(url)
        .start();
    let ended = muster.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
    ended.said
}

#[test]
fn a_database_that_is_fit() {
    let server = Postgres::start();
    let url = server.new_database();
    let before = check(&url);
    assert!(
        before["schema"]
            .1
            .contains("it will be made at the first start"),
        "{before:?}"
    );
    assert_found(&url, &[]);
    assert_eq!(
        server.sql(&url, "SELECT to_regnamespace('muster') IS NULL"),
        "t"
    );

    let log = serve_once(&url);
    assert!(!log.contains("WARN"), "{log}");
    assert_found(&url, &[]);
    let (code, out, err) = run(&url, &[]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let subjects: Vec<&str> = out
        .lines()
        .filter_map(|line| line.strip_prefix("ok       ")?.split_once(':'))
        .map(|(subject, _)| subject)
        .collect();
    let expected = [
        "connection",
        "encryption",
        "pooler",
        "engine",
        "encoding",
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "synchronous_standby_names",
        "default_transaction_isolation",
        "timeouts",
        "connections",
        "clock",
        "schema",
        "tables",
        "rights",
        "records",
    ];
    assert_eq!(subjects, expected, "{out}");
    assert!(out.ends_with("\n0 wrong, 0 warnings\n"), "{out}");
}

#[test]
fn settings_that_are_wrong() {
    let mut server = Postgres::start();
    let url = server.new_database();
    for setting in [
        "fsync = off",
        "full_page_writes = off",
        "synchronous_commit = off",
        "default_transaction_isolation = 'repeatable read'",
        "lock_timeout = '1s'",
        "max_connections = 12",
    ] {
        server.sql(&url, &format!("ALTER SYSTEM SET {setting}"));
    }
    server.restart();
    let expected = [
        (
            "fsync",
            "wrong",
            "can damage the whole database; set fsync = on",
        ),
        ("full_page_writes", "wrong", "torn pages"),
        (
            "synchronous_commit",
            "wrong",
            "loses accounts that muster has acknowledged",
        ),
        (
            "default_transaction_isolation",
            "ok",
            "muster's connections ask for read committed",
        ),
        ("timeouts", "warning", "lock_timeout = 1000 ms"),
        (
            "connections",
            "wrong",
            "this role gets 12, and a muster takes up to 18",
        ),
    ];
    assert_found(&url, &expected);
    let (code, out, _) = run(&url, &[]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("\nwrong    fsync: it is off: a power cut"),
        "{out}"
    );
    assert!(out.ends_with("\n4 wrong, 1 warning\n"), "{out}");

    let log = serve_once(&url);
    for setting in ["fsync", "synchronous_commit"] {
        assert!(log.contains(&format!("setting=\"{setting}\"")), "{log}");
    }
}

#[test]
fn standbys() {
    let server = Postgres::start();
    let url = server.new_database();
    let standby = server.standby(Replication::Asynchronous);
    standby.catch_up_with(&server);
    let follower = (
        "synchronous_standby_names",
        "warning",
        "a failover can lose the last",
    );
    assert_found(&url, &[follower]);
    let expected = [("connection", "wrong", "is a standby, or read-only")];
    assert_found(&standby.url(&url), &expected);
    drop(standby);

    let _standby = server.standby(Replication::Synchronous);
    assert_found(&url, &[]);
    server.sql(
        &url,
        "ALTER ROLE muster_test SET synchronous_commit = 'local'",
    );
    assert_found(
        &url,
        &[(
            "synchronous_commit",
            "warning",
            "do not wait for the standbys",
        )],
    );
}

#[test]
fn a_schema_that_is_not_musters() {
    let server = Postgres::start();
    let url = server.new_database();
    serve_once(&url);
    server.sql(
        &url,
        "CREATE ROLE ann LOGIN PASSWORD 'hush_of_ann' CONNECTION LIMIT 20;
         GRANT USAGE ON SCHEMA muster TO ann",
    );
    let (_, place) = url.split_once('@').unwrap();
    let of_ann = format!("postgres://ann:hush_of_ann@{place}");
    let few = (
        "connections",
        "warning",
        "this role gets 20, enough for one muster",
    );
    let denied = [few, ("schema", "wrong", "permission denied")];
    assert_found(&of_ann, &denied);
    server.sql(&url, "GRANT SELECT ON ALL TABLES IN SCHEMA muster TO ann");
    let rights = "account (INSERT, UPDATE), app (INSERT, UPDATE), counter (UPDATE)";
    assert_found(&of_ann, &[few, ("rights", "wrong", rights)]);
    let empty = server.new_database();
    let (_, place) = empty.split_once('@').unwrap();
    let nothing = format!("postgres://ann:hush_of_ann@{place}");
    let may_not = (
        "schema",
        "wrong",
        "there is none, and ann may not make it; GRANT CREATE ON",
    );
    assert_found(&nothing, &[few, may_not]);

    for (change, subject, told) in [
        (
            "DELETE FROM counter WHERE name = 'kicks'",
            "records",
            "the counter kicks is missing",
        ),
        (
            "UPDATE counter SET number = 144115188075855873 WHERE name = 'internal_id';
             INSERT INTO app VALUES (7, 0, 2, '{}')",
            "records",
            "the app 7 in muster.app",
        ),
        (
            "ALTER TABLE account ALTER nick TYPE varchar(9)",
            "tables",
            "account.nick is character",
        ),
        (
            "ALTER TABLE account DROP more",
            "tables",
            "account.more is missing",
        ),
        (
            "DROP INDEX account_by_internal_id",
            "tables",
            "account has no index (sdk",
        ),
        (
            "UPDATE schema_version SET version = 99",
            "schema",
            "version 99, made by a newer muster",
        ),
    ] {
        let database = server.new_database();
        serve_once(&database);
        server.sql(&database, &format!("SET search_path = muster; {change}"));
        assert_found(&database, &[(subject, "wrong", told)]);
    }
}

#[test]
fn what_cannot_be_looked_at() {
    let mut server = Postgres::start();
    server.sql(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    );
    assert_found(
        &server.url("latin"),
        &[("encoding", "wrong", "ENCODING 'UTF8'")],
    );
    let url = server.url("nonesuch");
    let missing = (
        "connection",
        "wrong",
        "database \"nonesuch\" does not exist",
    );
    assert_found(&url, &[missing]);
    server.stop();
    assert_found(
        &url,
        &[(
            "connection",
            "wrong",
            "cannot connect to postgres://127.0.0.1",
        )],
    );

    let output = Command::new(MUSTER)
        .args(["store", "check"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the settings name no database"), "{said}");
}
