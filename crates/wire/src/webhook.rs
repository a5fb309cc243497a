//! Webhooks: what the app's back end is told, and how (wire §8).
//!
//! [`Event::body`] is what is posted, [`Notice::query`] what the URL says of it.

use std::{borrow::Cow, fmt::Write as _, net::IpAddr};

use muster_accounts::{ProfileField, SdkAppId, UnixSeconds, UserId, app::WebhookToken};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    platform::Platform,
    profile_tag::{Tag, TagValue},
};

/// Something that happened to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `State.StateChange`.
    StateChange {
        /// Whose state.
        user_id: &'a UserId,
        /// What happened.
        change: StateChange,
    },
    /// `Profile.CallbackPortraitSet`.
    PortraitSet {
        /// The admin who called.
        operator: &'a UserId,
        /// Whose profile.
        user_id: &'a UserId,
        /// The fields passed; of a repeated one the last counts.
        fields: &'a [ProfileField],
    },
}

/// What happened to a user's state, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A device signed in. None has to go for it, so none is named.
    Login,
    /// A device signed out, or the user was kicked.
    Logout,
    /// The connection of a device broke.
    LinkClose,
    /// A device was not heard of for too long.
    TimeOut,
}

/// What an event is called: `CallbackCommand` in the URL and in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallbackCommand {
    /// `State.StateChange`.
    StateChange,
    /// `Profile.CallbackPortraitSet`.
    PortraitSet,
}

impl CallbackCommand {
    /// Every command.
    pub const ALL: [Self; 2] = [Self::StateChange, Self::PortraitSet];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::StateChange => "State.StateChange",
            Self::PortraitSet => "Profile.CallbackPortraitSet",
        }
    }
}

impl StateChange {
    /// `Action` and `Reason`.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Login => ("Login", "Register"),
            Self::Logout => ("Logout", "Unregister"),
            Self::LinkClose => ("Disconnect", "LinkClose"),
            Self::TimeOut => ("Disconnect", "TimeOut"),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StateChangeBody<'a> {
    callback_command: &'static str,
    event_time: u64,
    info: Info<'a>,
}

#[derive(Serialize)]
struct Info<'a> {
    #[serde(rename = "Action")]
    action: &'static str,
    #[serde(rename = "To_Account")]
    to_account: &'a str,
    #[serde(rename = "Reason")]
    reason: &'static str,
}

#[derive(Serialize)]
struct PortraitSetBody<'a> {
    #[serde(rename = "CallbackCommand")]
    callback_command: &'static str,
    #[serde(rename = "Operator_Account")]
    operator_account: &'a str,
    #[serde(rename = "From_Account")]
    from_account: &'a str,
    #[serde(rename = "EventTime")]
    event_time: u64,
    #[serde(rename = "ProfileItem")]
    profile_item: Vec<ProfileItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProfileItem<'a> {
    tag: Cow<'static, str>,
    value: TagValue<'a>,
}

impl Event<'_> {
    /// What the event is called.
    pub fn command(&self) -> CallbackCommand {
        match self {
            Self::StateChange { .. } => CallbackCommand::StateChange,
            Self::PortraitSet { .. } => CallbackCommand::PortraitSet,
        }
    }

    /// The body that is posted of an event at this time, in milliseconds since 1970.
    pub fn body(&self, event_time_ms: u64) -> Vec<u8> {
        let callback_command = self.command().name();
        match self {
            Self::StateChange { user_id, change } => {
                let (action, reason) = change.words();
                json(&StateChangeBody {
                    callback_command,
                    event_time: event_time_ms,
                    info: Info {
                        action,
                        to_account: user_id.as_str(),
                        reason,
                    },
                })
            }
            Self::PortraitSet {
                operator,
                user_id,
                fields,
            } => json(&PortraitSetBody {
                callback_command,
                operator_account: operator.as_str(),
                from_account: user_id.as_str(),
                event_time: event_time_ms,
                profile_item: profile_items(fields),
            }),
        }
    }
}

/// Each Tag once, where it first came, with the value that came last.
fn profile_items(fields: &[ProfileField]) -> Vec<ProfileItem<'_>> {
    let mut items: Vec<ProfileItem<'_>> = Vec::with_capacity(fields.len());
    for field in fields {
        let (tag, value) = Tag::of(field);
        let tag = tag.name();
        match items.iter_mut().find(|item| item.tag == tag) {
            Some(item) => item.value = value,
            None => items.push(ProfileItem { tag, value }),
        }
    }
    items
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("texts and numbers under fixed keys always are JSON")
}

/// What the URL says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    sdkappid: SdkAppId,
    command: CallbackCommand,
    client_ip: IpAddr,
    opt_platform: &'static str,
}

impl Notice {
    /// `source` is where the call or the session came from that made the event; `platform` is that
    /// of the session, and `None` for a call of the API.
    pub fn new(
        sdkappid: SdkAppId,
        command: CallbackCommand,
        source: IpAddr,
        platform: Option<Platform>,
    ) -> Self {
        let opt_platform = match (platform, command) {
            (None, _) => "RESTAPI",
            (Some(platform), CallbackCommand::StateChange) => platform.state_change_opt_platform(),
            (Some(platform), CallbackCommand::PortraitSet) => platform.opt_platform(),
        };
        Self {
            sdkappid,
            command,
            // An IPv4 caller of a listener on [::] has a mapped address.
            client_ip: source.to_canonical(),
            opt_platform,
        }
    }

    /// What the event is called.
    pub fn command(&self) -> CallbackCommand {
        self.command
    }

    /// The query, signed at `now` if there is a token. It needs no escapes.
    pub fn query(&self, token: Option<&WebhookToken>, now: UnixSeconds) -> String {
        let Self {
            sdkappid,
            command,
            client_ip,
            opt_platform,
        } = self;
        let mut query = format!(
            "SdkAppid={sdkappid}&CallbackCommand={}&contenttype=json&ClientIP={client_ip}\
             &OptPlatform={opt_platform}",
            command.name()
        );
        if let Some(token) = token {
            let sign = sign(token, now);
            write!(query, "&RequestTime={}&Sign={sign}", now.0)
                .expect("writing to a String does not fail");
        }
        query
    }
}

/// The `Sign` of a request at this time.
pub fn sign(token: &WebhookToken, request_time: UnixSeconds) -> String {
    let digest = Sha256::new()
        .chain_update(token.as_str())
        .chain_update(request_time.0.to_string())
        .finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String does not fail");
        hex
    })
}
