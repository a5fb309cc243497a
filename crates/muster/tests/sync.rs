//! An answer comes after the sync. `kill -9` cannot tell, for it keeps what the system has not yet
//! written; so this watches the system calls of the real server with strace.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use muster_client::{Client, ImportEntry};
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
