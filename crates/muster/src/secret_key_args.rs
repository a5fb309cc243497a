//! The ways to give an app's secret key to a command.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueHint};
use muster_usersig::SecretKey;

/// No `Debug`: it would show the key.
#[derive(Args)]
pub(crate) struct SecretKeyArgs {
    /// The app's secret key. Other users of this machine can read it in the list of processes;
    /// prefer --secret-key-file.
    // A plain text: a parser of clap's would quote a key that it refuses.
    #[arg(long, value_name = "KEY", conflicts_with = "secret_key_file")]
    secret_key: Option<String>,

    /// A file that holds the app's secret key and nothing else; /dev/stdin works as well.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    secret_key_file: Option<PathBuf>,
}

impl SecretKeyArgs {
    /// The key that the flags give.
    pub(crate) fn flags(&self) -> anyhow::Result<Option<SecretKey>> {
        if let Some(text) = &self.secret_key {
            return SecretKey::parse(text).context("--secret-key").map(Some);
        }
        let Some(path) = &self.secret_key_file else {
            return Ok(None);
        };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("--secret-key-file: cannot read {shown}"))?;
        let key = SecretKey::parse(text.trim_end());
        key.with_context(|| format!("--secret-key-file: {shown}"))
            .map(Some)
    }

    /// The key that the flags give, or else `MUSTER_SECRET_KEY`.
    pub(crate) fn flags_or_environment(&self) -> anyhow::Result<Option<SecretKey>> {
        if let Some(key) = self.flags()? {
            return Ok(Some(key));
        }
        // Not clap's `env`: help and errors would show the key.
        match std::env::var("MUSTER_SECRET_KEY") {
            Ok(text) if !text.is_empty() => SecretKey::parse(&text)
                .context("MUSTER_SECRET_KEY")
                .map(Some),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
            Err(_) => anyhow::bail!("MUSTER_SECRET_KEY: the secret key is not UTF-8"),
        }
    }
}
