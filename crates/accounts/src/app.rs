//! An app: the tenant that accounts, keys and admins belong to (wire §5).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    str::FromStr,
};

use ipnet::IpNet;
use muster_usersig::SecretKey;
use thiserror::Error;

use crate::{SdkAppId, UnixSeconds, UserId, profile::CustomField};

/// What an app may do and how much it may hold (wire §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum Edition {
    Trial,
    Developer,
    Standard,
    Pro,
    ProPlus,
    Enterprise,
}

impl Edition {
    /// Every edition, smallest first.
    pub const ALL: [Self; 6] = [
        Self::Trial,
        Self::Developer,
        Self::Standard,
        Self::Pro,
        Self::ProPlus,
        Self::Enterprise,
    ];

    /// The name by which settings and interfaces know the edition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Developer => "developer",
            Self::Standard => "standard",
            Self::Pro => "pro",
            Self::ProPlus => "pro_plus",
            Self::Enterprise => "enterprise",
        }
    }

    /// How many accounts the app may hold, `administrator` not counted; `None` is no cap.
    pub fn account_cap(self) -> Option<u64> {
        (self == Self::Trial).then_some(100)
    }

    /// Whether accounts can be deleted without [`AppSettings::deletion`] being switched on.
    pub fn allows_deletion(self) -> bool {
        match self {
            Self::Trial | Self::Developer => true,
            Self::Standard | Self::Pro | Self::ProPlus | Self::Enterprise => false,
        }
    }

    /// How long a deleted user cannot be imported again, in seconds; `None` is not at all.
    pub fn reimport_bar_s(self) -> Option<u64> {
        match self {
            Self::Trial | Self::Developer => None,
            Self::Standard | Self::Pro | Self::ProPlus | Self::Enterprise => Some(90 * 86_400),
        }
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text names no edition. It is kept cut to 32 characters, as it can be anything.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("unknown edition {0:?}; use trial, developer, standard, pro, pro_plus or enterprise")]
pub struct UnknownEdition(pub String);

impl FromStr for Edition {
    type Err = UnknownEdition;

    fn from_str(name: &str) -> Result<Self, UnknownEdition> {
        let found = Self::ALL.into_iter().find(|edition| edition.name() == name);
        found.ok_or_else(|| UnknownEdition(name.chars().take(32).collect()))
    }
}

/// An app as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The app's number.
    pub sdkappid: SdkAppId,
    /// Read at the time of each call, so a change takes effect at once.
    pub edition: Edition,
    /// The keys that may have signed a UserSig; the first is the one to sign with and has no end.
    /// Never empty, at most [`App::MAX_KEYS`].
    pub keys: Vec<AppKey>,
    /// Who may call the API: `administrator` always, and up to [`App::MAX_ADMINS`] in all.
    pub admins: BTreeSet<UserId>,
    /// When the app was made.
    pub created_at: UnixSeconds,
    /// What the operator has chosen for it.
    pub settings: AppSettings,
    /// How often it was disabled, each time of which ended all sessions: who looks only now and then
    /// sees by it that it was, however soon it was enabled again.
    pub times_disabled: u64,
}

/// A key of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppKey {
    /// The key.
    pub key: SecretKey,
    /// From when on it verifies nothing more; `None` for the key in use.
    pub until: Option<UnixSeconds>,
}

impl AppKey {
    /// Whether it verifies UserSigs at `now`.
    pub fn is_valid(&self, now: UnixSeconds) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The switches and lists of an app. The default is what a new app has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSettings {
    /// Refuses every call and every sign-in (code 60016).
    pub disabled: bool,
    /// Allows deletion in the editions that do not by themselves (wire §5).
    pub deletion: bool,
    /// Imports a user who signs in with a right UserSig and has no account yet.
    pub import_at_sign_in: bool,
    /// Where calls may come from (code 60021); empty is everywhere. At most
    /// [`App::MAX_ALLOWED_NETWORKS`].
    pub allow_list: Vec<IpNet>,
    /// The custom profile fields that are declared (wire §3.8). At most
    /// [`App::MAX_CUSTOM_FIELDS`].
    pub custom_fields: BTreeSet<CustomField>,
    /// Calls per second by the name of the command, where they differ from the documented ones;
    /// `None` is no limit. The name `*` stands for every command that is not named.
    pub rate_limits: BTreeMap<String, Option<u32>>,
    /// Who is told of events (wire §8); `None` is nobody.
    pub webhook: Option<Webhook>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            disabled: false,
            deletion: false,
            import_at_sign_in: true,
            allow_list: Vec::new(),
            custom_fields: BTreeSet::new(),
            rate_limits: BTreeMap::new(),
            webhook: None,
        }
    }
}

/// Who is told of an app's events, and how (wire §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where events are posted to: an `http` or `https` URL without a query, see
    /// [`Webhook::parse_url`].
    pub url: String,
    /// Signs each event if there is one.
    pub token: Option<WebhookToken>,
    /// Tries again when the receiver does not answer in time.
    pub retry: bool,
    /// Sends `Profile.CallbackPortraitSet` for the fields of an import too.
    pub imports: bool,
}

