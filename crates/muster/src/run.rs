//! A server from its start to its end; what `dev` and `serve` share.
//!
//! Start: log, data directory, store, operator token, addresses, then the lines that others wait
//! for. End: the server answers what is in progress, the store makes durable what it accepted.

use std::{
    fmt::Write as _, net::IpAddr, net::SocketAddr, process::ExitCode, sync::Arc, time::Instant,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use muster_accounts::{AccountStore, SdkAppId};
use muster_server::{BindError, Certificate, Clock, Server, Settings, Tls, bind};
use muster_store_local::LocalStore;
use muster_store_postgres::PostgresStore;
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use crate::{
    config::{Config, Loaded, Source},
    data_dir, log, open_files, out, sample,
    signals::{ReloadSignal, StopSignals},
    tls_files::{Look, TlsFiles},
};

/// The store stopped by itself; a supervisor is to start muster again.
const STORE_STOPPED: u8 = 70;

#[derive(Args)]
pub(crate) struct SampleKeyArg {
    /// Listen beyond this machine although an app has the public sample key, with which anyone can
    /// sign.
    #[arg(long)]
    allow_public_sample_key: bool,
}

/// A server about to start: its settings are judged, its store is open.
pub(crate) struct Opened {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn AccountStore>,
    /// Whether this start made the data directory.
    pub(crate) new_data_dir: bool,
}

/// What a command says once its server has its addresses.
pub(crate) struct Greeting {
    /// The rest of the first line.
    pub(crate) title: String,
    /// Lines below the addresses: a name of up to 14 characters, and a text.
    pub(crate) notes: Vec<(&'static str, String)>,
    /// What comes before the line that says `muster is ready`, given the address of the account API.
    pub(crate) farewell: Option<Box<dyn FnOnce(SocketAddr) -> String>>,
}

/// What a command adds to a server.
pub(crate) struct Prepared {
    pub(crate) greeting: Greeting,
    /// In place of one that the settings name.
    pub(crate) certificate: Option<Certificate>,
}

/// Opens the store, lets the command `prepare` it and say something, and serves until told to stop.
pub(crate) fn run(
    loaded: Loaded,
    sample_key: &SampleKeyArg,
    prepare: impl AsyncFnOnce(&Opened) -> anyhow::Result<Prepared>,
) -> anyhow::Result<ExitCode> {
    log::start(&loaded.config.log);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let operator_listen = loaded.config.operator_listen;
    if !operator_listen.ip().is_loopback() {
        warn!(%operator_listen, "the operator API is served beyond this machine, as plain HTTP");
    }
    // First, for what is wrong with it shows at once, while opening a large store takes its time.
    let files = loaded.config.tls.as_ref();
    let certificate = files.map(TlsFiles::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let opened = open(&runtime, loaded.config)?;
    let done = runtime.block_on(async {
        let served = serve(&opened, sample_key, certificate, prepare).await;
        end(&opened, served).await
    });
    // Nothing is left to wait for: the store is closed, and what was cut off is cut off.
    runtime.shutdown_background();
    done
}

fn open(runtime: &Runtime, config: Config) -> anyhow::Result<Opened> {
    let dir = &config.data_dir;
    let sources = &config.sources;
    let new_data_dir = data_dir::prepare(dir, &sources.data_dir)?;
    let start = Instant::now();
    let store: Arc<dyn AccountStore> = match &config.store {
        None => {
            let opened = LocalStore::open(dir);
            let store = opened.with_context(|| format!("data_dir ({})", sources.data_dir))?;
            Arc::new(store)
        }
        Some(options) => {
            let opened = runtime.block_on(PostgresStore::open(options));
            let store = opened.with_context(|| format!("store = {options} ({})", sources.store))?;
            Arc::new(store)
        }
    };
    info!(
        place = config.place(),
        accounts = store.stats().accounts,
        took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        "the store is open"
    );
    Ok(Opened {
        config,
        store,
        new_data_dir,
    })
}

async fn serve(
    opened: &Opened,
    sample_key: &SampleKeyArg,
    from_files: Option<(Certificate, Look)>,
    prepare: impl AsyncFnOnce(&Opened) -> anyhow::Result<Prepared>,
) -> anyhow::Result<()> {
    let signals = StopSignals::listen()?;
    let prepared = prepare(opened).await?;
    refuse_public_keys(opened, sample_key).await?;
    let tls = match prepared.certificate {
        Some(certificate) => Some(Tls::new(certificate)),
        None => tls_from_files(&opened.config, from_files)?,
    };
    let scheme = scheme(tls.is_some());
    let server = bind_server(opened, tls).await?;
    greet(prepared.greeting, scheme, &server)?;
    let stop = async {
        tokio::select! {
            _ = signals.watch() => {}
            // The cause is in the log already, and once more at the end.
            _ = opened.store.stopped() => info!("stopping, because the store has stopped"),
        }
    };
    server.run(stop).await;
    Ok(())
}

/// Shows the certificate that was read, and from now on whatever its files hold.
fn tls_from_files(
    config: &Config,
    read: Option<(Certificate, Look)>,
) -> anyhow::Result<Option<Tls>> {
    let (Some(files), Some((certificate, look))) = (&config.tls, read) else {
        return Ok(None);
    };
    info!(
        tls_cert = %files.cert.display(),
        ends = %certificate.ends(),
        "the account API speaks TLS"
    );
    files.warn_of_open_key();
    let tls = Tls::new(certificate);
    let reload = ReloadSignal::listen()?;
    tokio::spawn(files.clone().keep_shown(tls.clone(), look, reload));
    Ok(Some(tls))
}

/// Closes the store whatever came before, and decides the exit code.
async fn end(opened: &Opened, served: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let closed = opened.store.close().await;
    served?;
    if let Err(cause) = closed {
        error!(
            %cause,
            exit_code = STORE_STOPPED,
            "the store stopped by itself; what was acknowledged is kept, start muster again"
        );
        return Ok(STORE_STOPPED.into());
    }
    info!("muster has stopped; everything it accepted is on the disk");
    Ok(ExitCode::SUCCESS)
}

/// Judges all apps there are, also one that was given the public sample key while the server ran.
async fn refuse_public_keys(opened: &Opened, sample_key: &SampleKeyArg) -> anyhow::Result<()> {
    let apps = opened.store.apps().await.context("cannot read the apps")?;
    let now = Clock::system().now();
    match apps.iter().find(|app| sample::holds_public_key(app, now)) {
        Some(app) => refuse_public_key(&opened.config, sample_key, app.sdkappid),
        None => Ok(()),
    }
}

/// With the public sample key, which this app has or is about to get, anyone who reaches the
/// listener is an admin.
pub(crate) fn refuse_public_key(
    config: &Config,
    sample_key: &SampleKeyArg,
    sdkappid: SdkAppId,
) -> anyhow::Result<()> {
    let Config {
        listen, sources, ..
    } = config;
    if listen.ip().is_loopback() || sample_key.allow_public_sample_key {
        return Ok(());
    }
    bail!(
        "listen = {listen} ({}) reaches beyond this machine, and the app {sdkappid} has the public \
         sample key, with which anyone can sign. Give the app a key of its own (start on \
         127.0.0.1, then `muster app rotate-key {sdkappid}`), or accept it with \
         --allow-public-sample-key",
        sources.listen
    )
}

async fn bind_server(opened: &Opened, tls: Option<Tls>) -> anyhow::Result<Server> {
    let config = &opened.config;
    let operator_token = match &config.operator_token {
        Some(token) => token.clone(),
        None => data_dir::token_or_new(&config.data_dir)?,
    };
    let mut limits = config.limits.clone();
    limits.max_connections =
        open_files::fit_connections(limits.max_connections, limits.max_operator_connections);
    let settings = Settings {
        listen: config.listen,
        tls,
        operator_listen: config.operator_listen,
        operator_token,
        rate_limits: config.rate_limits,
        trusted_proxies: config.trusted_proxies.clone(),
        test_controls: config.test_controls,
        limits,
    };
    let clock = if config.test_controls {
        Clock::adjustable().0
    } else {
        Clock::system()
    };
    let bound = bind(settings, opened.store.clone(), clock).await;
    bound.map_err(|error| {
        let sources = &config.sources;
        let source = |source: &Source, flag| match source {
            Source::Default => format!("the default; {flag} sets another"),
            source => source.to_string(),
        };
        let setting = match &error {
            BindError::Listen { address, .. } if *address == config.listen => {
                format!("listen ({}): ", source(&sources.listen, "--listen"))
            }
            BindError::Listen { .. } => {
                let flag = "--operator-listen";
                format!(
                    "operator_listen ({}): ",
                    source(&sources.operator_listen, flag)
                )
            }
            BindError::Random(_) | BindError::Thread(_) => String::new(),
        };
        // Its own text says all that its source says.
        anyhow!("{setting}{error}")
    })
}

/// The lines that people read and that scripts wait for: both addresses as bound, and at the end
/// `muster is ready`.
fn greet(greeting: Greeting, scheme: &str, server: &Server) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("muster {version}, {}\n\n", greeting.title);
    let addresses = [
        (
            "accounts API",
            format!("{scheme}://{}", server.public_addr()),
        ),
        ("operator API", format!("http://{}", server.operator_addr())),
    ];
    for (name, note) in addresses.into_iter().chain(greeting.notes) {
        writeln!(text, "  {name:<14} {note}").expect("writing to a String does not fail");
    }
    text.push('\n');
    if let Some(farewell) = greeting.farewell {
        text.push_str(&farewell(server.public_addr()));
    }
    text.push_str("muster is ready\n");
    out::print(&text)
}

/// Where the token of the operator API is, not the token.
pub(crate) fn token_note(opened: &Opened) -> String {
    let config = &opened.config;
    match config.operator_token {
        Some(_) => format!("in {}", config.sources.operator_token),
        None => format!("in {}", data_dir::token_path(&config.data_dir).display()),
    }
}

/// How URLs of the account API begin.
pub(crate) fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// The URL under which this machine reaches a listener: "all addresses" is none to connect to.
pub(crate) fn reachable(scheme: &str, mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            SocketAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        });
    }
    format!("{scheme}://{address}")
}
