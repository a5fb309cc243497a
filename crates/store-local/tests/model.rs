//! The embedded store against the reference store, by the suite that every store must pass.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;

use muster_accounts::AccountStore;
use muster_store_local::{LocalStore, restore};
use muster_store_suite::{Subject, model, transfer};
use tempfile::TempDir;

const CASES: u32 = 48;

/// The embedded store, with an index whose tables see only these bits of each hash.
struct Masked<const BUCKET_MASK: u64> {
    dir: TempDir,
    store: LocalStore,
}

type Local = Masked<{ u64::MAX }>;

/// Every user meets many others in the same bucket, in all apps.
type LocalWithFullBuckets = Masked<0b11>;

impl<const BUCKET_MASK: u64> Masked<BUCKET_MASK> {
    fn open(dir: TempDir) -> Self {
        let store = LocalStore::open_masked(&data_dir(&dir), BUCKET_MASK).unwrap();
        Self { dir, store }
    }
}

impl<const BUCKET_MASK: u64> Subject for Masked<BUCKET_MASK> {
    type Store = LocalStore;

    const KEEPS_ORDER: bool = true;
    const COUNTS_IDS: bool = true;

    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap())
    }

    fn store(&self) -> &LocalStore {
        &self.store
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        drop(self.store);
        Self::open(self.dir)
    }

    async fn restore(self) -> Self {
        let mut backup = Vec::new();
        self.store.back_up(&mut backup).unwrap();
        let dir = tempfile::tempdir().unwrap();
        restore(&mut &backup[..], &data_dir(&dir), &mut |_| {}).unwrap();
        Self::open(dir)
    }
}

fn data_dir(dir: &TempDir) -> PathBuf {
    dir.path().join("data")
}

#[test]
fn answers_as_the_model_does() {
    let grouped = model::run::<Local>(CASES) + model::run::<LocalWithFullBuckets>(CASES);
    assert!(
        grouped > 100,
        "only {grouped} requests shared a commit with another"
    );
}

/// It goes on from a copy of itself.
struct Copied(Local);

impl Subject for Copied {
    type Store = LocalStore;

    const KEEPS_ORDER: bool = true;
    const COUNTS_IDS: bool = true;

    async fn new() -> Self {
        Self(Local::new().await)
    }

    fn store(&self) -> &LocalStore {
        self.0.store()
    }

    async fn reopen(self) -> Self {
        Self(self.0.reopen().await)
    }

    async fn restore(self) -> Self {
        let copied = Local::new().await;
        transfer::copy(self.store(), copied.store()).await;
        Self(copied)
    }
}

#[test]
fn a_copy_answers_as_the_model_does() {
    model::run::<Copied>(CASES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_filled() {
    let (filled, source) = (Local::new().await, Local::new().await);
    transfer::fill(filled.store(), source.store()).await;
    let before = transfer::contents(filled.store()).await;
    let filled = filled.reopen().await;
    assert_eq!(transfer::contents(filled.store()).await, before);
}
