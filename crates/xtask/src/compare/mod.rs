//! muster beside others: the same accounts, each durable before its answer, one after the other on
//! the same machine.
//!
//! - `muster`, `postgres`, `redis`, `bare`: the systems, each with one `measure`;
//! - `phase`: what is measured of each of them;
//! - `table`, `chart`: the results for people.

mod bare;
mod chart;
mod muster;
pub(crate) mod phase;
mod postgres;
mod redis;
mod table;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::Serialize;

use self::{phase::Run, redis::Redis};
use crate::{
    cluster::{self, Postgres},
    disk,
    document::Section,
    machine::Machine,
    muster as program,
    places::Places,
    tell,
};

/// The batch of a call of muster, and of the first row of each other system.
const BATCH: usize = 100;

/// Batches from which the others choose what suits them best.
const OTHER_BATCHES: [usize; 2] = [1000, 5000];

/// More than any of the systems writes for an account in all phases.
const ROOM_BYTES_AN_ACCOUNT: u64 = 4000;

/// What a log and a rewrite of it take besides.
const ROOM_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// Measure muster beside PostgreSQL, Redis and the bare limit of this disk.
///
/// Each gets the same accounts, makes them durable before it answers, and starts each run on an empty
/// directory: new accounts, then all again unchanged, then all again with another nickname. The
/// results go into performance.md, with a plot. What is not installed is left out, and said to be.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Compare {
    /// How many accounts.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    accounts: u64,

    /// Connections to each system, each with one request in flight.
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=500))]
    connections: u16,

    /// How often each system is measured; the table has medians and ranges.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=99))]
    runs: u16,

    #[command(flatten)]
    places: Places,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask compare
  cargo xtask compare --accounts 100000 --runs 1 --out trial    tries it out
  cargo xtask compare --dir /mnt/disk --json compare.json

With --out trial, a copy of docs/performance.md is to be in the directory trial.
PostgreSQL and Redis are those of Debian: apt-get install postgresql redis-server";

/// What all runs share.
pub(crate) struct Setup {
    pub(crate) accounts: u64,
    pub(crate) connections: usize,
    pub(crate) memory_bytes: u64,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Comparison {
    machine: Machine,
    accounts: u64,
    connections: usize,
    rows: Vec<Row>,
}

/// One system with one batch.
#[derive(Serialize)]
struct Row {
    system: Kind,
    /// With its version.
    name: String,
    batch: usize,
    runs: Vec<Run>,
    /// Why there are no runs, or no more.
    trouble: Option<String>,
    /// Whether it was only tried once, and another batch was better.
    outdone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    BareLimit,
    Muster,
    Postgres,
    Redis,
}

impl Compare {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let section = Section::find(&self.places.out(), "compare")?;
        self.places.ensure_json()?;
        let dir = self.places.new_dir()?;
        let room_bytes = ROOM_BYTES + ROOM_BYTES_AN_ACCOUNT * self.accounts;
        disk::ensure_room(dir.path(), room_bytes)?;
        let machine = Machine::describe(dir.path())?;
        tell(&machine);
        let binary = match &self.places.muster {
            Some(binary) => binary.canonicalize().context("--muster")?,
            None => program::build()?,
        };
        let systems = Systems {
            setup: Setup {
                accounts: self.accounts,
                connections: self.connections.into(),
                memory_bytes: machine.memory_bytes,
            },
            binary: &binary,
            postgres: cluster::find().map_err(|error| format!("{error:#}")),
            redis: redis::find().map_err(|error| format!("{error:#}")),
        };
        let mut rows = systems.rows()?;
        for run in 0..self.runs {
            for row in &mut rows {
                if row.trouble.is_some() || row.outdone {
                    continue;
                }
                let (number, runs) = (run + 1, self.runs);
                tell(format_args!(
                    "run {number} of {runs}: {}, {} a request",
                    row.name, row.batch
                ));
                // Fresh for each run, and gone after it.
                let place = tempfile::Builder::new()
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
                    .tempdir_in(dir.path())?;
                match systems.measure(row.system, row.batch, place.path()).await {
                    Ok(run) => row.runs.push(run),
                    Err(error) => row.fail(&error)?,
                }
            }
            choose_batches(&mut rows);
        }
        let comparison = Comparison {
            machine,
            accounts: self.accounts,
            connections: self.connections.into(),
            rows,
        };
        self.places.write_json(&comparison)?;
        chart::write(
            &comparison,
            &self.places.out().join("performance-compare.svg"),
        )?;
        section.write(&table::text(&comparison))?;
        tell(table::text(&comparison));
        Ok(())
    }
}

/// The systems that there are.
struct Systems<'a> {
    setup: Setup,
    binary: &'a Path,
    postgres: Result<Postgres, String>,
    redis: Result<Redis, String>,
}

