//! Deletion (wire §3.4).

use super::{Known, Write};
use crate::{App, Tombstone, UnixSeconds, UserId};

/// What became of one user in a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The account is gone.
    Deleted,
    /// There was no account.
    NotImported,
    /// An admin's account cannot be deleted.
    Admin,
}

/// Plans the deletion of one user.
pub fn plan(
    app: &App,
    user_id: &UserId,
    known: Known,
    now: UnixSeconds,
) -> (Option<Write>, Deletion) {
    if app.admins.contains(user_id) {
        return (None, Deletion::Admin);
    }
    let Known::Account(account) = known else {
        return (None, Deletion::NotImported);
    };
    let tombstone = Tombstone {
        internal_id: account.internal_id,
        user_id: account.user_id,
        deleted_at: now,
    };
    (Some(Write::Delete(tombstone)), Deletion::Deleted)
}
