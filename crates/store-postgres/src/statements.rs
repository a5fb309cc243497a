//! The statements on accounts. Each is one round trip, and one transaction if it stands alone.

use std::{collections::HashMap, sync::LazyLock};

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

/// By a join, for which a table in partitions is asked in one of them a user; for a list in all.
pub(crate) static KNOWN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM unnest($2::text[]) AS asked (user_id)
        JOIN muster.account ON account.sdkappid = $1 AND account.user_id = asked.user_id"
    )
});

/// In order, as all who take several rows do, so that no two wait for each other.
static LOCKED: LazyLock<String> =
    LazyLock::new(|| format!("{} ORDER BY account.user_id FOR UPDATE OF account", *KNOWN));

/// Makes all accounts of a batch if nothing is stored of any of the users; otherwise it makes none, and
/// answers what is stored. If another call makes one of them meanwhile, it fails.
pub(crate) static MAKE_OR_KNOWN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH entry AS (
            SELECT * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[])
                AS entry (user_id, internal_id, nick, face_url)
        ), known AS MATERIALIZED (
            SELECT {COLUMNS} FROM entry
            JOIN muster.account ON account.sdkappid = $1 AND account.user_id = entry.user_id
        ), made AS (
            INSERT INTO muster.account
                (sdkappid, user_id, internal_id, nick, face_url, imported_at, changed_at)
            SELECT $1, user_id, internal_id, nick, face_url, $6::bigint, $6::bigint FROM entry
            WHERE NOT EXISTS (SELECT FROM known)
            ORDER BY user_id COLLATE \"C\"
        )
        SELECT * FROM known"
    )
});

/// The rows that are there are taken first, in order, and only then is one made: so who waits for a row
/// holds none that somebody who has it could wait for. An upsert would say all this in one change of
/// the table, but it takes rows as it makes others.
const PUT: &str = "
    WITH put AS (
        SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
                $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
            AS put (user_id, internal_id, revision, nick, face_url,
                more, imported_at, changed_at, kicked_at, deleted_at)
    ), locked AS MATERIALIZED (
        SELECT account.user_id AS locked_id FROM put
        JOIN muster.account ON account.sdkappid = $1 AND account.user_id = put.user_id
            AND account.revision = put.revision
        ORDER BY account.user_id FOR UPDATE OF account
    ), changed AS (
        UPDATE muster.account SET
            internal_id = put.internal_id, revision = account.revision + 1, nick = put.nick,
            face_url = put.face_url, more = put.more, imported_at = put.imported_at,
            changed_at = put.changed_at, kicked_at = put.kicked_at, deleted_at = put.deleted_at
        FROM put JOIN locked ON locked_id = put.user_id
        WHERE account.sdkappid = $1 AND account.user_id = put.user_id
            AND account.revision = put.revision
        RETURNING 1
    ), made AS (
        INSERT INTO muster.account (sdkappid, user_id, internal_id, nick, face_url,
            more, imported_at, changed_at, kicked_at, deleted_at)
        SELECT $1, user_id, internal_id, nick, face_url,
            more, imported_at, changed_at, kicked_at, deleted_at
        FROM put WHERE revision IS NULL ORDER BY user_id COLLATE \"C\"
        RETURNING 1
    )";

/// All are written, or the division by zero fails the statement and none is.
const ALL_OR_NONE: &str = "
    SELECT 1 / CASE cardinality($2::text[])
        WHEN (SELECT count(*) FROM changed) + (SELECT count(*) FROM made) THEN 1 ELSE 0 END";

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

/// How many accounts an app has, counted no further than `limit`.
pub(crate) async fn count<R>(
    client: &impl GenericClient,
    app: SdkAppId,
    limit: u64,
) -> Result<u64, Failure<R>> {
    const COUNT: &str = "SELECT count(*) FROM (SELECT FROM muster.account \
        WHERE sdkappid = $1 AND deleted_at IS NULL LIMIT $2) AS account";
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
