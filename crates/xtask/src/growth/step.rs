//! What is measured at one size.
//!
//! Re-imports must find accounts as they are to be: those without a change go to accounts of even
//! numbers, which keep their first nickname for ever, and those with one to odd numbers, each time
//! with a nickname that none of them has had.

use std::path::{Path, PathBuf};

use muster_bench::{PhaseReport, Plan, Workload};
use serde::Serialize;

use crate::{
    disk,
    figures::{as_f64, grouped, number},
    muster::Muster,
    tell,
};

const SEED: u32 = 1;
const BATCH: u64 = 100;

/// New accounts that are measured.
const NEW: u64 = 200_000;
/// Accounts that are asked for.
const CHECKED: u64 = 200_000;
/// Accounts that are imported again, of each kind.
const REIMPORTED: u64 = 100_000;

/// Single imports: calls, their rate, and over how many connections.
pub(super) const SINGLE_CALLS: u64 = 150_000;
pub(super) const SINGLE_RATE_PER_S: f64 = 15_000.0;
pub(super) const SINGLE_CONNECTIONS: usize = 64;

/// A server without accounts.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Empty {
    pub(super) resident_bytes: u64,
    pub(super) disk_bytes: u64,
}

/// What accounts of one kind cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
    pub(super) accounts: u64,
    pub(super) accounts_per_s: f64,
    pub(super) server_cpu_us_per_account: f64,
}

/// Of single imports, counted from when each call was due.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latencies {
    pub(super) calls_per_s: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) p99_9_us: u64,
}

/// All figures of one size.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Step {
    /// The size.
    pub(super) accounts: u64,
    /// From the size before to this one, with the work in the background that it left behind.
    pub(super) fill: Cost,
    pub(super) new: Cost,
    pub(super) check: Cost,
    pub(super) unchanged: Cost,
    pub(super) changed: Cost,
    pub(super) single: Latencies,
    /// Whether the server had always come to rest before the next measurement.
    pub(super) idle: bool,
    /// How many there are after these, to which what follows applies.
    pub(super) measured_accounts: u64,
    pub(super) resident_bytes: u64,
    pub(super) disk_bytes: u64,
    /// From the start until it was ready, after `kill -9`.
    pub(super) start_after_kill_s: f64,
    /// How long it took to end in order.
    pub(super) end_s: f64,
    /// Likewise after that.
    pub(super) start_s: f64,
    pub(super) resident_bytes_after_start: u64,
}

/// A muster whose accounts become more.
pub(super) struct Growing {
    muster: Muster,
    binary: PathBuf,
    data_dir: PathBuf,
    connections: usize,
    empty: Empty,
    /// All below this number are there.
    accounts: u64,
    /// The last nickname that was given to accounts of odd numbers.
    version: u64,
    idle: bool,
}

impl Growing {
    pub(super) async fn start(
        binary: &Path,
        data_dir: &Path,
        connections: usize,
    ) -> anyhow::Result<Growing> {
        let muster = Muster::start(binary, data_dir).await?;
        let empty = Empty {
            resident_bytes: muster.resident_bytes()?,
            disk_bytes: disk::used_bytes(data_dir)?,
        };
        Ok(Growing {
            muster,
            binary: binary.to_owned(),
            data_dir: data_dir.to_owned(),
            connections,
            empty,
            accounts: 0,
            version: 0,
            idle: true,
        })
    }

    pub(super) fn empty(&self) -> Empty {
        self.empty
    }

    /// Fills it up to `size` accounts and measures.
    pub(super) async fn step(mut self, size: u64) -> anyhow::Result<(Growing, Step)> {
        self.idle = true;
        let fill = self.fill(size).await?;
        let accounts = self.accounts;
        let new = self.import("new accounts", NEW).await?;
        let check = Workload::Check {
            sample: Some(CHECKED),
        };
        let check = self.load("check", check, self.accounts, 0, 1).await?;
        let unchanged = self.reimport("re-import, nothing changed", 0).await?;
        self.version += 1;
        let changed = self
            .reimport("re-import, each changed", self.version)
            .await?;
        let single = self.single().await?;
        let (resident_bytes, disk_bytes) = (
            self.muster.resident_bytes()?,
            disk::used_bytes(&self.data_dir)?,
        );
        self.muster.kill();
        tell("  start after kill -9");
        self.muster = Muster::start(&self.binary, &self.data_dir).await?;
        let start_after_kill_s = self.muster.start.as_secs_f64();
        self.rest().await?;
        tell("  end and start in order");
        let end_s = self.muster.terminate()?.as_secs_f64();
        self.muster = Muster::start(&self.binary, &self.data_dir).await?;
        let step = Step {
            accounts,
            fill,
            new,
            check,
            unchanged,
            changed,
            single,
            idle: self.idle,
            measured_accounts: self.accounts,
            resident_bytes,
            disk_bytes,
            start_after_kill_s,
            end_s,
            start_s: self.muster.start.as_secs_f64(),
            resident_bytes_after_start: self.muster.resident_bytes()?,
        };
        Ok((self, step))
    }

