//! One user's account, and what is left when it is deleted.

use crate::{InternalId, Profile, UnixSeconds, UserId};

/// A user of an app, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Given at the first import and kept until deletion.
    pub internal_id: InternalId,
    /// The team's own name for the user.
    pub user_id: UserId,
    /// When the account was made.
    pub imported_at: UnixSeconds,
    /// When a field of the profile last got another value; `imported_at` until then.
    pub changed_at: UnixSeconds,
    /// The second of the last kick: UserSigs issued in it or before are invalid (wire §3.6). It
    /// never moves back, and outlives deletion and re-import.
    pub kicked_at: Option<UnixSeconds>,
    /// What the account says of its user.
    pub profile: Profile,
}

/// The trace of a deleted account, kept for the re-import bar (wire §3.4, §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The id that the account had; the next import of the user gets another.
    pub internal_id: InternalId,
    /// Whose account it was.
    pub user_id: UserId,
    /// When it was deleted.
    pub deleted_at: UnixSeconds,
    /// [`Account::kicked_at`], kept for the next account of the user.
    pub kicked_at: Option<UnixSeconds>,
}
