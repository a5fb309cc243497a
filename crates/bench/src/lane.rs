//! One connection to the server, with one call in flight, opened again when it was closed.
//!
//! The connection is driven by the task that calls: no task of its own, and no wake-up between two
//! tasks for every call.

use std::{io, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::endpoint::Endpoint;

/// Longest answer that is read, in bytes. An answer about 100 accounts has some ten thousand.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// How long a connection may take to come about, with TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens connections to one server.
pub(crate) struct Dialer {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    pub(crate) fn new(endpoint: Endpoint) -> Result<Dialer, TlsError> {
        let tls = endpoint.tls.then(|| connector(&endpoint)).transpose()?;
        Ok(Dialer { endpoint, tls })
    }

    async fn dial(&self) -> Result<Box<dyn Stream>, CallError> {
        let dialing = timeout(CONNECT_TIMEOUT, self.dial_at_leisure());
        let dialed = dialing.await.unwrap_or_else(|_| {
            let text = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        });
        dialed.map_err(CallError::Connect)
    }

    async fn dial_at_leisure(&self) -> io::Result<Box<dyn Stream>> {
        let address = (&*self.endpoint.host, self.endpoint.port);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// TLS that trusts what the machine trusts. The provider is named here rather than installed for
/// the whole process, which is not a library's to do.
fn connector(endpoint: &Endpoint) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| TlsError::Name)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(TlsError::Setup)?
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Why TLS cannot be spoken to the endpoint.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate can be for it.
    #[error("the host of the URL is no name that a certificate can be for")]
    Name,
    /// TLS cannot be set up.
    #[error(
        "TLS cannot be set up; are there root certificates on this machine (package \
         ca-certificates, or SSL_CERT_FILE)?"
    )]
    Setup(#[source] rustls::Error),
}

/// Why there is no answer to a call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection; nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The server closes new connections, which it may do if it has too many.
    #[error("the server closed a new connection before the call")]
    Closed,
    /// The connection ended in the middle, or what came was not HTTP.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// It took too long.
    #[error("no whole answer within {timeout_s} s")]
    TimedOut {
        /// The limit, in seconds.
        timeout_s: u64,
    },
    /// More than is read.
    #[error("the answer is longer than {ANSWER_LIMIT_BYTES} bytes")]
    TooLong,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>,
}

/// A connection, or the way to one.
pub(crate) struct Lane {
    dialer: Arc<Dialer>,
    open: Option<Open>,
    was_open: bool,
    reconnects: u64,
    timeout: Duration,
}

/// What came of handing a call to a connection.
#[expect(
    clippy::large_enum_variant,
    reason = "one a connection lives at a time, and a box would be one more allocation a call"
)]
enum Exchanged {
    Answered(StatusCode, Bytes),
    /// The connection was closed while it was idle.
    NotSent(Request<Full<Bytes>>),
    Failed(CallError),
}

impl Lane {
    /// Not open yet. `timeout` is for one whole call.
    pub(crate) fn new(dialer: Arc<Dialer>, timeout: Duration) -> Lane {
        Lane {
            dialer,
            open: None,
            was_open: false,
            reconnects: 0,
            timeout,
        }
    }

    /// How often the connection was opened again since this was last asked.
    pub(crate) fn take_reconnects(&mut self) -> u64 {
        std::mem::take(&mut self.reconnects)
    }

    /// Opens the connection, if it is not open.
    pub(crate) async fn open(&mut self) -> Result<(), CallError> {
        if self.open.is_none() {
            self.open = Some(self.dial().await?);
        }
        Ok(())
    }

    async fn dial(&mut self) -> Result<Open, CallError> {
        self.reconnects += u64::from(self.was_open);
        self.was_open = true;
        let stream = self.dialer.dial().await?;
        let made = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(CallError::Broken)?;
        Ok(Open { sender, connection })
    }

