//! One try of each call, on a connection that is lent to it.
//!
//! What a try comes to when it fails is [`crate::retry`]'s.

mod accounts;
mod apps;

use muster_accounts::{UserId, rules::Known};

use crate::statements::StoredUsers;

/// What a plan is made from, in the order of the call's users.
pub(crate) fn in_order<'u>(
    users: impl Iterator<Item = &'u UserId>,
    stored: &StoredUsers,
) -> impl Iterator<Item = Known> {
    users.map(|user_id| known_of(stored, user_id))
}

pub(crate) fn known_of(stored: &StoredUsers, user_id: &UserId) -> Known {
    let stored = stored.get(user_id);
    stored.map_or(Known::Nothing, |stored| stored.known.clone())
}
