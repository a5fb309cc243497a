//! `muster app`: the apps of a running server, through its operator API.

mod create;
mod set;
mod shown;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use muster_accounts::UserId;
use muster_client::{SecretKey, operator::Operator};

use self::shown::{list, shown};
use crate::{operator_connection::ConnectionArgs, out, sample, secret_key_args::SecretKeyArgs};

/// Make, show and change the apps of a running server.
///
/// The server is found by --operator-url, or by the settings (`operator_listen`) as `muster serve`
/// reads them; the operator token by --operator-token-file, MUSTER_OPERATOR_TOKEN, the
/// configuration file, or the file operator.token in the data directory.
#[derive(Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct App {
    #[command(flatten)]
    connection: ConnectionArgs,

    /// Print one JSON document, the operator API's own, instead of text.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  muster app create --sdkappid 1400000001
  muster app list --json
  muster app set 1400000001 --edition pro --deletion on
  muster app admin add 1400000001 alice
  muster app list --operator-url http://10.0.0.5:7081 --operator-token-file token";

const ADMIN_EXAMPLES: &str = "\
Examples:
  muster app admin add 1400000001 alice
  muster app admin remove 1400000001 alice";

#[derive(Subcommand)]
enum Command {
    Create(create::Create),
    /// List all apps.
    #[command(
        after_help = "Examples:\n  muster app list\n  muster app list --data-dir /var/lib/muster"
    )]
    List,
    /// Show one app.
    #[command(after_help = "Examples:\n  muster app show 1400000001")]
    Show(AppNumber),
    Set(Box<set::Set>),
    RotateKey(RotateKey),
    /// Give or take the right to call the account API.
    #[command(subcommand, arg_required_else_help = true, after_help = ADMIN_EXAMPLES)]
    Admin(Admin),
}

#[derive(Args)]
struct AppNumber {
    /// The app's SDKAppID.
    #[arg(value_name = "SDKAPPID", value_parser = clap::value_parser!(u32).range(1..))]
    sdkappid: u32,
}

/// Give an app another secret key. What was signed with the one before is refused from then on,
/// unless --grace gives it time.
///
/// Without a key of yours the server makes one, and it is shown this once.
#[derive(Args)]
#[command(after_help = "Examples:
  muster app rotate-key 1400000001
  muster app rotate-key 1400000001 --grace 86400
  muster app rotate-key 1400000001 --secret-key-file new.key")]
struct RotateKey {
    #[command(flatten)]
    app: AppNumber,
    #[command(flatten)]
    secret_key: SecretKeyArgs,
    /// How long what was signed with the keys before is still taken: up to 31536000, 365 days.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=31_536_000))]
    grace: u64,
}

#[derive(Subcommand)]
enum Admin {
    /// Make a user an admin of the app, and import the user if there is no such account.
    #[command(after_help = "Examples:\n  muster app admin add 1400000001 alice")]
    Add(AdminUser),
    /// Take an admin's role away; the account stays.
    #[command(after_help = "Examples:\n  muster app admin remove 1400000001 alice")]
    Remove(AdminUser),
}

#[derive(Args)]
struct AdminUser {
    #[command(flatten)]
    app: AppNumber,
    /// The user: 1 to 32 bytes of printable ASCII.
    #[arg(value_name = "USERID", value_parser = UserId::parse)]
    user_id: UserId,
}

impl App {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let App {
            connection,
            json,
            command,
        } = self;
        let operator = connection.operator()?;
        // What to say above the app, and the app.
        let (done, app) = match command {
            Command::List => {
                let apps = operator.call(Operator::apps)?;
                let text = if json {
                    format!("{}\n", serde_json::json!({ "apps": apps }))
                } else {
                    list(&apps)
                };
                out::print(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
            Command::Create(create) => create.run(&operator)?,
            Command::Show(AppNumber { sdkappid }) => {
                let app = operator.call(async |api| api.app(sdkappid).await)?;
                (String::new(), app)
            }
            Command::Set(set) => set.run(&operator)?,
            Command::RotateKey(rotate) => {
                let key = rotate.secret_key.flags()?;
                warn_of_public_key(key.as_ref());
                let sdkappid = rotate.app.sdkappid;
                let app = operator.call(async |api| {
                    api.rotate_key_with_grace(sdkappid, key.as_ref(), rotate.grace)
                        .await
                })?;
                (format!("The app {sdkappid} has another key.\n\n"), app)
            }
            Command::Admin(Admin::Add(AdminUser { app, user_id })) => {
                let sdkappid = app.sdkappid;
                let user_id = user_id.as_str();
                let app = operator.call(async |api| api.add_admin(sdkappid, user_id).await)?;
                (format!("{user_id} is an admin.\n\n"), app)
            }
            Command::Admin(Admin::Remove(AdminUser { app, user_id })) => {
                let sdkappid = app.sdkappid;
                let user_id = user_id.as_str();
                let app = operator.call(async |api| api.remove_admin(sdkappid, user_id).await)?;
                (format!("{user_id} is no admin any more.\n\n"), app)
            }
        };
        if json {
            let document = serde_json::to_string(&app).context("cannot write JSON")?;
            out::print(&format!("{document}\n"))?;
        } else {
            out::print(&format!("{done}{}", shown(&app)))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn warn_of_public_key(key: Option<&SecretKey>) {
    if key.is_some_and(|key| *key == sample::key()) {
        eprintln!(
            "warning: this is the public sample key, with which anyone can sign; the server will \
             not start beyond loopback with it unless --allow-public-sample-key is given"
        );
    }
}
