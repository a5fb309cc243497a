//! Apps: made, configured, re-keyed, given admins.

use std::{collections::BTreeMap, fmt};

use muster_usersig::SecretKey;
use reqwest::Method;
use serde::{Deserialize, Serialize, Serializer};

use super::{Operator, OperatorError};

impl Operator {
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
        self.rotate_key_with_grace(sdkappid, secret_key, 0).await
    }

    /// Likewise, while what was signed with the keys before still verifies for `grace_s` seconds, up
    /// to 365 days.
    pub async fn rotate_key_with_grace(
        &self,
        sdkappid: u32,
        secret_key: Option<&SecretKey>,
        grace_s: u64,
    ) -> Result<App, OperatorError> {
        let body = RotateKey {
            secret_key: secret_key.map(SecretKey::as_str),
            grace_s,
        };
        let path = ["apps", &sdkappid.to_string(), "rotate-key"];
        self.send(Method::POST, &path, &[], Some(&body)).await
    }

    /// Changes the app's edition and settings: all that is not `None`, or nothing if a part is refused.
    pub async fn change_app(
        &self,
        sdkappid: u32,
        change: &AppChange,
    ) -> Result<App, OperatorError> {
        let path = ["apps", &sdkappid.to_string()];
        self.send(Method::PATCH, &path, &[], Some(change)).await
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
}

/// An app to be made.
///
/// ```
/// use muster_client::operator::NewApp;
///
/// let new = NewApp::new(1_400_000_001).edition("pro");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NewApp<'a> {
    sdkappid: u32,
    edition: Option<&'a str>,
    secret_key: Option<&'a SecretKey>,
}

impl<'a> NewApp<'a> {
    /// An app of this number, from 1 up. The server chooses its edition, `developer`, and makes its
    /// key.
    pub fn new(sdkappid: u32) -> NewApp<'a> {
        NewApp {
            sdkappid,
            edition: None,
            secret_key: None,
        }
    }

    /// `trial`, `developer`, `standard`, `pro`, `pro_plus` or `enterprise`.
    #[must_use]
    pub fn edition(self, edition: &'a str) -> NewApp<'a> {
        NewApp {
            edition: Some(edition),
            ..self
        }
    }

    /// A key of one's own; with `None` the server makes one.
    #[must_use]
    pub fn secret_key(self, key: impl Into<Option<&'a SecretKey>>) -> NewApp<'a> {
        NewApp {
            secret_key: key.into(),
            ..self
        }
    }
}

/// An app as the operator sees it. `Debug` never shows a key; serialized, it is what the server sent,
/// with the key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct App {
    /// The app's number.
    pub sdkappid: u32,
    /// Its edition.
    pub edition: String,
    /// Who may call the account API.
    pub admins: Vec<String>,
    /// The secret keys that verify UserSigs; the first is the one to sign with.
    pub keys: Vec<AppKey>,
    /// How many accounts it has, `administrator` included. Beyond 100,000 it may be a figure of a while ago.
    pub accounts: u64,
    /// When it was made, UTC, as in `2026-02-20T08:00:00Z`.
    pub created_at: String,
    /// Whether every call and every sign-in is refused.
    pub disabled: bool,
    /// Whether accounts can be deleted in the editions that do not allow it by themselves.
    pub deletion: bool,
    /// Whether a user who signs in with a right UserSig and has no account yet is imported.
    pub import_at_sign_in: bool,
    /// Networks that calls may come from; empty is everywhere.
    pub allow_list: Vec<String>,
    /// Names of the custom profile fields that are declared.
    pub custom_fields: Vec<String>,
    /// Calls per second by the name of the command, where they differ from the documented ones;
    /// `None` is no limit. `*` stands for every command that is not named.
    pub rate_limits: BTreeMap<String, Option<u32>>,
    /// Who is told of events.
    pub webhook: Option<Webhook>,
    /// The key that the server made in this very call.
    #[serde(default, deserialize_with = "secret_key")]
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<SecretKey>,
}

/// A secret key of an app, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct AppKey {
    /// From when on it verifies nothing more, UTC; `None` for the key to sign with.
    pub until: Option<String>,
}

/// Who is told of an app's events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Webhook {
    /// Where events are posted to.
    pub url: String,
    /// Whether events are signed; the token itself is never shown.
    pub has_token: bool,
    /// Whether an event is sent again when the receiver does not answer in time.
    pub retry: bool,
    /// Whether an import with a nickname or an avatar is an event, too.
    pub imports: bool,
}

