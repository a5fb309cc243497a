//! Webhooks: what the app's back end is told, and how (wire §8).

use muster_accounts::{ProfileField, UserId};

use crate::platform::Platform;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A device signed in; these devices had to go for it.
    Login(Vec<Platform>),
    /// A device signed out, or the user was kicked.
    Logout,
    /// The connection of a device broke.
    LinkClose,
    /// A device was not heard of for too long.
    TimeOut,
}
