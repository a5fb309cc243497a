//! How many accounts an app is said to have, and what it costs to say so.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::{Duration, Instant};

use muster_accounts::{
    AccountStore, AppChange, AppPatch, Edition, NewApp, OpError, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRefusal, ImportRequest},
};
use muster_store_postgres::{Options, PostgresStore};
use muster_testkit::{PATIENCE, postgres};
use muster_usersig::SecretKey;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&Options::parse(url).unwrap())
        .await
        .unwrap()
}

/// Makes accounts behind the store's back, up to that many in all.
fn fill(url: &str, from: u32, to: u32) {
    postgres::shared().sql(
        url,
        &format!(
            "INSERT INTO muster.account
                (sdkappid, user_id, internal_id, nick, face_url, imported_at, changed_at)
             SELECT {}, 'user-' || n, (1::bigint << 58) + n, '', '', 0, 0 FROM generate_series({from} + 1, {to}) AS n",
            APP.0
        ),
    );
    postgres::shared().sql(url, "VACUUM ANALYZE muster.account");
}

/// The blocks that counts have looked at since the last time, but for those in the background.
fn blocks(url: &str) -> u64 {
    let blocks = postgres::shared().sql(
        url,
        "SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0) FROM pg_stat_statements
         WHERE query LIKE '%count(*)%' AND query LIKE '%muster.account%'
         AND query NOT LIKE '%GROUP BY%' AND query NOT LIKE '%pg_stat_statements%'
         AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    postgres::shared().sql(
        url,
        "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)",
    );
    blocks.trim().parse().unwrap()
}

fn import_of(name: &str) -> ImportRequest {
    ImportRequest::new(vec![ImportEntry {
        position: 0,
        user_id: UserId::parse(name).unwrap(),
        nick: None,
        face_url: None,
    }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_looks_at_no_more_than_it_needs() {
    let url = postgres::shared().new_database();
    postgres::shared().sql(&url, "CREATE EXTENSION pg_stat_statements");
    let store = open(&url).await;
    let new = NewApp {
        sdkappid: APP,
        edition: Edition::Developer,
        key: SecretKey::from_random([1; 32]),
    };
    store.create_app(new, NOW).await.unwrap();

    // `administrator` is one of them.
    fill(&url, 1, 100_000);
    assert_eq!(store.count(APP).await.unwrap(), 100_000);
    blocks(&url);
    store.count(APP).await.unwrap();
    let most = blocks(&url) * 3 / 2;
    fill(&url, 100_000, 300_000);
    assert!(store.count(APP).await.unwrap() > 100_000);
    let all = blocks(&url);
    assert!(all <= most, "{all} blocks, where {most} are enough");

    // Another node counts at its start.
    let other = open(&url).await;
    let deadline = Instant::now() + PATIENCE;
    while other.stats().accounts != 300_000 {
        assert!(Instant::now() < deadline, "it never counts");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(other.count(APP).await.unwrap(), 300_000);
    assert_eq!(other.count(SdkAppId(7)).await.ok(), None);

    // No more than the cap is looked at, also if there are more.
    let patch = AppPatch {
        edition: Some(Edition::Trial),
        ..AppPatch::default()
    };
    let change = AppChange::Configure(Box::new(patch));
    store.change_app(APP, change, NOW).await.unwrap();
    blocks(&url);
    let known = store.import(APP, import_of("user-5"), NOW).await;
    assert!(known.is_ok(), "{known:?}");
    let new = store.import(APP, import_of("ann"), NOW).await;
    assert!(
        matches!(new, Err(OpError::Refused(ImportRefusal::OverCap { .. }))),
        "{new:?}"
    );
    let all = blocks(&url);
    assert!(all <= most / 10, "{all} blocks for two caps of 100");
}
