//! muster's operator API: apps with their keys and admins, and the accounts as muster sees them.
//!
//! It is served on a listener of its own, with plain HTTP statuses and JSON, behind a bearer token.
//!
//! ```no_run
//! use muster_client::operator::{NewApp, Operator};
//!
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let operator = Operator::new("http://127.0.0.1:7081", token)?;
//! let app = operator.create_app(&NewApp { sdkappid: 1_400_000_001, edition: None, secret_key: None }).await?;
//! // The server made the key and shows it this once.
//! let key = app.secret_key.expect("none was given, so one was made");
//! # Ok(())
//! # }
//! ```

use std::{fmt, time::Duration};

use muster_usersig::SecretKey;
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{SetupError, TransportError, http::Http};

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
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| OperatorSetupError::Token)?;
        bearer.set_sensitive(true);
        let http = Http::new(base, TIMEOUT)?;
        Ok(Operator { http, bearer })
    }

    /// Whether the server runs, and which version. Needs no token.
    pub async fn health(&self) -> Result<Health, OperatorError> {
        self.get(&["health"], &[]).await
    }

    /// Whether the server takes calls now; [`OperatorError::Refused`] says why not.
    /// Needs no token.
    pub async fn ready(&self) -> Result<(), OperatorError> {
        let Ready {} = self.get(&["ready"], &[]).await?;
        Ok(())
    }

    /// Makes an app. Without a key of yours the server makes one, and the answer alone carries it.
    pub async fn create_app(&self, new: &NewApp<'_>) -> Result<App, OperatorError> {
        let body = CreateApp {
            sdkappid: new.sdkappid,
            edition: new.edition,
            secret_key: new.secret_key.map(SecretKey::as_str),
        };
        self.send(Method::POST, &["apps"], &[], Some(&body)).await
    }

    /// All apps, by number.
    pub async fn apps(&self) -> Result<Vec<App>, OperatorError> {
        let Apps { apps } = self.get(&["apps"], &[]).await?;
        Ok(apps)
    }

    /// One app.
    pub async fn app(&self, sdkappid: u32) -> Result<App, OperatorError> {
        self.get(&["apps", &sdkappid.to_string()], &[]).await
    }

    /// Gives the app another key; what was signed with the one before is refused from then on.
    /// Without a key of yours the server makes one, and the answer alone carries it.
    pub async fn rotate_key(
        &self,
        sdkappid: u32,
        secret_key: Option<&SecretKey>,
    ) -> Result<App, OperatorError> {
        let body = RotateKey {
            secret_key: secret_key.map(SecretKey::as_str),
        };
        let path = ["apps", &sdkappid.to_string(), "rotate-key"];
        self.send(Method::POST, &path, &[], Some(&body)).await
    }

    /// Makes a user an admin of the app, and an account if they have none.
    pub async fn add_admin(&self, sdkappid: u32, user_id: &str) -> Result<App, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "admins", user_id];
        self.send::<App>(Method::PUT, &path, &[], None::<&()>).await
    }

    /// Takes the role away; the account stays.
    pub async fn remove_admin(&self, sdkappid: u32, user_id: &str) -> Result<App, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "admins", user_id];
        self.send::<App>(Method::DELETE, &path, &[], None::<&()>)
            .await
    }

    /// Up to `limit` (1 to 10,000) accounts of an app in order of internal id, those after the one
    /// given.
    pub async fn accounts(
        &self,
        sdkappid: u32,
        after: Option<&str>,
        limit: u32,
    ) -> Result<AccountPage, OperatorError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(after.map(|id| ("after", id)));
        let path = ["apps", &sdkappid.to_string(), "accounts"];
        self.get(&path, &query).await
    }

    /// One account.
    pub async fn account(&self, sdkappid: u32, user_id: &str) -> Result<Account, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "accounts", user_id];
        self.get(&path, &[]).await
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
        serde_json::from_slice(&answer).map_err(|error| OperatorError::NotAnAnswer {
            status: status.as_u16(),
            reason: error.to_string(),
        })
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, OperatorError> {
        let mut url = self.http.url("/muster/v1");
        for segment in path {
            // To every URL parser these three mean another path, escaped or not.
            if matches!(*segment, "" | "." | "..") {
                let user_id = (*segment).to_owned();
                return Err(OperatorError::NotInAPath { user_id });
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

/// An app to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewApp<'a> {
    /// The number it is to have, from 1 up.
    pub sdkappid: u32,
    /// `trial`, `developer`, `standard`, `pro`, `pro_plus` or `enterprise`; without one the server
    /// chooses `developer`.
    pub edition: Option<&'a str>,
    /// Its secret key; without one the server makes one.
    pub secret_key: Option<&'a SecretKey>,
}

/// An app as the operator sees it. `Debug` never shows a key; serialized, it is what the server sent,
/// with the key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct App {
    /// The app's number.
    pub sdkappid: u32,
    /// Its edition.
    pub edition: String,
    /// Who may call the account API.
    pub admins: Vec<String>,
    /// How many secret keys it has.
    pub keys: u64,
    /// How many accounts it has, `administrator` included.
    pub accounts: u64,
    /// When it was made, UTC, as in `2026-02-20T08:00:00Z`.
    pub created_at: String,
    /// The key that the server made in this very call.
    #[serde(default, deserialize_with = "secret_key")]
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<SecretKey>,
}

/// An account as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The one internal id (wire §4.2), decimal.
    pub internal_id: String,
    /// The team's own name for the user.
    pub user_id: String,
    /// Nickname.
    pub nick: String,
    /// Address of the avatar.
    pub face_url: String,
    /// When the account was made, UTC.
    pub imported_at: String,
    /// When its profile last changed, UTC.
    pub changed_at: String,
}

/// Some accounts, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccountPage {
    /// In order of internal id.
    pub accounts: Vec<Account>,
    /// What to give as `after` for the next page; `None` at the end.
    pub next_after: Option<String>,
}

/// The server runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// Why an [`Operator`] could not be made.
#[derive(Debug, thiserror::Error)]
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
pub enum OperatorError {
    /// The call did not come through.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server says no.
    #[error("{message} (HTTP status {status}, {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Such as `app_not_found`.
        code: String,
        /// For people.
        message: String,
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
    /// A user id that no URL can name. Nothing was sent.
    #[error("the user id {user_id:?} cannot be part of a URL")]
    NotInAPath {
        /// The id: empty, `.` or `..`.
        user_id: String,
    },
}

#[derive(Serialize)]
struct CreateApp<'a> {
    sdkappid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    edition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<&'a str>,
}

#[derive(Serialize)]
struct RotateKey<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<&'a str>,
}

#[derive(Deserialize)]
struct Apps {
    apps: Vec<App>,
}

#[derive(Deserialize)]
struct Ready {}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: String,
    message: String,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn as_text<S: serde::Serializer>(key: &Option<SecretKey>, to: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(SecretKey::as_str).serialize(to)
}

fn secret_key<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SecretKey>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| SecretKey::parse(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}