/// The secret that a webhook is signed with. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookToken(String);

impl WebhookToken {
    /// Takes a text of 1 to 256 bytes.
    pub fn new(text: String) -> Option<Self> {
        (1..=256).contains(&text.len()).then_some(Self(text))
    }

    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookToken(***)")
    }
}

impl App {
    /// The most admins an app has, `administrator` among them (wire §5).
    pub const MAX_ADMINS: usize = 10;

    /// The most keys that are good at a time.
    pub const MAX_KEYS: usize = 5;

    /// The most custom profile fields.
    pub const MAX_CUSTOM_FIELDS: usize = 20;

    /// The most entries of the allow-list.
    pub const MAX_ALLOWED_NETWORKS: usize = 100;

    /// The key to sign with.
    pub fn signing_key(&self) -> &SecretKey {
        &self.keys.first().expect("an app always has a key").key
    }

    /// The keys that verify UserSigs at `now`.
    pub fn keys_at(&self, now: UnixSeconds) -> impl Iterator<Item = &SecretKey> {
        let valid = self.keys.iter().filter(move |key| key.is_valid(now));
        valid.map(|key| &key.key)
    }

    /// Whether accounts can be deleted (wire §5).
    pub fn allows_deletion(&self) -> bool {
        self.edition.allows_deletion() || self.settings.deletion
    }

    /// Whether a call may come from this address (wire §2, check 10).
    pub fn allows_source(&self, source: IpAddr) -> bool {
        let list = &self.settings.allow_list;
        // An IPv4 caller of a listener on [::] has a mapped address.
        let source = source.to_canonical();
        list.is_empty() || list.iter().any(|network| network.contains(&source))
    }
}

/// A network as in `10.0.0.0/8`, or one address; without bits beyond its prefix. One of IPv4 that is
/// written as IPv6 (`::ffff:10.0.0.1`) is one of IPv4, as callers' addresses are.
///
/// ```
/// use muster_accounts::app::parse_network;
///
/// assert_eq!(parse_network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
/// assert_eq!(parse_network("::ffff:10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
/// assert_eq!(parse_network("ten"), None);
/// ```
pub fn parse_network(text: &str) -> Option<IpNet> {
    /// The bits that every mapped address begins with.
    const MAPPED_BITS: u8 = 96;
    let network = text.parse::<IpNet>().ok();
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = network.or_else(address)?.trunc();
    let mapped = match network {
        IpNet::V4(_) => None,
        IpNet::V6(v6) => v6
            .addr()
            .to_ipv4_mapped()
            .zip(v6.prefix_len().checked_sub(MAPPED_BITS)),
    };
    match mapped {
        Some((v4, bits)) => IpNet::new(v4.into(), bits).ok(),
        None => Some(network),
    }
}

/// An app to be made.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// The number it is to have, from 1 up.
    pub sdkappid: SdkAppId,
    /// Its edition.
    pub edition: Edition,
    /// The key its UserSigs are signed with.
    pub key: SecretKey,
}

/// One change to an app.
#[derive(Clone, Debug)]
pub enum AppChange {
    /// Signs with this key from now on.
    RotateKey {
        /// The new key.
        key: SecretKey,
        /// How long the keys before it still verify, in seconds; 0 is not at all.
        grace_s: u64,
    },
    /// Makes a user an admin, and an account if they have none yet (wire §5).
    AddAdmin(UserId),
    /// Takes the admin's role away; the account stays.
    RemoveAdmin(UserId),
    /// Changes edition and settings, all of them or none.
    Configure(Box<AppPatch>),
}

/// New values for an app's edition and settings; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the field of its name in App and AppSettings"
)]
pub struct AppPatch {
    pub edition: Option<Edition>,
    pub disabled: Option<bool>,
    pub deletion: Option<bool>,
    pub import_at_sign_in: Option<bool>,
    pub allow_list: Option<Vec<IpNet>>,
    pub custom_fields: Option<BTreeSet<CustomField>>,
    pub rate_limits: Option<BTreeMap<String, Option<u32>>>,
    /// `Some(None)` is nobody from now on.
    pub webhook: Option<Option<WebhookPatch>>,
}

/// New values for an app's webhook; `None` leaves one as it is, or as it is at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of its name in Webhook")]
pub struct WebhookPatch {
    /// An app without a webhook needs it.
    pub url: Option<String>,
    /// `Some(None)` removes the token.
    pub token: Option<Option<WebhookToken>>,
    pub retry: Option<bool>,
    pub imports: Option<bool>,
}

/// All of its values.
impl From<Webhook> for WebhookPatch {
    fn from(webhook: Webhook) -> Self {
        let Webhook {
            url,
            token,
            retry,
            imports,
        } = webhook;
        Self {
            url: Some(url),
            token: Some(token),
            retry: Some(retry),
            imports: Some(imports),
        }
    }
}

impl AppChange {
    /// The user who is to become an admin, if that is the change.
    pub fn new_admin(&self) -> Option<&UserId> {
        match self {
            Self::AddAdmin(user_id) => Some(user_id),
            Self::RotateKey { .. } | Self::RemoveAdmin(_) | Self::Configure(_) => None,
        }
    }
}
