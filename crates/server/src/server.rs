//! The server as a whole: takes its two addresses, serves, stops.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use muster_accounts::AccountStore;
use thiserror::Error;
use tokio::{net::TcpListener, time::Instant};
use tracing::{info, warn};

use crate::{
    Clock, Settings,
    cluster::Follower,
    connections::Connections,
    core::Core,
    load::Load,
    metrics::{ListenerName, Metrics},
    operator::Operator,
    presence::Presence,
    public::Public,
    request_id::RequestIds,
    runtimes::Runtimes,
    stopping::{StopSwitch, Stopping},
    tls::Handshakes,
    webhooks::Webhooks,
};

/// A server that has its addresses. Connections queue up until it runs.
pub struct Server {
    public: Connections<Public>,
    operator: Connections<Operator>,
    public_addr: SocketAddr,
    operator_addr: SocketAddr,
    stop: StopSwitch,
    stopping: Stopping,
    webhooks: Webhooks,
    follower: Option<Follower>,
    shutdown_grace: Duration,
    /// Until the last event of a webhook was sent, for that happens there, too.
    runtimes: Arc<Runtimes>,
}

/// Why a server did not come to be.
#[derive(Debug, Error)]
pub enum BindError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for the {listener}: {}", advice(error))]
    Listen {
        /// `account protocol` or `operator API`.
        listener: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// The operating system gives no threads.
    #[error("the operating system gives no further thread: {0}")]
    Thread(io::Error),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// What was wrong, and what can be done about it.
fn advice(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there already; stop it, or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not; choose a port from 1024 up, or grant the right to bind lower ones"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; use one of its own, or 0.0.0.0 or [::] for all"
        }
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}

/// How a server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections on which a call was still in progress when
    /// [`Limits::shutdown_grace_s`](crate::Limits::shutdown_grace_s) was over; what became of those
    /// calls is unknown to their callers.
    pub cut_connections: usize,
}

/// Takes both addresses, and starts a thread for each core if it is called on a runtime with several
/// threads. The store is the caller's to close, after [`Server::run`] has returned.
pub async fn bind(
    settings: Settings,
    store: Arc<dyn AccountStore>,
    clock: Clock,
) -> Result<Server, BindError> {
    let (public_listener, public_addr) = listen("account protocol", settings.listen).await?;
    let (operator_listener, operator_addr) =
        listen("operator API", settings.operator_listen).await?;
    let runtimes = Arc::new(Runtimes::start().map_err(BindError::Thread)?);
    let run = getrandom::u32().map_err(BindError::Random)?;
    let request_ids = Arc::new(RequestIds::new(run));
    let presence = Presence::new(settings.limits.max_sessions, store.cluster());
    let load = Arc::new(Load::new(&settings.limits));
    let metrics = Arc::new(Metrics::new(store.clone(), presence.clone(), load.clone()));
    let limits = Arc::new(settings.limits.clone());
    let (stop, stopping) = Stopping::new();
    let webhooks = Webhooks::new(metrics.clone(), clock.clone(), limits.webhook_queue);
    let shutdown_grace = Duration::from_secs(limits.shutdown_grace_s);
    let core = Core {
        store,
        clock,
        webhooks: webhooks.clone(),
        metrics: metrics.clone(),
        request_ids,
        stopping: stopping.clone(),
        presence,
        faults: Arc::default(),
    };
    let handshakes = |tls| Arc::new(Handshakes::new(tls, &limits, metrics.clone()));
    let tls = settings.tls.as_ref().map(handshakes);
    let operator = Operator::new(&settings, core.clone());
    let public = Public::new(&settings, core.clone(), load);
    let follower = Follower::new(core, public.failed_checks());
    Ok(Server {
        public: Connections {
            name: ListenerName::Public,
            listener: public_listener,
            capacity: limits.max_connections,
            tls,
            limits: limits.clone(),
            metrics: metrics.clone(),
            answer: public,
            runtimes: runtimes.clone(),
        },
        operator: Connections {
            name: ListenerName::Operator,
            listener: operator_listener,
            capacity: limits.max_operator_connections,
            tls: None,
            limits,
            metrics,
            answer: operator,
            runtimes: Arc::new(Runtimes::none()),
        },
        public_addr,
        operator_addr,
        stop,
        stopping,
        webhooks,
        follower,
        shutdown_grace,
        runtimes,
    })
}

async fn listen(
    listener: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |error| BindError::Listen {
        listener,
        address,
        error,
    };
    let bound = TcpListener::bind(address).await.map_err(failed)?;
    let taken = bound.local_addr().map_err(failed)?;
    Ok((bound, taken))
}

impl Server {
    /// Where the account protocol is served; with the port that was taken if 0 was asked for.
    pub fn public_addr(&self) -> SocketAddr {
        self.public_addr
    }

    /// Where the operator API is served.
    pub fn operator_addr(&self) -> SocketAddr {
        self.operator_addr
    }

    /// Serves until `shutdown` ends, then stops: takes no more connections, answers 503 to requests
    /// that still come on open ones, and returns when every call in progress has been answered and
    /// the events of webhooks have been sent, or after
    /// [`Limits::shutdown_grace_s`](crate::Limits::shutdown_grace_s).
    ///
    /// A caller whose store can stop by itself waits for
    /// [`AccountStore::stopped`] in `shutdown` as well.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Stopped {
        let Self {
            public,
            operator,
            stop,
            stopping,
            public_addr,
            operator_addr,
            webhooks,
            follower,
            shutdown_grace,
            runtimes,
        } = self;
        let following = follower.map(|follower| tokio::spawn(follower.follow()));
        info!(%public_addr, %operator_addr, "serving");
        let until_shutdown = async {
            shutdown.await;
            info!("stopping: waiting for the calls in progress");
            stop.stop();
            Instant::now() + shutdown_grace
        };
        let (cut_public, cut_operator, deadline) = tokio::join!(
            public.serve(stopping.clone()),
            operator.serve(stopping),
            until_shutdown
        );
        if let Some(following) = following {
            following.abort();
        }
        // The last events are those of the last calls.
        webhooks.drain(deadline).await;
        drop(runtimes);
        let cut_connections = cut_public + cut_operator;
        if cut_connections > 0 {
            warn!(cut_connections, "stopped before every call was answered");
        } else {
            info!("stopped");
        }
        Stopped { cut_connections }
    }
}
