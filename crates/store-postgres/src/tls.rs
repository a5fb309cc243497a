//! TLS to the database: what a URL asks for, whom it then trusts, and what a failed handshake means.
//!
//! `require` is stricter here than in libpq, where it encrypts without asking to whom: muster verifies
//! the certificate and the name, as `verify-full` does, or the encryption would keep out only those who
//! listen. `prefer`, which counts if the URL says nothing, is as weak as in libpq.

use std::{
    borrow::Cow,
    convert::Infallible,
    error::Error as StdError,
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use percent_encoding::percent_decode_str;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{
    config::SslMode,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::retry;

/// Name of the protocol, which a server that speaks TLS from the first byte wants to hear.
const ALPN: &[u8] = b"postgresql";

/// What tokio-postgres says of a server that answers no to TLS.
const NO_TLS: &str = "server does not support TLS";

/// Why the database cannot be reached as its URL asks.
#[derive(Debug, Error)]
pub enum TlsError {
    /// `sslmode` has a value that is none.
    #[error(
        "its sslmode is none that muster knows; write require (the same as verify-full), prefer or \
         disable"
    )]
    Mode,
    /// A CA is named, and nothing is verified.
    #[error(
        "it names an sslrootcert, but without sslmode=require nothing is verified; add that, or leave \
         sslrootcert out"
    )]
    RootsUnused,
    /// The file of the CA cannot be read.
    #[error("sslrootcert: cannot read {}: {cause}", path.display())]
    RootsUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file of the CA holds none.
    #[error("sslrootcert: {} holds no certificate in PEM form, which begins with \
        -----BEGIN CERTIFICATE-----", .0.display())]
    NoRoots(PathBuf),
    /// This machine trusts nobody.
    #[error(
        "cannot take over whom this machine trusts ({0}); name the file of the CA that issued the \
         database's certificate: sslrootcert=FILE in the URL"
    )]
    Machine(rustls::Error),
    /// The TLS library refuses.
    #[error("cannot speak TLS: {0}")]
    Library(rustls::Error),
}

/// What a URL asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `None` if it does not say.
    pub(crate) mode: Option<SslMode>,
    /// The file of the CAs to trust instead of those of this machine.
    pub(crate) roots: Option<PathBuf>,
}

/// Takes out of a URL what is not tokio-postgres's to understand. A list of `key=value` stays as it is;
/// there only `sslmode` is possible, and of it what tokio-postgres knows.
pub(crate) fn take_asked(url: &str) -> Result<(Cow<'_, str>, Asked), TlsError> {
    let is_url = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    // As tokio-postgres has it: whatever is before the first @ are user and password.
    let place = url.find('@').map_or(0, |at| at + 1);
    let Some((_, query)) = url[place..].split_once('?').filter(|_| is_url) else {
        return Ok((Cow::Borrowed(url), Asked::default()));
    };
    let mut asked = Asked::default();
    let mut rest = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", mode)) => asked.mode = Some(parse_mode(mode)?),
            // libpq's word for what this machine trusts, which is so anyway.
            Some(("sslrootcert", "" | "system")) => asked.roots = None,
            Some(("sslrootcert", path)) => {
                let path = percent_decode_str(path).decode_utf8_lossy();
                asked.roots = Some(path.into_owned().into());
            }
            _ => rest.push(parameter),
        }
    }
    let before = &url[..url.len() - query.len() - 1];
    let rest = rest.join("&");
    let question = if rest.is_empty() { "" } else { "?" };
    Ok((Cow::Owned(format!("{before}{question}{rest}")), asked))
}

fn parse_mode(mode: &str) -> Result<SslMode, TlsError> {
    match mode {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        // Who asks for less than the name to be verified gets that as well.
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(TlsError::Mode),
    }
}

/// Makes handshakes, and remembers whether the last connection had one.
#[derive(Clone)]
pub(crate) struct Tls {
    rustls: MakeRustlsConnect,
    encrypted: Arc<AtomicBool>,
}

impl Tls {
    /// What `mode` says, with these CAs, or else those of this machine. Reads their certificates, so a
    /// new one counts after the next start.
    pub(crate) fn new(
        mode: SslMode,
        roots: Option<PathBuf>,
        is_direct: bool,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Library)?;
        let mut config = match (mode, roots) {
            (SslMode::Require, Some(path)) => builder.with_root_certificates(read_roots(path)?),
            (SslMode::Require, None) => builder
                .with_platform_verifier()
                .map_err(TlsError::Machine)?,
            (_, Some(_)) => return Err(TlsError::RootsUnused),
            (_, None) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        }
        .with_no_client_auth();
        if is_direct {
            config.alpn_protocols.push(ALPN.to_vec());
        }
        Ok(Self {
            rustls: MakeRustlsConnect::new(config),
            encrypted: Arc::default(),
        })
    }

    /// Whether the connection that was made last is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted.load(Ordering::Relaxed)
    }
}

