//! `muster backup`: the copy of a server that goes on working.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use muster_client::ImportEntry;
use muster_testkit::{Muster, SDKAPPID};

use crate::run::{Run, client, dev, muster, operator, serve, stop, wait};

/// Users of one request; each request gives its number to all of them as nickname.
const USERS: usize = 50;

fn backup(muster_: &Muster, to: &Path) -> Run {
    muster(&[
        "backup",
        to.to_str().unwrap(),
        "--operator-url",
        muster_.operator_url(),
        "--data-dir",
        muster_.data_dir().to_str().unwrap(),
    ])
}

/// Every account of the app: user id, nickname, internal id.
fn accounts(muster: &Muster) -> Vec<(String, String, String)> {
    let operator = operator(muster);
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = wait(operator.accounts(SDKAPPID, after.as_deref(), 1000)).unwrap();
        let shown = page.accounts.into_iter();
        all.extend(shown.map(|account| (account.user_id, account.nick, account.internal_id)));
        match page.next_after {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn import(muster: &Muster, request: u64) {
    let nick = request.to_string();
    let users: Vec<_> = (0..USERS).map(|user| format!("user{user}")).collect();
    let new = format!("new{request}");
    let entries: Vec<_> = users
        .iter()
        .chain([&new])
        .map(|user_id| ImportEntry {
            nick: Some(&nick),
            ..ImportEntry::id(user_id)
        })
        .collect();
    wait(client(muster).multiaccount_import(&entries)).unwrap();
}

#[test]
fn a_backup_under_load_is_one_moment_and_a_server_starts_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("monday");
    let running = dev(&dir.path().join("data")).start();
    let (done, imported) = (AtomicBool::new(false), AtomicU64::new(0));
    let (before, after, said) = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let request = imported.load(Ordering::Relaxed) + 1;
                import(&running, request);
                imported.store(request, Ordering::Relaxed);
            }
        });
        while imported.load(Ordering::Relaxed) < 20 {
            thread::yield_now();
        }
        let before = imported.load(Ordering::Relaxed);
        let said = backup(&running, &to).ok();
        let after = imported.load(Ordering::Relaxed) + 1;
        done.store(true, Ordering::Relaxed);
        (before, after, said)
    });
    assert!(said.contains("monday is whole: "), "{said}");
    assert!(said.contains("muster serve --data-dir "), "{said}");
    let mode = fs::metadata(&to).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "others may enter the backup");
    let of_the_server = accounts(&running);
    stop(running);

    let restored = serve(&to).start();
    let held = accounts(&restored);
    let count = said.split("whole: ").nth(1).unwrap();
    assert!(
        count.starts_with(&format!("{} accounts", held.len())),
        "{said}"
    );
    let nicks: Vec<&str> = held
        .iter()
        .filter(|(user_id, ..)| user_id.starts_with("user"))
        .map(|(_, nick, _)| nick.as_str())
        .collect();
    assert_eq!(nicks.len(), USERS);
    assert!(
        nicks.iter().all(|nick| *nick == nicks[0]),
        "a request in part: {nicks:?}"
    );
    let moment: u64 = nicks[0].parse().unwrap();
    assert!(
        (before..=after).contains(&moment),
        "{before} {moment} {after}"
    );
    for request in 1..=moment {
        let name = format!("new{request}");
        assert!(
            held.iter().any(|(user_id, ..)| *user_id == name),
            "{name} is missing"
        );
    }
    assert_eq!(held.len() as u64, 1 + USERS as u64 + moment);
    for (user_id, _, internal_id) in &held {
        let same =
            |(other, _, id): &(String, String, String)| other == user_id && id == internal_id;
        assert!(
            of_the_server.iter().any(same),
            "{user_id} has another internal id"
        );
    }
    import(&restored, moment + 1);
    stop(restored);
}

#[test]
fn what_is_in_the_way_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let running = dev(&dir.path().join("data")).start();
    let to = dir.path().join("monday");
    fs::create_dir(&to).unwrap();
    let said = backup(&running, &to).refused(1);
    assert!(said.contains("monday exists already"), "{said}");
    assert!(fs::read_dir(&to).unwrap().next().is_none());
    fs::remove_dir(&to).unwrap();

    fs::create_dir(dir.path().join("monday.partial")).unwrap();
    let said = backup(&running, &to).refused(1);
    assert!(
        said.contains("left of a backup that was cut off; remove it"),
        "{said}"
    );
    assert!(!to.exists());
    stop(running);
}

#[test]
fn without_a_server_it_says_so_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("monday");
    let running = dev(&dir.path().join("data")).start();
    let copy = backup(&running, &to);
    stop(running);
    let said = copy.refused(1);
    assert!(said.contains("no muster server at "), "{said}");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "only the server's data"
    );
}
