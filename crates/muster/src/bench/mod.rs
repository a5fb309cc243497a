//! `muster bench`: load for any server of the account API, from the crate `muster-bench`.

mod progress;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use muster_accounts::UserId;
use muster_bench::{Again, Bench, Caller, Endpoint, Load, Plan, Progress, Report, Stop, Workload};

use crate::{open_files, out, secret_key_args::SecretKeyArgs, signals::StopSignals};

/// Files that are open beside connections.
const OTHER_FILES: u64 = 64;

/// Most calls of a mix: more than anyone waits for, and few enough to number their accounts.
const CALLS_LIMIT: u64 = 1_000_000_000_000;

pub(crate) const EXAMPLES: &str = "\
Examples:
  muster dev --no-rate-limits            in another terminal: a server to measure
  muster bench import --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --connections 32 --batch 100
  muster bench check --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --rate 500
  muster bench mixed --endpoint https://accounts.example.com --sdkappid 1400000001 \\
      --secret-key-file app.key --accounts 1000000 --calls 50000 --json result.json

Exit codes:
  0  every call did what it was to do
  1  a call failed, or the run could not begin";

#[derive(Subcommand)]
pub(crate) enum Command {
    Import(Import),
    Reimport(Reimport),
    Check(Check),
    Mixed(Mixed),
}

/// Import new accounts, about 100 bytes each, with Nick and FaceUrl.
///
/// They go in by multiaccount_import, or by account_import with --batch 1. A run with the same --seed
/// imports the same accounts, which are no longer new then.
#[derive(Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct Import {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    numbers: Numbers,

    /// Import the same accounts once more, as they are or each with another Nick; measured by
    /// itself.
    #[arg(
        long,
        value_name = "unchanged|changed",
        value_enum,
        hide_possible_values = true
    )]
    again: Option<AgainArg>,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  muster bench import --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --connections 32
  muster bench import --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 100000 --again unchanged --seed 2
  muster bench import --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 6000 --batch 1 --rate 190     within the rate limit";

#[derive(Clone, Copy, ValueEnum)]
enum AgainArg {
    Unchanged,
    Changed,
}

/// Import accounts once more that were imported before.
///
/// Without --sample all of the set, in their order; with it so many of them, scattered over all.
#[derive(Args)]
#[command(after_help = REIMPORT_EXAMPLES)]
pub(crate) struct Reimport {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    numbers: Numbers,

    /// Which Nick each account gets: 0 for the one of its first import, any other number for another
    /// one. An account that has that Nick already is not changed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    nick: u64,

    /// Import only so many of them, in a scattered order.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
}

const REIMPORT_EXAMPLES: &str = "\
Examples:
  muster bench reimport --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --connections 32            nothing changes
  muster bench reimport --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 10000000 --sample 100000 --nick 1   each changes";

/// Ask by account_check for accounts that were imported before, each once, in a scattered order.
///
/// What is not there is counted: import it with the same --seed and --accounts.
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct Check {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    numbers: Numbers,

    /// Ask only for so many of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  muster bench check --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --connections 32
  muster bench check --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --rate 500 --warm-up 1000";

/// Make a mix of calls over accounts that were imported before.
///
/// Of 100 calls, about 70 are account_check, 20 imports, 8 portrait_get and 2 portrait_set (of one
/// account). A third of the imports brings new accounts, a third known ones as they are, a third known
/// ones with another Nick. Which accounts a call is about is random, and the same in each run of a
/// --seed.
#[derive(Args)]
#[command(after_help = MIXED_EXAMPLES)]
pub(crate) struct Mixed {
    #[command(flatten)]
    common: Common,

    /// How many calls to make.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=CALLS_LIMIT))]
    calls: u64,

    /// Leave out so many calls of the mix, which a run before has made; its new accounts are no
    /// longer new.
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=CALLS_LIMIT))]
    skip_calls: u64,
}

const MIXED_EXAMPLES: &str = "\
Examples:
  muster bench mixed --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --connections 32 --calls 50000
  muster bench mixed --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --accounts 1000000 --calls 50000 --skip-calls 50000 --rate 300";

#[derive(Args)]
struct Common {
    /// The server: the base URL of its account API.
    #[arg(long, value_name = "URL", value_parser = Endpoint::parse, value_hint = ValueHint::Url)]
    endpoint: Endpoint,

    /// The app.
    #[arg(long, value_name = "N")]
    sdkappid: u32,

    #[command(flatten)]
    secret_key: SecretKeyArgs,

    /// The admin of the app who calls.
    #[arg(long, value_name = "USERID", value_parser = UserId::parse)]
    #[arg(default_value = "administrator")]
    identifier: UserId,

