//! muster on PostgreSQL, with one node and with several over one database, beside a bare client that
//! sends the same statements over as many connections.
//!
//! - `work`: what is measured;
//! - `bare`: the client;
//! - `table`: the results for people.

mod bare;
mod table;
mod work;

use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use muster_bench::{PhaseReport, Plan};
use serde::Serialize;

use self::work::{Figures, Work};
use crate::{
    cluster::{self, Cluster, Postgres},
    compare::phase::{SEED, ensure_written},
    disk,
    document::Section,
    machine::Machine,
    muster::{self as program, Muster},
    places::Places,
    process, tell,
};

/// Accounts of a call.
const BATCH: usize = 100;

/// The most connections that a node makes to the database for calls unless told otherwise, and those
/// it makes besides.
const POOL: usize = 16;
const BESIDES: usize = 4;

/// How many nodes.
const NODES: [usize; 3] = [1, 2, 3];

/// More than PostgreSQL writes for an account in all parts.
const ROOM_BYTES_AN_ACCOUNT: u64 = 4000;
const ROOM_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// Measure muster on PostgreSQL, with 1, 2 and 3 nodes over one database.
///
/// Each has beside it a bare client that sends the statements of muster's store over as many
/// connections. All get the same accounts, on a new cluster for each run: new accounts, then all again
/// unchanged, then all again with another nickname, then whether each is there. The results go into
/// performance.md.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Nodes {
    /// How many accounts.
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    accounts: u64,

    /// Connections to each node, each with one call in flight.
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=500))]
    connections: u16,

    /// How often each is measured; the table has medians and ranges.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=99))]
    runs: u16,

    /// Give the database this core for itself, as if it were on a machine of its own; the table goes into
    /// another part of performance.md. Keep this program and muster off it with taskset.
    #[arg(long, value_name = "N")]
    database_core: Option<u16>,

    #[command(flatten)]
    places: Places,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask postgres
  cargo xtask postgres --accounts 20000 --runs 1 --out trial    tries it out
  taskset -c 0 cargo xtask postgres --database-core 1           the database by itself

With --out trial, a copy of docs/performance.md is to be in the directory trial.
PostgreSQL is that of Debian: apt-get install postgresql";

/// Everything that was measured.
#[derive(Serialize)]
struct Measured {
    machine: Machine,
    postgres: String,
    muster: String,
    accounts: u64,
    connections: usize,
    /// The core that only the database used, if there was one.
    database_core: Option<u16>,
    /// In pairs: the bare client, and the nodes that it stands beside.
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    system: System,
    /// Of each run, the figures of [`Work::ALL`].
    runs: Vec<[Figures; 4]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum System {
    /// With the connections of so many nodes.
    Bare(usize),
    Nodes(usize),
}

impl Nodes {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let section = match self.database_core {
            None => "postgres",
            Some(_) => "postgres-apart",
        };
        let section = Section::find(&self.places.out(), section)?;
        self.places.ensure_json()?;
        let postgres = cluster::find()?;
        let dir = self.places.new_dir()?;
        disk::ensure_room(
            dir.path(),
            ROOM_BYTES + ROOM_BYTES_AN_ACCOUNT * self.accounts,
        )?;
        let machine = Machine::describe(dir.path())?;
        tell(&machine);
        let binary = match &self.places.muster {
            Some(binary) => binary.canonicalize().context("--muster")?,
            None => program::build()?,
        };
        let setup = Setup {
            postgres: &postgres,
            binary: &binary,
            memory_bytes: machine.memory_bytes,
            accounts: self.accounts,
            connections: self.connections.into(),
            database_core: self.database_core,
        };
        let systems = NODES.map(|nodes| [System::Bare(nodes), System::Nodes(nodes)]);
        let row = |system| Row {
            system,
            runs: Vec::new(),
        };
        let mut rows: Vec<Row> = systems.into_iter().flatten().map(row).collect();
        for run in 1..=self.runs {
            for row in &mut rows {
                tell(format_args!(
                    "run {run} of {}: {}",
                    self.runs,
                    row.system.name()
                ));
                // Fresh for each run, and gone after it.
                let place = tempfile::Builder::new()
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
                    .tempdir_in(dir.path())?;
                row.runs
                    .push(setup.measure(row.system, place.path()).await?);
            }
        }
        let measured = Measured {
            machine,
            postgres: postgres.name().to_owned(),
            muster: program::version(&binary)?,
            accounts: self.accounts,
            connections: self.connections.into(),
            database_core: self.database_core,
            rows,
        };
        self.places.write_json(&measured)?;
        let text = table::text(&measured);
        section.write(&text)?;
        tell(text);
        Ok(())
    }
}

