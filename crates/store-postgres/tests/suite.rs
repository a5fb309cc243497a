//! The store in a private PostgreSQL, against what every store must do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use muster_accounts::AccountStore;
use muster_store_postgres::{Options, PostgresStore};
use muster_store_suite::{Subject, concurrent, model};
use muster_testkit::postgres;

/// Each call is some statements, so fewer cases than of a store in the same process.
const CASES: u32 = 12;

struct Postgres {
    url: String,
    store: PostgresStore,
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&Options::parse(url).unwrap())
        .await
        .unwrap()
}

impl Subject for Postgres {
    type Store = PostgresStore;
    const KEEPS_ORDER: bool = false;
    const COUNTS_IDS: bool = false;

    async fn new() -> Self {
        let url = postgres::shared().new_database();
        let store = open(&url).await;
        Self { url, store }
    }

    fn store(&self) -> &PostgresStore {
        &self.store
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        let store = open(&self.url).await;
        Self { store, ..self }
    }
}

#[test]
fn it_answers_as_the_model_does() {
    model::run::<Postgres>(CASES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once() {
    let url = postgres::shared().new_database();
    concurrent::run(Arc::new(open(&url).await)).await;
}
