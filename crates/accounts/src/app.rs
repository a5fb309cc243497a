//! An app: the tenant that accounts, keys and admins belong to (wire §5).

use std::{collections::BTreeSet, fmt, str::FromStr};

use muster_usersig::SecretKey;
use thiserror::Error;

use crate::{SdkAppId, UnixSeconds, UserId};

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
    /// The keys that may have signed a UserSig; the first is the one to sign with. Never empty.
    pub keys: Vec<SecretKey>,
    /// Who may call the API: `administrator` always, and up to [`App::MAX_ADMINS`] in all.
    pub admins: BTreeSet<UserId>,
    /// When the app was made.
    pub created_at: UnixSeconds,
}

impl App {
    /// The most admins an app has, `administrator` among them (wire §5).
    pub const MAX_ADMINS: usize = 10;
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
    /// Signs with this key from now on; the keys before it verify nothing more.
    RotateKey(SecretKey),
    /// Makes a user an admin, and an account if they have none yet (wire §5).
    AddAdmin(UserId),
    /// Takes the admin's role away; the account stays.
    RemoveAdmin(UserId),
}

impl AppChange {
    /// The user who is to become an admin, if that is the change.
    pub fn new_admin(&self) -> Option<&UserId> {
        match self {
            Self::AddAdmin(user_id) => Some(user_id),
            Self::RotateKey(_) | Self::RemoveAdmin(_) => None,
        }
    }
}
