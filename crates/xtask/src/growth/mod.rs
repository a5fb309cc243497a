//! What an account costs as accounts become more: one muster on one data directory, filled step by
//! step and measured at each.
//!
//! - `step`: what is measured at a size;
//! - `table`, `chart`: the results for people.

mod chart;
mod step;
mod table;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use self::step::{Empty, Growing, Step};
use crate::{
    disk, document::Section, figures::grouped, machine::Machine, muster, places::Places, tell,
};

/// The sizes at which it is measured, as far as `--to`, which is one itself.
const SIZES: [u64; 4] = [100_000, 1_000_000, 10_000_000, 50_000_000];

/// More than the store takes for an account, the rewriting of its tables included.
const ROOM_BYTES_AN_ACCOUNT: u64 = 600;

/// What the journal and the measurements take besides.
const ROOM_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Measure what an account costs muster with more and more of them.
///
/// One muster on one data directory is filled over HTTP to 100,000, 1 million, 10 million and 50
/// million accounts. At each size: new accounts, checks and re-imports scattered over all, single
/// imports at a rate, memory, disk, and starts in order and after kill -9. The results go into
/// performance.md, with a plot, after each size.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Growth {
    /// The last size.
    #[arg(long, value_name = "N", default_value_t = 50_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(100_000..=1_000_000_000))]
    to: u64,

    /// Connections, but for single imports, which have 64.
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=500))]
    connections: u16,

    #[command(flatten)]
    places: Places,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask growth
  cargo xtask growth --to 1000000 --out trial    tries it out
  cargo xtask growth --dir /mnt/disk --json growth.json

With --out trial, a copy of docs/performance.md is to be in the directory trial.";

/// Everything that was measured so far.
#[derive(Serialize)]
struct Grown {
    machine: Machine,
    muster: String,
    connections: usize,
    empty: Empty,
    steps: Vec<Step>,
}

impl Growth {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let out = self.places.out();
        let section = Section::find(&out, "growth")?;
        self.places.ensure_json()?;
        let dir = self.places.new_dir()?;
        disk::ensure_room(dir.path(), ROOM_BYTES + ROOM_BYTES_AN_ACCOUNT * self.to)?;
        let machine = Machine::describe(dir.path())?;
        tell(&machine);
        let binary = match &self.places.muster {
            Some(binary) => binary.canonicalize().context("--muster")?,
            None => muster::build()?,
        };
        let data_dir = dir.path().join("data");
        let mut growing = Growing::start(&binary, &data_dir, self.connections.into()).await?;
        let mut grown = Grown {
            machine,
            muster: muster::version(&binary)?,
            connections: self.connections.into(),
            empty: growing.empty(),
            steps: Vec::new(),
        };
        for size in sizes(self.to) {
            tell(format_args!("{} accounts", grouped(size)));
            let step;
            (growing, step) = growing.step(size).await?;
            grown.steps.push(step);
            // What there is stays if a later step fails.
            self.places.write_json(&grown)?;
            chart::write(&grown, &out.join("performance-growth.svg"))?;
            section.write(&table::text(&grown))?;
        }
        tell(table::text(&grown));
        Ok(())
    }
}

fn sizes(to: u64) -> Vec<u64> {
    let mut sizes: Vec<u64> = SIZES.into_iter().filter(|size| *size < to).collect();
    sizes.push(to);
    sizes
}

#[cfg(test)]
mod tests {
    use super::{
        step::{Cost, Latencies},
        *,
    };

    /// Two sizes, with figures that can be told apart.
    pub(super) fn grown() -> Grown {
        let step = |accounts: u64, factor: f64| {
            let cost = |cpu_us: f64| Cost {
                accounts: 200_000,
                accounts_per_s: 1e6 / cpu_us / factor,
                server_cpu_us_per_account: cpu_us * factor,
            };
            Step {
                accounts,
                fill: cost(2.5),
                new: cost(1.8),
                check: cost(1.1),
                unchanged: cost(1.4),
                changed: cost(4.0),
                single: Latencies {
                    calls_per_s: 14_999.0,
                    p50_us: 400,
                    p99_us: 4000,
                    p99_9_us: 9000,
                },
                idle: true,
                measured_accounts: accounts + 350_000,
                resident_bytes: 30_000_000 + accounts * 100,
                disk_bytes: accounts * 120,
                start_after_kill_s: 1.5 * factor,
                end_s: 0.2,
                start_s: 0.8 * factor,
                resident_bytes_after_start: 30_000_000 + accounts * 60,
            }
        };
        Grown {
            machine: Machine::for_tests(),
            muster: "muster 0.1.0".to_owned(),
            connections: 32,
            empty: Empty {
                resident_bytes: 30_000_000,
                disk_bytes: 0,
            },
            steps: vec![step(100_000, 1.0), step(1_000_000, 1.2)],
        }
    }

    #[test]
    fn sizes_up_to_the_last() {
        for (to, expected) in [
            (100_000, &[100_000][..]),
            (1_000_000, &[100_000, 1_000_000]),
            (3_000_000, &[100_000, 1_000_000, 3_000_000]),
            (50_000_000, &SIZES),
            (
                60_000_000,
                &[100_000, 1_000_000, 10_000_000, 50_000_000, 60_000_000],
            ),
        ] {
            assert_eq!(sizes(to), expected);
        }
    }
}
