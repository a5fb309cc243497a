//! Change of a profile (wire §3.8).

use thiserror::Error;

use super::{Known, Write};
use crate::{ProfileField, UnixSeconds};

/// Why a profile was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProfileRefusal {
    /// The user has no account.
    #[error("the user has no account")]
    NotImported,
}

/// Plans a change: all fields or none, of a repeated field the last counts. Values that are there
/// already write nothing.
pub fn plan(
    known: Known,
    fields: Vec<ProfileField>,
    now: UnixSeconds,
) -> Result<Option<Write>, ProfileRefusal> {
    let Known::Account(mut account) = known else {
        return Err(ProfileRefusal::NotImported);
    };
    let before = account.profile.clone();
    for field in fields {
        account.profile.set(field);
    }
    if account.profile == before {
        return Ok(None);
    }
    account.changed_at = now;
    Ok(Some(Write::Update(account)))
}
