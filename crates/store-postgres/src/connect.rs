//! Connections to the database.

use std::{fmt, net::IpAddr, time::Duration};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use thiserror::Error;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, SslNegotiation, TargetSessionAttrs},
};

use crate::{
    retry::told,
    schema::SchemaError,
    tls::{Tls, TlsError, take_asked},
};

/// How long a new connection, or a free one, may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections for asking what other nodes have done.
const OF_FEED: usize = 2;

/// When the other end of a connection counts as gone if it is silent.
const SILENCE: Duration = Duration::from_secs(3);

/// What each connection asks for, whatever the defaults of database and role are.
///
/// Statements give up by themselves, so that none holds locks for a caller who is long gone. Nor does a
/// transaction hold them for a node that has gone without a word, of which the database would hear after
/// two hours. A transaction that has waited for a lock has to see what came before it: otherwise the
/// accounts of an app are counted as they were, and more get in than its edition allows.
const SESSION: &str = "SET statement_timeout = '5s'; \
    SET idle_in_transaction_session_timeout = '10s'; \
    SET default_transaction_isolation = 'read committed'";

/// Sooner if the caller's node is seen to be gone, also while they wait for somebody's lock. On some
/// systems the database cannot see that, and refuses.
const WITH_THEIR_CALLER: &str = "SET client_connection_check_interval = '1s'";

/// Where the database is, and how much of it this node uses. `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct Options {
    config: Config,
    tls: Tls,
    connections: usize,
    is_for_filling: bool,
}

impl Options {
    /// Reads a URL as in `postgres://user@host/database`, with what libpq's manual allows beside;
    /// several hosts are tried in turn, and `target_session_attrs=read-write` takes the one that takes
    /// writes. 16 connections at most.
    ///
    /// `sslmode` says whether connections are encrypted:
    ///
    /// - `require`, and likewise `verify-ca` and `verify-full`: always, and only with a server whose
    ///   certificate is valid for the name of its host in the URL and comes from whom this machine
    ///   trusts, or from a CA in the file that `sslrootcert` names. With several hosts each has its own
    ///   name to show. This is more than libpq asks for at `require`, where anyone can be the server.
    /// - `prefer`, and if nothing is said: if the server can, whoever it is, as with libpq.
    /// - `disable`: never.
    ///
    /// In place of a URL a list of `key=value` is taken too, without `verify-ca`, `verify-full` and
    /// `sslrootcert`. Reads the certificates of those to be trusted.
    ///
    /// The connections have to be this store's own for as long as they are open: it prepares statements
    /// and makes settings once for each. A pooler between is to pool sessions (in pgbouncer
    /// `pool_mode = session`), not transactions or statements.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let (url, asked) = take_asked(url)?;
        let mut config: Config = url.parse().map_err(OpenError::Url)?;
        if config.get_hosts().is_empty() {
            return Err(OpenError::NoHost);
        }
        if let Some(mode) = asked.mode {
            config.ssl_mode(mode);
        }
        let is_direct = config.get_ssl_negotiation() == SslNegotiation::Direct;
        let tls = Tls::new(config.get_ssl_mode(), asked.roots, is_direct)?;
        Ok(Self {
            config,
            tls,
            connections: 16,
            is_for_filling: false,
        })
    }

    /// The password, in place of one in the URL.
    pub fn password(&mut self, password: &str) {
        self.config.password(password);
    }

    /// Whether there is a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Opens the database also if it is half filled, so as to go on filling it
    /// ([`muster_accounts::Transfer`]).
    pub fn for_filling(&mut self) {
        self.is_for_filling = true;
    }

    pub(crate) fn is_for_filling(&self) -> bool {
        self.is_for_filling
    }

    /// Warns if what was connected last lets others listen although nobody has said that this is well.
    pub(crate) fn warn_of_plain_text(&self) {
        let by_choice = self.config.get_ssl_mode() == SslMode::Disable;
        if by_choice || self.tls.is_encrypted() || !self.has_password() || !self.leaves_machine() {
            return;
        }
        tracing::warn!(
            database = %self,
            "the connection to the database is not encrypted, for the server speaks no TLS: accounts \
             and keys can be read on the way; switch TLS on there and add sslmode=require to the URL, \
             or sslmode=disable if nobody can listen"
        );
    }

    /// How handshakes are made, and whether the last connection had one.
    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// What is asked of connections.
    pub(crate) fn ssl_mode(&self) -> SslMode {
        self.config.get_ssl_mode()
    }

    /// The most connections at a time, those for what other nodes have done included.
    pub(crate) fn all_connections(&self) -> usize {
        self.connections + OF_FEED
    }

    /// Whether a host is, or may be, another machine.
    pub(crate) fn leaves_machine(&self) -> bool {
        let is_here = |name: &str| {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        };
        let addresses = self.config.get_hostaddrs();
        let mut hosts = self.config.get_hosts().iter().enumerate();
        hosts.any(|(i, host)| match (addresses.get(i), host) {
            (Some(address), _) => !address.is_loopback(),
            (None, Host::Tcp(name)) => !is_here(name),
            #[cfg(unix)]
            (None, Host::Unix(_)) => false,
        })
    }

    /// For asking what other nodes have done, and for counting, while all others are busy.
    pub(crate) fn of_feed(&self) -> Self {
        Self {
            connections: OF_FEED,
            ..self.clone()
        }
    }

    /// The most connections at a time, at least 2, beside two for what other nodes have done.
    pub fn connections(&mut self, connections: usize) {
        self.connections = connections.max(2);
    }
}

