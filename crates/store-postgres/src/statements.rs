//! The statements on accounts. Each is one round trip, and one transaction if it stands alone.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use deadpool_postgres::{GenericClient, Transaction};
use muster_accounts::{
    InternalId, SdkAppId, UnixSeconds, UserId,
    rules::{Write, import::ImportEntry},
};

use crate::{
    retry::Failure,
    row::{COLUMNS, Columns, StoredUser, number, seconds},
    text,
};

/// What is stored of the users of a call, of those of whom anything is.
pub(crate) type StoredUsers = HashMap<UserId, StoredUser>;

/// What is stored of a user `asked` for, as a subquery that is run for each: so it is always a look at the
/// primary key. Left to choose, PostgreSQL reads all accounts of an app while it believes that there
/// are few, as it does until it has counted them, and a plan that it has kept does so for longer.
const ACCOUNT: &str =
    "SELECT * FROM muster.account WHERE sdkappid = $1 AND account.user_id = asked.user_id OFFSET 0";

static KNOWN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM unnest($2::text[]) AS asked (user_id)
        CROSS JOIN LATERAL ({ACCOUNT}) AS account"
    )
});

/// Of these users, those who have an account. What is left of one is sorted out afterwards, or the index of
/// accounts that are there would be taken for the better one.
pub(crate) const IMPORTED: &str = "
    SELECT asked.user_id FROM unnest($2::text[]) AS asked (user_id)
    CROSS JOIN LATERAL (
        SELECT deleted_at FROM muster.account
        WHERE sdkappid = $1 AND account.user_id = asked.user_id OFFSET 0
    ) AS account
    WHERE deleted_at IS NULL";

/// In order, as all who take several rows do, so that no two wait for each other.
static LOCKED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM (
            SELECT DISTINCT user_id COLLATE \"C\" AS user_id FROM unnest($2::text[]) AS asked (user_id)
            ORDER BY user_id
        ) AS asked CROSS JOIN LATERAL ({ACCOUNT} FOR UPDATE) AS account"
    )
});

/// Makes all accounts of a batch if nothing is stored of any of the users; otherwise it makes none, and
/// answers what is stored. If another call makes one of them meanwhile, it fails.
pub(crate) static MAKE_OR_KNOWN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH entry AS (
            SELECT * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[])
                AS entry (user_id, internal_id, nick, face_url)
        ), known AS MATERIALIZED (
            SELECT {COLUMNS} FROM entry AS asked CROSS JOIN LATERAL ({ACCOUNT}) AS account
        ), made AS (
            INSERT INTO muster.account
                (sdkappid, user_id, internal_id, nick, face_url, imported_at, changed_at)
            SELECT $1, user_id, internal_id, nick, face_url, $6::bigint, $6::bigint FROM entry
            WHERE NOT EXISTS (SELECT 1 FROM known)
            ORDER BY user_id COLLATE \"C\"
        )
        SELECT * FROM known"
    )
});

/// Rows that are there are changed by way of a conflict, for that always finds them by the primary key. A
/// row that is made has the revision 0, so it takes the place of none. One statement for both, since
/// CockroachDB lets a statement change a table once. Rows are taken in order, first those that are there: who
/// waits for one of those has made nothing yet that others would wait for.
const PUT: &str = r#"
    WITH put AS (
        INSERT INTO muster.account (sdkappid, user_id, internal_id, revision, nick, face_url,
            more, imported_at, changed_at, kicked_at, deleted_at)
        SELECT $1, user_id, internal_id, coalesce(revision + 1, 0), nick, face_url,
            more, imported_at, changed_at, kicked_at, deleted_at
        FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
                $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
            AS put (user_id, internal_id, revision, nick, face_url,
                more, imported_at, changed_at, kicked_at, deleted_at)
        ORDER BY revision IS NULL, user_id COLLATE "C"
        ON CONFLICT (sdkappid, user_id) DO UPDATE SET
            internal_id = EXCLUDED.internal_id, revision = EXCLUDED.revision,
            nick = EXCLUDED.nick, face_url = EXCLUDED.face_url, more = EXCLUDED.more,
            imported_at = EXCLUDED.imported_at, changed_at = EXCLUDED.changed_at,
            kicked_at = EXCLUDED.kicked_at, deleted_at = EXCLUDED.deleted_at
        WHERE account.revision = EXCLUDED.revision - 1
        RETURNING 1
    )"#;

/// All are written, or the division by zero fails the statement and none is.
const ALL_OR_NONE: &str = "
    SELECT 1 / CASE cardinality($2::text[]) WHEN (SELECT count(*) FROM put) THEN 1 ELSE 0 END";

pub(crate) static PUT_ALONE: LazyLock<String> = LazyLock::new(|| format!("{PUT}{ALL_OR_NONE}"));

static PUT_KICK: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{PUT}, counted AS (
            UPDATE muster.counter SET number = number + 1 WHERE name = 'kicks'
        ){ALL_OR_NONE}"
    )
});

