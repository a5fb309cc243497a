//! What client and server say to each other (`docs/sessions.md`).

use std::borrow::Cow;

use muster_accounts::{Ended, SdkAppId};
use muster_wire::{ErrorCode, Failure, platform::Platform};
use serde::{Deserialize, Serialize};

use crate::{
    presence::{Full, Presence},
    public::gate::Refused,
};

/// The first message of a client. Not `Debug`: it holds the UserSig.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn<'a> {
    pub(super) sdkappid: u32,
    #[serde(borrow)]
    pub(super) identifier: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) usersig: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) platform: Cow<'a, str>,
}

/// What a client is told, once.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Told<'a> {
    /// It is online.
    SignedIn {
        session_id: String,
        /// After how many seconds without a sign of life it is taken to be gone.
        timeout_s: u64,
    },
    /// It is not, for this reason; the session is closed.
    Refused { code: u32, message: &'a str },
}

/// Why a sign-in is refused.
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl From<Failure> for Refusal {
    fn from(Failure { code, info, .. }: Failure) -> Self {
        Self {
            code,
            message: info,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        refused.failure.into()
    }
}

pub(super) fn not_a_sign_in() -> Refusal {
    Refusal {
        code: ErrorCode::BodyNotJson,
        message:
            "The first message must be a JSON object with sdkappid, a number, and identifier, \
                  usersig and platform, each a string."
                .to_owned(),
    }
}

pub(super) fn no_such_platform() -> Refusal {
    let names = Platform::ALL.map(Platform::name).join(", ");
    Refusal {
        code: ErrorCode::BadParameter,
        message: format!("platform must be one of {names}."),
    }
}

pub(super) fn no_room(full: &Full) -> Refusal {
    let message = match full {
        Full::Server => "Every session is taken; try again later.".to_owned(),
        Full::User => format!(
            "The user has {} sessions, and no more are allowed; close one.",
            Presence::USER_LIMIT
        ),
    };
    Refusal {
        code: ErrorCode::TooManyRequests,
        message,
    }
}

/// The session was ended before it was online.
pub(super) fn ended(why: Ended, app: SdkAppId, identifier: &str) -> Refusal {
    match why {
        Ended::Kicked => Failure::usersig_kicked(identifier).into(),
        Ended::AppDisabled => Failure::app_disabled(app).into(),
        Ended::Deleted | Ended::Closed => Failure::not_imported().into(),
    }
}