impl Systems<'_> {
    /// Without a run yet, in the order of the table.
    fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let row = |system, name: &str, batch, trouble: Option<&String>| Row {
            system,
            name: name.to_owned(),
            batch,
            runs: Vec::new(),
            trouble: trouble.cloned(),
            outdone: false,
        };
        let version = program::version(self.binary)?;
        let mut rows = vec![
            row(Kind::BareLimit, "bare limit", BATCH, None),
            row(Kind::Muster, &version, BATCH, None),
        ];
        for (system, name, trouble) in [
            (
                Kind::Postgres,
                self.postgres.as_ref().map_or("PostgreSQL", Postgres::name),
                self.postgres.as_ref().err(),
            ),
            (
                Kind::Redis,
                self.redis.as_ref().map_or("Redis", Redis::name),
                self.redis.as_ref().err(),
            ),
        ] {
            rows.push(row(system, name, BATCH, trouble));
            if let Some(why) = trouble {
                tell(format_args!("{name} is left out: {why}"));
                continue;
            }
            rows.extend(OTHER_BATCHES.map(|batch| row(system, name, batch, None)));
        }
        Ok(rows)
    }

    async fn measure(&self, system: Kind, batch: usize, dir: &Path) -> anyhow::Result<Run> {
        let setup = &self.setup;
        match system {
            Kind::BareLimit => bare::measure(setup, batch, dir),
            Kind::Muster => muster::measure(setup, self.binary, batch, dir).await,
            Kind::Postgres => {
                let postgres = self.postgres.as_ref().map_err(not_there)?;
                postgres::measure(postgres, setup, batch, dir).await
            }
            Kind::Redis => {
                let redis = self.redis.as_ref().map_err(not_there)?;
                redis.measure(setup, batch, dir).await
            }
        }
    }
}

fn not_there(why: &String) -> anyhow::Error {
    anyhow!("{why}")
}

impl Row {
    /// The others go on without it, but nothing is to be compared without muster.
    fn fail(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        if self.system == Kind::Muster {
            anyhow::bail!("muster: {error:#}");
        }
        tell(format_args!("{} failed: {error:#}", self.name));
        // One line of it has room in a table.
        let text = format!("{error:#}");
        self.trouble = Some(text.lines().next().unwrap_or_default().to_owned());
        Ok(())
    }

    /// Of the first run, new accounts.
    fn accounts_per_s(&self) -> f64 {
        self.runs.first().map_or(0.0, |run| run.new.accounts_per_s)
    }
}

/// Of the batches that a system may choose from, only the one with the most new accounts a second in
/// the first run goes on.
fn choose_batches(rows: &mut [Row]) {
    for system in [Kind::Postgres, Kind::Redis] {
        let chosen = rows
            .iter()
            .filter(|row| row.system == system && row.batch != BATCH)
            .max_by(|a, b| a.accounts_per_s().total_cmp(&b.accounts_per_s()))
            .map(|row| row.batch);
        for row in rows.iter_mut().filter(|row| row.system == system) {
            row.outdone = row.batch != BATCH && Some(row.batch) != chosen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        phase::{Figures, Run},
        *,
    };

    /// Rows as they come of runs, with figures that can be told apart.
    pub(super) fn comparison() -> Comparison {
        let figures = |accounts_per_s, cpu_us| Figures {
            accounts_per_s,
            server_cpu_us_per_account: cpu_us,
            generator_cpu_us_per_account: 0.5,
            resident_bytes: 200 << 20,
            disk_bytes: 300 << 20,
        };
        let runs = |rate: f64, cpu_us: f64| -> Vec<Run> {
            let run = |factor: f64| Run {
                new: figures(rate * factor, cpu_us),
                unchanged: figures(rate * factor * 2.0, cpu_us / 2.0),
                changed: figures(rate * factor / 2.0, cpu_us * 2.0),
            };
            vec![run(1.0), run(1.1), run(0.9)]
        };
        let row = |system, name: &str, batch, runs, trouble: Option<&str>| Row {
            system,
            name: name.to_owned(),
            batch,
            runs,
            trouble: trouble.map(str::to_owned),
            outdone: false,
        };
        let missing = "it is not installed; apt-get install redis-server";
        let mut rows = vec![
            row(Kind::BareLimit, "bare limit", 100, runs(5e6, 0.15), None),
            row(Kind::Muster, "muster 0.1.0", 100, runs(7e5, 1.8), None),
            row(
                Kind::Postgres,
                "PostgreSQL 15.18",
                100,
                runs(7e4, 18.0),
                None,
            ),
            row(
                Kind::Postgres,
                "PostgreSQL 15.18",
                1000,
                runs(9e4, 14.0),
                None,
            ),
            row(
                Kind::Postgres,
                "PostgreSQL 15.18",
                5000,
                runs(8e4, 13.0),
                None,
            ),
            row(Kind::Redis, "Redis", 100, vec![], Some(missing)),
        ];
        choose_batches(&mut rows);
        Comparison {
            machine: Machine::for_tests(),
            accounts: 1_000_000,
            connections: 32,
            rows,
        }
    }

    #[test]
    fn the_best_batch_of_the_others_goes_on() {
        let rows = comparison().rows;
        let outdone: Vec<_> = rows.iter().map(|row| row.outdone).collect();
        assert_eq!(outdone, [false, false, false, false, true, false]);
    }

    #[test]
    fn nothing_is_compared_without_muster() {
        let mut rows = comparison().rows;
        let error = anyhow::anyhow!("first line\nsecond line");
        assert!(rows[1].fail(&error).is_err());
        rows[2].fail(&error).unwrap();
        assert_eq!(rows[2].trouble.as_deref(), Some("first line"));
    }
}
