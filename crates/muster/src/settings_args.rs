//! The flags of settings that `dev`, `serve` and `config print` share.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory as _, ValueHint, error::ErrorKind};

use crate::{
    Cli,
    config::{self, File, Flags, Setting},
};

#[derive(Args)]
pub(crate) struct SettingsArgs {
    /// Where to serve the account API [default: 127.0.0.1:7080]; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", value_parser = config::parse_address)]
    listen: Option<SocketAddr>,

    /// Serve the account API over TLS: the file of the certificate, in PEM form.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tls_cert: Option<String>,

    /// The file of the certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tls_key: Option<String>,

    /// Where to serve the operator API, health and metrics [default: 127.0.0.1:7081].
    #[arg(long, value_name = "ADDRESS", value_parser = config::parse_address)]
    operator_listen: Option<SocketAddr>,

    /// Where to keep the accounts [default: ./muster-data].
    #[arg(long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    data_dir: Option<String>,

    /// Keep the accounts in a PostgreSQL database instead, as in postgres://muster@db/muster; its
    /// password comes from MUSTER_STORE_PASSWORD or from store_password_file.
    #[arg(long, value_name = "URL")]
    store: Option<String>,

    /// What to log: error, warn, info, debug, trace or off [default: info].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,

    /// How to log [default: text].
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,

    /// Any other setting, as in --set limits.max_connections=500; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = config::setting_pair)]
    set: Vec<Setting>,
}

impl SettingsArgs {
    /// What was given, the weakest first: a flag of its own counts over `--set`.
    pub(crate) fn flags(self) -> Flags {
        // Not judged while parsing: clap shows the value in what it says of a wrong one.
        if let Some(secret) = self.set.iter().find(|setting| setting.is_secret()) {
            let key = &secret.key;
            let message = format!(
                "--set: other users of this machine can read the command line; give {key} as {} or in \
                 the file",
                config::variable(key)
            );
            Cli::command()
                .error(ErrorKind::ValueValidation, message)
                .exit();
        }
        let mut flags: Flags = self
            .set
            .into_iter()
            .map(|setting| ("--set", setting))
            .collect();
        let mut put = |name: &'static str, key, text: Option<String>| {
            flags.extend(text.map(|text| (name, config::setting(key, &text))));
        };
        put(
            "--listen",
            "listen",
            self.listen.map(|address| address.to_string()),
        );
        put("--tls-cert", "tls_cert", self.tls_cert);
        put("--tls-key", "tls_key", self.tls_key);
        let operator_listen = self.operator_listen.map(|address| address.to_string());
        put("--operator-listen", "operator_listen", operator_listen);
        put("--data-dir", "data_dir", self.data_dir);
        put("--store", "store", self.store);
        put("--log-level", "log.level", self.log_level);
        put("--log-format", "log.format", self.log_format);
        flags
    }
}

/// The flag that names the file.
#[derive(Args)]
pub(crate) struct ConfigArg {
    /// The configuration file [default: ./muster.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE", env = "MUSTER_CONFIG")]
    #[arg(value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl ConfigArg {
    pub(crate) fn file(&self) -> File {
        match &self.config {
            // An empty variable is one that is not set, as for the settings.
            Some(path) if !path.as_os_str().is_empty() => File::Named(path.clone()),
            _ => File::IfPresent,
        }
    }
}
