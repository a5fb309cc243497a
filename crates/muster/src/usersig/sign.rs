//! `muster usersig sign`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use muster_accounts::UserId;
use muster_usersig::{Claims, sign};

use super::now_s;
use crate::{out, sample::USERSIG_EXPIRE_S, secret_key_args::SecretKeyArgs};

/// Sign a UserSig and print it, alone, on one line.
///
/// The secret key comes from --secret-key-file, --secret-key or MUSTER_SECRET_KEY.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sign {
    /// The app it is for.
    #[arg(long, value_name = "N")]
    sdkappid: u32,

    /// The user it speaks for; an admin of the app, to call the account API.
    #[arg(long, value_name = "USERID", value_parser = UserId::parse)]
    identifier: UserId,

    /// How long it is valid, in seconds; 180 days unless given.
    #[arg(long, value_name = "SECONDS", default_value_t = USERSIG_EXPIRE_S)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    expire_s: u64,

    /// When it is signed, in Unix seconds, instead of now: the server's time, where its clock was
    /// moved.
    #[arg(long, value_name = "UNIX")]
    at: Option<u64>,

    #[command(flatten)]
    secret_key: SecretKeyArgs,
}

const EXAMPLES: &str = "\
Examples:
  muster usersig sign --sdkappid 1400000001 --identifier administrator --secret-key-file app.key
  MUSTER_SECRET_KEY=$(cat app.key) muster usersig sign --sdkappid 1400000001 --identifier alice \\
      --expire-s 86400
  muster usersig sign --sdkappid 1400000000 --identifier administrator --secret-key \\
      5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e    the app of muster dev";

impl Sign {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let key = self.secret_key.flags_or_environment()?.context(
            "there is no secret key; give it with --secret-key-file or in MUSTER_SECRET_KEY",
        )?;
        let claims = Claims {
            identifier: self.identifier.to_string(),
            sdkappid: self.sdkappid.into(),
            time_s: self.at.map_or_else(now_s, Ok)?,
            expire_s: self.expire_s,
            userbuf: None,
        };
        out::print(&format!("{}\n", sign(&key, &claims)))?;
        Ok(ExitCode::SUCCESS)
    }
}
