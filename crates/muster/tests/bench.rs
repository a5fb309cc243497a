//! `muster bench` against a muster: what it leaves there, what it reports, and when it stops.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use muster_client::operator::{AppChange, Operator};
use muster_testkit::{Launch, Muster, SAMPLE_KEY, SDKAPPID};
use serde_json::{Value, json};

const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

fn dev(dir: &Path) -> Muster {
    let launch = Launch::dev(MUSTER, &dir.join("data"));
    launch.arg("--no-rate-limits").start()
}

/// How a run ended.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
    json: Option<Value>,
}

/// `muster bench` in a directory of its own, with these words and a JSON report.
fn command(dir: &Path, words: &str) -> Command {
    // There is none before the first run.
    let _ = std::fs::remove_file(dir.join("report.json"));
    let mut command = Command::new(MUSTER);
    command
        .arg("bench")
        .args(words.split_whitespace())
        .args(["--sdkappid", &SDKAPPID.to_string(), "--json", "report.json"])
        .env_clear()
        .env("MUSTER_SECRET_KEY", SAMPLE_KEY)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn done(dir: &Path, child: std::process::Child) -> Done {
    let output = child.wait_with_output().unwrap();
    let report = std::fs::read(dir.join("report.json")).unwrap_or_default();
    let done = Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        json: serde_json::from_slice(&report).ok(),
    };
    assert!(!format!("{done:?}").contains(SAMPLE_KEY), "{done:?}");
    done
}

fn bench(dir: &Path, words: &str) -> Done {
    let child = command(dir, words).spawn().unwrap();
    done(dir, child)
}

fn at(muster: &Muster, words: &str) -> String {
    let (endpoint, operator) = (muster.accounts_url(), muster.operator_url());
    format!("{words} --endpoint {endpoint} --operator-url {operator}")
}

fn operator(muster: &Muster) -> Operator {
    Operator::new(muster.operator_url(), &muster.operator_token()).unwrap()
}

impl Done {
    /// The report of a run in which no call failed.
    fn clean(&self) -> &Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        let report = self.json.as_ref().unwrap();
        assert_eq!(report["failed_calls"], 0, "{self:?}");
        assert_eq!(report["ended"], "done", "{self:?}");
        report
    }

    /// What a run says that did not begin.
    fn refused(&self) -> &str {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.json.is_none(), "{self:?}");
        self.err.strip_prefix("error: ").unwrap()
    }
}

/// Name, calls and accounts of each phase.
fn phases(report: &Value) -> Vec<Value> {
    let phases = report["phases"].as_array().unwrap();
    let shown = |phase: &Value| json!([phase["name"], phase["calls"], phase["accounts"]]);
    phases.iter().map(shown).collect()
}

