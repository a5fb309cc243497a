//! The way to receivers: HTTP with persistent connections, and bounds on time and size.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Client, StatusCode, Url, header::CONTENT_TYPE, redirect::Policy};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;
use thiserror::Error;
use tokio::{sync::OnceCell, task::spawn_blocking, time::timeout};

use super::names::Names;

/// For one whole exchange, from the connection to the end of the answer (wire §8.1).
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection is kept for the next event. Common receivers close an idle one after 5 s,
/// and an event that is sent at that very moment is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How much of an answer is read, so that its connection can be used again. What says more than
/// that loses its connection.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024;

/// Posts events. One pool of connections serves all apps.
#[derive(Default)]
pub(super) struct Receivers {
    names: Names,
    // Made when first needed: TLS needs root certificates, which a machine without receivers, or
    // with near ones only, need not have.
    plain: OnceCell<Client>,
    plain_near: OnceCell<Client>,
    tls: OnceCell<Client>,
    tls_near: OnceCell<Client>,
}

/// Why there is no answer. Shows no URL.
#[derive(Debug, Error)]
pub(super) enum Unanswered {
    #[error("no whole answer within 2 s")]
    TimedOut,
    #[error("the URL is not valid; set the webhook's URL anew")]
    Url,
    #[error("{0}")]
    Failed(String),
}

impl Receivers {
    /// Posts a body to a URL with this query, and answers which status came back.
    pub(super) async fn post(
        &self,
        url: &str,
        query: &str,
        body: Bytes,
    ) -> Result<StatusCode, Unanswered> {
        let mut url = Url::parse(url).map_err(|_| Unanswered::Url)?;
        url.set_query(Some(query));
        let client = self.client(&url).await?;
        let exchange = async {
            let posted = client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(body);
            let mut response = posted.send().await.map_err(failed)?;
            let mut answer_bytes = 0;
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                answer_bytes += chunk.len();
                if answer_bytes > ANSWER_LIMIT_BYTES {
                    break;
                }
            }
            Ok(response.status())
        };
        let ended = timeout(EXCHANGE_TIMEOUT, exchange).await;
        ended.unwrap_or(Err(Unanswered::TimedOut))
    }

    async fn client(&self, url: &Url) -> Result<&Client, Unanswered> {
        let (is_tls, is_near) = (url.scheme() == "https", is_loopback(url));
        let cell = match (is_tls, is_near) {
            (false, false) => &self.plain,
            (false, true) => &self.plain_near,
            (true, false) => &self.tls,
            (true, true) => &self.tls_near,
        };
        let make = || async {
            let names = self.names.clone();
            // Root certificates are read from the disk.
            let made = spawn_blocking(move || {
                let tls = if is_tls { verified_tls()? } else { no_tls()? };
                client(names, tls, is_near)
            });
            made.await
                .unwrap_or_else(|panic| Err(Unanswered::Failed(panic.to_string())))
        };
        cell.get_or_try_init(make).await
    }
}

fn client(names: Names, tls: ClientConfig, is_near: bool) -> Result<Client, Unanswered> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(names))
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // A redirect would carry the event to a host that nobody named.
        .redirect(Policy::none())
        .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")));
    // A proxy of the environment is for the world outside; this machine is reached directly.
    if is_near {
        builder = builder.no_proxy();
    }
    builder.build().map_err(failed)
}

/// The provider is named here rather than installed for the whole process, which is not a library's
/// to do.
fn tls_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Unanswered> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| no_setup(&error))
}

/// TLS that trusts what the machine trusts.
fn verified_tls() -> Result<ClientConfig, Unanswered> {
    let verified = tls_builder()?
        .with_platform_verifier()
        .map_err(|error| no_setup(&error))?;
    Ok(verified.with_no_client_auth())
}

/// Plain HTTP has to work on a machine without any root certificate, as in a bare container.
fn no_tls() -> Result<ClientConfig, Unanswered> {
    let nobody = tls_builder()?.with_root_certificates(RootCertStore::empty());
    Ok(nobody.with_no_client_auth())
}

fn no_setup(error: &rustls::Error) -> Unanswered {
    Unanswered::Failed(format!(
        "TLS cannot be set up; are there root certificates on this machine (package \
         ca-certificates, or SSL_CERT_FILE)? {error}"
    ))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// All that is known of a failure, in one line and without the URL, whose query is signed.
fn failed(error: reqwest::Error) -> Unanswered {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Unanswered::Failed(text)
}

/// Whether events can be posted to a URL that [`Webhook::parse_url`] took. Which names an `xn--` can
/// stand for is in tables that only the reader of URLs has.
///
/// [`Webhook::parse_url`]: muster_accounts::app::Webhook::parse_url
pub(crate) fn can_be_posted_to(url: &str) -> bool {
    Url::parse(url).is_ok()
}

/// Host and port of a URL, for the log.
pub(super) fn host_of(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "unknown".to_owned();
    };
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use muster_accounts::app::Webhook;
    use rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A receiver that speaks TLS and answers 200, and the certificate it shows.
    async fn tls_receiver() -> (String, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate can be made");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.expect("a key"))
            .expect("the key is the certificate's");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A caller who does not trust it goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut received = Vec::new();
                while !received.ends_with(b"{}") {
                    stream.read_buf(&mut received).await.expect("a request");
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.expect("it listens");
            }
        });
        (format!("https://localhost:{port}/hook"), certificate)
    }

    #[tokio::test]
    async fn a_receiver_shows_a_certificate_that_is_trusted() {
        let (url, certificate) = tls_receiver().await;
        let body = || Bytes::from_static(b"{}");

        let ended = Receivers::default().post(&url, "a=b", body()).await;
        assert!(matches!(ended, Err(Unanswered::Failed(_))), "{ended:?}");

        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a certificate");
        let builder = tls_builder().expect("ring has what it takes");
        let tls = builder.with_root_certificates(roots).with_no_client_auth();
        let trusting = client(Names::default(), tls, true).expect("a client");
        let receivers = Receivers {
            tls_near: OnceCell::new_with(Some(trusting)),
            ..Receivers::default()
        };
        let ended = receivers.post(&url, "a=b", body()).await;
        assert_eq!(ended.expect("an answer"), StatusCode::OK);
    }

    /// What an operator can set can be posted to.
    #[test]
    fn every_url_of_a_webhook_is_one_here() {
        for (url, host) in [
            (
                "HTTPS://Hooks.Example.COM:8443/a%20b;c=d,@e",
                "hooks.example.com:8443",
            ),
            ("https://hooks.example.com.", "hooks.example.com.:443"),
            ("http://receiver_1/", "receiver_1:80"),
            ("http://9ab/a//b/../c", "9ab:80"),
            ("http://xn--bcher-kva.example/", "xn--bcher-kva.example:80"),
            ("http://127.0.0.1:65535", "127.0.0.1:65535"),
            ("http://[2001:db8:0::7]:1", "[2001:db8::7]:1"),
        ] {
            let url = Webhook::parse_url(url).expect("it can be one");
            assert_eq!(host_of(&url), host);
        }
    }

    #[test]
    fn hosts() {
        for (url, expected) in [
            ("https://hooks.example.com/s3cret", "hooks.example.com:443"),
            ("http://me:s3cret@127.0.0.1:9000/?s3cret", "127.0.0.1:9000"),
            ("http://[::1]/", "[::1]:80"),
            ("s3cret", "unknown"),
        ] {
            assert_eq!(host_of(url), expected);
        }
    }
}
