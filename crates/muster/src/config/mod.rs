//! The settings of `dev` and `serve`: flags over environment over file over defaults.
//!
//! [`layers`] puts them together, [`Config`] is what they mean.

mod layers;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use muster_accounts::{IpNet, app::parse_network};
use muster_server::{Limits, OperatorToken};
use muster_store_postgres::Options;
use tracing_subscriber::EnvFilter;

use self::layers::{Layers, MASK};
pub(crate) use self::layers::{Setting, Source, variable};
use crate::tls_files::TlsFiles;

/// Read if `--config` names no other file, and if it is there.
const DEFAULT_FILE: &str = "muster.toml";

/// Variables with muster's prefix that are no settings.
const OTHER_VARIABLES: [&str; 3] = ["MUSTER_CONFIG", "MUSTER_SECRET_KEY", "MUSTER_OPERATOR_URL"];

const DAY_S: i64 = 86_400;

/// What the settings mean, all of them valid. `Debug` never shows a secret.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) operator_listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// Where the accounts are, if not in the data directory.
    pub(crate) store: Option<Options>,
    pub(crate) operator_token: Option<OperatorToken>,
    pub(crate) rate_limits: bool,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) test_controls: bool,
    pub(crate) log: Log,
    pub(crate) limits: Limits,
    /// Where the settings that errors name came from.
    pub(crate) sources: Sources,
}

impl Config {
    /// Where the accounts are, for people.
    pub(crate) fn place(&self) -> String {
        match &self.store {
            Some(options) => options.to_string(),
            None => self.data_dir.display().to_string(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) json: bool,
    /// Valid as an [`EnvFilter`].
    pub(crate) level: String,
}

#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) listen: Source,
    pub(crate) operator_listen: Source,
    pub(crate) data_dir: Source,
    pub(crate) store: Source,
    pub(crate) operator_token: Source,
}

/// Which file to read.
#[derive(Clone, Debug)]
pub(crate) enum File {
    /// None: `muster dev` needs no configuration.
    None,
    /// `muster.toml`, if it is there.
    IfPresent,
    /// This one, which has to be there.
    Named(PathBuf),
}

/// The settings, and what was noticed on the way.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The settings as a file with comments, the secret masked.
    pub(crate) printed: String,
    /// Variables that look like muster's and are not.
    pub(crate) warnings: Vec<String>,
}

/// The flags of settings that were given: the flag's name, and the setting.
pub(crate) type Flags = Vec<(&'static str, Setting)>;

/// Puts the layers together and judges the result.
pub(crate) fn load(
    flags: Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    file: &File,
) -> anyhow::Result<Loaded> {
    let mut layers = Layers::defaults();
    if let Some((path, text)) = read(file)? {
        layers.put_file(&path, &text)?;
    }
    let warnings = put_environment(&mut layers, environment)?;
    for (name, setting) in flags {
        layers.put(setting, Source::Flag(name));
    }
    Ok(Loaded {
        config: judge(&layers)?,
        printed: layers.masked(),
        warnings,
    })
}

/// A setting for [`Flags`], from a value that was parsed already.
pub(crate) fn setting(key: &str, value: &impl ToString) -> Setting {
    Setting::parse(key, &value.to_string()).expect("a parsed value has the kind of its setting")
}

/// `KEY=VALUE` of `--set`.
pub(crate) fn setting_pair(text: &str) -> Result<Setting, String> {
    Setting::parse_pair(text).map_err(|error| format!("{error:#}"))
}

fn read(file: &File) -> anyhow::Result<Option<(PathBuf, String)>> {
    let (path, must_be_there) = match file {
        File::None => return Ok(None),
        File::IfPresent => (Path::new(DEFAULT_FILE), false),
        File::Named(path) => (path.as_path(), true),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be_there => Ok(None),
        Err(error) => {
            let shown = path.display();
            Err(error).with_context(|| format!("cannot read the configuration file {shown}"))
        }
    }
}

/// Returns warnings about variables that are none of muster's. An empty variable counts as not set,
/// as container files like to have it.
fn put_environment(
    layers: &mut Layers,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> anyhow::Result<Vec<String>> {
    let keys = layers.keys();
    let mut warnings = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with("MUSTER_")) else {
            continue;
        };
        let Some(key) = keys.iter().find(|key| variable(key) == name) else {
            if !OTHER_VARIABLES.contains(&name) {
                warnings.push(format!(
                    "the environment variable {name} is none of muster's and has no effect"
                ));
            }
            continue;
        };
        if value.is_empty() {
            continue;
        }
        let value = value
            .to_str()
            .with_context(|| format!("{name} is not UTF-8"))?;
        let setting = Setting::parse(key, value).with_context(|| name.to_owned())?;
        layers.put(setting, Source::Environment(name.to_owned()));
    }
    warnings.sort();
    Ok(warnings)
}

