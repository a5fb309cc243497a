//! Who is online: a row for each session of each node.
//!
//! A session is ended by a word in its row, at once for all who ask; its node reads the word, closes
//! the connection, and takes the row away.

use std::{convert::Infallible, net::IpAddr};

use deadpool_postgres::GenericClient;
use muster_accounts::{
    Ended, EndedSession, SdkAppId, SessionId, SessionKey, SharedSession, StoreError, UserId,
};
use tokio_postgres::Row;

use crate::{
    retry::Failure,
    row::{seconds, time},
};

const ENTER: &str = "
    INSERT INTO muster.session
        (sdkappid, user_id, session_id, node, platform, source, since, online)
    SELECT sdkappid, user_id, session_id, $1, platform, source, since, online
    FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
            $8::boolean[])
        AS entered (sdkappid, user_id, session_id, platform, source, since, online)
    ON CONFLICT DO NOTHING";

const CONFIRM: &str = "
    UPDATE muster.session SET online = ended IS NULL
    WHERE sdkappid = $1 AND user_id = $2 AND session_id = $3 RETURNING ended";

const REMOVE: &str = "
    DELETE FROM muster.session
    USING unnest($1::bigint[], $2::text[], $3::bigint[]) AS gone (sdkappid, user_id, session_id)
    WHERE session.sdkappid = gone.sdkappid AND session.user_id = gone.user_id
        AND session.session_id = gone.session_id";

const REMOVE_SOME: &str = "
    DELETE FROM muster.session USING (
        SELECT sdkappid, user_id, session_id FROM muster.session WHERE node = $1 LIMIT $2
    ) AS piece
    WHERE session.sdkappid = piece.sdkappid AND session.user_id = piece.user_id
        AND session.session_id = piece.session_id";

const ENDED: &str = "
    SELECT sdkappid, user_id, session_id, ended FROM muster.session
    WHERE node = $1 AND ended IS NOT NULL LIMIT 10000";

/// Nobody is online at a node that is silent.
const ONLINE: &str = "
    SELECT sdkappid, user_id, session_id, platform, source, since FROM muster.session
    JOIN muster.node ON node.node = session.node AND seen_at > now() - interval '5 s'
    WHERE online AND ended IS NULL AND sdkappid = $1";

const OF_USERS: &str = "AND user_id = ANY ($2) ORDER BY session_id";
const PAGE: &str = "AND session_id > $2 ORDER BY session_id LIMIT $3";
const PAGE_OF_USER: &str = "AND session_id > $2 AND user_id = $4 ORDER BY session_id LIMIT $3";

/// Answers of each session whose it was, and whether anybody was shown it.
const END: &str = "UPDATE muster.session SET ended = $2 WHERE sdkappid = $1 AND ended IS NULL";
const SHOWN: &str = "
    RETURNING sdkappid, user_id, session_id, node, online AND EXISTS (
        SELECT 1 FROM muster.node
        WHERE node.node = session.node AND seen_at > now() - interval '5 s')";

