//! The way to a server and back: one pool of connections, bounds on time and size, and errors that
//! never show a URL, since a URL of the account API holds a `UserSig`.

use std::{error::Error, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

use crate::HttpOptions;

/// Longest answer that is read, in bytes. The longest that muster gives is a page of 10,000
/// accounts.
pub const ANSWER_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// A server, and the pool of connections to it.
pub(crate) struct Http {
    base: Url,
    pool: reqwest::Client,
    timeout: Duration,
}

impl Http {
    /// `base` is an `http` or `https` URL; a path in it is put before the path of every call.
    /// `timeout` is for one whole call.
    pub(crate) fn new(
        base: &str,
        timeout: Duration,
        options: &HttpOptions,
    ) -> Result<Http, SetupError> {
        let base = parse_base(base)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&base, options.trusted()?)?)
            .connect_timeout(options.connect_timeout)
            .timeout(timeout)
            .tcp_nodelay(true)
            // A redirect would carry the UserSig or the token to a host that nobody named.
            .redirect(Policy::none())
            .user_agent(&options.user_agent);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let pool = builder
            .build()
            .map_err(|error| SetupError::Http(error.without_url().into()))?;
        Ok(Http {
            base,
            pool,
            timeout,
        })
    }

    /// The URL of a path below the base. `path` begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Host and port, for errors and for `Debug`.
    pub(crate) fn host(&self) -> &str {
        self.base.authority()
    }

    pub(crate) fn request(&self, method: reqwest::Method, url: Url) -> RequestBuilder {
        self.pool.request(method, url)
    }

    /// Sends the request and reads the whole answer, whatever its status.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Bytes), TransportError> {
        let response = self.begin(request).await?;
        Ok((response.status(), self.read(response).await?))
    }

    /// Sends the request and reads the head of the answer, whatever its status.
    pub(crate) async fn begin(&self, request: RequestBuilder) -> Result<Response, TransportError> {
        request.send().await.map_err(|error| self.failed(error))
    }

    /// The rest of an answer.
    pub(crate) async fn read(&self, mut response: Response) -> Result<Bytes, TransportError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                let host = self.host().to_owned();
                return Err(TransportError::AnswerTooLong { host });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    /// The next bytes of an answer, `None` at its end.
    pub(crate) async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<Bytes>, TransportError> {
        response.chunk().await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: reqwest::Error) -> TransportError {
        let host = self.host().to_owned();
        let error = error.without_url();
        let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
        let source = error.into();
        if is_connect {
            return TransportError::Connect { host, source };
        }
        if is_timeout {
            let timeout = self.timeout;
            return TransportError::TimedOut { host, timeout };
        }
        TransportError::Broken { host, source }
    }
}

fn parse_base(text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|error| SetupError::NotAUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SetupError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupError::Extra("a user name or password"));
    }
    if url.query().is_some() {
        return Err(SetupError::Extra("a query"));
    }
    if url.fragment().is_some() {
        return Err(SetupError::Extra("a fragment"));
    }
    Ok(url)
}

/// A proxy of the environment is for the world outside; this machine is reached directly.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// TLS that trusts what the machine trusts, and what is `trusted` beyond that. The provider is named
/// here rather than installed for the whole process, which is not a library's to do.
fn tls(
    base: &Url,
    trusted: Vec<CertificateDer<'static>>,
) -> Result<rustls::ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(no_tls)?;
    // Plain HTTP has to work on a machine without any root certificate, as in a bare container.
    if base.scheme() == "http" {
        let roots = rustls::RootCertStore::empty();
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let verifier = Verifier::new_with_extra_roots(trusted, provider).map_err(no_tls)?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

fn no_tls(error: rustls::Error) -> SetupError {
    SetupError::Tls(error.into())
}

/// Why a client could not be made. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The text is no URL.
    #[error("the URL is not valid: {0}; give scheme, host and port, as in http://HOST:PORT")]
    NotAUrl(String),
    /// Neither `http` nor `https`.
    #[error("the URL has scheme {0:?}; use http or https")]
    Scheme(String),
    /// More than scheme, host, port and path.
    #[error("the URL has {0}; only scheme, host, port and path are used")]
    Extra(&'static str),
    /// What [`HttpOptions::trust_pem`] was given cannot be read.
    #[error("the certificates to trust cannot be read: {0}; give them in PEM form")]
    Certificates(String),
    /// TLS cannot be set up. Without root certificates on the machine, install its
    /// `ca-certificates`, or name a file of them in the environment variable `SSL_CERT_FILE`.
    #[error(
        "TLS cannot be set up; are there root certificates on this machine (package \
         ca-certificates, or SSL_CERT_FILE)?"
    )]
    Tls(#[source] Box<dyn Error + Send + Sync>),
    /// [`Options::usersig_lifetime`](crate::Options::usersig_lifetime) is less than 1 s.
    #[error("a UserSig cannot be signed for less than 1 s; give it a day or more")]
    UserSigLifetime,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] Box<dyn Error + Send + Sync>),
}

/// A call did not come through: whether the server did what it asked is unknown, except after
/// [`Connect`](Self::Connect), where nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection.
    #[error("cannot connect to {host}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The call took too long.
    #[error("no whole answer from {host} within {} s", timeout.as_secs_f64())]
    TimedOut {
        /// Host and port.
        host: String,
        /// The limit.
        timeout: Duration,
    },
    /// The connection ended in the middle, or what came was not HTTP.
    #[error("the connection to {host} broke")]
    Broken {
        /// Host and port.
        host: String,
        /// What the system says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// More than [`ANSWER_LIMIT_BYTES`].
    #[error("the answer of {host} is longer than {ANSWER_LIMIT_BYTES} bytes")]
    AnswerTooLong {
        /// Host and port.
        host: String,
    },
}

impl TransportError {
    /// The same of a call that has a time limit of its own.
    pub(crate) fn within(self, timeout: Duration) -> TransportError {
        match self {
            TransportError::TimedOut { host, .. } => TransportError::TimedOut { host, timeout },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        for (text, refused) in [
            ("http://127.0.0.1:7080", None),
            ("https://console.tim.qq.com/", None),
            ("http://[::1]:7080/behind/a/proxy", None),
            ("127.0.0.1:7080", Some("the URL is not valid")),
            ("localhost:7080", Some("scheme \"localhost\"")),
            ("ftp://example.com", Some("scheme \"ftp\"")),
            ("http://me:secret@example.com", Some("a user name")),
            ("http://example.com?a=b", Some("a query")),
            ("http://example.com#a", Some("a fragment")),
        ] {
            let found = parse_base(text).err().map(|error| error.to_string());
            match (refused, found) {
                (None, None) => {}
                (Some(expected), Some(found)) => {
                    assert!(found.contains(expected), "{text}: {found}");
                    assert!(!found.contains("secret"), "{found}");
                }
                (_, found) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn loopback() {
        for (text, expected) in [
            ("http://localhost:1", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:80", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }
}
