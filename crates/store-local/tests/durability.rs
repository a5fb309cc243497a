//! What the embedded store keeps, and what it refuses to open.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{collections::HashSet, path::Path, sync::Arc};

use muster_accounts::{
    Account, AccountStore, Edition, InternalId, NewApp, Nick, OpError, SdkAppId, StoreError,
    UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportOutcome, ImportRequest, Imported},
};
use muster_store_local::{LocalStore, OpenError};
use muster_usersig::SecretKey;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn request(names: &[&str], nick: Option<&str>) -> ImportRequest {
    let entry = |(position, name): (usize, &&str)| ImportEntry {
        position,
        user_id: user(name),
        nick: nick.map(|text| Nick::parse(text.into()).unwrap()),
        face_url: None,
    };
    ImportRequest::new(names.iter().enumerate().map(entry).collect())
}

async fn open_with_app(dir: &Path) -> LocalStore {
    let store = LocalStore::open(dir).unwrap();
    let key = SecretKey::from_random([1; 32]);
    let new = NewApp {
        sdkappid: APP,
        edition: Edition::Developer,
        key,
    };
    store.create_app(new, NOW).await.unwrap();
    store
}

async fn all(store: &LocalStore) -> Vec<Account> {
    store.page(APP, None, usize::MAX).await.unwrap()
}

async fn reopen(store: LocalStore, dir: &Path) -> LocalStore {
    store.close().await.unwrap();
    drop(store);
    LocalStore::open(dir).unwrap()
}

#[tokio::test]
async fn accounts_keep_their_ids_and_new_ones_get_greater_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with_app(dir.path()).await;
    let mut given = HashSet::from([InternalId::FIRST]);
    for round in 0..6 {
        let before = all(&store).await;
        let highest = before
            .iter()
            .map(|account| account.internal_id)
            .max()
            .unwrap();
        store
            .import(APP, request(&["a", "b", &format!("c{round}")], None), NOW)
            .await
            .unwrap();
        for account in all(&store).await {
            if !before.contains(&account) {
                assert!(account.internal_id > highest);
                assert!(
                    given.insert(account.internal_id),
                    "given twice: {}",
                    account.internal_id
                );
            }
        }
        // The account with the greatest id goes; its id must not come back, reopened or not.
        store
            .delete(APP, vec![user(&format!("c{round}")), user("a")], NOW)
            .await
            .unwrap();
        if round % 2 == 0 {
            store = reopen(store, dir.path()).await;
        }
    }
}

#[tokio::test]
async fn what_does_not_change_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_app(dir.path()).await;
    store
        .import(APP, request(&["a", "b"], Some("x")), NOW)
        .await
        .unwrap();
    let before = store.stats();
    let outcome = store
        .import(APP, request(&["a", "b"], Some("x")), NOW.plus(9))
        .await
        .unwrap();
    assert_eq!(
        outcome,
        ImportOutcome {
            entries: vec![Imported::Unchanged; 2],
            barred: Vec::new(),
        }
    );
    assert_eq!(store.stats(), before);
    assert!(
        all(&store)
            .await
            .iter()
            .all(|account| account.changed_at == NOW)
    );
}

#[tokio::test]
async fn a_second_store_on_one_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_app(dir.path()).await;
    let refused = LocalStore::open(dir.path()).err().unwrap();
    assert!(matches!(&refused, OpenError::InUse { dir: named } if named == dir.path()));
    assert!(
        refused
            .to_string()
            .contains("in use by another muster process"),
        "{refused}"
    );
    drop(reopen(store, dir.path()).await);
}

