//! Whole files of accounts, a line each, into the real server: what it says of them is what it then has,
//! also after `kill -9` in the middle.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{collections::BTreeMap, path::Path};

use muster_client::operator::{CommittedLines, LineImport, Operator, OperatorError};
use muster_testkit::{Launch, Muster, SDKAPPID};

/// The most lines of a commit.
const COMMIT: u64 = 10_000;

fn start(data_dir: &Path) -> (Muster, Operator) {
    let muster = Launch::dev(env!("CARGO_BIN_EXE_muster"), data_dir).start();
    let operator = Operator::new(muster.operator_url(), &muster.operator_token()).unwrap();
    (muster, operator)
}

/// The nickname of each account but the administrator's.
async fn stored(operator: &Operator) -> BTreeMap<String, String> {
    let mut stored = BTreeMap::new();
    let mut after = None;
    loop {
        let page = operator
            .accounts(SDKAPPID, after.as_deref(), 10_000)
            .await
            .unwrap();
        for account in page.accounts {
            stored.insert(account.user_id, account.nick);
        }
        after = page.next_after;
        if after.is_none() {
            stored.remove("administrator");
            return stored;
        }
    }
}

/// The commits that an import tells of, and how it ends.
async fn commits(mut import: LineImport<'_>) -> (Vec<CommittedLines>, Result<(), OperatorError>) {
    let mut commits = Vec::new();
    loop {
        match import.commit().await {
            Ok(Some(commit)) => commits.push(commit),
            Ok(None) => return (commits, Ok(())),
            Err(error) => return (commits, Err(error)),
        }
    }
}

#[tokio::test]
async fn what_is_told_of_a_file_is_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (muster, operator) = start(&dir.path().join("data"));
    // Line `i` is about user `i % 20000`: the last fifth changes users of the first commit. Each 7th is
    // wrong, each 100th is blank.
    let mut expected = BTreeMap::new();
    let mut file = String::new();
    for i in 1..=25_000 {
        let user_id = format!("user{}", i % 20_000);
        let line = match i {
            _ if i % 100 == 0 => String::new(),
            _ if i % 7 == 0 => format!(r#"{{"user_id":"{user_id}","nick":{i}}}"#),
            _ => {
                expected.insert(user_id.clone(), format!("n\"{i}"));
                format!(r#"{{"user_id":"{user_id}","nick":"n\"{i}"}}"#)
            }
        };
        file += &line;
        file += if i % 2 == 0 { "\n" } else { "\r\n" };
    }
    let refused: Vec<_> = (1..=25_000)
        .filter(|i| i % 7 == 0 && i % 100 != 0)
        .collect();

    let import = operator
        .import_lines(SDKAPPID, file.clone(), true)
        .await
        .unwrap();
    let (dry, end) = commits(import).await;
    end.unwrap();
    assert_eq!(stored(&operator).await, BTreeMap::new());

    let import = operator
        .import_lines(SDKAPPID, file.clone(), false)
        .await
        .unwrap();
    let (told, end) = commits(import).await;
    end.unwrap();
    let runs: Vec<_> = told
        .iter()
        .map(|commit| (commit.first, commit.last))
        .collect();
    assert_eq!(
        runs,
        [
            (1, COMMIT),
            (COMMIT + 1, 2 * COMMIT),
            (2 * COMMIT + 1, 25_000)
        ]
    );
    let lines: Vec<_> = told
        .iter()
        .flat_map(|commit| &commit.refused)
        .map(|it| it.line)
        .collect();
    assert_eq!(lines, refused);
    let sum = |of: fn(&CommittedLines) -> u64| told.iter().map(of).sum::<u64>();
    assert_eq!(sum(|commit| commit.created), expected.len() as u64);
    let blank = 250;
    assert_eq!(
        sum(|commit| commit.created + commit.updated),
        25_000 - blank - refused.len() as u64
    );
    assert_eq!(sum(|commit| commit.unchanged + commit.superseded), 0);
    assert_eq!(stored(&operator).await, expected);
    assert_eq!(dry[0], told[0]);

    // Once more: only what a later line says of the same user is new.
    let import = operator.import_lines(SDKAPPID, file, false).await.unwrap();
    let (again, end) = commits(import).await;
    end.unwrap();
    assert_eq!(again.iter().map(|commit| commit.created).sum::<u64>(), 0);
    assert_eq!(stored(&operator).await, expected);
    muster.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_commit_that_was_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = BTreeMap::new();
    let mut cut = 0;
    for round in 0..6_usize {
        let (muster, operator) = start(&dir.path().join("data"));
        assert_eq!(stored(&operator).await, before, "round {round}");
        let user = |line: u64| format!("r{round}-{line}");
        let line = |line| format!("{{\"user_id\":\"{}\",\"nick\":\"{line}\"}}\n", user(line));
        let file = (1..=300_000).map(line).collect::<Vec<_>>().concat();
        let mut import = operator.import_lines(SDKAPPID, file, false).await.unwrap();
        let mut told = Vec::new();
        for _ in 0..=round {
            told.push(import.commit().await.unwrap().unwrap());
        }
        muster.kill();
        let (later, end) = commits(import).await;
        told.extend(later);
        cut += usize::from(matches!(end, Err(OperatorError::Transport(_))));

        let (muster, operator) = start(&dir.path().join("data"));
        let mut after = stored(&operator).await;
        for commit in &told {
            for line in commit.first..=commit.last {
                assert_eq!(
                    after.get(&user(line)),
                    Some(&line.to_string()),
                    "{commit:?}"
                );
            }
        }
        // What was under way is there whole or not at all, and nothing behind it.
        let prefix = format!("r{round}-");
        let new = after
            .keys()
            .filter(|user_id| user_id.starts_with(&prefix))
            .count() as u64;
        let last = told.last().unwrap().last;
        assert!(
            new.is_multiple_of(COMMIT) && (last..=last + 2 * COMMIT).contains(&new),
            "{new} accounts, and told of {last}"
        );
        for line in 1..=new {
            assert!(after.contains_key(&user(line)), "{line}");
        }
        std::mem::swap(&mut before, &mut after);
        muster.kill();
    }
    assert!(cut > 0, "no import was cut off; the test shows nothing");
}
