//! A write that fails: no acknowledgement from then on, a clear end, and nothing lost.
//!
//! While imports run, a limit on the size of files lies ahead of the journal, so that one of its
//! writes fails as on a full disk.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use muster_client::{CallError, Client, ImportEntry};
use muster_testkit::{Launch, Muster, SDKAPPID};

use crate::run::{MUSTER, accounts, client, dev, operator, stop, wait};

/// Some twenty calls, of 100,000 bytes each that nothing compresses.
const LIMIT_BYTES: u64 = 2 * 1024 * 1024;
const WORKERS: usize = 4;
const BATCH: usize = 100;
/// Many times what fits.
const CALLS: usize = 100;

/// Nickname and avatar by user.
type Values = BTreeMap<String, (String, String)>;

/// What one worker was told.
#[derive(Default)]
pub(crate) struct Told {
    acknowledged: Values,
    /// Each as a whole.
    refused: Vec<Values>,
}

fn text(random: &mut fastrand::Rng) -> String {
    std::iter::repeat_with(|| random.alphanumeric())
        .take(500)
        .collect()
}

async fn import(client: Arc<Client>, worker: usize, failed: Arc<AtomicBool>) -> Told {
    let mut random = fastrand::Rng::with_seed(worker as u64);
    let mut told = Told::default();
    for call in 0..CALLS {
        let users: Values = (0..BATCH)
            .map(|user| {
                let user_id = format!("w{worker}-{call}-{user}");
                (user_id, (text(&mut random), text(&mut random)))
            })
            .collect();
        let entries: Vec<_> = users
            .iter()
            .map(|(user_id, (nick, face_url))| ImportEntry {
                user_id,
                nick: Some(nick),
                face_url: Some(face_url),
            })
            .collect();
        let too_late = failed.load(Ordering::SeqCst);
        match client.multiaccount_import(&entries).await {
            Ok(left_out) => {
                assert_eq!(left_out, [""; 0]);
                assert!(!too_late, "acknowledged after a failed write");
                told.acknowledged.extend(users);
            }
            Err(CallError::Api(failure)) => {
                assert_eq!(failure.code, 70500, "{failure}");
                failed.store(true, Ordering::SeqCst);
                told.refused.push(users);
            }
            // It has ended, perhaps in the middle of the call.
            Err(CallError::Transport(_) | CallError::HttpStatus { status: 503 }) => {
                told.refused.push(users);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    told
}

/// Imports until a call fails.
pub(crate) async fn import_until_failure(muster: &Muster) -> Vec<Told> {
    let client = Arc::new(client(muster));
    let failed = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(import(client.clone(), worker, failed.clone())))
        .collect();
    let mut told = Vec::new();
    for worker in workers {
        told.push(worker.await.unwrap());
    }
    assert!(failed.load(Ordering::SeqCst), "no call was answered 70500");
    told
}

/// All that was acknowledged is there, and what was not is there whole or not at all; and the server
/// takes imports.
pub(crate) async fn judge(again: &Muster, told: Vec<Told>) {
    let mut found = Values::new();
    for account in accounts(again).await {
        found.insert(account.user_id, (account.nick, account.face_url));
    }
    let app = operator(again).app(SDKAPPID).await.unwrap();
    assert_eq!(app.accounts, 1 + found.len() as u64);
    let acknowledged = |worker: &Told| !worker.acknowledged.is_empty();
    assert!(told.iter().any(acknowledged), "it failed too early");
    for worker in told {
        for (user_id, values) in worker.acknowledged {
            assert_eq!(found.remove(&user_id), Some(values), "{user_id}");
        }
        for users in worker.refused {
            let there = users
                .into_iter()
                .filter(|(user_id, values)| found.remove(user_id).as_ref() == Some(values))
                .count();
            assert!(there == 0 || there == BATCH, "{there} of {BATCH}");
        }
    }
    assert_eq!(found, Values::new(), "nobody asked for these");
    let after = ImportEntry::id("after");
    client(again).account_import(&after).await.unwrap();
}

#[test]
fn nothing_is_acknowledged_after_a_failed_write() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = Launch::dev_in_shell(MUSTER, &data_dir, r#"trap '' XFSZ; exec "$@""#)
        .arg("--no-rate-limits")
        .start();
    muster.limit_file_size(LIMIT_BYTES);
    let told = wait(import_until_failure(&muster));
    ends_with_cause(muster, "File too large");
    let again = dev(&data_dir).start();
    wait(judge(&again, told));
    stop(again);
}

/// It ends for its supervisor, and its log names the cause and says what to do.
pub(crate) fn ends_with_cause(muster: Muster, cause: &str) {
    let ended = muster.wait();
    assert_eq!(ended.status.code(), Some(70), "{}", ended.said);
    for expected in [cause, "start muster again"] {
        let told = ended.said.lines();
        let mut errors = told.filter(|line| line.contains("ERROR"));
        assert!(
            errors.any(|line| line.contains(expected)),
            "no {expected:?} in {}",
            ended.said
        );
    }
    assert!(!ended.said.contains("panicked"), "{}", ended.said);
}
