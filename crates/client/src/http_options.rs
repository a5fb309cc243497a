//! What a user may want otherwise of the way to a server.

use std::{fmt, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::SetupError;

/// How a [`Client`](crate::Client) or an [`Operator`](crate::operator::Operator) connects.
///
/// ```no_run
/// use std::time::Duration;
/// use muster_client::HttpOptions;
///
/// # fn example() -> std::io::Result<()> {
/// let http = HttpOptions::default()
///     .connect_timeout(Duration::from_secs(2))
///     .user_agent("user-sync/1.4")
///     .trust_pem(&std::fs::read("muster-data/tls/ca.pem")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpOptions {
    pub(crate) connect_timeout: Duration,
    pub(crate) user_agent: String,
    trusted_pem: Vec<Vec<u8>>,
}

impl HttpOptions {
    /// How long a connection may take to come about, TLS included. It counts towards the time that a
    /// call may take. 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> HttpOptions {
        self.connect_timeout = timeout;
        self
    }

    /// What the `User-Agent` header says; `muster-client/` and its version by default.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> HttpOptions {
        self.user_agent = user_agent.into();
        self
    }

    /// Trusts these root certificates as well as those of the machine, such as the CA of a company or
    /// of `muster dev --tls`: one or more in PEM form. Counts for `https` only. May be called more than
    /// once. What is no certificate is told when the client is made ([`SetupError::Certificates`]).
    #[must_use]
    pub fn trust_pem(mut self, pem: &[u8]) -> HttpOptions {
        self.trusted_pem.push(pem.to_vec());
        self
    }

    pub(crate) fn trusted(&self) -> Result<Vec<CertificateDer<'static>>, SetupError> {
        let mut trusted = Vec::new();
        for pem in &self.trusted_pem {
            let before = trusted.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| error.to_string());
                trusted.push(certificate.map_err(SetupError::Certificates)?);
            }
            if trusted.len() == before {
                let reason = "there is no certificate in PEM form".to_owned();
                return Err(SetupError::Certificates(reason));
            }
        }
        Ok(trusted)
    }
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            connect_timeout: Duration::from_secs(5),
            user_agent: concat!("muster-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            trusted_pem: Vec::new(),
        }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("user_agent", &self.user_agent)
            // Megabytes of a bundle help nobody.
            .finish_non_exhaustive()
    }
}
