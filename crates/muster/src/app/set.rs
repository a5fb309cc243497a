//! `muster app set`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum, ValueHint};
use muster_accounts::Edition;
use muster_client::operator::{App, AppChange, Change, WebhookChange};

use super::AppNumber;
use crate::dev;
use crate::operator_connection::Connection;

/// Change an app's edition and settings: what is given is taken over, or nothing if a part is
/// refused; what is left out stays.
///
/// It counts for the next call. Lists replace those before.
#[derive(Args)]
#[command(after_help = EXAMPLES, override_usage = "muster app set [OPTIONS] <SDKAPPID>")]
pub(super) struct Set {
    #[command(flatten)]
    app: AppNumber,
    #[command(flatten)]
    settings: Settings,
}

const EXAMPLES: &str = "\
Examples:
  muster app set 1400000001 --edition pro --deletion on
  muster app set 1400000001 --disable
  muster app set 1400000001 --allow 10.0.0.0/8 --allow 192.0.2.1
  muster app set 1400000001 --custom-field Vip,Team
  muster app set 1400000001 --rate-limit account_import=500 --rate-limit '*=none'
  muster app set 1400000001 --webhook https://backend.example.com/muster --webhook-retry on
  muster app set 1400000001 --webhook-token-file webhook.token
  muster app set 1400000001 --webhook none";

// One struct: clap's group does not see through a flattened one.
#[derive(Args)]
#[group(required = true, multiple = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Settings {
    /// What the app may do: account cap, deletion, import after deletion.
    #[arg(long, value_name = "EDITION", value_parser = dev::edition())]
    edition: Option<Edition>,

    /// Refuse every call and every sign-in, and end the sessions that are open.
    #[arg(long, conflicts_with = "enable")]
    disable: bool,

    /// Take calls and sign-ins again.
    #[arg(long)]
    enable: bool,

    /// Allow deletion in the editions that do not by themselves.
    #[arg(long, value_name = "on|off", value_enum, hide_possible_values = true)]
    deletion: Option<Switch>,

    /// Import a user who signs in with a right UserSig and has no account yet.
    #[arg(long, value_name = "on|off", value_enum, hide_possible_values = true)]
    import_at_sign_in: Option<Switch>,

    /// Take calls only from this address or network, and the others given.
    #[arg(
        long,
        value_name = "NETWORK",
        value_delimiter = ',',
        conflicts_with = "allow_all"
    )]
    allow: Vec<String>,

    /// Take calls from everywhere.
    #[arg(long)]
    allow_all: bool,

    /// Declare this custom profile field, 1 to 8 letters, and the others given.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "no_custom_fields"
    )]
    custom_field: Vec<String>,

    /// Declare no custom profile field.
    #[arg(long)]
    no_custom_fields: bool,

    /// Calls per second of a command, or of all that are not named as *; none is no limit. The
    /// commands not given have their documented ones.
    #[arg(
        long,
        value_name = "COMMAND=N|none",
        value_delimiter = ',',
        value_parser = rate_limit,
        conflicts_with = "documented_rate_limits"
    )]
    rate_limit: Vec<(String, Option<u32>)>,

    /// Give every command its documented rate limit.
    #[arg(long)]
    documented_rate_limits: bool,

    /// Post events to this URL; none is to nobody.
    #[arg(long, value_name = "URL|none", value_hint = ValueHint::Url)]
    webhook: Option<String>,

    /// A file that holds the token to sign events with and nothing else; /dev/stdin works as well.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with = "no_webhook_token")]
    webhook_token_file: Option<PathBuf>,

    /// Do not sign events.
    #[arg(long)]
    no_webhook_token: bool,

    /// Try again when the receiver does not answer in time; one that cannot be reached is not tried
    /// again.
    #[arg(long, value_name = "on|off", value_enum, hide_possible_values = true)]
    webhook_retry: Option<Switch>,

    /// Make an import with a nickname or an avatar an event, too.
    #[arg(long, value_name = "on|off", value_enum, hide_possible_values = true)]
    webhook_imports: Option<Switch>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        self == Self::On
    }
}

/// `account_import=500` or `account_import=none`; the server knows the commands.
fn rate_limit(text: &str) -> Result<(String, Option<u32>), String> {
    let (command, limit) = text
        .split_once('=')
        .ok_or("give it like account_import=500 or account_import=none")?;
    if limit == "none" {
        return Ok((command.to_owned(), None));
    }
    let limit = limit
        .parse()
        .map_err(|_| "the limit is neither none nor a number up to 4294967295")?;
    Ok((command.to_owned(), Some(limit)))
}

impl Set {
    pub(super) fn run(&self, operator: &Connection) -> anyhow::Result<(String, App)> {
        let sdkappid = self.app.sdkappid;
        let change = self.settings.change()?;
        let app = operator.call(async |api| api.change_app(sdkappid, &change).await)?;
        Ok((format!("The app {sdkappid} is changed.\n\n"), app))
    }
}

impl Settings {
    fn change(&self) -> anyhow::Result<AppChange> {
        let disabled = match (self.disable, self.enable) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        let limits: BTreeMap<_, _> = self.rate_limit.iter().cloned().collect();
        let limits = (!limits.is_empty() || self.documented_rate_limits).then_some(limits);
        Ok(AppChange::default()
            .edition(self.edition.map(|edition| edition.name().to_owned()))
            .disabled(disabled)
            .deletion(self.deletion.map(Switch::is_on))
            .import_at_sign_in(self.import_at_sign_in.map(Switch::is_on))
            .allow_list(list(&self.allow, self.allow_all))
            .custom_fields(list(&self.custom_field, self.no_custom_fields))
            .rate_limits(limits)
            .webhook(self.webhook_change()?))
    }

    fn webhook_change(&self) -> anyhow::Result<Change<WebhookChange>> {
        let change = WebhookChange::default()
            .url(self.webhook.clone().filter(|url| url != "none"))
            .token(self.webhook_token()?)
            .retry(self.webhook_retry.map(Switch::is_on))
            .imports(self.webhook_imports.map(Switch::is_on));
        let is_empty = change == WebhookChange::default();
        if self.webhook.as_deref() != Some("none") {
            return Ok(if is_empty {
                Change::Keep
            } else {
                Change::Set(change)
            });
        }
        if !is_empty {
            bail!("--webhook none removes the webhook with all its settings; give it alone");
        }
        Ok(Change::Remove)
    }

    fn webhook_token(&self) -> anyhow::Result<Change<String>> {
        let Some(path) = &self.webhook_token_file else {
            return Ok(if self.no_webhook_token {
                Change::Remove
            } else {
                Change::Keep
            });
        };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("--webhook-token-file: cannot read {shown}"))?;
        Ok(Change::Set(text.trim_end().to_owned()))
    }
}

/// The list to send, if one was given or it is to be empty.
fn list(given: &[String], to_be_empty: bool) -> Option<Vec<String>> {
    (!given.is_empty() || to_be_empty).then(|| given.to_vec())
}