/// New values for an app's edition and settings. The default changes nothing, and so does a value of
/// `None`.
///
/// ```
/// use muster_client::operator::AppChange;
///
/// let change = AppChange::default().deletion(true).allow_list(vec!["10.0.0.0/8".to_owned()]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AppChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    edition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import_at_sign_in: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_fields: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limits: Option<BTreeMap<String, Option<u32>>>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    webhook: Change<WebhookChange>,
}

impl AppChange {
    /// As in [`NewApp::edition`].
    #[must_use]
    pub fn edition(mut self, edition: impl Into<Option<String>>) -> AppChange {
        self.edition = edition.into();
        self
    }

    /// Refuses every call and every sign-in, and ends the sessions that are open.
    #[must_use]
    pub fn disabled(mut self, disabled: impl Into<Option<bool>>) -> AppChange {
        self.disabled = disabled.into();
        self
    }

    /// Allows deletion in the editions that do not by themselves.
    #[must_use]
    pub fn deletion(mut self, allowed: impl Into<Option<bool>>) -> AppChange {
        self.deletion = allowed.into();
        self
    }

    /// Imports a user who signs in with a right UserSig and has no account yet.
    #[must_use]
    pub fn import_at_sign_in(mut self, on: impl Into<Option<bool>>) -> AppChange {
        self.import_at_sign_in = on.into();
        self
    }

    /// Addresses and networks that calls may come from, instead of those before; at most 100. An
    /// empty list is everywhere.
    #[must_use]
    pub fn allow_list(mut self, networks: impl Into<Option<Vec<String>>>) -> AppChange {
        self.allow_list = networks.into();
        self
    }

    /// Names of custom profile fields, 1 to 8 letters each, instead of those before; at most 20.
    #[must_use]
    pub fn custom_fields(mut self, names: impl Into<Option<Vec<String>>>) -> AppChange {
        self.custom_fields = names.into();
        self
    }

    /// Calls per second by the name of the command or `*`, instead of those before; in the map,
    /// `None` is no limit.
    #[must_use]
    pub fn rate_limits(
        mut self,
        limits: impl Into<Option<BTreeMap<String, Option<u32>>>>,
    ) -> AppChange {
        self.rate_limits = limits.into();
        self
    }

    /// Who is told of events.
    #[must_use]
    pub fn webhook(mut self, change: Change<WebhookChange>) -> AppChange {
        self.webhook = change;
        self
    }
}

/// New values for an app's webhook. The default changes nothing, and so does a value of `None`.
/// `Debug` does not show the token.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct WebhookChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    token: Change<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imports: Option<bool>,
}

impl WebhookChange {
    /// An `http` or `https` URL without a query; an app without a webhook needs one.
    #[must_use]
    pub fn url(mut self, url: impl Into<Option<String>>) -> WebhookChange {
        self.url = url.into();
        self
    }

    /// Signs events, 1 to 256 bytes.
    #[must_use]
    pub fn token(mut self, token: Change<String>) -> WebhookChange {
        self.token = token;
        self
    }

    /// Tries again when the receiver does not answer in time.
    #[must_use]
    pub fn retry(mut self, on: impl Into<Option<bool>>) -> WebhookChange {
        self.retry = on.into();
        self
    }

    /// Makes an import with a nickname or an avatar an event, too.
    #[must_use]
    pub fn imports(mut self, on: impl Into<Option<bool>>) -> WebhookChange {
        self.imports = on.into();
        self
    }
}

/// What becomes of something that an app may have or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// There is none any more.
    Remove,
    /// It is this one.
    Set(T),
}

impl<T> Change<T> {
    fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => value.serialize(to),
            Self::Keep | Self::Remove => to.serialize_none(),
        }
    }
}

impl fmt::Debug for WebhookChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = match self.token {
            Change::Keep => "Keep",
            Change::Remove => "Remove",
            Change::Set(_) => "Set(***)",
        };
        f.debug_struct("WebhookChange")
            .field("url", &self.url)
            .field("token", &format_args!("{token}"))
            .field("retry", &self.retry)
            .field("imports", &self.imports)
            .finish()
    }
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
    grace_s: u64,
}

#[derive(Deserialize)]
struct Apps {
    apps: Vec<App>,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn as_text<S: Serializer>(key: &Option<SecretKey>, to: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(SecretKey::as_str).serialize(to)
}

fn secret_key<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SecretKey>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| SecretKey::parse(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}
