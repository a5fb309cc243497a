//! `muster config print`.

use std::process::ExitCode;

use clap::Args;

use crate::{
    config, out,
    settings_args::{ConfigArg, SettingsArgs},
};

/// Print the settings that count, with comments: flags over environment over file over defaults.
///
/// A value that is not the default says where it came from. Secrets are masked. Without a file of
/// your own this prints the defaults, ready to become one.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigPrint {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  muster config print
  muster config print > muster.new.toml
  MUSTER_LISTEN=0.0.0.0:80 muster config print --config /etc/muster.toml";

impl ConfigPrint {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.config.file();
        let loaded = config::load(self.settings.flags(), std::env::vars_os(), &file)?;
        for warning in &loaded.warnings {
            eprintln!("warning: {warning}");
        }
        out::print(&loaded.printed)?;
        Ok(ExitCode::SUCCESS)
    }
}
