//! `muster usersig inspect`.

use std::{io::Read as _, process::ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::{
    explain::{Compare, explain},
    now_s,
};
use crate::{out, secret_key_args::SecretKeyArgs};

/// Longest input that is read from the standard input, in bytes; a token is much shorter.
const INPUT_LIMIT_BYTES: u64 = 1024 * 1024;

/// Explain a UserSig field by field, and why a server would refuse it.
///
/// Without a secret key (--secret-key-file, --secret-key or MUSTER_SECRET_KEY) the signature is not
/// checked; without --sdkappid and --identifier neither is whom the UserSig has to be for. The exit
/// code is 1 if a check fails.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// The UserSig; - reads it from the standard input.
    #[arg(value_name = "TOKEN")]
    token: String,

    #[command(flatten)]
    secret_key: SecretKeyArgs,

    /// The app of the request that it goes with.
    #[arg(long, value_name = "N")]
    sdkappid: Option<u64>,

    /// The identifier of the request that it goes with.
    #[arg(long, value_name = "USERID")]
    identifier: Option<String>,

    /// The time to check at, in Unix seconds, instead of now.
    #[arg(long, value_name = "UNIX")]
    at: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  muster usersig inspect eJyrVgrx...
  muster usersig inspect - --secret-key-file app.key < token
  muster usersig inspect eJyrVgrx... --sdkappid 1400000001 --identifier administrator \\
      --secret-key-file app.key --at 1800000000";

impl Inspect {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let key = self.secret_key.flags_or_environment()?;
        let token = match self.token.as_str() {
            "-" => read_input()?,
            _ => self.token,
        };
        ensure!(
            !token.is_empty(),
            "the token is empty; a server answers 70002, \"usersig is missing from the URL.\""
        );
        let compare = Compare {
            sdkappid: self.sdkappid,
            identifier: self.identifier,
            key,
            now_s: match self.at {
                Some(at_s) => at_s,
                None => now_s()?,
            },
        };
        let explained = explain(&token, &compare);
        out::print(&explained.text)?;
        if explained.refused {
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read_input() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(INPUT_LIMIT_BYTES)
        .read_to_string(&mut text)
        .context("cannot read the token from the standard input")?;
    Ok(text.trim().to_owned())
}
