//! The embedded store under many callers at once, by the suite that every store must pass.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use muster_store_local::LocalStore;
use muster_store_suite::concurrent;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_many_callers_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    concurrent::run(Arc::new(store)).await;
}
