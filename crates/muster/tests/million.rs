//! A data directory of 1,000,000 accounts: filled over HTTP, closed, started again, asked.
//!
//! Prints how long the start took and how much memory the server then holds. The figures in the
//! README come from `cargo test --release -p muster --test million -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{sync::Arc, time::Instant};

use muster_client::{AccountStatus, Client, ImportEntry, operator::Operator};
use muster_testkit::{Launch, Muster, SDKAPPID, sample_key};

const ACCOUNTS: usize = 1_000_000;
const BATCH: usize = 100;
const CONNECTIONS: usize = 16;

fn client(muster: &Muster) -> Client {
    Client::new(
        muster.accounts_url(),
        SDKAPPID,
        "administrator",
        sample_key(),
    )
    .unwrap()
}

async fn import_all(muster: &Muster) {
    let client = Arc::new(client(muster));
    let mut connections = Vec::new();
    for connection in 0..CONNECTIONS {
        let client = client.clone();
        connections.push(tokio::spawn(async move {
            for first in (connection * BATCH..ACCOUNTS).step_by(CONNECTIONS * BATCH) {
                let texts: Vec<_> = (first..first + BATCH)
                    .map(|i| {
                        let face_url = format!("https://img.example.com/avatars/{i}.png");
                        (format!("user{i}"), format!("Nick of user {i}"), face_url)
                    })
                    .collect();
                let entries: Vec<_> = texts
                    .iter()
                    .map(|(user_id, nick, face_url)| ImportEntry {
                        user_id,
                        nick: Some(nick),
                        face_url: Some(face_url),
                    })
                    .collect();
                assert!(
                    client
                        .multiaccount_import(&entries)
                        .await
                        .unwrap()
                        .is_empty()
                );
            }
        }));
    }
    for connection in connections {
        connection.await.unwrap();
    }
}

/// Memory that the process holds, in MiB.
fn resident_mib(muster: &Muster) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", muster.pid())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_accounts_start_and_answer() {
    let dir = tempfile::tempdir().unwrap();
    let launch = || {
        Launch::dev(env!("CARGO_BIN_EXE_muster"), &dir.path().join("data"))
            .arg("--no-rate-limits")
            .start()
    };
    let muster = launch();
    let began = Instant::now();
    import_all(&muster).await;
    println!(
        "imported {ACCOUNTS} accounts over HTTP in {:.1?}",
        began.elapsed()
    );
    println!("memory after the import: {:?} MiB", resident_mib(&muster));
    assert!(muster.terminate().status.success());

    let began = Instant::now();
    let muster = launch();
    println!(
        "started with {ACCOUNTS} accounts in {:.2?}",
        began.elapsed()
    );
    println!("memory after the start: {:?} MiB", resident_mib(&muster));

    let client = client(&muster);
    let asked = ["user0", "user499999", "user999999", "user1000000"];
    let found = client.account_check(&asked).await.unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|account| account.status.unwrap())
        .collect();
    assert_eq!(
        found,
        [
            AccountStatus::Imported,
            AccountStatus::Imported,
            AccountStatus::Imported,
            AccountStatus::NotImported
        ]
    );
    let profile = client
        .portrait_get(&["user777777"], &["Tag_Profile_IM_Nick"])
        .await
        .unwrap();
    let fields = profile[0].fields.as_ref().unwrap();
    assert_eq!(fields[0].1, "Nick of user 777777".into());
    let operator = Operator::new(muster.operator_url(), &muster.operator_token()).unwrap();
    let app = operator.app(SDKAPPID).await.unwrap();
    assert_eq!(app.accounts, ACCOUNTS as u64 + 1);
}
