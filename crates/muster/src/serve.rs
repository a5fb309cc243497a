//! `muster serve`: the server, in production.

use std::process::ExitCode;

use clap::Args;
use tracing::warn;

use crate::{
    config, out, run,
    settings_args::{ConfigArg, SettingsArgs},
};

/// Start the server.
///
/// Settings come from flags, over variables of the environment (MUSTER_LISTEN, …), over the
/// configuration file, over defaults; `muster config print` shows the result. SIGTERM and SIGINT
/// stop it in order: calls in progress are answered, and everything accepted is on the disk. With
/// --tls-cert, SIGHUP reads the certificate again, as does a change of the files.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    sample_key: run::SampleKeyArg,
}

const EXAMPLES: &str = "\
Examples:
  muster serve --config /etc/muster/muster.toml
  muster serve --listen 10.0.0.5:7080 --data-dir /var/lib/muster
  muster serve --store postgres://muster@10.0.0.5/muster
  muster serve --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem
  MUSTER_LOG_FORMAT=json muster serve --set limits.max_connections=50000
  muster serve --set rate_limits=false";

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.config.file();
        let loaded = config::load(self.settings.flags(), std::env::vars_os(), &file)?;
        run::run(loaded, &self.sample_key, async |opened| {
            if opened.config.test_controls {
                warn!(
                    "test_controls is on: with the operator token every call can be made to fail, \
                     and the clock be moved"
                );
            }
            let apps = match opened.store.apps().await?.len() {
                0 => format!(
                    "none yet; `muster app create --sdkappid N --data-dir {}` makes one",
                    out::shell_quoted(&opened.config.data_dir.to_string_lossy())
                ),
                apps => apps.to_string(),
            };
            Ok(run::Prepared {
                greeting: run::Greeting {
                    title: format!("serving {}", opened.config.place()),
                    notes: vec![("apps", apps), ("operator token", run::token_note(opened))],
                    farewell: None,
                },
                certificate: None,
            })
        })
    }
}