#[tokio::test]
async fn imports_once_and_again_and_finds_what_it_imported() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(dir.path());
    let operator = operator(&muster);
    let accounts = async || operator.app(SDKAPPID).await.unwrap().accounts;

    let words = "import --accounts 10000 --connections 4 --warm-up 10";
    let imported = bench(dir.path(), &at(&muster, words));
    let report = imported.clean();
    let expected = [json!(["warm-up", 10, 1000]), json!(["import", 90, 9000])];
    assert_eq!(phases(report), expected);
    assert_eq!(accounts().await, 10_001);
    for expected in ["accounts/s", "latency p99.9", "server CPU/account", "9,000"] {
        assert!(imported.out.contains(expected), "{}", imported.out);
    }
    for field in ["workload", "endpoint", "batch", "seed", "connections"] {
        assert!(!report[field].is_null(), "{field}: {report}");
    }
    assert_eq!(report["rate_per_s"], Value::Null);
    let phase = &report["phases"][1];
    for field in [
        "elapsed_s",
        "calls_per_s",
        "accounts_per_s",
        "generator_cpu_s",
    ] {
        assert!(phase[field].as_f64().unwrap() > 0.0, "{field}: {phase}");
    }
    let latency = |name: &str| phase["latency"][name].as_u64().unwrap();
    assert!(latency("p50_us") > 0 && latency("p50_us") <= latency("p99_us"));
    assert!(latency("p99_us") <= latency("p99_9_us"));
    assert!(latency("p99_9_us") <= latency("max_us"));
    if cfg!(target_os = "linux") {
        let server = &phase["server"];
        assert_eq!(server["operator_url"], muster.operator_url());
        assert!(server["resident_bytes_after"].as_u64().unwrap() > 1_000_000);
        assert!(server["cpu_us_per_account"].as_f64().is_some(), "{server}");
    }

    let first = operator.account(SDKAPPID, "bench1-00000000").await.unwrap();
    let words = "import --accounts 10000 --connections 4 --again unchanged";
    let again = bench(dir.path(), &at(&muster, words));
    let expected = [
        json!(["import", 100, 10_000]),
        json!(["again, unchanged", 100, 10_000]),
    ];
    assert_eq!(phases(again.clean()), expected);
    assert_eq!(accounts().await, 10_001);
    let unchanged = operator.account(SDKAPPID, "bench1-00000000").await.unwrap();
    assert_eq!(format!("{first:?}"), format!("{unchanged:?}"));

    let words = "import --accounts 5 --batch 1 --again changed";
    let changed = bench(dir.path(), &at(&muster, words));
    let expected = [json!(["import", 5, 5]), json!(["again, changed", 5, 5])];
    assert_eq!(phases(changed.clean()), expected);
    let changed = operator.account(SDKAPPID, "bench1-00000000").await.unwrap();
    assert_eq!(first.internal_id, changed.internal_id);
    assert_ne!(first.nick, changed.nick);

    let checked = bench(
        dir.path(),
        &at(&muster, "check --accounts 10000 --threads 2"),
    );
    let report = checked.clean();
    assert_eq!(phases(report), [json!(["check", 100, 10_000])]);
    assert_eq!(report["phases"][0]["not_imported"], 0);

    let checked = bench(dir.path(), &at(&muster, "check --accounts 10050"));
    assert_eq!(checked.clean()["phases"][0]["not_imported"], 50);
    let expected = "50 accounts that check asked for are not there; import them first";
    assert!(checked.out.contains(expected), "{}", checked.out);
}

#[tokio::test]
async fn numbers_and_samples() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(dir.path());
    let operator = operator(&muster);
    let accounts = async || operator.app(SDKAPPID).await.unwrap().accounts - 1;
    let account = async |number: u32| {
        let user_id = format!("bench1-{number:08}");
        operator.account(SDKAPPID, &user_id).await.unwrap()
    };
    bench(dir.path(), &at(&muster, "import --accounts 300")).clean();
    // 300 to 499 are new, though 250 to 299 are not.
    let words = "import --accounts 250 --first 250";
    bench(dir.path(), &at(&muster, words)).clean();
    assert_eq!(accounts().await, 500);

    let before = (account(400).await, account(401).await);
    let words = "reimport --accounts 250 --every 2 --first 1 --nick 3";
    let report = bench(dir.path(), &at(&muster, words));
    assert_eq!(phases(report.clean()), [json!(["reimport", 3, 250])]);
    let after = (account(400).await, account(401).await);
    assert_eq!(before.0.nick, after.0.nick);
    assert_ne!(before.1.nick, after.1.nick);

    for (words, expected) in [
        ("reimport --accounts 500 --sample 120", "reimport"),
        ("check --accounts 500 --sample 120", "check"),
    ] {
        let done = bench(dir.path(), &at(&muster, words));
        assert_eq!(phases(done.clean()), [json!([expected, 2, 120])]);
        assert_eq!(done.clean()["phases"][0]["not_imported"], 0);
    }
    assert_eq!(accounts().await, 500);
}

