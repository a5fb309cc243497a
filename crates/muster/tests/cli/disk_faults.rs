//! A disk that is full, read-only or broken under the running server: what was acknowledged is kept,
//! the server says what is wrong and ends for its supervisor, and serves again once the disk does.
//!
//! The engine writes tables on threads of its own. Small ones make it do so all the time, and a fault
//! of tables alone leaves the journal, and so the commits, in order: nobody who waits for a commit
//! learns of it by itself.

use std::{
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fjall::KeyspaceCreateOptions;
use muster_client::ImportEntry;
use muster_testkit::{
    Muster, PATIENCE,
    disk::{Calls, Fault, Recorder},
    http::{self, Connection},
};
use rustix::{io::Errno, process::Signal};

use crate::{
    failed_write::{ends_with_cause, import_until_failure, judge},
    run::{accounts, client, dev, stop, wait},
};

/// A data directory whose engine writes a table for each call or two.
fn with_small_tables(data_dir: &Path) {
    std::fs::create_dir(data_dir).unwrap();
    let db = fjall::Database::builder(data_dir.join("store")).open();
    let options = || KeyspaceCreateOptions::default().max_memtable_size(64 * 1024);
    db.unwrap().keyspace("accounts", options).unwrap();
}

#[test]
fn what_was_acknowledged_outlives_every_fault_of_the_disk() {
    let full = |path_part| {
        (
            Calls::Write,
            Errno::NOSPC,
            "No space left on device",
            path_part,
        )
    };
    let broken = |path_part| (Calls::Write, Errno::IO, "Input/output error", path_part);
    let no_sync = |path_part| (Calls::Sync, Errno::IO, "Input/output error", path_part);
    let read_only = |path_part| {
        (
            Calls::Change,
            Errno::ROFS,
            "Read-only file system",
            path_part,
        )
    };
    for (calls, error, cause, path_part) in [
        full(""),
        full(".jnl"),
        full("/tables/"),
        full("/v"),
        broken(""),
        broken("/tables/"),
        no_sync(""),
        no_sync("/tables/"),
        no_sync("/keyspaces/1"),
        read_only(""),
        read_only("/current"),
    ] {
        println!("{calls:?} {cause} {path_part:?}");
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        with_small_tables(&data_dir);
        let recorder = Recorder::new(&data_dir);
        let launch = dev(&data_dir).arg("--no-rate-limits").faulty(&recorder);
        let muster = launch.start();
        // Some calls go well first; a call of the client is a dozen of these on the journal.
        let of_journal = ["", ".jnl"].contains(&path_part);
        let after = if of_journal { 100 } else { 2 };
        recorder.fail(Fault {
            calls,
            error,
            after,
            path_part,
        });
        let told = wait(import_until_failure(&muster));
        ends_with_cause(muster, cause);

        recorder.mend();
        let again = dev(&data_dir).start();
        wait(judge(&again, told));
        stop(again);
    }
}

/// What `/ready` answers; `None` when nobody does.
fn ready(address: &str) -> Option<u16> {
    let mut connection = Connection::over(TcpStream::connect(address).ok()?);
    let request = http::request("GET", "/muster/v1/ready", &[("Connection", "close")], b"");
    connection.try_send(request).ok()?;
    Some(connection.try_answer().ok()??.status)
}

/// Waits until it says that it is ready, or that it is not.
fn until_ready(muster: &Muster, expected: bool) {
    let address = muster.operator_url().strip_prefix("http://").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while (ready(address) == Some(200)) != expected {
        assert!(
            Instant::now() < deadline,
            "not {expected}: {}",
            muster.log()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Also when nobody asks for a commit that could fail.
#[test]
fn an_idle_server_does_not_say_ready_after_a_failure_in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    with_small_tables(&data_dir);
    let recorder = Recorder::new(&data_dir);
    let muster = dev(&data_dir).faulty(&recorder).start();
    recorder.fail(Fault {
        calls: Calls::Write,
        error: Errno::NOSPC,
        after: 0,
        path_part: "/tables/",
    });
    // More than a table takes, and nothing after it.
    let users: Vec<String> = (0..100).map(|i| format!("user-{i}")).collect();
    let text = "x".repeat(500);
    let entry = |user_id| ImportEntry {
        user_id,
        nick: Some(&text),
        face_url: Some(&text),
    };
    let entries: Vec<_> = users.iter().map(|user_id| entry(user_id)).collect();
    wait(client(&muster).multiaccount_import(&entries)).unwrap();
    until_ready(&muster, false);
    ends_with_cause(muster, "No space left on device");
}

/// A start meets a bad disk as well: it says so and ends, and changes nothing that a later start needs.
#[test]
fn a_start_on_a_bad_disk_says_what_is_wrong() {
    for (calls, error, cause) in [
        (Calls::Write, Errno::NOSPC, "No space left on device"),
        (Calls::Sync, Errno::IO, "Input/output error"),
        (Calls::Change, Errno::ROFS, "Read-only file system"),
    ] {
        for is_new in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let data_dir = dir.path().join("data");
            if !is_new {
                let muster = dev(&data_dir).start();
                wait(client(&muster).account_import(&ImportEntry::id("before"))).unwrap();
                stop(muster);
            }
            let recorder = Recorder::new(&data_dir);
            recorder.fail(Fault {
                calls,
                error,
                after: 0,
                path_part: "",
            });
            match dev(&data_dir).faulty(&recorder).try_start() {
                // An old store has nothing to write when it is opened and is full.
                Ok(muster) => assert!(!is_new && calls == Calls::Write, "{:?}", muster.printed()),
                Err(ended) => {
                    assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
                    assert!(ended.said.contains(cause), "{}", ended.said);
                    assert!(
                        ended.said.contains(data_dir.to_str().unwrap()),
                        "{}",
                        ended.said
                    );
                }
            }
            let again = dev(&data_dir).start();
            let found = wait(accounts(&again));
            assert_eq!(found.len(), usize::from(!is_new));
            stop(again);
        }
    }
}

/// Short writes are none of the caller's business.
#[test]
fn writes_that_are_cut_short_are_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    with_small_tables(&data_dir);
    let recorder = Recorder::new(&data_dir);
    let muster = dev(&data_dir).faulty(&recorder).start();
    recorder.fail(Fault {
        calls: Calls::Short,
        error: Errno::IO,
        after: 0,
        path_part: "",
    });
    let users: Vec<String> = (0..200).map(|i| format!("user-{i:03}")).collect();
    wait(async {
        let client = client(&muster);
        for user_id in &users {
            let entry = ImportEntry::id(user_id);
            client.account_import(&entry).await.unwrap();
        }
    });
    stop(muster);
    let again = dev(&data_dir).start();
    let found = wait(accounts(&again));
    let found: Vec<_> = found.into_iter().map(|account| account.user_id).collect();
    assert_eq!(found, users);
    stop(again);
}

#[test]
fn a_disk_that_hangs_keeps_no_server_up() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let recorder = Recorder::new(&data_dir);
    let muster = dev(&data_dir).faulty(&recorder).start();
    let import = |muster: &Muster, user_id: &str| {
        let client = client(muster);
        wait(client.account_import(&ImportEntry::id(user_id)))
    };
    import(&muster, "before").unwrap();
    let hang = Fault {
        calls: Calls::Hang,
        error: Errno::IO,
        after: 0,
        path_part: "",
    };
    recorder.fail(hang);
    assert!(import(&muster, "while").is_err());
    until_ready(&muster, false);
    recorder.mend();
    until_ready(&muster, true);
    import(&muster, "after").unwrap();

    recorder.fail(hang);
    assert!(import(&muster, "too late").is_err());
    muster.signal(Signal::TERM);
    ends_with_cause(muster, "the disk has not finished a commit for");
    recorder.mend();
    let again = dev(&data_dir).start();
    let found = wait(accounts(&again));
    let found: Vec<_> = found.into_iter().map(|account| account.user_id).collect();
    assert!(
        ["before", "after"]
            .iter()
            .all(|user_id| found.iter().any(|found| found == user_id)),
        "{found:?}"
    );
    stop(again);
}
