//! muster's operator API: apps with their keys, admins and settings, the accounts as muster sees them,
//! and what tests make a server do.
//!
//! It is served on a listener of its own, with plain HTTP statuses and JSON, behind a bearer token.
//!
//! ```no_run
//! use muster_client::operator::{NewApp, Operator};
//!
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let operator = Operator::new("http://127.0.0.1:7081", token)?;
//! let app = operator.create_app(&NewApp::new(1_400_000_001)).await?;
//! // The server made the key and shows it this once.
//! let key = app.secret_key.expect("none was given, so one was made");
//! # Ok(())
//! # }
//! ```

mod accounts;
mod apps;
mod backup;
mod clock;
mod faults;
mod import;
mod lines;
mod sessions;

use std::{fmt, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    accounts::{Account, AccountPage, AccountQuery},
    apps::{App, AppChange, AppKey, Change, NewApp, Webhook, WebhookChange},
    backup::Backup,
    clock::ServerTime,
    faults::{Fault, NewFault},
    import::{Imported, ImportedEntry, Outcome},
    lines::{CommittedLines, LineImport, RefusedLine},
    sessions::{Session, SessionPage},
};
use crate::{HttpOptions, SetupError, TransportError, http::Http};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Calls the operator API of one server.
pub struct Operator {
    http: Http,
    bearer: HeaderValue,
}

impl Operator {
    /// A client of the operator listener at `base`, such as `http://127.0.0.1:7081`, with the
    /// operator token. Nothing is sent yet.
    pub fn new(base: &str, token: &str) -> Result<Operator, OperatorSetupError> {
        Operator::with_options(base, token, &HttpOptions::default())
    }

    /// The same with [`HttpOptions`].
    pub fn with_options(
        base: &str,
        token: &str,
        options: &HttpOptions,
    ) -> Result<Operator, OperatorSetupError> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| OperatorSetupError::Token)?;
        bearer.set_sensitive(true);
        let http = Http::new(base, TIMEOUT, options)?;
        Ok(Operator { http, bearer })
    }

    /// Whether the server runs, and which version. Needs no token.
    pub async fn health(&self) -> Result<Health, OperatorError> {
        self.get(&["health"], &[]).await
    }

    /// Whether the server takes calls now; [`OperatorError::Refused`] says why not.
    /// Needs no token.
    pub async fn ready(&self) -> Result<(), OperatorError> {
        let Ready::Ready = self.get(&["ready"], &[]).await?;
        Ok(())
    }

    /// The API's description, an OpenAPI 3.1 document. Needs no token.
    pub async fn openapi(&self) -> Result<serde_json::Value, OperatorError> {
        self.get(&["openapi.json"], &[]).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, OperatorError> {
        self.send(Method::GET, path, query, None::<&()>).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<T, OperatorError> {
        let (status, answer) = self.exchange(method, path, query, body).await?;
        serde_json::from_slice(&answer).map_err(|error| OperatorError::NotAnAnswer {
            status: status.as_u16(),
            reason: error.to_string(),
        })
    }

    /// Sends a request, and yields the answer if it is a success.
    async fn exchange(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Bytes), OperatorError> {
        let url = self.url(path, query)?;
        let mut request = self
            .http
            .request(method, url)
            .header(AUTHORIZATION, self.bearer.clone());
        if let Some(body) = body {
            let json = serde_json::to_vec(body).expect("request bodies are plain structs");
            request = request
                .header("content-type", "application/json")
                .body(json);
        }
        let (status, answer) = self.http.send(request).await?;
        if !status.is_success() {
            return Err(refused(status, &answer));
        }
        Ok((status, answer))
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, OperatorError> {
        let mut url = self.http.url("/muster/v1");
        for segment in path {
            // To every URL parser these three mean another path, escaped or not.
            if matches!(*segment, "" | "." | "..") {
                let segment = (*segment).to_owned();
                return Err(OperatorError::NotInAPath { segment });
            }
        }
        url.path_segments_mut()
            .expect("http URLs have a path")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("host", &self.http.host())
            .finish_non_exhaustive()
    }
}

fn refused(status: StatusCode, body: &[u8]) -> OperatorError {
    match serde_json::from_slice(body) {
        Ok(ErrorBody { error }) => OperatorError::Refused {
            status: status.as_u16(),
            code: error.code,
            message: error.message,
        },
        Err(_) => OperatorError::NotAnAnswer {
            status: status.as_u16(),
            reason: "no error object in it".to_owned(),
        },
    }
}

/// The server runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// Why an [`Operator`] could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorSetupError {
    /// As for [`Client`](crate::Client).
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The token cannot stand in an HTTP header.
    #[error("the operator token has a line end or another control character in it")]
    Token,
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The call did not come through.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server says no.
    #[error("{message} (HTTP status {status}, {code})")]
    #[non_exhaustive]
    Refused {
        /// HTTP status.
        status: u16,
        /// Such as `app_not_found`.
        code: String,
        /// For people.
        message: String,
    },
    /// The server ended an import of lines early.
    #[error("{message} The import broke off after line {lines} ({code})")]
    #[non_exhaustive]
    BrokenOff {
        /// Such as `store_unavailable`.
        code: String,
        /// For people.
        message: String,
        /// How many lines were accounted for. What became of later ones is unknown.
        lines: u64,
    },
    /// Not an answer of the operator API.
    #[error(
        "HTTP status {status}, and not an answer of muster's operator API: {reason}; is it the \
         operator listener?"
    )]
    NotAnAnswer {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// A user id, or another part of a path, that no URL can name. Nothing was sent.
    #[error("{segment:?} cannot be part of a URL's path")]
    NotInAPath {
        /// The part: empty, `.` or `..`.
        segment: String,
    },
}

// The listener of the account API answers this path, too: with status 200 and a refusal.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Ready {
    Ready,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: String,
    message: String,
}