#[tokio::test]
async fn a_mix_by_command_and_at_a_rate() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(dir.path());
    bench(dir.path(), &at(&muster, "import --accounts 1000")).clean();
    let words = "mixed --accounts 1000 --batch 10 --calls 300 --rate 5000";
    let mixed = bench(dir.path(), &at(&muster, words));
    let report = mixed.clean();
    assert_eq!(report["rate_per_s"], 5000.0);
    let phase = &report["phases"][0];
    assert_eq!(phase["calls"], 300);
    assert_eq!(phase["not_imported"], 0);
    assert!(phase["max_lag_us"].is_u64(), "{phase}");
    assert!(
        phase["elapsed_s"].as_f64().unwrap() >= 299.0 / 5000.0,
        "{phase}"
    );
    let commands = phase["commands"].as_array().unwrap();
    let names: Vec<_> = commands.iter().map(|command| &command["command"]).collect();
    let expected = [
        "multiaccount_import",
        "account_check",
        "portrait_get",
        "portrait_set",
    ];
    assert_eq!(names, expected);
    let calls = commands
        .iter()
        .map(|command| command["calls"].as_u64().unwrap());
    assert_eq!(calls.sum::<u64>(), 300);
    for command in expected {
        assert!(mixed.out.contains(command), "{}", mixed.out);
    }
    let accounts = operator(&muster).app(SDKAPPID).await.unwrap().accounts;
    assert!(accounts > 1001, "the mix brings new accounts");
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(dir.path());
    let endpoint = muster.accounts_url();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let million = "import --accounts 1000000 --endpoint";
    for (words, key, expected) in [
        (
            format!("{million} {endpoint}"),
            "another-key",
            "the server refuses the call with 70009: UserSig verification Failed.",
        ),
        (
            format!("{million} {endpoint} --identifier bob"),
            SAMPLE_KEY,
            "--identifier is to be an admin of the app",
        ),
        (
            format!("{million} http://{nobody}"),
            SAMPLE_KEY,
            "no server answers at http://127.0.0.1:",
        ),
        (
            format!("{million} {}", muster.operator_url()),
            SAMPLE_KEY,
            "what answers at http://127.0.0.1:",
        ),
        (
            format!("{million} {endpoint} --operator-url {endpoint}"),
            SAMPLE_KEY,
            "the server's figures cannot be read",
        ),
        (
            format!("{million} {endpoint}"),
            "",
            "there is no secret key; give it with --secret-key-file or in MUSTER_SECRET_KEY",
        ),
    ] {
        let mut command = command(dir.path(), &words);
        let child = command.env("MUSTER_SECRET_KEY", key).spawn().unwrap();
        let done = done(dir.path(), child);
        assert!(done.refused().contains(expected), "{words}: {done:?}");
        assert!(!done.err.contains("usersig="), "{done:?}");
    }
    // A directory, which is no file to write to.
    let done_elsewhere = {
        let mut command = command(dir.path(), &format!("{million} {endpoint}"));
        std::fs::create_dir(dir.path().join("report.json")).unwrap();
        let child = command.spawn().unwrap();
        done(dir.path(), child)
    };
    let expected = "--json: cannot write report.json: Is a directory";
    assert!(
        done_elsewhere.refused().contains(expected),
        "{done_elsewhere:?}"
    );
    std::fs::remove_dir(dir.path().join("report.json")).unwrap();
    for (words, expected) in [
        (
            "import --accounts 1 --endpoint 127.0.0.1:7080",
            "write scheme, host and port",
        ),
        (
            "import --accounts 0 --endpoint http://a",
            "0 is not in 1..=",
        ),
        (
            "check --accounts 1 --batch 101 --endpoint http://a",
            "101 is not in 1..=100",
        ),
        (
            "mixed --accounts 1 --rate 0 --endpoint http://a",
            "0.001 to 1000000 calls",
        ),
    ] {
        let done = bench(dir.path(), words);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains(expected), "{words}: {done:?}");
    }
}

#[tokio::test]
async fn a_rate_limit_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let muster = Launch::dev(MUSTER, &dir.path().join("data")).start();
    // One call a second: the second one meets the limit however slow this machine is, unless it
    // takes a second for each of them.
    let limits = BTreeMap::from([("account_import".to_owned(), Some(1))]);
    let change = AppChange::default().rate_limits(limits);
    operator(&muster)
        .change_app(SDKAPPID, &change)
        .await
        .unwrap();
    let done = bench(
        dir.path(),
        &at(&muster, "import --accounts 300 --batch 1 --connections 3"),
    );
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = done.json.as_ref().unwrap();
    let phase = &report["phases"][0];
    assert_eq!(phase["calls"], 300);
    let error = &phase["errors"][0];
    assert_eq!(error["code"], 60007);
    assert_eq!(error["calls"], phase["failed_calls"]);
    let info = "More than 1 calls per second to account_import for SDKAppID 1400000000.";
    assert_eq!(error["first_error_info"], info);
    for expected in [info, "start muster with --no-rate-limits", "--rate"] {
        assert!(done.out.contains(expected), "{}", done.out);
    }
    let imported = operator(&muster).app(SDKAPPID).await.unwrap().accounts - 1;
    assert_eq!(phase["accounts"], imported);
}

