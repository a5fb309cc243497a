//! An answer comes after the sync. `kill -9` cannot tell, for it keeps what the system has not yet
//! written; so this watches the system calls of the real server with strace.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use muster_client::{AccountStatus, Client, ImportEntry};
use muster_testkit::{Launch, SDKAPPID, sample_key};

/// Syncs of the journal that have ended well.
fn journal_syncs(trace: &Path) -> usize {
    let trace = std::fs::read_to_string(trace).unwrap();
    // A call during which another thread was traced is split over two lines.
    let ended = trace
        .lines()
        .filter(|line| line.contains("fdatasync") && line.ends_with("= 0"));
    let started = trace.lines().filter(|line| line.contains(".jnl>"));
    ended.count().min(started.count())
}

#[tokio::test]
async fn each_write_is_synced_before_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    // With -D the server is the child and strace the grandchild, so that a signal meets the server.
    let script = format!(
        "exec strace -D -f -y -e trace=fdatasync -e signal=none -o '{}' \"$@\"",
        trace.display()
    );
    let data_dir = dir.path().join("data");
    let muster = Launch::dev_in_shell(env!("CARGO_BIN_EXE_muster"), &data_dir, &script).start();
    let client = Client::new(
        muster.accounts_url(),
        SDKAPPID,
        "administrator",
        sample_key(),
    );
    let client = client.unwrap();

    let import = async |nick| {
        let entry = ImportEntry {
            user_id: "alice",
            nick: Some(nick),
            face_url: None,
        };
        let before = journal_syncs(&trace);
        client.account_import(&entry).await.unwrap();
        journal_syncs(&trace) - before
    };
    for nick in ["one", "two", "three", "four", "five"] {
        assert_eq!(import(nick).await, 1, "{nick}");
    }
    // What changes nothing writes nothing.
    assert_eq!(import("five").await, 0);
    assert!(muster.terminate().status.success());
}

/// A sync that fails leaves unknown what is on disk: nothing more is acknowledged, the server says why
/// and ends for its supervisor, and what it had acknowledged is there at the next start.
#[tokio::test]
async fn a_failed_sync_ends_the_server() {
    let dir = tempfile::tempdir().unwrap();
    // Counted for each thread: the writer's first sync makes the app, the next two are imports.
    let script = "exec strace -D -f -e trace=fdatasync -e signal=none \
                  -e inject=fdatasync:error=EIO:when=4+ -o /dev/null \"$@\"";
    let data_dir = dir.path().join("data");
    let binary = env!("CARGO_BIN_EXE_muster");
    let muster = Launch::dev_in_shell(binary, &data_dir, script).start();
    let client = Client::new(
        muster.accounts_url(),
        SDKAPPID,
        "administrator",
        sample_key(),
    );
    let client = client.unwrap();
    let users: Vec<String> = (0..6).map(|i| format!("user{i}")).collect();
    let mut acknowledged = Vec::new();
    for user_id in &users {
        let outcome = client.account_import(&ImportEntry::id(user_id)).await;
        acknowledged.push(outcome.is_ok());
    }
    assert_eq!(acknowledged, [true, true, false, false, false, false]);
    let ended = muster.wait();
    assert_eq!(ended.status.code(), Some(70), "{}", ended.said);
    assert!(ended.said.contains("a commit failed"), "{}", ended.said);
    assert!(ended.said.contains("Input/output error"), "{}", ended.said);

    let muster = Launch::dev(binary, &data_dir).start();
    let client = Client::new(
        muster.accounts_url(),
        SDKAPPID,
        "administrator",
        sample_key(),
    );
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let found = client.unwrap().account_check(&users).await.unwrap();
    for account in &found[..2] {
        assert_eq!(
            account.status,
            Ok(AccountStatus::Imported),
            "{}",
            account.user_id
        );
    }
}
