//! A client that sends what muster's store sends, and does nothing else: no HTTP, no JSON, no rules.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, ensure};
use muster_bench::{Accounts, Scattered};
use muster_store_postgres::{Options, PostgresStore, sql};
use tokio::task::JoinSet;
use tokio_postgres::{Client, Row, Statement};

use super::work::Work;
use crate::{
    cluster::{Cluster, said},
    compare::phase::{SEED, ensure_written, now_s},
};

const APP: i64 = 1_400_000_000;

/// The internal id before that of the first account.
const FIRST_ID: u64 = 1 << 57;

/// The accounts of a statement, by column.
pub(super) struct Batch {
    user_ids: Vec<String>,
    ids: Vec<i64>,
    nicks: Vec<String>,
    face_urls: Vec<String>,
}

/// The accounts of a part, up to `batch` at a time.
pub(super) fn batches(work: Work, accounts: u64, batch: usize) -> Vec<Batch> {
    let set = Accounts::new(SEED);
    // As muster is asked: an order in which neighbours come near each other is twice as quick.
    let scattered = Scattered::new(accounts);
    let of_batch = |first: u64| {
        let mut columns = Batch {
            user_ids: Vec::with_capacity(batch),
            ids: Vec::with_capacity(batch),
            nicks: Vec::with_capacity(batch),
            face_urls: Vec::with_capacity(batch),
        };
        for position in first..(first + batch as u64).min(accounts) {
            let number = match work {
                Work::Check => scattered.at(position),
                Work::New | Work::Unchanged | Work::Changed => position,
            };
            let account = set.values(number, work.version());
            columns.user_ids.push(account.user_id);
            columns.ids.push((FIRST_ID + 1 + number).cast_signed());
            columns.nicks.push(account.nick);
            columns.face_urls.push(account.face_url);
        }
        columns
    };
    (0..accounts).step_by(batch).map(of_batch).collect()
}

/// Connections with their statements.
pub(super) struct Bare(Vec<Connection>);

#[derive(Clone)]
struct Connection {
    client: Arc<Client>,
    make_or_known: Statement,
    imported: Statement,
    put: Statement,
}

impl Bare {
    /// Makes muster's schema, and connects so many times.
    pub(super) async fn prepare(cluster: &mut Cluster, count: usize) -> anyhow::Result<Bare> {
        let options = Options::parse(&cluster.url())?;
        drop(PostgresStore::open(&options).await?);
        let mut connections = Vec::with_capacity(count);
        for client in cluster.connect(count).await? {
            let prepare = async |sql: &str| client.prepare(sql).await.map_err(said);
            connections.push(Connection {
                make_or_known: prepare(sql::make_or_known()).await?,
                imported: prepare(sql::imported()).await?,
                put: prepare(sql::put()).await?,
                client,
            });
        }
        Ok(Bare(connections))
    }

    /// Each connection takes the next batch once its last one is answered. Returns how long that took, in
    /// seconds.
    pub(super) async fn send(&self, work: Work, batches: Vec<Batch>) -> anyhow::Result<f64> {
        let expected = batches
            .iter()
            .map(|batch| batch.user_ids.len() as u64)
            .sum();
        let (batches, next, now_s) = (Arc::new(batches), Arc::new(AtomicUsize::new(0)), now_s());
        let begun = Instant::now();
        let mut workers = JoinSet::new();
        for connection in &self.0 {
            let connection = connection.clone();
            let (batches, next) = (batches.clone(), next.clone());
            workers.spawn(async move {
                let mut done = 0;
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done += connection.send(work, batch, now_s).await?;
                }
                anyhow::Ok(done)
            });
        }
        let mut done = 0;
        while let Some(of_worker) = workers.join_next().await {
            done += of_worker.context("a connection broke off")??;
        }
        let elapsed_s = begun.elapsed().as_secs_f64();
        ensure_written("accounts", done, expected)?;
        Ok(elapsed_s)
    }
}

impl Connection {
    /// Returns how many accounts that was about as it should be.
    async fn send(&self, work: Work, batch: &Batch, now_s: i64) -> anyhow::Result<u64> {
        if work == Work::Check {
            let imported = self
                .client
                .query(&self.imported, &[&APP, &batch.user_ids])
                .await;
            return Ok(imported.map_err(said)?.len() as u64);
        }
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            &APP,
            &batch.user_ids,
            &batch.ids,
            &batch.nicks,
            &batch.face_urls,
            &now_s,
        ];
        let rows = self.client.query(&self.make_or_known, &values).await;
        let rows = rows.map_err(said)?;
        match work {
            Work::New => {
                ensure!(rows.is_empty(), "an account was there already");
                Ok(batch.user_ids.len() as u64)
            }
            Work::Unchanged | Work::Check => Ok(rows.len() as u64),
            Work::Changed => self.change(batch, &rows, now_s).await,
        }
    }

    /// Writes another nickname, as muster does once it has seen that it is another.
    async fn change(&self, batch: &Batch, rows: &[Row], now_s: i64) -> anyhow::Result<u64> {
        let stored: HashMap<&str, &Row> = rows.iter().map(|row| (row.get(0), row)).collect();
        let count = batch.user_ids.len();
        ensure!(stored.len() == count, "an account is missing");
        let stored: Vec<&Row> = batch
            .user_ids
            .iter()
            .map(|id| stored[id.as_str()])
            .collect();
        let ids: Vec<i64> = stored.iter().map(|row| row.get(1)).collect();
        let revisions: Vec<Option<i64>> = stored.iter().map(|row| Some(row.get(2))).collect();
        let more: Vec<Option<&str>> = stored.iter().map(|row| row.get(5)).collect();
        let imported_at: Vec<i64> = stored.iter().map(|row| row.get(6)).collect();
        let (changed_at, never) = (vec![now_s; count], vec![None::<i64>; count]);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 11] = [
            &APP,
            &batch.user_ids,
            &ids,
            &revisions,
            &batch.nicks,
            &batch.face_urls,
            &more,
            &imported_at,
            &changed_at,
            &never,
            &never,
        ];
        let put = self.client.query_one(&self.put, &values).await;
        put.map_err(said)?;
        Ok(count as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_account_once_in_any_order() {
        for accounts in [1000, 1024, 2500] {
            let users = |work| {
                let batches = batches(work, accounts, 100);
                assert_eq!(batches.len() as u64, accounts.div_ceil(100));
                batches
                    .into_iter()
                    .flat_map(|batch| batch.user_ids)
                    .collect()
            };
            let (new, checked): (Vec<_>, Vec<_>) = (users(Work::New), users(Work::Check));
            assert_ne!(new, checked);
            assert_eq!(checked.len() as u64, accounts);
            assert_eq!(BTreeSet::from_iter(new), BTreeSet::from_iter(checked));
        }
    }
}
