//! What the store does when calls are given up, when connections fail, and when an app is damaged.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod damaged_app;
mod dropped_calls;
mod lost_connections;
mod proxy;

use std::time::{Duration, Instant};

use muster_accounts::{
    AccountStore, Edition, FaceUrl, NewApp, Nick, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_postgres::{Options, PostgresStore};
use muster_testkit::PATIENCE;
use muster_usersig::SecretKey;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// When a caller gives up: before the database does by itself, after 5 s.
const DEADLINE: Duration = Duration::from_secs(3);

async fn open(url: &str) -> PostgresStore {
    let mut options = Options::parse(url).unwrap();
    options.connections(2);
    PostgresStore::open(&options).await.unwrap()
}

async fn open_with_app(url: &str) -> PostgresStore {
    let store = open(url).await;
    store.create_app(new_app(APP), NOW).await.unwrap();
    store
}

fn new_app(sdkappid: SdkAppId) -> NewApp {
    NewApp {
        sdkappid,
        edition: Edition::Developer,
        key: SecretKey::from_random([1; 32]),
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn import_of(name: &str, nick: &str) -> ImportRequest {
    ImportRequest::new(vec![ImportEntry {
        position: 0,
        user_id: user(name),
        nick: Some(Nick::parse(nick.to_owned().into()).unwrap()),
        face_url: Some(FaceUrl::default()),
    }])
}

/// Asks until the answer is yes.
async fn soon<F: Future<Output = bool>>(what: &str, asked: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !asked().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