pub(super) async fn enter(
    client: &impl GenericClient,
    node: i64,
    sessions: &[SharedSession],
) -> Result<(), Failure<Infallible>> {
    let keys = Keys::of(sessions.iter().map(|session| &session.key));
    let platforms: Vec<&str> = sessions.iter().map(|it| it.platform.as_str()).collect();
    let sources: Vec<String> = sessions.iter().map(|it| it.source.to_string()).collect();
    let since: Vec<i64> = sessions.iter().map(|it| seconds(it.since)).collect();
    let online: Vec<bool> = sessions.iter().map(|it| it.online).collect();
    let statement = client.prepare_cached(ENTER).await?;
    client
        .execute(
            &statement,
            &[
                &node,
                &keys.apps,
                &keys.users,
                &keys.ids,
                &platforms,
                &sources,
                &since,
                &online,
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn confirm(
    client: &impl GenericClient,
    session: &SessionKey,
) -> Result<Option<Ended>, Failure<Infallible>> {
    let SessionKey { app, user_id, id } = session;
    let statement = client.prepare_cached(CONFIRM).await?;
    let row = client
        .query_opt(
            &statement,
            &[&i64::from(app.0), &user_id.as_str(), &number(*id)],
        )
        .await?;
    // Between entering and now, this node was taken for gone. The client tries again.
    let row = row.ok_or_else(|| StoreError::Failed("the session was forgotten".into()))?;
    Ok(row.get::<_, Option<&str>>(0).map(why))
}

pub(super) async fn remove(
    client: &impl GenericClient,
    keys: &[SessionKey],
) -> Result<(), Failure<Infallible>> {
    let keys = Keys::of(keys.iter());
    let statement = client.prepare_cached(REMOVE).await?;
    client
        .execute(&statement, &[&keys.apps, &keys.users, &keys.ids])
        .await?;
    Ok(())
}

/// Takes up to `limit` sessions of a node away. Says how many.
pub(super) async fn remove_some(
    client: &impl GenericClient,
    node: i64,
    limit: usize,
) -> Result<usize, Failure<Infallible>> {
    let statement = client.prepare_cached(REMOVE_SOME).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let removed = client.execute(&statement, &[&node, &limit]).await?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

/// The sessions of this node that were ended, and have not been taken away.
pub(super) async fn ended(
    client: &impl GenericClient,
    node: i64,
) -> Result<Vec<(SessionKey, Ended)>, Failure<Infallible>> {
    let statement = client.prepare_cached(ENDED).await?;
    let rows = client.query(&statement, &[&node]).await?;
    let read = |row: &Row| Some((key(row)?, why(row.get(3))));
    Ok(rows.iter().filter_map(read).collect())
}

pub(super) async fn online(
    client: &impl GenericClient,
    app: SdkAppId,
    users: &[UserId],
) -> Result<Vec<SharedSession>, Failure<Infallible>> {
    let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let statement = format!("{ONLINE} {OF_USERS}");
    let statement = client.prepare_cached(&statement).await?;
    let rows = client
        .query(&statement, &[&i64::from(app.0), &users])
        .await?;
    Ok(rows.iter().filter_map(session).collect())
}

pub(super) async fn page(
    client: &impl GenericClient,
    app: SdkAppId,
    user_id: Option<UserId>,
    after: Option<SessionId>,
    limit: usize,
) -> Result<Vec<SharedSession>, Failure<Infallible>> {
    let app = i64::from(app.0);
    let after = after.map_or(-1, number);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = match user_id {
        None => {
            let statement = format!("{ONLINE} {PAGE}");
            let statement = client.prepare_cached(&statement).await?;
            client.query(&statement, &[&app, &after, &limit]).await?
        }
        Some(user_id) => {
            let statement = format!("{ONLINE} {PAGE_OF_USER}");
            let statement = client.prepare_cached(&statement).await?;
            let user_id = user_id.as_str();
            client
                .query(&statement, &[&app, &after, &limit, &user_id])
                .await?
        }
    };
    Ok(rows.iter().filter_map(session).collect())
}

pub(super) async fn end_users(
    client: &impl GenericClient,
    node: i64,
    app: SdkAppId,
    users: &[UserId],
    why: Ended,
) -> Result<Vec<EndedSession>, Failure<Infallible>> {
    let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let statement = format!("{END} AND user_id = ANY ($3) {SHOWN}");
    let statement = client.prepare_cached(&statement).await?;
    let rows = client
        .query(&statement, &[&i64::from(app.0), &why.name(), &users])
        .await?;
    let ended = |row: &Row| {
        Some(EndedSession {
            key: key(row)?,
            is_here: row.get::<_, i64>(3) == node,
            was_online: row.get(4),
        })
    };
    Ok(rows.iter().filter_map(ended).collect())
}

pub(super) async fn end_session(
    client: &impl GenericClient,
    app: SdkAppId,
    id: SessionId,
    why: Ended,
) -> Result<bool, Failure<Infallible>> {
    // One that is not online is not there for others.
    let statement = format!("{END} AND session_id = $3 AND online {SHOWN}");
    let statement = client.prepare_cached(&statement).await?;
    let rows = client
        .query(&statement, &[&i64::from(app.0), &why.name(), &number(id)])
        .await?;
    Ok(rows.iter().any(|row| row.get(4)))
}

/// The columns of several keys.
struct Keys<'k> {
    apps: Vec<i64>,
    users: Vec<&'k str>,
    ids: Vec<i64>,
}

impl<'k> Keys<'k> {
    fn of(keys: impl Iterator<Item = &'k SessionKey>) -> Self {
        let mut columns = Self {
            apps: Vec::new(),
            users: Vec::new(),
            ids: Vec::new(),
        };
        for key in keys {
            columns.apps.push(key.app.0.into());
            columns.users.push(key.user_id.as_str());
            columns.ids.push(number(key.id));
        }
        columns
    }
}

/// Reads columns that this module has written; a row that others put there is passed over.
fn key(row: &Row) -> Option<SessionKey> {
    Some(SessionKey {
        app: SdkAppId(u32::try_from(row.get::<_, i64>(0)).ok()?),
        user_id: UserId::parse(row.get(1)).ok()?,
        id: SessionId(u64::try_from(row.get::<_, i64>(2)).ok()?),
    })
}

fn session(row: &Row) -> Option<SharedSession> {
    Some(SharedSession {
        key: key(row)?,
        platform: row.get(3),
        source: row.get::<_, &str>(4).parse::<IpAddr>().ok()?,
        since: time(row.get(5))?,
        online: true,
    })
}

fn number(id: SessionId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// A word that a later muster has is the mildest of those that this one has.
fn why(name: &str) -> Ended {
    Ended::parse(name).unwrap_or(Ended::Closed)
}
