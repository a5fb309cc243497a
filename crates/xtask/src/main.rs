//! Chores of this repository that are no part of muster: `cargo xtask`.
//!
//! - `compare`: muster beside PostgreSQL, Redis and the bare limit, on the same accounts;
//! - `nodes`: muster on PostgreSQL, with one node and with several;
//! - `growth`: what an account costs as accounts become more;
//! - `import`: files of users through `muster import`, undisturbed and disturbed;
//! - `muster`, `cluster`, `server`, `process`, `disk`, `machine`: servers that are started, and what they use;
//! - `document`, `figures`, `plot`: how results get into `docs/performance.md`.
//!
//! Linux only: the figures come from `/proc`.

mod cluster;
mod compare;
mod disk;
mod document;
mod figures;
mod growth;
mod import;
mod machine;
mod muster;
mod nodes;
mod places;
mod plot;
mod process;
mod server;

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Chores of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask compare
  cargo xtask postgres
  cargo xtask growth --to 10000000
  cargo xtask import";

#[derive(Subcommand)]
enum Command {
    Compare(compare::Compare),
    Growth(growth::Growth),
    Import(import::Import),
    Postgres(nodes::Nodes),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The work runs on this thread, and ends the servers that it started when it ends, is dropped or
/// panics. A server is told to end with the thread that started it as well (`server`), so this is to
/// be the one that lives longest.
fn run(command: Command) -> anyhow::Result<()> {
    // One more thread, for the calls: `muster bench` has as many unless told otherwise.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start")?;
    let done = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let work = async {
            match command {
                Command::Compare(compare) => compare.run().await,
                Command::Growth(growth) => growth.run().await,
                Command::Import(import) => import.run().await,
                Command::Postgres(nodes) => nodes.run().await,
            }
        };
        tokio::select! {
            done = work => done,
            _ = interrupt.recv() => bail!("interrupted; the servers were ended"),
            _ = terminate.recv() => bail!("told to end; the servers were ended"),
        }
    });
    runtime.shutdown_background();
    done
}

/// A line for those who watch.
pub(crate) fn tell(line: impl Display) {
    // `eprintln!` panics if nobody can be told.
    let _ = writeln!(io::stderr(), "{line}");
}
