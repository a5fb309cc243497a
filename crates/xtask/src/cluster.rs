//! A private PostgreSQL cluster that is measured, with durability as in earnest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::time::sleep;
use tokio_postgres::{Client, Config, NoTls};

use crate::server::{Abrupt, LOOK_EVERY, Program, Server};

/// Who runs it if this is root, whom it refuses.
const USER: &str = "postgres";

/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// A quarter of the memory is its manual's advice; more than this has no use here.
const SHARED_BUFFERS_LIMIT_MIB: u64 = 8 * 1024;

/// How it is set up, for the document.
pub(crate) const HOW: &str = "A new cluster (`initdb --encoding=UTF8 --no-locale`), over a Unix \
socket, by tokio-postgres. `fsync`, `synchronous_commit`, `full_page_writes` and autovacuum are on, as \
they are by default; `shared_buffers` is a quarter of the memory, 8 GiB at most, `max_wal_size` 8 GB and \
`checkpoint_timeout` 15 min.";

/// An installed version.
pub(crate) struct Postgres {
    bin: PathBuf,
    name: String,
}

/// The newest version that Debian has installed.
pub(crate) fn find() -> anyhow::Result<Postgres> {
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

/// A running cluster. Dropping it ends it.
pub(crate) struct Cluster {
    server: Server,
    home: PathBuf,
    data: PathBuf,
}

impl Postgres {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes a cluster in `dir` and starts it for so many connections.
    pub(crate) async fn start(
        &self,
        memory_bytes: u64,
        connections: usize,
        core: Option<u16>,
        dir: &Path,
    ) -> anyhow::Result<Cluster> {
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
        let memory_mib = memory_bytes / 1024 / 1024;
        let shared_buffers_mib = (memory_mib / 4).clamp(128, SHARED_BUFFERS_LIMIT_MIB);
        let postgres = self.bin.join("postgres");
        let server = Program::on_core("PostgreSQL", &postgres, user, Abrupt::Quit, core)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&home)
            .args(&["-c", "listen_addresses="])
            .args(&["-c", &format!("shared_buffers={shared_buffers_mib}MB")])
            .args(&["-c", "max_wal_size=8GB", "-c", "checkpoint_timeout=15min"])
            .args(&["-c", &format!("max_connections={}", connections + 10)])
            .start(&dir.join("postgres.log"))?;
        Ok(Cluster { server, home, data })
    }
}

impl Cluster {
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Where its data is, its write-ahead log included.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Its only database, as muster's `--store` takes it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@/postgres?host={}", self.home.display())
    }

    /// Connects so many times, once the server lets itself be connected to.
    pub(crate) async fn connect(&mut self, count: usize) -> anyhow::Result<Vec<Arc<Client>>> {
        let mut config = Config::new();
        config.host_path(&self.home).user(USER).dbname("postgres");
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
                    self.server.ensure_running()?;
                    if Instant::now() > deadline {
                        return Err(self.server.failed(&format!("lets nobody in ({error})")));
                    }
                    sleep(LOOK_EVERY).await;
                }
            }
        }
        Ok(clients)
    }
}

/// The error with what the server says, which is in its cause.
pub(crate) fn said(error: tokio_postgres::Error) -> anyhow::Error {
    anyhow::Error::from(error).context("a statement failed")
}
