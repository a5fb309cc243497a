//! The client itself: for whom it calls, and how a call goes out.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use muster_usersig::SecretKey;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Advice, CallError, HttpOptions, REQUEST_LIMIT_BYTES, Retries, SetupError, answer, http::Http,
    retries::Tries, signer::Signer,
};

/// What a [`Client`] does in its own way unless told otherwise.
///
/// ```
/// use std::time::Duration;
/// use muster_client::{Options, Retries};
///
/// let options = Options::default()
///     .timeout(Duration::from_secs(20))
///     .retries(Retries::default().patience(Duration::from_mins(5)));
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    timeout: Duration,
    usersig_lifetime: Duration,
    retries: Option<Retries>,
    http: HttpOptions,
}

impl Options {
    /// How long one try of a call may take in all. The server gives up on its own work after 3 s, and
    /// an answer should be waited for a little longer. 10 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Options {
        self.timeout = timeout;
        self
    }

    /// How long a `UserSig` is signed for, in whole seconds; a new one is made at half of it. Tencent
    /// advises at least one day, which is the default. Less than 1 s is refused
    /// ([`SetupError::UserSigLifetime`]).
    #[must_use]
    pub fn usersig_lifetime(mut self, lifetime: Duration) -> Options {
        self.usersig_lifetime = lifetime;
        self
    }

    /// Whether calls that failed are tried again. `None`, the default, tries each once: a second try
    /// may meet what the first has done, so whoever switches it on should know what that means
    /// ([`Retries`]).
    #[must_use]
    pub fn retries(mut self, retries: impl Into<Option<Retries>>) -> Options {
        self.retries = retries.into();
        self
    }

    /// How the client connects.
    #[must_use]
    pub fn http(mut self, http: HttpOptions) -> Options {
        self.http = http;
        self
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout: Duration::from_secs(10),
            usersig_lifetime: Duration::from_hours(24),
            retries: None,
            http: HttpOptions::default(),
        }
    }
}

/// Calls the account API as one admin of one app.
///
/// It holds a pool of connections and is meant to be shared: all calls take `&self`. Any number may be
/// under way at the same time.
pub struct Client {
    http: Http,
    signer: Signer,
    retries: Option<Retries>,
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:7080` or
    /// `https://console.tim.qq.com`; a path in it is put before the path of every call.
    /// `identifier` is an admin of the app `sdkappid`, and `key` the app's secret key.
    ///
    /// Nothing is sent yet. The machine's proxy settings (`HTTPS_PROXY` and the like) count, except
    /// for loopback addresses.
    ///
    /// ```
    /// # use muster_client::{Client, SecretKey};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let key = SecretKey::parse("5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")?;
    /// let client = Client::new("http://127.0.0.1:7080", 1_400_000_000, "administrator", key)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        base: &str,
        sdkappid: u32,
        identifier: &str,
        key: SecretKey,
    ) -> Result<Client, SetupError> {
        Client::with_options(base, sdkappid, identifier, key, &Options::default())
    }

    /// The same with [`Options`].
    ///
    /// ```
    /// # use muster_client::{Client, Options, Retries, SecretKey};
    /// # fn example(key: SecretKey) -> Result<(), Box<dyn std::error::Error>> {
    /// let options = Options::default().retries(Retries::default());
    /// let base = "https://adminapisgp.im.qcloud.com";
    /// let client = Client::with_options(base, 1_400_000_000, "administrator", key, &options)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_options(
        base: &str,
        sdkappid: u32,
        identifier: &str,
        key: SecretKey,
        options: &Options,
    ) -> Result<Client, SetupError> {
        let expire_s = options.usersig_lifetime.as_secs();
        if expire_s == 0 {
            return Err(SetupError::UserSigLifetime);
        }
        Ok(Client {
            http: Http::new(base, options.timeout, &options.http)?,
            signer: Signer::new(sdkappid, identifier, key, expire_s),
            retries: options.retries.clone(),
        })
    }

    /// One call: `command` is the path below `/v4/` (wire §3).
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        command: &str,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).expect("request bodies are plain structs of text");
        if body.len() > REQUEST_LIMIT_BYTES {
            let bytes = body.len();
            return Err(CallError::RequestTooLong { bytes });
        }
        let body = Bytes::from(body);
        let began = Instant::now();
        let mut tries = self.retries.as_ref().map(Tries::new);
        loop {
            let error = match self.try_once(command, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = tries
                .as_mut()
                .and_then(|tries| tries.pause(error.advice(), began.elapsed(), fastrand::f64()));
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn try_once<T: DeserializeOwned>(
        &self,
        command: &str,
        body: Bytes,
    ) -> Result<T, CallError> {
        let usersig = self.signer.usersig_now();
        let mut url = self.http.url(&format!("/v4/{command}"));
        url.query_pairs_mut()
            .append_pair("sdkappid", &self.signer.sdkappid().to_string())
            .append_pair("identifier", self.signer.identifier())
            .append_pair("usersig", &usersig)
            .append_pair("random", &fastrand::u32(..).to_string())
            .append_pair("contenttype", "json");
        let request = self
            .http
            .request(Method::POST, url)
            .header("content-type", "application/json")
            .body(body);
        let (status, answer) = self.http.send(request).await?;
        let result = answer::read(status, &answer);
        if let Err(error) = &result
            && error.advice() == Advice::SignAnew
        {
            self.signer.forget(&usersig);
        }
        result
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.http.host())
            .field("signer", &self.signer)
            .field("retries", &self.retries)
            .finish()
    }
}