fn judge(layers: &Layers) -> anyhow::Result<Config> {
    let limits = Limits {
        max_connections: number(layers, "limits.max_connections", 1..=1_000_000)?,
        max_operator_connections: number(layers, "limits.max_operator_connections", 1..=1_000_000)?,
        header_timeout_s: number(layers, "limits.header_timeout_s", 1..=DAY_S)?,
        body_timeout_s: number(layers, "limits.body_timeout_s", 1..=DAY_S)?,
        idle_timeout_s: number(layers, "limits.idle_timeout_s", 1..=DAY_S)?,
        write_timeout_s: number(layers, "limits.write_timeout_s", 1..=DAY_S)?,
        deadline_s: number(layers, "limits.deadline_s", 1..=DAY_S)?,
        body_limit_bytes: number(layers, "limits.body_limit_bytes", 1..=1 << 30)?,
        max_calls: number(layers, "limits.max_calls", 1..=1_000_000)?,
        body_memory_bytes: number(layers, "limits.body_memory_bytes", 1..=1 << 40)?,
        shutdown_grace_s: number(layers, "limits.shutdown_grace_s", 0..=DAY_S)?,
        verified_tokens: number(layers, "limits.verified_tokens", 1..=100_000_000)?,
        max_sessions: number(layers, "limits.max_sessions", 0..=1_000_000)?,
        session_timeout_s: number(layers, "limits.session_timeout_s", 1..=DAY_S)?,
        failed_usersigs_per_min: number(layers, "limits.failed_usersigs_per_min", 0..=1_000_000)?,
        failed_usersig_counters: number(layers, "limits.failed_usersig_counters", 1..=1_000_000)?,
        webhook_queue: number(layers, "limits.webhook_queue", 1..=1_000_000)?,
    };
    let source = |key| layers.source(key).clone();
    ensure!(
        limits.body_memory_bytes >= limits.body_limit_bytes,
        "{}: limits.body_memory_bytes is {}, too little for one body of limits.body_limit_bytes, which \
         is {} ({}); raise the one or lower the other",
        source("limits.body_memory_bytes"),
        limits.body_memory_bytes,
        limits.body_limit_bytes,
        source("limits.body_limit_bytes"),
    );
    Ok(Config {
        listen: address(layers, "listen")?,
        tls: tls_files(layers)?,
        operator_listen: address(layers, "operator_listen")?,
        data_dir: judged(layers, "data_dir", |text| {
            ensure!(!text.is_empty(), "name a directory");
            Ok(PathBuf::from(text))
        })?,
        store: store(layers)?,
        operator_token: secret(layers, "operator_token", "token")?
            .map(|text| judged(layers, "operator_token", |_| Ok(OperatorToken::new(text)?)))
            .transpose()?,
        rate_limits: layers.boolean("rate_limits"),
        trusted_proxies: judged(layers, "trusted_proxies", networks)?,
        test_controls: layers.boolean("test_controls"),
        log: Log {
            json: judged(layers, "log.format", |text| match text {
                "text" => Ok(false),
                "json" => Ok(true),
                other => bail!("{other:?} is no log format; use text or json"),
            })?,
            level: judged(layers, "log.level", log_level)?,
        },
        limits,
        sources: Sources {
            listen: source("listen"),
            operator_listen: source("operator_listen"),
            data_dir: source("data_dir"),
            store: source("store"),
            operator_token: source("operator_token"),
        },
    })
}

