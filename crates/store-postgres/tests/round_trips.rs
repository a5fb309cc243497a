//! How many statements a call is, and how much of the database they look at, as PostgreSQL counts it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use muster_accounts::{
    AccountStore, Edition, FaceUrl, NewApp, Nick, ProfileField, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_postgres::{Options, PostgresStore};
use muster_testkit::postgres;
use muster_usersig::SecretKey;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn user(number: usize) -> UserId {
    UserId::parse(&format!("user-{number}")).unwrap()
}

fn batch(users: std::ops::Range<usize>, nick: &str) -> ImportRequest {
    let entry = |(position, number)| ImportEntry {
        position,
        user_id: user(number),
        nick: Some(Nick::parse(nick.to_owned().into()).unwrap()),
        face_url: Some(FaceUrl::default()),
    };
    ImportRequest::new(users.enumerate().map(entry).collect())
}

/// The statements on accounts since the last time, but for the count that is made in the background.
fn statements(url: &str) -> u64 {
    let counted = postgres::shared().sql(
        url,
        "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
         WHERE query LIKE '%muster.account%' AND query NOT LIKE '%GROUP BY sdkappid'
         AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    postgres::shared().sql(
        url,
        "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)",
    );
    counted.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_statement_or_two() {
    let url = postgres::shared().new_database();
    postgres::shared().sql(&url, "CREATE EXTENSION pg_stat_statements");
    let store = PostgresStore::open(&Options::parse(&url).unwrap())
        .await
        .unwrap();
    for (sdkappid, edition) in [(APP, Edition::Developer), (SdkAppId(7), Edition::Trial)] {
        let key = SecretKey::from_random([1; 32]);
        store
            .create_app(
                NewApp {
                    sdkappid,
                    edition,
                    key,
                },
                NOW,
            )
            .await
            .unwrap();
    }
    statements(&url);

    for (what, request, expected) in [
        ("all new", batch(0..100, "a"), 1),
        ("unchanged", batch(0..100, "a"), 1),
        ("changed", batch(0..100, "b"), 2),
        ("some new", batch(50..150, "b"), 2),
        ("one new", batch(200..201, "b"), 1),
        ("dry run", batch(0..100, "c").dry_run(), 1),
    ] {
        store.import(APP, request, NOW).await.unwrap();
        assert_eq!(statements(&url), expected, "{what}");
    }
    // Counted, read, written.
    store
        .import(SdkAppId(7), batch(0..99, "a"), NOW)
        .await
        .unwrap();
    assert_eq!(statements(&url), 3, "capped");

    let users: Vec<UserId> = (0..100).map(user).collect();
    store.check(APP, &users).await.unwrap();
    assert_eq!(statements(&url), 1, "check");
    store.accounts(APP, &users).await.unwrap();
    assert_eq!(statements(&url), 1, "accounts");
    store.page(APP, None, 1000).await.unwrap();
    assert_eq!(statements(&url), 1, "page");
    let fields = vec![ProfileField::Level(7), ProfileField::Role(8)];
    store.set_profile(APP, user(0), fields, NOW).await.unwrap();
    assert_eq!(statements(&url), 2, "profile");
    store.kick(APP, user(0), NOW).await.unwrap();
    assert_eq!(statements(&url), 2, "kick");
    store.delete(APP, users, NOW).await.unwrap();
    assert_eq!(statements(&url), 2, "delete");
}

/// The blocks that statements on accounts have looked at since the last time.
fn blocks(url: &str) -> u64 {
    let blocks = postgres::shared().sql(
        url,
        "SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0) FROM pg_stat_statements
         WHERE query LIKE '%muster.account%' AND query NOT LIKE '%GROUP BY%'
         AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    postgres::shared().sql(
        url,
        "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)",
    );
    blocks.trim().parse().unwrap()
}

/// PostgreSQL does not know yet how many accounts there are, as after a restore; and plans are kept that it
/// made when there were none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_looks_only_at_those_it_names() {
    const THERE: usize = 50_000;
    let url = postgres::shared().new_database();
    let sql = |statement: &str| postgres::shared().sql(&url, statement);
    sql("CREATE EXTENSION pg_stat_statements");
    let store = PostgresStore::open(&Options::parse(&url).unwrap())
        .await
        .unwrap();
    sql("ALTER TABLE muster.account SET (autovacuum_enabled = off)");
    let new = NewApp {
        sdkappid: APP,
        edition: Edition::Developer,
        key: SecretKey::from_random([1; 32]),
    };
    store.create_app(new, NOW).await.unwrap();
    let users: Vec<UserId> = (0..100).map(user).collect();
    let mut most_blocks = Vec::new();
    for round in 0..8 {
        let fields = vec![ProfileField::Level(round)];
        let nick = round.to_string();
        blocks(&url);
        let mut looked_at = Vec::new();
        store.import(APP, batch(0..100, &nick), NOW).await.unwrap();
        looked_at.push(("import", blocks(&url)));
        store.import(APP, batch(0..100, &nick), NOW).await.unwrap();
        looked_at.push(("import again", blocks(&url)));
        store.check(APP, &users).await.unwrap();
        looked_at.push(("check", blocks(&url)));
        store.set_profile(APP, user(0), fields, NOW).await.unwrap();
        looked_at.push(("profile", blocks(&url)));
        store.delete(APP, users[..50].to_vec(), NOW).await.unwrap();
        looked_at.push(("delete", blocks(&url)));
        most_blocks.push(looked_at);
        if round == 6 {
            sql(&format!(
                "INSERT INTO muster.account
                    (sdkappid, user_id, internal_id, nick, face_url, imported_at, changed_at)
                 SELECT {}, 'other-' || n, (1::bigint << 58) + n, '', '', 0, 0
                 FROM generate_series(1, {THERE}) AS n",
                APP.0
            ));
        }
    }
    // Of two levels of the index more, and of rows that were changed and lie elsewhere.
    let (with_many, with_few) = (&most_blocks[7], &most_blocks[6]);
    for ((what, many), (_, few)) in with_many.iter().zip(with_few) {
        assert!(
            *many <= few * 2 + 100,
            "{what}: {many} blocks, {few} before"
        );
    }
}