    /// With the work in the background: it belongs to these accounts, if later.
    async fn fill(&mut self, size: u64) -> anyhow::Result<Cost> {
        // A size near the one before may be passed already.
        let missing = size.saturating_sub(self.accounts).max(BATCH);
        tell(format_args!("  {} more accounts", grouped(missing)));
        let before = self.muster.cpu_s()?;
        let (plan, connections) = (self.plan_of_new(missing, BATCH), self.connections);
        let report = self.muster.load(plan, connections, None).await?;
        self.accounts += missing;
        self.rest().await?;
        let cpu_s = self.muster.cpu_s()? - before;
        let cost = Cost {
            server_cpu_us_per_account: cpu_s * 1e6 / as_f64(missing),
            ..Cost::of(&report)
        };
        cost.tell();
        Ok(cost)
    }

    async fn import(&mut self, what: &str, accounts: u64) -> anyhow::Result<Cost> {
        let workload = Workload::Import { again: None };
        let cost = self
            .load(what, workload, accounts, self.accounts, 1)
            .await?;
        self.accounts += accounts;
        Ok(cost)
    }

    async fn reimport(&mut self, what: &str, version: u64) -> anyhow::Result<Cost> {
        let workload = Workload::Reimport {
            version,
            sample: Some(REIMPORTED),
        };
        let first = u64::from(version > 0);
        self.load(what, workload, self.accounts / 2, first, 2).await
    }

    /// Measures calls about `accounts` accounts, each `every`th from `first` on.
    async fn load(
        &mut self,
        what: &str,
        workload: Workload,
        accounts: u64,
        first: u64,
        every: u64,
    ) -> anyhow::Result<Cost> {
        tell(format_args!("  {what}"));
        let plan = Plan::new(workload, accounts, BATCH, SEED, 0).numbered(first, every);
        let report = self.muster.load(plan, self.connections, None).await?;
        let cost = Cost::of(&report);
        cost.tell();
        self.rest().await?;
        Ok(cost)
    }

    async fn single(&mut self) -> anyhow::Result<Latencies> {
        tell("  single imports at a rate");
        let plan = self.plan_of_new(SINGLE_CALLS, 1);
        let rate = Some(SINGLE_RATE_PER_S);
        let report = self.muster.load(plan, SINGLE_CONNECTIONS, rate).await?;
        self.accounts += SINGLE_CALLS;
        let latency = report.latency.expect("calls were answered");
        let latencies = Latencies {
            calls_per_s: report.calls_per_s,
            p50_us: latency.p50_us,
            p99_us: latency.p99_us,
            p99_9_us: latency.p99_9_us,
        };
        let [p50, p99, p99_9] = latencies.ms().map(number);
        let calls_per_s = number(latencies.calls_per_s);
        tell(format_args!(
            "    {calls_per_s} calls/s, p50 {p50} ms, p99 {p99} ms, p99.9 {p99_9} ms"
        ));
        Ok(latencies)
    }

    fn plan_of_new(&self, accounts: u64, batch: u64) -> Plan {
        let workload = Workload::Import { again: None };
        Plan::new(workload, accounts, batch, SEED, 0).numbered(self.accounts, 1)
    }

    /// What one measurement leaves to be done is not to be a part of the next.
    async fn rest(&mut self) -> anyhow::Result<()> {
        self.idle &= self.muster.idle().await?;
        Ok(())
    }
}

impl Latencies {
    /// In milliseconds, the 50th, 99th and 99.9th percentile.
    pub(super) fn ms(&self) -> [f64; 3] {
        [self.p50_us, self.p99_us, self.p99_9_us].map(|us| as_f64(us) / 1000.0)
    }
}

impl Cost {
    fn of(report: &PhaseReport) -> Cost {
        let server = report.server.as_ref();
        Cost {
            accounts: report.accounts,
            accounts_per_s: report.accounts_per_s,
            server_cpu_us_per_account: server
                .and_then(|server| server.cpu_us_per_account)
                .unwrap_or(0.0),
        }
    }

    fn tell(&self) {
        tell(format_args!(
            "    {} accounts/s, {} µs of server CPU an account",
            number(self.accounts_per_s),
            number(self.server_cpu_us_per_account)
        ));
    }
}
