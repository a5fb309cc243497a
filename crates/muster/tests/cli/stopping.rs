//! Being told to stop: SIGTERM and SIGINT stop in order, a second one at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use muster_client::{Client, ImportEntry};
use muster_testkit::{
    Muster, SDKAPPID,
    http::{Connection, request},
};
use rustix::process::Signal;

use crate::run::{accounts, client, dev, stop, wait};

const WORKERS: usize = 4;
const BATCH: usize = 50;

/// Imports until the server takes no more. Returns the nickname of every user that was acknowledged.
async fn import(
    client: Arc<Client>,
    worker: usize,
    started: tokio::sync::mpsc::Sender<()>,
) -> BTreeMap<String, String> {
    let mut acknowledged = BTreeMap::new();
    for call in 0.. {
        // Some come again, with another nickname.
        let nick = format!("nick {call}");
        let users: Vec<String> = (0..BATCH)
            .map(|user| format!("w{worker}-{}", call * BATCH / 2 + user))
            .collect();
        let entries: Vec<_> = users
            .iter()
            .map(|user_id| ImportEntry {
                user_id,
                nick: Some(&nick),
                face_url: None,
            })
            .collect();
        match client.multiaccount_import(&entries).await {
            Ok(left_out) => assert_eq!(left_out, [""; 0]),
            Err(_) => break,
        }
        acknowledged.extend(users.into_iter().map(|user| (user, nick.clone())));
        let _ = started.send(()).await;
    }
    acknowledged
}

/// Runs imports, lets `end` end the server in the middle of them, and returns what was acknowledged.
async fn import_until(muster: &Muster, end: impl FnOnce()) -> BTreeMap<String, String> {
    let client = Arc::new(client(muster));
    let (started, mut calls) = tokio::sync::mpsc::channel(1);
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(import(client.clone(), worker, started.clone())))
        .collect();
    drop(started);
    for _ in 0..10 * WORKERS {
        calls.recv().await.unwrap();
    }
    end();
    // Nobody is to wait for a place to report to.
    while calls.recv().await.is_some() {}
    let mut acknowledged = BTreeMap::new();
    for worker in workers {
        acknowledged.extend(worker.await.unwrap());
    }
    acknowledged
}

#[test]
fn what_was_answered_is_kept() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let muster = dev(&data_dir).arg("--no-rate-limits").start();
        let acknowledged = wait(import_until(&muster, || muster.signal(signal)));
        let ended = muster.wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
        let name = if signal == Signal::TERM {
            "SIGTERM"
        } else {
            "SIGINT"
        };
        assert!(
            ended.said.contains(&format!("signal=\"{name}\"")),
            "{}",
            ended.said
        );
        let last = ended.said.lines().last().unwrap();
        assert!(
            last.ends_with("muster has stopped; everything it accepted is on the disk"),
            "{last}"
        );

        let again = dev(&data_dir).start();
        let found = wait(accounts(&again));
        let mut found: BTreeMap<_, _> = found
            .into_iter()
            .map(|account| (account.user_id, account.nick))
            .collect();
        assert!(acknowledged.len() >= 10 * BATCH, "{}", acknowledged.len());
        // In order, everything accepted was answered as well, so nothing else is there.
        for (user_id, nick) in acknowledged {
            assert_eq!(found.remove(&user_id), Some(nick), "{user_id}");
        }
        assert_eq!(found, BTreeMap::new());
        stop(again);
    }
}

/// A call that is still being sent when the server is told to stop.
struct Unfinished {
    connection: Connection,
    rest: Vec<u8>,
}

fn unfinished(muster: &Muster) -> Unfinished {
    let usersig = muster_testkit::usersig("administrator");
    let target = format!(
        "/v4/im_open_login_svc/account_import?sdkappid={SDKAPPID}&identifier=administrator\
         &usersig={usersig}&random=1&contenttype=json"
    );
    let call = request(
        "POST",
        &target,
        &[("Expect", "100-continue")],
        br#"{"UserID":"alice"}"#,
    );
    let rest = call.len() - 5;
    let mut connection = Connection::open(muster.accounts_url());
    connection.send(&call[..rest]);
    // It reads the body: the call is in progress.
    assert_eq!(connection.answer().status, 100);
    Unfinished {
        connection,
        rest: call[rest..].to_vec(),
    }
}

fn until_logged(muster: &Muster, text: &str) {
    let deadline = std::time::Instant::now() + Duration::from_mins(2);
    while !muster.log().contains(text) {
        assert!(
            std::time::Instant::now() < deadline,
            "no {text:?} in {}",
            muster.log()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server that would wait for an hour.
fn patient(data_dir: &std::path::Path) -> Muster {
    dev(data_dir)
        .arg("--set")
        .arg("limits.shutdown_grace_s=3600")
        .arg("--set")
        .arg("limits.body_timeout_s=3600")
        .start()
}

#[test]
fn a_call_in_progress_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let muster = patient(&dir.path().join("data"));
    let Unfinished {
        mut connection,
        rest,
    } = unfinished(&muster);
    muster.signal(Signal::TERM);
    until_logged(&muster, "waiting for the calls in progress");
    connection.send(rest);
    let answer = connection.answer();
    assert_eq!(
        answer.text(),
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
    );
    let ended = muster.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
}

/// `timeout` signals the process and then its group, so a signal comes twice.
#[test]
fn two_signals_of_one_stop_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = patient(&data_dir);
    let Unfinished {
        mut connection,
        rest,
    } = unfinished(&muster);
    for _ in 0..3 {
        muster.signal(Signal::TERM);
    }
    until_logged(&muster, "told to stop");
    connection.send(rest);
    assert!(connection.answer().text().contains(r#""ErrorCode":0"#));
    let ended = muster.wait();
    assert!(ended.status.success(), "{}", ended.said);
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::INT),
        (Signal::TERM, Signal::INT),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let muster = patient(&data_dir);
        wait(client(&muster).account_import(&ImportEntry::id("bob"))).unwrap();
        let Unfinished { mut connection, .. } = unfinished(&muster);
        muster.signal(first);
        until_logged(&muster, "a second signal stops at once");
        // Not within the first second: until then it is taken for the same one.
        for _ in 0..15 {
            muster.signal(second);
            std::thread::sleep(Duration::from_millis(100));
        }
        let ended = muster.wait();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
        let last = ended.said.lines().last().unwrap();
        assert!(
            last.contains("stopping at once; calls in progress are cut off"),
            "{last}"
        );
        connection.wait_for_close();

        let again = dev(&data_dir).start();
        let found = wait(accounts(&again));
        let found: Vec<_> = found
            .iter()
            .map(|account| account.user_id.as_str())
            .collect();
        assert_eq!(found, ["bob"]);
        stop(again);
    }
}
