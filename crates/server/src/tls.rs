//! TLS on the public listener: the certificate that is shown, and the handshake.
//!
//! The [`ServerConfig`] is made once. What can change is the certificate in it: a new one is shown
//! from the next handshake on, and no open connection notices. Where certificates come from, files
//! or memory, is the caller's business.

use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use muster_accounts::UnixSeconds;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::{Limits, metrics::Metrics, stream::TimedStream};

/// Said to a caller who speaks plain HTTP where TLS is spoken.
const PLAIN_HTTP: &str = "This port speaks HTTPS: call it with https:// in place of http://.\n";

/// A server's certificate, those between it and the authority's, and the key that belongs to it.
///
/// `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    begins: UnixSeconds,
    ends: UnixSeconds,
}

/// Why something is no [`Certificate`]. Shows nothing of the key.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The certificates are not PEM, or there are none.
    #[error(
        "it holds no certificate in PEM form; it is to begin with the server's own, and those \
         between it and the authority's follow"
    )]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("its first certificate cannot be read: {0}")]
    Certificate(String),
    /// There is no key in PEM form.
    #[error(
        "it holds no private key in PEM form that can be used without a passphrase; `openssl pkey \
         -in FILE -out NEW` writes one"
    )]
    NoKey,
    /// The key cannot be used.
    #[error("its private key cannot be used: {0}; RSA, ECDSA (P-256, P-384) and Ed25519 keys can")]
    Key(rustls::Error),
    /// The key is not that of the first certificate.
    #[error(
        "the private key does not belong to the first certificate; give the pair that was issued \
         together, the server's own certificate first"
    )]
    Mismatch,
}

impl Certificate {
    /// Reads a pair from PEM text: the server's certificate with those that lead to the authority's,
    /// and the first key in `key`, in PKCS #8, PKCS #1 or SEC1 form.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| CertificateError::NoCertificate)?;
        // What the reader says of a broken file may quote it.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        Self::from_der(chain, key)
    }

    /// Takes a pair that is in memory.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(own)
            .map_err(|error| CertificateError::Certificate(error.to_string()))?;
        let validity = parsed.validity();
        let [begins, ends] = [validity.not_before, validity.not_after]
            .map(|time| UnixSeconds(time.timestamp().try_into().unwrap_or(0)));
        let certified =
            CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch,
                rustls::Error::InvalidCertificate(error) => {
                    CertificateError::Certificate(error.to_string())
                }
                error => CertificateError::Key(error),
            })?;
        Ok(Self {
            certified: Arc::new(certified),
            begins,
            ends,
        })
    }

    /// The first moment of the certificate's validity.
    pub fn begins(&self) -> UnixSeconds {
        self.begins
    }

    /// The last moment of the certificate's validity.
    pub fn ends(&self) -> UnixSeconds {
        self.ends
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("begins", &self.begins)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// Named rather than installed for the whole process, which is not a library's to do.
fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// What a listener needs to speak TLS 1.2 and 1.3, and HTTP/1.1 over it. Clones share the
/// certificate.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
}

impl Tls {
    /// Shows this certificate.
    pub fn new(certificate: Certificate) -> Self {
        let shown = Arc::new(Shown(RwLock::new(certificate)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows the suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            config: Arc::new(config),
            shown,
        }
    }

    /// Shows another certificate from the next handshake on.
    pub fn replace(&self, certificate: Certificate) {
        let mut shown = self.shown.0.write().unwrap_or_else(PoisonError::into_inner);
        *shown = certificate;
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.shown).finish()
    }
}

/// The certificate for whatever name a client asks: a client who reaches muster under another name
/// than those of the certificate is the better judge of that.
#[derive(Debug)]
struct Shown(RwLock<Certificate>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(shown.certified.clone())
    }
}

/// Makes TLS streams of new connections.
pub(crate) struct Handshakes {
    acceptor: TlsAcceptor,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

/// Why a connection got no further than its handshake.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    #[error("it took longer than limits.header_timeout_s")]
    TimedOut,
    #[error("the caller speaks plain HTTP")]
    PlainHttp,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Handshakes {
    pub(crate) fn new(tls: &Tls, limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            acceptor: tls.config.clone().into(),
            timeout: Duration::from_secs(limits.header_timeout_s),
            metrics,
        }
    }

    /// The handshake on one connection, from its first byte on within the time of a request's head.
    pub(crate) async fn shake(
        &self,
        stream: TimedStream,
    ) -> Result<TlsStream<TimedStream>, HandshakeError> {
        let shaken = timeout(self.timeout, self.shake_in_time(stream)).await;
        let shaken = shaken.unwrap_or(Err(HandshakeError::TimedOut));
        if shaken.is_err() {
            self.metrics.failed_handshake();
        }
        shaken
    }

    async fn shake_in_time(
        &self,
        stream: TimedStream,
    ) -> Result<TlsStream<TimedStream>, HandshakeError> {
        // The first byte of TLS is 0x16, that of HTTP the first letter of a method. An alert of TLS
        // would be no answer to someone who does not speak it.
        if stream.first_byte().await?.is_ascii_uppercase() {
            let length = PLAIN_HTTP.len();
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{PLAIN_HTTP}"
            );
            stream.close_with(answer.as_bytes()).await?;
            return Err(HandshakeError::PlainHttp);
        }
        let mut stream = self.acceptor.accept(stream).await?;
        let (timed, session) = stream.get_mut();
        // What comes with the end of the handshake may be the beginning of a head. An error here
        // comes again with the first read.
        let state = session.process_new_packets();
        timed.wait_anew(state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0));
        Ok(stream)
    }
}
