//! `muster store`: the place where accounts are kept, while no server has to run.

mod check;
mod copy;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) const EXAMPLES: &str = "\
Examples:
  muster store check --store postgres://muster@10.0.0.5/muster
  muster store copy --from /var/lib/muster --to postgres://muster@10.0.0.5/muster";

#[derive(Subcommand)]
pub(crate) enum Store {
    Check(check::Check),
    Copy(copy::Copy),
}

impl Store {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Store::Check(check) => check.run(),
            Store::Copy(copy) => copy.run(),
        }
    }
}