    /// Sends the call and reads the whole answer. A call that is known not to have been sent goes to
    /// a new connection, once.
    pub(crate) async fn call(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let limit = self.timeout;
        let timeout_s = limit.as_secs();
        let answered = timeout(limit, self.call_at_leisure(request)).await;
        answered.unwrap_or(Err(CallError::TimedOut { timeout_s }))
    }

    async fn call_at_leisure(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        loop {
            let (is_new, open) = match self.open.take() {
                Some(open) => (false, open),
                None => (true, self.dial().await?),
            };
            let (exchanged, open) = open.exchange(request).await;
            match exchanged {
                Exchanged::Answered(status, body) => {
                    self.open = open;
                    return Ok((status, body));
                }
                Exchanged::NotSent(_) if is_new => return Err(CallError::Closed),
                Exchanged::NotSent(unsent) => request = unsent,
                Exchanged::Failed(error) => return Err(error),
            }
        }
    }
}

impl Open {
    /// Also gives the connection back, unless it has ended.
    async fn exchange(self, request: Request<Full<Bytes>>) -> (Exchanged, Option<Open>) {
        let Open {
            mut sender,
            mut connection,
        } = self;
        let exchanged = {
            let mut call = pin!(call(&mut sender, request));
            tokio::select! {
                biased;
                exchanged = &mut call => exchanged,
                _ = &mut connection => {
                    // What it had not taken yet comes back to the call only when it is gone.
                    drop(connection);
                    return (call.await, None);
                }
            }
        };
        (exchanged, Some(Open { sender, connection }))
    }
}

async fn call(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Exchanged {
    if sender.ready().await.is_err() {
        return Exchanged::NotSent(request);
    }
    let response = match sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            return match error.take_message() {
                Some(request) => Exchanged::NotSent(request),
                None => Exchanged::Failed(CallError::Broken(error.into_error())),
            };
        }
    };
    let status = response.status();
    match whole(response.into_body()).await {
        Ok(body) => Exchanged::Answered(status, body),
        Err(error) => Exchanged::Failed(error),
    }
}

async fn whole(mut body: Incoming) -> Result<Bytes, CallError> {
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(CallError::Broken)?.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&first);
        }
        if joined.len() + data.len() > ANSWER_LIMIT_BYTES {
            return Err(CallError::TooLong);
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Closed without a word while it was idle, as servers do after a time.
    #[tokio::test]
    async fn a_call_that_was_not_sent_goes_to_a_new_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer_one = move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 4096]).unwrap();
            assert!(read > 0, "a call comes");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .unwrap();
            drop(stream);
            listener
        };
        let server = thread::spawn(answer_one);
        let dialer = Dialer::new(Endpoint::parse(&url).unwrap()).unwrap();
        let mut lane = Lane::new(Arc::new(dialer), Duration::from_mins(1));
        let request = || Request::get("/").body(Full::default()).unwrap();
        let (status, body) = lane.call(request()).await.unwrap();
        assert_eq!((status, &*body), (StatusCode::OK, &b"{}"[..]));

        // Waiting here lets the runtime see that the connection is closed.
        let closed = tokio::task::spawn_blocking(|| server.join().unwrap());
        let listener = closed.await.unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // An answer before its call would end the connection.
            let read = stream.read(&mut [0; 4096]).unwrap();
            assert!(read > 0, "the call comes again");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{ }")
                .unwrap();
            // Until the client is done.
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        let (_, body) = lane.call(request()).await.unwrap();
        assert_eq!(&*body, b"{ }");
        assert_eq!(lane.take_reconnects(), 1);
        drop(lane);
        server.join().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_closes_new_connections_has_answered_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                drop(stream);
            }
        });
        let dialer = Dialer::new(Endpoint::parse(&url).unwrap()).unwrap();
        let mut lane = Lane::new(Arc::new(dialer), Duration::from_mins(1));
        let request = Request::get("/").body(Full::default()).unwrap();
        let error = lane.call(request).await.unwrap_err();
        assert!(
            matches!(error, CallError::Closed | CallError::Broken(_)),
            "{error:?}"
        );
    }
}
