//! PostgreSQL: a private cluster, one table, one prepared statement a batch.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

use super::{
    Setup,
    phase::{Phase, Run, batches, ensure_written, measure as measure_load, now_s},
};
use crate::cluster::{Postgres, said};

const APP: i64 = 1_400_000_000;

const TABLE: &str = "
CREATE TABLE account (
    sdkappid bigint NOT NULL,
    user_id text NOT NULL,
    internal_id bigint GENERATED ALWAYS AS IDENTITY,
    nick text NOT NULL,
    face_url text NOT NULL,
    imported_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (sdkappid, user_id)
)";

/// A batch, in which each user is named once.
const IMPORT: &str = "
INSERT INTO account (sdkappid, user_id, nick, face_url, imported_at, changed_at)
SELECT $1, user_id, nick, face_url, $2, $2
FROM UNNEST($3::text[], $4::text[], $5::text[]) AS entry (user_id, nick, face_url)
ON CONFLICT (sdkappid, user_id) DO UPDATE
SET nick = EXCLUDED.nick, face_url = EXCLUDED.face_url, changed_at = EXCLUDED.changed_at
WHERE (account.nick, account.face_url) IS DISTINCT FROM (EXCLUDED.nick, EXCLUDED.face_url)";

/// How it is run beside [`crate::cluster::HOW`], for the document.
pub(super) const HOW: &str = " One table with the primary key (sdkappid, user_id) and an identity column, \
without an index on the latter; one prepared `INSERT … SELECT … FROM UNNEST … ON CONFLICT DO UPDATE … \
WHERE` something differs. Its write-ahead log counts as bytes on disk.";

/// The accounts of a statement, by column.
struct Columns {
    user_ids: Vec<String>,
    nicks: Vec<String>,
    face_urls: Vec<String>,
}

fn columns(phase: Phase, accounts: u64, batch: usize) -> Vec<Columns> {
    let of_batch = |values: Vec<muster_bench::AccountValues>| {
        let mut columns = Columns {
            user_ids: Vec::with_capacity(values.len()),
            nicks: Vec::with_capacity(values.len()),
            face_urls: Vec::with_capacity(values.len()),
        };
        for account in values {
            columns.user_ids.push(account.user_id);
            columns.nicks.push(account.nick);
            columns.face_urls.push(account.face_url);
        }
        columns
    };
    batches(phase, accounts, batch).map(of_batch).collect()
}

pub(super) async fn measure(
    postgres: &Postgres,
    setup: &Setup,
    batch: usize,
    dir: &Path,
) -> anyhow::Result<Run> {
    let mut cluster = postgres
        .start(setup.memory_bytes, setup.connections, None, dir)
        .await?;
    let clients = cluster.connect(setup.connections).await?;
    clients[0].batch_execute(TABLE).await.map_err(said)?;
    let mut prepared = Vec::with_capacity(clients.len());
    for client in &clients {
        let statement = client.prepare(IMPORT).await.map_err(said)?;
        prepared.push((client.clone(), statement));
    }
    let mut figures = Vec::with_capacity(Phase::ALL.len());
    for phase in Phase::ALL {
        // Written before the time begins to count.
        let columns = columns(phase, setup.accounts, batch);
        let load = async {
            let written = import(&prepared, columns).await?;
            let expected = if phase.writes() { setup.accounts } else { 0 };
            ensure_written("rows written", written, expected)
        };
        figures
            .push(measure_load(phase, setup.accounts, cluster.pid(), cluster.data(), load).await?);
    }
    let row = clients[0].query_one("SELECT count(*) FROM account", &[]);
    let count: i64 = row.await.map_err(said)?.get(0);
    ensure_written("rows there", count.unsigned_abs(), setup.accounts)?;
    Ok(Run::new(
        figures.try_into().expect("there are as many phases"),
    ))
}

/// Each client takes the next batch once its last one is answered. Returns the rows written.
async fn import(
    clients: &[(Arc<Client>, Statement)],
    columns: Vec<Columns>,
) -> anyhow::Result<u64> {
    let (columns, next, now_s) = (Arc::new(columns), Arc::new(AtomicUsize::new(0)), now_s());
    let mut workers = JoinSet::new();
    for (client, statement) in clients {
        let (client, statement) = (client.clone(), statement.clone());
        let (columns, next) = (columns.clone(), next.clone());
        workers.spawn(async move {
            let mut written = 0;
            while let Some(batch) = columns.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Columns {
                    user_ids,
                    nicks,
                    face_urls,
                } = batch;
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&APP, &now_s, user_ids, nicks, face_urls];
                written += client.execute(&statement, &values).await?;
            }
            Ok(written)
        });
    }
    let mut written = 0;
    while let Some(done) = workers.join_next().await {
        written += done.context("a connection broke off")?.map_err(said)?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_accounts_in_order() {
        let columns = columns(Phase::New, 250, 100);
        assert_eq!(columns.len(), 3);
        let rows: Vec<_> = columns
            .iter()
            .flat_map(|batch| {
                batch
                    .user_ids
                    .iter()
                    .zip(&batch.nicks)
                    .zip(&batch.face_urls)
            })
            .collect();
        let accounts = batches(Phase::New, 250, 1).flatten();
        assert_eq!(rows.len(), 250);
        for (((user_id, nick), face_url), account) in rows.into_iter().zip(accounts) {
            assert_eq!(*user_id, account.user_id);
            assert_eq!(*nick, account.nick);
            assert_eq!(*face_url, account.face_url);
        }
    }
}