impl System {
    fn name(self) -> String {
        match self {
            System::Bare(nodes) => format!("bare client, {} connections", nodes * POOL),
            System::Nodes(1) => "muster, 1 node".to_owned(),
            System::Nodes(nodes) => format!("muster, {nodes} nodes"),
        }
    }
}

/// What all runs share.
struct Setup<'a> {
    postgres: &'a Postgres,
    binary: &'a Path,
    memory_bytes: u64,
    accounts: u64,
    connections: usize,
    database_core: Option<u16>,
}

impl Setup<'_> {
    async fn measure(&self, system: System, dir: &Path) -> anyhow::Result<[Figures; 4]> {
        let (System::Bare(nodes) | System::Nodes(nodes)) = system;
        let connections = nodes * (POOL + BESIDES);
        let mut cluster = self
            .postgres
            .start(self.memory_bytes, connections, self.database_core, dir)
            .await?;
        // It takes connections from here on.
        cluster.connect(1).await?;
        let all = match system {
            System::Bare(nodes) => self.measure_bare(nodes, &mut cluster).await?,
            System::Nodes(nodes) => self.measure_nodes(nodes, &cluster, dir).await?,
        };
        Ok(all.try_into().expect("there are as many parts"))
    }

    async fn measure_bare(
        &self,
        nodes: usize,
        cluster: &mut Cluster,
    ) -> anyhow::Result<Vec<Figures>> {
        let bare = bare::Bare::prepare(cluster, nodes * POOL).await?;
        let mut all = Vec::with_capacity(Work::ALL.len());
        for work in Work::ALL {
            // Written before the time begins to count.
            let batches = bare::batches(work, self.accounts, BATCH);
            let own_before = process::own_cpu_s();
            let database_before = process::cpu_s(cluster.pid())?;
            let elapsed_s = bare.send(work, batches).await?;
            let figures = Figures::new(
                self.accounts,
                elapsed_s,
                process::cpu_s(cluster.pid())? - database_before,
                0.0,
                process::own_cpu_s() - own_before,
            );
            figures.tell(work);
            all.push(figures);
        }
        Ok(all)
    }

    async fn measure_nodes(
        &self,
        nodes: usize,
        cluster: &Cluster,
        dir: &Path,
    ) -> anyhow::Result<Vec<Figures>> {
        let mut musters = Vec::with_capacity(nodes);
        for node in 0..nodes {
            let data_dir = dir.join(format!("node-{node}"));
            let url = cluster.url();
            musters.push(Muster::start_on_database(self.binary, &data_dir, &url).await?);
        }
        let mut all = Vec::with_capacity(Work::ALL.len());
        for work in Work::ALL {
            let own_before = process::own_cpu_s();
            let database_before = process::cpu_s(cluster.pid())?;
            let loads = musters.iter().enumerate().map(|(node, muster)| {
                let plan = plan_of(work, self.accounts, node, nodes);
                muster.load(plan, self.connections, None)
            });
            let reports: Vec<PhaseReport> = futures_util::future::try_join_all(loads).await?;
            let done = reports.iter().map(|report| report.accounts).sum();
            ensure_written("accounts", done, self.accounts)?;
            let elapsed_s = reports
                .iter()
                .map(|report| report.elapsed_s)
                .fold(0.0, f64::max);
            let of_muster = reports.iter().flat_map(|report| &report.server);
            let figures = Figures::new(
                self.accounts,
                elapsed_s,
                process::cpu_s(cluster.pid())? - database_before,
                of_muster.map(|server| server.cpu_s).sum(),
                process::own_cpu_s() - own_before,
            );
            figures.tell(work);
            all.push(figures);
        }
        Ok(all)
    }
}

/// The accounts are dealt out to the nodes one by one.
fn plan_of(work: Work, accounts: u64, node: usize, nodes: usize) -> Plan {
    let (node, nodes) = (node as u64, nodes as u64);
    let share = accounts / nodes + u64::from(node < accounts % nodes);
    Plan::new(work.workload(), share, BATCH as u64, SEED, 0).numbered(node, nodes)
}
