//! PostgreSQL: a private cluster, one table, one prepared statement a batch.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::{task::JoinSet, time::sleep};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::{
    Setup,
    phase::{Phase, Run, batches, ensure_written, measure, now_s},
};
use crate::server::{Abrupt, LOOK_EVERY, Program, Server};

/// Who runs it if this is root, whom it refuses.
const USER: &str = "postgres";

/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// A quarter of the memory is its manual's advice; more than this has no use here.
const SHARED_BUFFERS_LIMIT_MIB: u64 = 8 * 1024;

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

/// How it is run, for the document.
pub(super) const HOW: &str = "A new cluster (`initdb --encoding=UTF8 --no-locale`), over a Unix \
socket, by tokio-postgres. `fsync`, `synchronous_commit`, `full_page_writes` and autovacuum are on, as \
they are by default; `shared_buffers` is a quarter of the memory, 8 GiB at most, `max_wal_size` 8 GB and \
`checkpoint_timeout` 15 min. One table with the primary key (sdkappid, user_id) and an identity column, \
without an index on the latter; one prepared `INSERT … SELECT … FROM UNNEST … ON CONFLICT DO UPDATE … \
WHERE` something differs. Its write-ahead log counts as bytes on disk.";

/// An installed version.
pub(super) struct Postgres {
    bin: PathBuf,
    name: String,
}

/// The newest version that Debian has installed.
pub(super) fn find() -> anyhow::Result<Postgres> {
    let bin = muster_testkit::postgres::newest()
        .context("it is not installed; to measure it: apt-get install postgresql")?;
    let output = Command::new(bin.join("postgres"))
        .arg("--version")
        .output()
        .context("it does not start")?;
    // `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.split_whitespace().nth(2).unwrap_or("of some version");
    let name = format!("PostgreSQL {version}");
    Ok(Postgres { bin, name })
}

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

impl Postgres {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn measure(
        &self,
        setup: &Setup,
        batch: usize,
        dir: &Path,
    ) -> anyhow::Result<Run> {
        let is_root = rustix::process::geteuid().is_root();
        let user = is_root.then_some(USER);
        let home = dir.join("postgres");
        fs::create_dir(&home)?;
        if user.is_some() {
            let owner = format!("{USER}:");
            let status = Command::new("chown").arg(&owner).arg(&home).status();
            if !status.is_ok_and(|status| status.success()) {
                bail!("there is no user {USER}; PostgreSQL refuses to run as root");
            }
        }
        let data = home.join("data");
        Program::new("initdb", &self.bin.join("initdb"), user, Abrupt::Kill)
            .args(&["--encoding=UTF8", "--no-locale", "--auth=trust"])
            .args(&["--username", USER, "--pgdata"])
            .arg(&data)
            .finish(&dir.join("initdb.log"))
            .await?;
        let mut server = self.start(setup, user, &home, &data, dir)?;
        let clients = clients(&mut server, &home, setup.connections).await?;
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
            figures.push(measure(phase, setup.accounts, server.pid(), &data, load).await?);
        }
        let row = clients[0].query_one("SELECT count(*) FROM account", &[]);
        let count: i64 = row.await.map_err(said)?.get(0);
        ensure_written("rows there", count.unsigned_abs(), setup.accounts)?;
        Ok(Run::new(
            figures.try_into().expect("there are as many phases"),
        ))
    }

    fn start(
        &self,
        setup: &Setup,
        user: Option<&str>,
        home: &Path,
        data: &Path,
        dir: &Path,
    ) -> anyhow::Result<Server> {
        let memory_mib = setup.memory_bytes / 1024 / 1024;
        let shared_buffers_mib = (memory_mib / 4).clamp(128, SHARED_BUFFERS_LIMIT_MIB);
        Program::new("PostgreSQL", &self.bin.join("postgres"), user, Abrupt::Quit)
            .arg("-D")
            .arg(data)
            .arg("-k")
            .arg(home)
            .args(&["-c", "listen_addresses="])
            .args(&["-c", &format!("shared_buffers={shared_buffers_mib}MB")])
            .args(&["-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=15min"])
            .args(&["-c", &format!("max_connections={}", setup.connections + 10)])
            .start(&dir.join("postgres.log"))
    }
}

/// Connects once the server lets itself be connected to.
async fn clients(
    server: &mut Server,
    socket_dir: &Path,
    count: usize,
) -> anyhow::Result<Vec<Arc<Client>>> {
    let mut config = Config::new();
    config.host_path(socket_dir).user(USER).dbname("postgres");
    let deadline = Instant::now() + START_PATIENCE;
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        match config.connect(NoTls).await {
            Ok((client, connection)) => {
                // It ends with the client.
                tokio::spawn(connection);
                clients.push(Arc::new(client));
            }
            Err(error) => {
                server.ensure_running()?;
                if Instant::now() > deadline {
                    return Err(server.failed(&format!("lets nobody in ({error})")));
                }
                sleep(LOOK_EVERY).await;
            }
        }
    }
    Ok(clients)
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

/// The error with what the server says, which is in its cause.
fn said(error: tokio_postgres::Error) -> anyhow::Error {
    anyhow::Error::from(error).context("a statement failed")
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
