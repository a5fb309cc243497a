//! The suite holds for the reference store, so it asks for no more than the model gives.

use std::sync::Arc;

use muster_accounts::ReferenceStore;
use muster_store_suite::concurrent;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_many_callers_at_once() {
    concurrent::run(Arc::new(ReferenceStore::default())).await;
}