/// Hosts and database, as in `postgres://10.0.0.5:5432/muster`.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate();
        f.write_str("postgres://")?;
        for (i, host) in hosts {
            let comma = if i > 0 { "," } else { "" };
            let port = ports.get(i).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                #[cfg(unix)]
                Host::Unix(dir) => write!(f, "{comma}{}:{port}", dir.display())?,
            }
        }
        let user = self.config.get_user();
        let database = self.config.get_dbname().or(user).unwrap_or_default();
        write!(f, "/{database}")
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a store could not be opened. The texts never hold the URL, in which a password may be.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is none.
    #[error("it is no URL of a database ({}); write it as postgres://user@host/database", told(.0))]
    Url(tokio_postgres::Error),
    /// The URL names no host.
    #[error("it names no host; write it as postgres://user@host/database")]
    NoHost,
    /// What the URL asks for cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody answers, or refuses.
    #[error("cannot connect to the database: {0}")]
    Connect(String),
    /// It does not keep texts as UTF-8.
    #[error("the database keeps texts as {0}; muster needs one with the encoding UTF8")]
    Encoding(String),
    /// It was not filled to its end.
    #[error(
        "the database holds the first part of a copy that was broken off; run the same `muster store \
         copy` again, which goes on with it, or drop the schema `muster`"
    )]
    HalfFilled,
    /// The schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// How connections are made: to the server that takes writes, within a few seconds or not at all.
pub(crate) fn settings(options: &Options) -> Config {
    let mut config = options.config.clone();
    if config.get_application_name().is_none() {
        config.application_name("muster");
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        // After a failover, the first of the hosts may be a standby.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    // Time to try the next host, should one be silent.
    let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
    config.connect_timeout(PATIENCE / hosts.saturating_add(1));
    config.keepalives_idle(SILENCE);
    config.keepalives_interval(Duration::from_secs(1));
    config.keepalives_retries(2);
    config.tcp_user_timeout(SILENCE);
    config
}

/// A pool that connects when it is asked to.
pub(crate) fn pool(options: &Options) -> Pool {
    let config = settings(options);
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let begin_session = Hook::async_fn(|client, _| {
        Box::pin(async move {
            let set = client.batch_execute(SESSION).await;
            set.map_err(HookError::Backend)?;
            // Where it is refused, the limit alone must do.
            let _ = client.batch_execute(WITH_THEIR_CALLER).await;
            Ok(())
        })
    });
    let pool = Pool::builder(Manager::from_config(config, options.tls.clone(), recycling))
        .max_size(options.connections)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .runtime(Runtime::Tokio1)
        .post_create(begin_session)
        .build();
    pool.expect("a runtime for the time-outs is given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_without_the_password() {
        for (url, shown) in [
            ("postgres://ann:hush@db/muster", "postgres://db:5432/muster"),
            ("postgres://ann:hush@db:6432", "postgres://db:6432/ann"),
            ("postgres://ann@a:1,b:2/m", "postgres://a:1,b:2/m"),
            (
                "host=/run/pg user=ann password=hush dbname=m",
                "postgres:///run/pg:5432/m",
            ),
        ] {
            let options = Options::parse(url).unwrap();
            assert_eq!(options.to_string(), shown);
            assert_eq!(format!("{options:?}"), shown);
            assert_eq!(options.has_password(), url.contains("hush"));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        for (url, told) in [
            (
                "postgres://ann:hush@db/m?nonsense=hush",
                "it is no URL of a database",
            ),
            ("hush", "it is no URL of a database"),
            ("postgres:///hush", "it names no host"),
            (
                "postgres://ann:hush@db/m?sslmode=hush",
                "its sslmode is none that muster knows",
            ),
            (
                "postgres://ann:hush@db/m?sslrootcert=ca.pem",
                "it names an sslrootcert, but without sslmode=require",
            ),
            (
                "postgres://ann:hush@db/m?sslmode=require&sslrootcert=/no/such/ca.pem",
                "sslrootcert: cannot read /no/such/ca.pem: ",
            ),
            (
                "postgres://ann:hush@db/m?sslmode=verify-full&sslrootcert=Cargo.toml",
                "sslrootcert: Cargo.toml holds no certificate",
            ),
        ] {
            let error = Options::parse(url).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn which_hosts_may_be_another_machine() {
        for (url, leaves) in [
            ("postgres://localhost/m", false),
            ("postgres://127.8.9.1,[::1]/m", false),
            ("host=/run/pg dbname=m", false),
            ("postgres://db/m?hostaddr=127.0.0.1", false),
            ("postgres://db/m", true),
            ("postgres://localhost,db/m", true),
            ("postgres://10.0.0.5/m", true),
            ("postgres://localhost/m?hostaddr=10.0.0.5", true),
        ] {
            assert_eq!(
                Options::parse(url).unwrap().leaves_machine(),
                leaves,
                "{url}"
            );
        }
    }
}
