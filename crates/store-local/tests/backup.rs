//! A backup becomes a data directory whole or not at all. That it holds everything is shown by
//! `tests/model.rs`, which goes on from backups.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{io::Read, path::Path};

use muster_accounts::{
    AccountStore, Edition, NewApp, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::{LocalStore, RestoreError, restore};
use muster_usersig::SecretKey;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const ACCOUNTS: usize = 70;

async fn backup() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    let new = NewApp {
        sdkappid: APP,
        edition: Edition::Developer,
        key: SecretKey::from_random([1; 32]),
    };
    store.create_app(new, NOW).await.unwrap();
    let entry = |position| ImportEntry {
        position,
        user_id: UserId::parse(&format!("user{position}")).unwrap(),
        nick: None,
        face_url: None,
    };
    let request = ImportRequest::new((0..ACCOUNTS).map(entry).collect());
    store.import(APP, request, NOW).await.unwrap();
    let mut bytes = Vec::new();
    store.back_up(&mut bytes).unwrap();
    bytes
}

fn restored(bytes: &[u8], dir: &Path) -> Result<u64, RestoreError> {
    restore(&mut &bytes[..], dir, &mut |_| {})
}

/// Nothing, neither under the name nor beside it.
fn assert_nothing_in(dir: &Path, what: &str) {
    let left: Vec<_> = dir.read_dir().unwrap().collect();
    assert!(left.is_empty(), "{what}: {left:?}");
}

#[tokio::test]
async fn a_whole_backup_is_a_data_directory_and_says_how_far_it_is() {
    let bytes = backup().await;
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    let mut heard = Vec::new();
    let read = restore(&mut &bytes[..], &to, &mut |bytes| heard.push(bytes)).unwrap();
    assert_eq!(read, bytes.len() as u64);
    assert!(heard.is_sorted() && heard.last() < Some(&read), "{heard:?}");
    let store = LocalStore::open(&to).unwrap();
    assert_eq!(store.count(APP).await.unwrap(), 1 + ACCOUNTS as u64);
}

#[tokio::test]
async fn what_is_not_whole_leaves_nothing_behind() {
    let bytes = backup().await;
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    for length in (0..bytes.len()).step_by(89) {
        let error = restored(&bytes[..length], &to).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("ends early"), "{said}");
        assert_nothing_in(dir.path(), &said);
    }
    let mut other = bytes.clone();
    other[0] = b'M';
    let mut fewer = bytes.clone();
    // The number of pairs stands before the checksum.
    let number = fewer.len() - 16;
    fewer[number] += 1;
    let mut changed = bytes.clone();
    let value = bytes
        .windows(6)
        .position(|window| window == b"user69")
        .unwrap();
    changed[value] = b'U';
    let mut misplaced = bytes.clone();
    // The first byte of the second key.
    let second = bytes
        .windows(5)
        .skip(30)
        .position(|window| window == [13, 0x53, 0x72, 0x4e, 0])
        .unwrap();
    misplaced[30 + second + 1] = 0;
    for (damaged, cause) in [
        (other, "does not begin as one"),
        (fewer, "some of it is missing"),
        (misplaced, "a key is not in its place"),
        (changed, "its checksum is another"),
    ] {
        let said = restored(&damaged, &to).unwrap_err().to_string();
        assert!(said.contains(cause), "{said}");
        assert_nothing_in(dir.path(), &said);
    }
}

#[tokio::test]
async fn a_source_that_fails_is_named_and_leaves_nothing_behind() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the cable is out"))
        }
    }
    let bytes = backup().await;
    let dir = tempfile::tempdir().unwrap();
    let mut source = bytes[..bytes.len() / 2].chain(Failing);
    let error = restore(&mut source, &dir.path().join("copy"), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("the cable is out"), "{error}");
    assert_nothing_in(dir.path(), "after a failed source");
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_name_changes_nothing() {
    let bytes = backup().await;
    let dir = tempfile::tempdir().unwrap();
    let mut to = dir.path().join("copy").into_os_string();
    to.push("/");
    restored(&bytes, Path::new(&to)).unwrap();
    LocalStore::open(&dir.path().join("copy")).unwrap();
}

#[tokio::test]
async fn nothing_is_written_over() {
    let bytes = backup().await;
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    std::fs::create_dir(&to).unwrap();
    let error = restored(&bytes, &to).unwrap_err();
    assert!(matches!(error, RestoreError::Exists(_)), "{error}");
    std::fs::remove_dir(&to).unwrap();
    std::fs::create_dir(dir.path().join("copy.partial")).unwrap();
    let error = restored(&bytes, &to).unwrap_err();
    assert!(matches!(error, RestoreError::Unfinished(_)), "{error}");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_backup() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    let error = store.back_up(&mut Full).unwrap_err();
    assert!(
        error.to_string().contains("the backup broke off"),
        "{error}"
    );
}