#[tokio::test]
async fn a_closed_store_carries_out_what_it_took_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open_with_app(dir.path()).await);
    let mut imports = Vec::new();
    for i in 0..200 {
        let store = store.clone();
        let name = format!("user{i}");
        imports.push(tokio::spawn(async move {
            store
                .import(APP, request(&[&name], None), NOW)
                .await
                .map(|_| name)
        }));
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut acknowledged = Vec::new();
    for import in imports {
        match import.await.unwrap() {
            Ok(name) => acknowledged.push(user(&name)),
            Err(error) => assert!(matches!(error, OpError::Store(StoreError::Stopped(_)))),
        }
    }
    assert!(matches!(store.ready().await, Err(StoreError::Stopped(_))));
    drop(store);
    let store = LocalStore::open(dir.path()).unwrap();
    assert!(
        store
            .check(APP, &acknowledged)
            .await
            .unwrap()
            .into_iter()
            .all(|found| found)
    );
    assert_eq!(
        store.count(APP).await.unwrap(),
        acknowledged.len() as u64 + 1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_store_lets_go_of_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_with_app(dir.path()).await;
    for round in 0..10 {
        store
            .import(APP, request(&[&format!("user{round}")], None), NOW)
            .await
            .unwrap();
        drop(store);
        store = LocalStore::open(dir.path()).unwrap();
    }
    assert_eq!(store.count(APP).await.unwrap(), 11);
}

/// Changes the records behind the store's back.
fn tamper(dir: &Path, change: impl Fn(&[u8], &mut Vec<u8>)) {
    let db = fjall::Database::builder(dir.join("store")).open().unwrap();
    let keyspace = db
        .keyspace("accounts", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    for item in keyspace.iter().collect::<Vec<_>>() {
        let (key, value) = item.into_inner().unwrap();
        let mut changed = value.to_vec();
        change(&key, &mut changed);
        keyspace.insert(key, changed).unwrap();
    }
    db.persist(fjall::PersistMode::SyncAll).unwrap();
}

#[tokio::test]
async fn records_of_a_newer_version_are_refused_and_left_alone() {
    let is_app = |key: &[u8]| key.ends_with(&[0; 8]);
    for tamper_with_app in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with_app(dir.path()).await;
        store.close().await.unwrap();
        drop(store);
        let set_version = |version| {
            tamper(dir.path(), |key, value| {
                if is_app(key) == tamper_with_app {
                    value[0] = version;
                }
            });
        };
        set_version(9);
        let refused = LocalStore::open(dir.path()).err().unwrap().to_string();
        assert!(
            refused.contains("written by a newer version of muster"),
            "{refused}"
        );
        set_version(if tamper_with_app { 2 } else { 1 });
        let store = LocalStore::open(dir.path()).unwrap();
        assert_eq!(all(&store).await.len(), 1);
    }
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let unfinished = dir.path().join("store.new");
    std::fs::create_dir(&unfinished).unwrap();
    std::fs::write(unfinished.join("0.jnl"), "half a journal").unwrap();
    let store = open_with_app(dir.path()).await;
    assert_eq!(all(&store).await.len(), 1);
    assert!(!unfinished.exists());
}

/// A read is of one moment: it never sees one request's values for some users and another's for the
/// rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_each_request_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open_with_app(dir.path()).await);
    let names: Vec<String> = (0..50).map(|i| format!("user{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let users: Vec<UserId> = names.iter().map(|name| user(name)).collect();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut seen = HashSet::new();
            while !seen.contains("last") {
                let accounts = store.accounts(APP, &users).await.unwrap();
                let nick = |account: &Option<Account>| {
                    account
                        .as_ref()
                        .map(|account| account.profile.nick.as_str().to_owned())
                };
                let first = nick(&accounts[0]);
                assert!(
                    accounts.iter().all(|account| nick(account) == first),
                    "{accounts:?}"
                );
                seen.extend(first);
            }
            seen.len()
        }
    });
    for round in 0..400 {
        // Now and then all of them go, to come back under new ids.
        if round % 10 == 9 {
            let gone = names.iter().map(|name| user(name)).collect();
            store.delete(APP, gone, NOW).await.unwrap();
        }
        store
            .import(APP, request(&names, Some(&round.to_string())), NOW)
            .await
            .unwrap();
    }
    store
        .import(APP, request(&names, Some("last")), NOW)
        .await
        .unwrap();
    assert!(
        reader.await.unwrap() > 1,
        "the reader saw nothing while it was written"
    );
}

#[tokio::test]
async fn a_data_directory_that_is_a_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = LocalStore::open(file.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
    assert!(
        refused.to_string().contains(file.path().to_str().unwrap()),
        "{refused}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_data_directory_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("deep/down");
    drop(open_with_app(&data_dir).await);
    assert_eq!(
        data_dir.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
}