/// A secret setting, which `config print` shows masked; `None` if it is empty.
fn secret(layers: &Layers, key: &str, what: &str) -> anyhow::Result<Option<String>> {
    judged(layers, key, |text| match text {
        "" => Ok(None),
        MASK => bail!(
            "{MASK:?} is what `muster config print` shows instead of the {what}; write the {what} \
             itself, or leave it empty"
        ),
        text => Ok(Some(text.to_owned())),
    })
}

/// The database, with its password. Without a database nobody asks for one.
fn store(layers: &Layers) -> anyhow::Result<Option<Options>> {
    if layers.text("store").is_empty() {
        return Ok(None);
    }
    let mut options = judged(layers, "store", |url| {
        let options = Options::parse(url)?;
        ensure!(
            !options.has_password(),
            "leave the password out, for this setting is shown; give it as MUSTER_STORE_PASSWORD, or in \
             the file that store_password_file names"
        );
        Ok(options)
    })?;
    options.connections(number(layers, "store_connections", 2..=1000)?);
    if let Some(password) = store_password(layers)? {
        options.password(&password);
    }
    Ok(Some(options))
}

fn store_password(layers: &Layers) -> anyhow::Result<Option<String>> {
    let password = secret(layers, "store_password", "password")?;
    if layers.text("store_password_file").is_empty() {
        return Ok(password);
    }
    ensure!(
        password.is_none(),
        "store_password ({}) and store_password_file ({}) are both set; leave one of them out",
        layers.source("store_password"),
        layers.source("store_password_file"),
    );
    judged(layers, "store_password_file", |path| {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    })
}

fn address(layers: &Layers, key: &str) -> anyhow::Result<SocketAddr> {
    judged(layers, key, |text| {
        let refused = |hint| anyhow::anyhow!("{text:?} is no address; {hint}");
        parse_address(text).map_err(refused)
    })
}

/// An address to listen on, or a hint how to write one.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    let parsed = text.parse();
    parsed.map_err(|_| "write an IP address and a port, as in 127.0.0.1:7080")
}

fn tls_files(layers: &Layers) -> anyhow::Result<Option<TlsFiles>> {
    let [(cert, cert_source), (key, key_source)] =
        ["tls_cert", "tls_key"].map(|key| (layers.text(key), layers.source(key)));
    match (cert, key) {
        ("", "") => Ok(None),
        (_, "") => bail!("{cert_source}: tls_cert is set and tls_key is not; set both or none"),
        ("", _) => bail!("{key_source}: tls_key is set and tls_cert is not; set both or none"),
        (cert, key) => Ok(Some(TlsFiles {
            cert: cert.into(),
            cert_source: cert_source.clone(),
            key: key.into(),
            key_source: key_source.clone(),
        })),
    }
}

/// Addresses and networks, separated by commas.
fn networks(text: &str) -> anyhow::Result<Vec<IpNet>> {
    let parts = text.split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(|part| {
            parse_network(part)
                .with_context(|| format!("{part:?} is no address and no network, as in 10.0.0.0/8"))
        })
        .collect()
}

fn number<N: TryFrom<i64>>(
    layers: &Layers,
    key: &str,
    allowed: std::ops::RangeInclusive<i64>,
) -> anyhow::Result<N> {
    let number = layers.integer(key);
    let (least, most) = (allowed.start(), allowed.end());
    let found = allowed
        .contains(&number)
        .then(|| N::try_from(number).ok())
        .flatten();
    found.with_context(|| {
        format!(
            "{}: {key} is {number}, {least} to {most} are allowed",
            layers.source(key)
        )
    })
}

/// A misspelt level would count as the name of a part and switch everything else off.
fn log_level(text: &str) -> anyhow::Result<String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    for part in text.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        ensure!(
            LEVELS.contains(&level.trim()),
            "{level:?} is no log level; use {}, also by part as in info,muster_server=debug",
            LEVELS.join(", ")
        );
    }
    EnvFilter::try_new(text).context("not a filter of log levels")?;
    Ok(text.to_owned())
}

/// Reads a text setting, and names it and its source if it is wrong.
fn judged<T>(
    layers: &Layers,
    key: &str,
    read: impl FnOnce(&str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    read(layers.text(key)).with_context(|| format!("{}: {key}", layers.source(key)))
}
