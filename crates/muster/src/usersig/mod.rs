//! `muster usersig`: UserSigs, offline.

mod explain;
mod inspect;
mod sign;

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::Subcommand;

pub(crate) const EXAMPLES: &str = "\
Examples:
  muster usersig sign --sdkappid 1400000001 --identifier administrator --secret-key-file app.key
  muster usersig inspect eJyrVgrx... --secret-key-file app.key";

#[derive(Subcommand)]
pub(crate) enum Usersig {
    Sign(sign::Sign),
    Inspect(inspect::Inspect),
}

impl Usersig {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Usersig::Sign(sign) => sign.run(),
            Usersig::Inspect(inspect) => inspect.run(),
        }
    }
}

fn now_s() -> anyhow::Result<u64> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock of this machine stands before 1970; set it")?;
    Ok(since_1970.as_secs())
}
