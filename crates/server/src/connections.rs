//! Accepts connections and speaks HTTP/1 on them, until told to stop. Both listeners work this way.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, error, info, warn};

use crate::{
    Limits,
    metrics::{ListenerName, Metrics},
    runtimes::Runtimes,
    stopping::Stopping,
    stream::{Answering, Exchange, TimedStream},
    tls::Handshakes,
    transport::Transport,
};

/// The head of a request and hyper's read buffer with it. A request line of 32 KiB must be accepted
/// (wire §1.1); as much again is left for the headers.
const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// How long accepting pauses when the machine has no more to give (file descriptors, memory).
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: SocketAddr,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) takeover: Arc<Takeover>,
}

/// What goes on with a connection once it speaks HTTP no more. It runs in the connection's own task,
/// so it keeps the connection's slot, and is waited for when the server stops.
#[derive(Default)]
pub(crate) struct Takeover(Mutex<Option<TakenOver>>);

type TakenOver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Takeover {
    /// Says what is to go on with the connection after the answer to an upgrade.
    pub(crate) fn set(&self, then: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(then));
    }

    fn take(&self) -> Option<TakenOver> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Takeover")
    }
}

/// The caller went away before the request was complete: there is no one to answer.
#[derive(Debug, Error)]
#[error("the caller cut the request off")]
pub(crate) struct CutOff;

/// Answers the requests of a listener.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    fn answer(
        &self,
        request: Request<Incoming>,
        caller: &Caller,
    ) -> impl Future<Output = Result<Response<Self::Body>, CutOff>> + Send;
}

/// One listener with all that its connections share.
pub(crate) struct Connections<A> {
    pub(crate) name: ListenerName,
    pub(crate) listener: TcpListener,
    /// How many connections it has at a time.
    pub(crate) capacity: usize,
    /// `None` where plain HTTP is spoken.
    pub(crate) tls: Option<Arc<Handshakes>>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) answer: A,
    /// Where they run.
    pub(crate) runtimes: Arc<Runtimes>,
}

impl<A: Answer> Connections<A> {
    /// Serves until `stopping` is set; then closes the listener and the idle connections, waits
    /// for the busy ones as long as [`Limits::shutdown_grace_s`], and answers how many of those it
    /// had to cut.
    pub(crate) async fn serve(self, mut stopping: Stopping) -> usize {
        let slots = Arc::new(Semaphore::new(self.capacity));
        let open = self.metrics.connections(self.name);
        let mut tasks = JoinSet::new();
        let (mut was_full, mut was_exhausted) = (false, false);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.wait() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    log_panic(ended);
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if concerns_one_connection(&error) => continue,
                Err(error) => {
                    // Said once, not ten times a second as long as it lasts.
                    if !was_exhausted {
                        error!(listener = %self.name, %error, "cannot accept connections for now");
                    }
                    was_exhausted = true;
                    sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
            };
            if was_exhausted {
                info!(listener = %self.name, "accepting connections again");
                was_exhausted = false;
            }
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                self.metrics.refused_connection(self.name);
                if !was_full {
                    warn!(
                        listener = %self.name,
                        max_connections = self.capacity,
                        "every connection is taken; closing new ones at once"
                    );
                }
                was_full = true;
                continue;
            };
            was_full = false;
            let connection = Connection {
                tls: self.tls.clone(),
                limits: self.limits.clone(),
                answer: self.answer.clone(),
                stopping: stopping.clone(),
            };
            let counted = Counted::new(open.clone());
            let place = self.runtimes.place();
            let on = place.handle.clone();
            // Off the runtime that accepted it, onto the one that it runs on.
            let stream = stream.into_std();
            let serve = async move {
                match stream.and_then(TcpStream::from_std) {
                    Ok(stream) => connection.serve(stream, peer).await,
                    Err(error) => warn!(%peer, %error, "cannot serve a connection"),
                }
                drop((counted, slot, place));
            };
            tasks.spawn_on(serve, &on);
        }

        drop(self.listener);
        let end = Instant::now() + Duration::from_secs(self.limits.shutdown_grace_s);
        while let Ok(Some(ended)) = timeout_at(end, tasks.join_next()).await {
            log_panic(ended);
        }
        let cut = tasks.len();
        tasks.shutdown().await;
        cut
    }
}

/// The body of an answer, which is being given until this is gone.
struct Sending<B> {
    body: B,
    _answering: Answering,
}

impl<B: Body + Unpin> Body for Sending<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Is counted as an open connection as long as it lives.
struct Counted(Gauge);

impl Counted {
    fn new(open: Gauge) -> Self {
        open.inc();
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

struct Connection<A> {
    tls: Option<Arc<Handshakes>>,
    limits: Arc<Limits>,
    answer: A,
    stopping: Stopping,
}

impl<A: Answer> Connection<A> {
    async fn serve(mut self, stream: TcpStream, peer: SocketAddr) {
        // Answers are small and written whole: waiting to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let exchange = Arc::new(Exchange::default());
        let caller = Caller {
            peer,
            exchange: exchange.clone(),
            takeover: Arc::default(),
        };
        let stream = TimedStream::new(stream, exchange, &self.limits);
        let Some(stream) = self.transport(stream, peer).await else {
            return;
        };
        let service = service_fn(|request| {
            let answering = caller.exchange.begin();
            let answer = self.answer.answer(request, &caller);
            async move {
                let answered = answer.await?;
                Ok::<_, CutOff>(answered.map(|body| Sending {
                    body,
                    _answering: answering,
                }))
            }
        });
        let connection = http1::Builder::new()
            // `TimedStream` keeps the times.
            .header_read_timeout(None)
            .max_buf_size(HEAD_LIMIT_BYTES)
            // A caller who has sent all and closed that direction still gets the answer, and a call
            // that has reached the store is carried to its end whether the caller waits or not.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            // The stop first: an answer that it sets free says that the connection closes.
            biased;
            () = self.stopping.wait() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            served = connection.as_mut() => served,
        };
        if let Err(error) = served {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            debug!(%peer, %error, cause, "connection ended");
            return;
        }
        if let Some(takeover) = caller.takeover.take() {
            takeover.await;
        }
    }
}

impl<A> Connection<A> {
    /// What HTTP is to be spoken over; `None` if it does not come to that.
    async fn transport(&mut self, stream: TimedStream, peer: SocketAddr) -> Option<Transport> {
        let Some(handshakes) = &self.tls else {
            return Some(Transport::Plain(stream));
        };
        let shaken = tokio::select! {
            shaken = handshakes.shake(stream) => shaken,
            () = self.stopping.wait() => return None,
        };
        match shaken {
            Ok(stream) => Some(Transport::Tls(Box::new(stream))),
            Err(error) => {
                debug!(%peer, %error, "the TLS handshake failed");
                None
            }
        }
    }
}

/// Errors of `accept` that are about the one connection that was to be accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task panicked");
    }
}
