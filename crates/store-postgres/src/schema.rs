//! What lies in the database: the schema `muster`, its tables, and how they come to be.
//!
//! Everything that is asked often has the key (app, user id), so that an engine which spreads rows over
//! machines by it finds a user's row on one of them. There are no triggers, sequences, foreign keys or
//! advisory locks.

use deadpool_postgres::Transaction;
use muster_accounts::InternalId;
use thiserror::Error;
use tokio_postgres::{Client, error::SqlState};

/// The schema that this program makes and understands.
pub const VERSION: i32 = 2;

/// From each version to the next; the first is from nothing. An engine that cannot undo changes of a schema
/// may have made a part of one before it was killed, so each can be run on what it has made.
const MIGRATIONS: [&str; VERSION as usize] = [FIRST, SECOND];

/// Texts are as they are in muster, but for U+0000 ([`crate::text`]). Times are Unix seconds.
const FIRST: &str = r"
-- An account, or with a time in deleted_at what is left of one: its names are empty then.
CREATE TABLE IF NOT EXISTS muster.account (
    sdkappid    bigint NOT NULL,
    user_id     text {collation} NOT NULL,
    internal_id bigint NOT NULL,
    -- Grows with every change, so that a change knows whether another came before it.
    revision    bigint NOT NULL DEFAULT 0,
    nick        text NOT NULL,
    face_url    text NOT NULL,
    -- The fields that no import sets, as JSON.
    more        text,
    imported_at bigint NOT NULL,
    changed_at  bigint NOT NULL,
    kicked_at   bigint,
    deleted_at  bigint,
    PRIMARY KEY (sdkappid, user_id)
);
-- The record holds the app's secret keys.
CREATE TABLE IF NOT EXISTS muster.app (
    sdkappid bigint PRIMARY KEY,
    revision bigint NOT NULL,
    version  smallint NOT NULL,
    record   text NOT NULL
);
-- apps: changes of apps. kicks: users kicked. internal_id: the next that no node has taken.
CREATE TABLE IF NOT EXISTS muster.counter (
    name   text PRIMARY KEY,
    number bigint NOT NULL
);
";

/// What the nodes share while they run ([`crate::cluster`]), and an index that suits partitions. `UNLOGGED`
/// is for PostgreSQL: no sync, and nothing of it after a crash, when it would be wrong. Engines without it
/// take it as a plain table.
const SECOND: &str = r"
-- A node: a muster that runs. tag is part of the numbers of its sessions, note what it tells the others.
CREATE UNLOGGED TABLE IF NOT EXISTS muster.node (
    node          bigint PRIMARY KEY,
    tag           smallint NOT NULL UNIQUE,
    seen_at       timestamptz NOT NULL,
    note          text NOT NULL,
    note_revision bigint NOT NULL
);
-- An open session. ended is why its node is to close it.
CREATE UNLOGGED TABLE IF NOT EXISTS muster.session (
    sdkappid   bigint NOT NULL,
    user_id    text {collation} NOT NULL,
    session_id bigint NOT NULL,
    node       bigint NOT NULL,
    platform   text NOT NULL,
    source     text NOT NULL,
    since      bigint NOT NULL,
    online     boolean NOT NULL,
    ended      text,
    PRIMARY KEY (sdkappid, user_id, session_id)
);
CREATE INDEX IF NOT EXISTS session_by_id ON muster.session (sdkappid, session_id);
CREATE INDEX IF NOT EXISTS session_ended ON muster.session (node) WHERE ended IS NOT NULL;
-- Calls of a command in one second.
CREATE UNLOGGED TABLE IF NOT EXISTS muster.rate (
    sdkappid bigint NOT NULL,
    command  text NOT NULL,
    second   bigint NOT NULL,
    calls    bigint NOT NULL,
    PRIMARY KEY (sdkappid, command)
);
-- For paging. Not unique as in version 1 at first: that can be said of no table which is spread by user_id.
-- Blocks of ids are given once (counter), and within one each once.
DROP INDEX IF EXISTS muster.account_by_internal_id;
CREATE INDEX IF NOT EXISTS account_by_internal_id ON muster.account (sdkappid, internal_id) WHERE deleted_at IS NULL;
";

/// Why a schema is not there or cannot be used.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// It was made by a newer muster.
    #[error(
        "the schema `muster` in this database has version {found}, made by a newer muster; this one \
         knows up to {VERSION}"
    )]
    Newer {
        /// Its version.
        found: i32,
    },
    /// The database refused.
    #[error("cannot make or read the schema `muster`: {0}")]
    Database(#[from] tokio_postgres::Error),
}

/// Makes the schema, or brings it to [`VERSION`]. Of several nodes that do so at once, one does it
/// while the others wait.
pub(crate) async fn migrate(client: &mut deadpool_postgres::Client) -> Result<(), SchemaError> {
    // A user who may not make a schema can still use one that is there.
    let version = "SELECT version FROM muster.schema_version";
    if client
        .query_opt(version, &[])
        .await
        .ok()
        .flatten()
        .is_none()
    {
        make_version(client).await?;
    }
    let transaction = client.transaction().await?;
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0")
        .await?;
    // Held until the end: the lock.
    let row = transaction
        .query_one("SELECT version FROM muster.schema_version FOR UPDATE", &[])
        .await?;
    let found: i32 = row.get(0);
    if found > VERSION {
        return Err(SchemaError::Newer { found });
    }
    let done = usize::try_from(found).unwrap_or(0);
    if done < MIGRATIONS.len() {
        let collation = collation(&transaction).await?;
        for migration in &MIGRATIONS[done..] {
            let migration = migration.replace("{collation}", collation);
            transaction.batch_execute(&migration).await?;
        }
        if done == 0 {
            fill(&transaction).await?;
        }
        transaction
            .execute("UPDATE muster.schema_version SET version = $1", &[&VERSION])
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The table of one row that says which version is there, with 0 if it is new.
async fn make_version(client: &Client) -> Result<(), SchemaError> {
    loop {
        let made = client
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS muster;
                 CREATE TABLE IF NOT EXISTS muster.schema_version (
                     only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
                     version  int4 NOT NULL
                 );
                 INSERT INTO muster.schema_version (version) VALUES (0) ON CONFLICT DO NOTHING",
            )
            .await;
        match made {
            // IF NOT EXISTS does not see what another node is making at this moment.
            Err(error)
                if matches!(
                    error.code(),
                    Some(
                        &(SqlState::UNIQUE_VIOLATION
                            | SqlState::DUPLICATE_TABLE
                            | SqlState::DUPLICATE_SCHEMA)
                    )
                ) => {}
            made => return Ok(made?),
        }
    }
}

/// How user ids are told to be in the order of their bytes, whatever the database does with texts.
/// CockroachDB always does so, and has no word for it in a table.
async fn collation(transaction: &Transaction<'_>) -> Result<&'static str, SchemaError> {
    let row = transaction.query_one("SELECT version()", &[]).await?;
    let is_cockroach = row.get::<_, &str>(0).starts_with("CockroachDB");
    Ok(if is_cockroach { "" } else { "COLLATE \"C\"" })
}

async fn fill(transaction: &Transaction<'_>) -> Result<(), SchemaError> {
    let first = i64::try_from(InternalId::FIRST.get()).expect("it is 2^57 + 1");
    let counter =
        "INSERT INTO muster.counter (name, number) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    for (name, number) in [("apps", 0), ("kicks", 0), ("internal_id", first)] {
        transaction.execute(counter, &[&name, &number]).await?;
    }
    Ok(())
}