fn read_roots(path: PathBuf) -> Result<RootCertStore, TlsError> {
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(cause) => return Err(TlsError::RootsUnreadable { path, cause }),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate.is_ok_and(|certificate| roots.add(certificate).is_ok());
        if !added {
            return Err(TlsError::NoRoots(path));
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots(path));
    }
    Ok(roots)
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
    type TlsConnect = Noted<<MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect>;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Infallible> {
        self.encrypted.store(false, Ordering::Relaxed);
        Ok(Noted {
            connect: MakeTlsConnect::<S>::make_tls_connect(&mut self.rustls, host)?,
            encrypted: self.encrypted.clone(),
        })
    }
}

/// A handshake to come, if the server wants one.
pub(crate) struct Noted<C> {
    connect: C,
    encrypted: Arc<AtomicBool>,
}

impl<S, C: TlsConnect<S>> TlsConnect<S> for Noted<C> {
    type Stream = C::Stream;
    type Error = C::Error;
    type Future = C::Future;

    fn connect(self, stream: S) -> C::Future {
        self.encrypted.store(true, Ordering::Relaxed);
        self.connect.connect(stream)
    }
}

/// Takes any certificate, but only from who has its key: so a proof of the password that is bound to the
/// certificate (SCRAM with channel binding) is of no use to somebody in between.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Why no connection came about, and what to do if it was for TLS.
pub(crate) fn told(error: &(dyn StdError + 'static)) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string() == NO_TLS {
            return "the server speaks no TLS; switch it on there (ssl = on), or, if nobody can listen \
                on the way, write sslmode=disable"
                .to_owned();
        }
        // An io::Error gives what it wraps away only so.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(error) = wrapped.and_then(|error| error.downcast_ref()) {
            return told_of_handshake(error);
        }
        next = error.source();
    }
    retry::told(error)
}

fn told_of_handshake(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return format!("the TLS handshake failed: {error}");
    };
    match certificate {
        // The signature is a wrong one if the CA has been made anew under its old name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is of an issuer that is not \
            trusted; name the file of the issuing CA's certificate: sslrootcert=FILE in the URL"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the server's certificate is of another name ({certificate}); write the URL with a \
                 name that it has (hostaddr=ADDRESS can say where that is), or have one issued"
            )
        }
        // As `openssl req -x509` makes them without further ado.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server's certificate is \
            that of a CA; have the CA issue one to the server, and name the CA's as sslrootcert"
                .to_owned()
        }
        other => format!("the server's certificate is not valid: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_urls_ask_for() {
        let asked = |mode, roots: Option<&str>| Asked {
            mode,
            roots: roots.map(PathBuf::from),
        };
        for (url, rest, expected) in [
            ("postgres://db/m", "postgres://db/m", asked(None, None)),
            (
                "postgres://ann:a?b@db/m?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fca%201.pem",
                "postgres://ann:a?b@db/m?connect_timeout=3",
                asked(Some(SslMode::Require), Some("/ca 1.pem")),
            ),
            (
                "postgresql://db?sslmode=verify-ca&sslrootcert=system",
                "postgresql://db",
                asked(Some(SslMode::Require), None),
            ),
            (
                "postgres://db/m?sslmode=prefer",
                "postgres://db/m",
                asked(Some(SslMode::Prefer), None),
            ),
            (
                "postgres://db/m?sslmode=disable&sslmode=require",
                "postgres://db/m",
                asked(Some(SslMode::Require), None),
            ),
            // What is left is for tokio-postgres to judge.
            (
                "postgres://db/m?ssl&sslmode=disable",
                "postgres://db/m?ssl",
                asked(Some(SslMode::Disable), None),
            ),
            (
                "host=db sslmode=require",
                "host=db sslmode=require",
                asked(None, None),
            ),
        ] {
            let (left, found) = take_asked(url).unwrap();
            assert_eq!((&*left, &found), (rest, &expected), "{url}");
        }
        for mode in ["allow", "", "on", "REQUIRE"] {
            let url = format!("postgres://db/m?sslmode={mode}");
            assert!(matches!(take_asked(&url), Err(TlsError::Mode)), "{mode}");
        }
    }
}
