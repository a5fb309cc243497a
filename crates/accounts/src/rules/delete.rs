//! Deletion (wire §3.4).

use std::collections::HashSet;

use thiserror::Error;

use super::{Known, Write};
use crate::{App, Tombstone, UnixSeconds, UserId};

/// What became of one user in a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The account is gone.
    Deleted,
    /// There was no account, or an earlier entry of the same request deleted it.
    NotImported,
    /// An admin's account cannot be deleted.
    Admin,
}

/// Why nothing was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeleteRefusal {
    /// The app's edition allows no deletion, and it is not switched on (wire §5).
    #[error("the app does not allow deletion")]
    NotAllowed,
}

/// Plans the deletion of users. `known` answers, in the order of `users`, what is stored of each.
pub fn plan(
    app: &App,
    users: &[UserId],
    known: Vec<Known>,
    now: UnixSeconds,
) -> Result<(Vec<Write>, Vec<Deletion>), DeleteRefusal> {
    if !app.allows_deletion() {
        return Err(DeleteRefusal::NotAllowed);
    }
    debug_assert_eq!(users.len(), known.len());
    let mut gone = HashSet::new();
    let mut writes = Vec::new();
    let mut deletions = Vec::with_capacity(users.len());
    for (user_id, stored) in users.iter().zip(known) {
        deletions.push(match stored {
            _ if app.admins.contains(user_id) => Deletion::Admin,
            Known::Account(account) if gone.insert(*user_id) => {
                writes.push(Write::Delete(Tombstone {
                    internal_id: account.internal_id,
                    user_id: account.user_id,
                    deleted_at: now,
                    kicked_at: account.kicked_at,
                }));
                Deletion::Deleted
            }
            Known::Account(_) | Known::Nothing | Known::Deleted(_) => Deletion::NotImported,
        });
    }
    Ok((writes, deletions))
}
