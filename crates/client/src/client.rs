//! The client itself: for whom it calls, and how a call goes out.

use std::{fmt, time::Duration};

use muster_usersig::SecretKey;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use crate::{CallError, SetupError, answer, http::Http, signer::Signer};

/// What a [`Client`] does in its own way unless told otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one call may take in all. The server gives up on its own work after 3 s, and
    /// callers are told to wait longer (wire §1.2). 10 s by default.
    pub timeout: Duration,
    /// How long a `UserSig` is signed for, in seconds; a new one is made at half of it. Tencent
    /// advises at least one day, which is the default.
    pub usersig_expire_s: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout: Duration::from_secs(10),
            usersig_expire_s: 86_400,
        }
    }
}

/// Calls the account API as one admin of one app.
pub struct Client {
    http: Http,
    signer: Signer,
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:7080` or
    /// `https://console.tim.qq.com`; a path in it is put before the path of every call.
    /// `identifier` is an admin of the app `sdkappid`, and `key` the app's secret key.
    ///
    /// Nothing is sent yet. The machine's proxy settings (`HTTPS_PROXY` and the like) count, except
    /// for loopback addresses.
    pub fn new(
        base: &str,
        sdkappid: u32,
        identifier: &str,
        key: SecretKey,
    ) -> Result<Client, SetupError> {
        Client::with_options(base, sdkappid, identifier, key, &Options::default())
    }

    /// The same with [`Options`].
    pub fn with_options(
        base: &str,
        sdkappid: u32,
        identifier: &str,
        key: SecretKey,
        options: &Options,
    ) -> Result<Client, SetupError> {
        Ok(Client {
            http: Http::new(base, options.timeout)?,
            signer: Signer::new(sdkappid, identifier, key, options.usersig_expire_s),
        })
    }

    /// One call: `command` is the path below `/v4/` (wire §3).
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        command: &str,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).expect("request bodies are plain structs of text");
        let mut url = self.http.url(&format!("/v4/{command}"));
        url.query_pairs_mut()
            .append_pair("sdkappid", &self.signer.sdkappid().to_string())
            .append_pair("identifier", self.signer.identifier())
            .append_pair("usersig", &self.signer.usersig_now())
            .append_pair("random", &random().to_string())
            .append_pair("contenttype", "json");
        let request = self
            .http
            .request(Method::POST, url)
            .header("content-type", "application/json")
            .body(body);
        let (status, answer) = self.http.send(request).await?;
        answer::read(status, &answer)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.http.host())
            .field("signer", &self.signer)
            .finish()
    }
}

/// The `random` of wire §1.1. No server relies on it, so a machine without randomness may still
/// call.
fn random() -> u32 {
    getrandom::u32().unwrap_or(0)
}