#[test]
fn an_account_cap_ends_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::dev(MUSTER, &dir.path().join("data"));
    let muster = launch.arg("--edition").arg("trial").start();
    let words = "import --accounts 100000 --batch 1 --connections 1 --rate 150";
    let done = bench(dir.path(), &at(&muster, words));
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = done.json.as_ref().unwrap();
    assert_eq!(report["ended"], "gave_up");
    assert!(
        report["gave_up_because"]
            .as_str()
            .unwrap()
            .contains("70398")
    );
    assert_eq!(report["phases"][0]["accounts"], 100, "{report}");
    assert!(done.out.contains("gave up: "), "{}", done.out);
}

/// Without an answer the run would last for a day.
#[test]
fn an_interrupted_run_reports_what_it_measured() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(dir.path());
    let words = at(
        &muster,
        "import --accounts 1000000 --batch 1 --rate 10 --warm-up 5",
    );
    let mut child = command(dir.path(), &words).spawn().unwrap();
    // It says how far it is once it is at it.
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert!(line.contains("calls, "), "{line}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let done = done(dir.path(), child);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = done.json.as_ref().unwrap();
    assert_eq!(report["ended"], "interrupted");
    let last = report["phases"].as_array().unwrap().last().unwrap();
    assert!(last["calls"].as_u64().unwrap() > 0, "{report}");
    assert!(done.out.contains("interrupted: "), "{}", done.out);
}

/// A server that says with each answer that it closes the connection, and does.
fn closing_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = |stream: TcpStream| {
        let mut reader = BufReader::new(&stream);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let body = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}");
        (&stream)
            .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
            .unwrap();
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    url
}

#[test]
fn a_closed_connection_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let words = "check --accounts 70 --batch 1 --connections 1 --endpoint";
    let done = bench(dir.path(), &format!("{words} {}", closing_server()));
    let phase = &done.clean()["phases"][0];
    assert_eq!(phase["calls"], 70, "{phase}");
    // The first connection was that of the call by which the server is tried.
    assert_eq!(phase["reconnects"], 70, "{phase}");
}

#[test]
fn over_tls_with_a_ca_that_the_machine_trusts() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::dev(MUSTER, &dir.path().join("data"));
    let muster = launch.arg("--tls").arg("--no-rate-limits").start();
    let words = at(&muster, "import --accounts 500 --connections 2");
    assert!(words.contains("https://"), "{words}");
    let mut trusting = command(dir.path(), &words);
    let ca_path = muster.data_dir().join("tls/ca.pem");
    let child = trusting.env("SSL_CERT_FILE", ca_path).spawn().unwrap();
    let trusted = done(dir.path(), child);
    assert_eq!(phases(trusted.clean()), [json!(["import", 5, 500])]);

    let mistrusted = bench(dir.path(), &words);
    let why = mistrusted.refused();
    assert!(why.contains("no server answers at https://"), "{why}");
    assert!(why.contains("certificate"), "{why}");
}

#[test]
fn a_server_that_goes_away_ends_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(dir.path());
    let words = at(
        &muster,
        "import --accounts 1000000000 --connections 2 --timeout-s 5",
    );
    let mut child = command(dir.path(), &words).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut String::new()).unwrap();
    muster.kill();
    let done = done(dir.path(), child);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = done.json.as_ref().unwrap();
    assert_eq!(report["ended"], "gave_up");
    let because = report["gave_up_because"].as_str().unwrap();
    assert!(
        because.contains("calls in a row had no answer"),
        "{because}"
    );
}
