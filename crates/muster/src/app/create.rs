//! `muster app create`.

use clap::Args;
use muster_accounts::Edition;
use muster_client::operator::{App, NewApp};

use super::warn_of_public_key;
use crate::operator_connection::Connection;
use crate::{dev, secret_key_args::SecretKeyArgs};

/// Make an app, with the admin `administrator`.
///
/// Without a key of yours the server makes one, and it is shown this once.
#[derive(Args)]
#[command(after_help = "Examples:
  muster app create --sdkappid 1400000001
  muster app create --sdkappid 1400000001 --edition pro --secret-key-file app.key
  muster app create --sdkappid 1400000001 --json | jq -r .secret_key > app.key")]
pub(super) struct Create {
    /// The number the app is to have.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sdkappid: u32,

    /// What the app may do: account cap, deletion, import after deletion.
    #[arg(long, value_name = "EDITION", default_value = "developer", value_parser = dev::edition())]
    edition: Edition,

    #[command(flatten)]
    secret_key: SecretKeyArgs,
}

impl Create {
    pub(super) fn run(&self, operator: &Connection) -> anyhow::Result<(String, App)> {
        let key = self.secret_key.flags()?;
        warn_of_public_key(key.as_ref());
        let new = NewApp::new(self.sdkappid)
            .edition(self.edition.name())
            .secret_key(key.as_ref());
        let app = operator.call(async |api| api.create_app(&new).await)?;
        Ok((format!("The app {} is made.\n\n", self.sdkappid), app))
    }
}