/// What is stored of these users.
pub(crate) async fn known<'u, R>(
    client: &impl GenericClient,
    app: SdkAppId,
    users: impl Iterator<Item = &'u UserId>,
) -> Result<StoredUsers, Failure<R>> {
    select(client, &KNOWN, app, users).await
}

/// Those of these users who have an account.
pub(crate) async fn imported<R>(
    client: &impl GenericClient,
    app: SdkAppId,
    users: &[UserId],
) -> Result<HashSet<UserId>, Failure<R>> {
    let user_ids: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let statement = client.prepare_cached(IMPORTED).await?;
    let rows = client
        .query(&statement, &[&i64::from(app.0), &user_ids])
        .await?;
    // They are those that were asked for, so all of them read.
    let imported = rows.iter().filter_map(|row| UserId::parse(row.get(0)).ok());
    Ok(imported.collect())
}

/// Likewise, and nobody changes them until the transaction ends.
pub(crate) async fn locked<'u, R>(
    transaction: &Transaction<'_>,
    app: SdkAppId,
    users: impl Iterator<Item = &'u UserId>,
) -> Result<StoredUsers, Failure<R>> {
    select(transaction, &LOCKED, app, users).await
}

async fn select<'u, R>(
    client: &impl GenericClient,
    statement: &str,
    app: SdkAppId,
    users: impl Iterator<Item = &'u UserId>,
) -> Result<StoredUsers, Failure<R>> {
    let user_ids: Vec<&str> = users.map(UserId::as_str).collect();
    let statement = client.prepare_cached(statement).await?;
    let rows = client
        .query(&statement, &[&i64::from(app.0), &user_ids])
        .await?;
    read(&rows)
}

fn read<R>(rows: &[tokio_postgres::Row]) -> Result<StoredUsers, Failure<R>> {
    let mut users = StoredUsers::with_capacity(rows.len());
    for row in rows {
        let user = StoredUser::read(row)?;
        users.insert(user.user_id, user);
    }
    Ok(users)
}

/// Makes the accounts of all entries with these ids, unless anything is stored of one of the users:
/// then it answers what.
pub(crate) async fn make_or_known<R>(
    client: &impl GenericClient,
    app: SdkAppId,
    entries: &[ImportEntry],
    ids: &[InternalId],
    now: UnixSeconds,
) -> Result<StoredUsers, Failure<R>> {
    let user_ids: Vec<&str> = entries.iter().map(|entry| entry.user_id.as_str()).collect();
    let ids: Vec<i64> = ids.iter().copied().map(number).collect();
    let nicks = entries
        .iter()
        .map(|entry| entry.nick.as_ref().map_or("", |nick| nick.as_str()));
    let nicks: Vec<_> = nicks.map(text::kept).collect();
    let face_urls = entries
        .iter()
        .map(|entry| entry.face_url.as_ref().map_or("", |url| url.as_str()));
    let face_urls: Vec<_> = face_urls.map(text::kept).collect();
    let statement = client.prepare_cached(&MAKE_OR_KNOWN).await?;
    let rows = client
        .query(
            &statement,
            &[
                &i64::from(app.0),
                &user_ids,
                &ids,
                &nicks,
                &face_urls,
                &seconds(now),
            ],
        )
        .await?;
    read(&rows)
}

/// How many accounts an app has, counted no further than `limit`, and in order: so that it is not looked for
/// the few of one app among all of the others.
pub(crate) async fn count<R>(
    client: &impl GenericClient,
    app: SdkAppId,
    limit: u64,
) -> Result<u64, Failure<R>> {
    const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM muster.account \
        WHERE sdkappid = $1 AND deleted_at IS NULL ORDER BY internal_id LIMIT $2) AS account";
    let statement = client.prepare_cached(COUNT).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let row = client
        .query_one(&statement, &[&i64::from(app.0), &limit])
        .await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

/// What else is changed with the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Also {
    Nothing,
    /// The counter of kicks.
    Kicks,
}

/// Carries a plan out that was made from `stored`: all of it, or nothing if one of the users was
/// changed since.
pub(crate) async fn put<R>(
    client: &impl GenericClient,
    app: SdkAppId,
    writes: &[Write],
    stored: &StoredUsers,
    also: Also,
) -> Result<(), Failure<R>> {
    if writes.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(writes, |user_id| {
        stored.get(user_id).map(|stored| stored.revision)
    });
    let statement = match also {
        Also::Nothing => &PUT_ALONE,
        Also::Kicks => &PUT_KICK,
    };
    let statement = client.prepare_cached(statement).await?;
    client
        .query_one(
            &statement,
            &[
                &i64::from(app.0),
                &columns.user_ids,
                &columns.internal_ids,
                &columns.revisions,
                &columns.nicks,
                &columns.face_urls,
                &columns.more,
                &columns.imported_at,
                &columns.changed_at,
                &columns.kicked_at,
                &columns.deleted_at,
            ],
        )
        .await?;
    Ok(())
}
