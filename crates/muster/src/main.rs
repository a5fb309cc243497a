//! `muster`: an account server that speaks the account API of Tencent Cloud Live and Chat.
//!
//! The binary is thin: it reads flags and settings, opens the store, starts the server, and stops
//! both in order. One file per command:
//!
//! - [`dev`], [`serve`]: the server; what they share is in [`run`].
//! - [`tls_files`], [`dev_tls`]: where the server's certificate comes from.
//! - [`config_print`]: the settings that count ([`config`], [`settings_args`]).
//! - [`import`]: accounts from a file into an app.
//! - [`export`]: the accounts of an app into a file.
//! - [`backup`]: a copy of a running server's store.
//! - [`store`]: databases and data directories themselves.
//! - [`app`]: apps, through the operator API of a running server.
//! - [`mod@bench`]: load for a server, and what came of it.
//! - [`usersig`]: signing and explaining tokens, offline.
//! - [`completions`].
//!
//! [`data_dir`] is what muster itself keeps in the data directory; the accounts there are the
//! store's.

#![expect(
    clippy::doc_markdown,
    reason = "the doc comments of flags are help texts for terminals"
)]

mod app;
mod backup;
mod bench;
mod completions;
mod config;
mod config_print;
mod data_dir;
mod dev;
mod dev_tls;
mod export;
mod import;
mod log;
mod open_files;
mod operator_connection;
mod out;
mod run;
mod sample;
mod secret_key_args;
mod serve;
mod settings_args;
mod signals;
mod store;
mod tls_files;
mod usersig;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// An account server that speaks the account API of Tencent Cloud Live and Chat.
#[derive(Parser)]
#[command(name = "muster", version, after_help = HELP, max_term_width = 100)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
Examples:
  muster dev                       try it: an app, its key and a signed curl line, at once
  muster serve --config muster.toml
  muster app create --sdkappid 1400000001
  muster import users.csv --help   a file of users into an app
  muster export users.csv --help   the users of an app into a file
  muster backup /backups/monday
  muster usersig inspect TOKEN     why is this UserSig refused?
  muster bench import --help       how fast is this server?

Exit codes:
  0   done
  1   it failed; the standard error output says why
  2   wrong usage
  70  the store stopped by itself after a failed write; start muster again";

#[derive(Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    /// The settings.
    #[command(subcommand, arg_required_else_help = true, after_help = config_print::EXAMPLES)]
    Config(ConfigCommand),
    App(app::App),
    Import(import::Import),
    Export(export::Export),
    Backup(backup::Backup),
    /// Look after the place where accounts are kept.
    #[command(subcommand, arg_required_else_help = true, after_help = store::EXAMPLES)]
    Store(store::Store),
    /// Sign and explain UserSigs, offline.
    #[command(subcommand, arg_required_else_help = true, after_help = usersig::EXAMPLES)]
    Usersig(usersig::Usersig),
    /// Measure a server: make calls as fast as it answers, or at a rate.
    #[command(subcommand, arg_required_else_help = true, after_help = bench::EXAMPLES)]
    Bench(bench::Command),
    Completions(completions::Completions),
}

#[derive(Subcommand)]
enum ConfigCommand {
    Print(config_print::ConfigPrint),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Dev(dev) => dev.run(),
        Command::Serve(serve) => serve.run(),
        Command::Config(ConfigCommand::Print(print)) => print.run(),
        Command::App(app) => app.run(),
        Command::Import(import) => import.run(),
        Command::Export(export) => export.run(),
        Command::Backup(backup) => backup.run(),
        Command::Store(store) => store.run(),
        Command::Usersig(usersig) => usersig.run(),
        Command::Bench(bench) => bench.run(),
        Command::Completions(completions) => completions.run(),
    };
    log::end();
    match done {
        Ok(code) => code,
        Err(error) => {
            // `eprintln!` panics if nobody can be told.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