    /// How many accounts the set has.
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    accounts: u64,

    /// Which set of accounts: their names and values follow from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u32,

    /// Accounts of a call, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100))]
    batch: u64,

    /// Connections, each with one call in flight.
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,

    /// Calls per second, whatever the server does; the latency of a call counts from when it was due.
    /// Without it each connection calls again as soon as it is answered.
    #[arg(long, value_name = "CALLS_PER_S", value_parser = rate)]
    rate: Option<f64>,

    /// Calls to make first, in a phase of their own.
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up: u64,

    /// How long a call may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_s: u64,

    /// Threads of this generator.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,

    /// The server's operator listener, whose metrics tell its CPU time and memory
    /// [default: http://127.0.0.1:7081, if it answers and the endpoint is on this machine].
    #[arg(long, value_name = "URL", value_parser = Endpoint::parse, value_hint = ValueHint::Url)]
    operator_url: Option<Endpoint>,

    /// Write the result to this file as well, as JSON; names end in their unit.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    json: Option<PathBuf>,
}

/// Which accounts of the seed the set has.
#[derive(Args)]
struct Numbers {
    /// The number of the set's first account. With what was imported before as --first, accounts are
    /// new.
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000))]
    first: u64,

    /// From there on, take each Nth account.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    every: u64,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.001..=1_000_000.0).contains(&rate) {
        return Ok(rate);
    }
    Err("0.001 to 1000000 calls per second are possible".to_owned())
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let all = Numbers { first: 0, every: 1 };
        let (common, numbers, workload) = match self {
            Command::Import(Import {
                common,
                numbers,
                again,
            }) => {
                let again = again.map(|again| match again {
                    AgainArg::Unchanged => Again::Unchanged,
                    AgainArg::Changed => Again::Changed,
                });
                (common, numbers, Workload::Import { again })
            }
            Command::Reimport(Reimport {
                common,
                numbers,
                nick,
                sample,
            }) => {
                let version = nick;
                (common, numbers, Workload::Reimport { version, sample })
            }
            Command::Check(Check {
                common,
                numbers,
                sample,
            }) => (common, numbers, Workload::Check { sample }),
            Command::Mixed(Mixed {
                common,
                calls,
                skip_calls,
            }) => (common, all, Workload::Mixed { calls, skip_calls }),
        };
        common.run(workload, &numbers)
    }
}

impl Common {
    fn run(self, workload: Workload, numbers: &Numbers) -> anyhow::Result<ExitCode> {
        let key = self.secret_key.flags_or_environment()?.context(
            "there is no secret key; give it with --secret-key-file or in MUSTER_SECRET_KEY",
        )?;
        if let Some(path) = &self.json {
            // Told before the work rather than after it; what the file holds stays until then.
            let opened = File::options().append(true).create(true).open(path);
            opened.with_context(|| cannot_write(path))?;
        }
        let room = open_files::room_for_connections(OTHER_FILES);
        if u64::from(self.connections) > room {
            bail!(
                "--connections {}: the limit on open files leaves room for {room}; raise it \
                 (ulimit -n)",
                self.connections
            );
        }
        let bench = Bench {
            endpoint: self.endpoint,
            caller: Caller::new(self.sdkappid, self.identifier.as_str(), key),
            plan: Plan::new(workload, self.accounts, self.batch, self.seed, self.warm_up)
                .numbered(numbers.first, numbers.every),
            load: Load {
                connections: self.connections.into(),
                rate_per_s: self.rate,
                timeout: Duration::from_secs(self.timeout_s),
            },
            operator: self.operator_url,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads.into())
            .enable_all()
            .build()
            .context("cannot start")?;
        let report = runtime.block_on(run(bench))?;
        out::print(&report.text())?;
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(&report).expect("a report is JSON");
            fs::write(path, format!("{json}\n")).with_context(|| cannot_write(path))?;
        }
        Ok(if report.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// The first signal stops the run, a second one the process.
async fn run(bench: Bench) -> anyhow::Result<Report> {
    let (progress, stop) = (Progress::default(), Stop::default());
    let told = StopSignals::listen()?.watch();
    let shown = progress::Shown::start(progress.clone())?;
    // On a thread of the runtime, like the connections.
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { bench.run(&progress, &stop).await }
    });
    tokio::spawn(async move {
        if told.await.is_ok() {
            stop.tell();
        }
    });
    let report = running.await;
    shown.end();
    Ok(report.context("the run broke off")??)
}

fn cannot_write(path: &Path) -> String {
    format!("--json: cannot write {}", path.display())
}
