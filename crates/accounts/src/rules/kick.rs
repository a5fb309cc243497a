//! Kick: the end of every UserSig that a user has (wire §3.6).

use thiserror::Error;

use super::{Known, Write};
use crate::UnixSeconds;

/// Why a user was not kicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KickRefusal {
    /// The user has no account.
    #[error("the user has no account")]
    NotImported,
}

/// Plans a kick. The mark never moves back, so a kick by a clock that was set back writes nothing.
pub fn plan(known: Known, now: UnixSeconds) -> Result<Option<Write>, KickRefusal> {
    let Known::Account(mut account) = known else {
        return Err(KickRefusal::NotImported);
    };
    if account.kicked_at >= Some(now) {
        return Ok(None);
    }
    account.kicked_at = Some(now);
    Ok(Some(Write::Update(account)))
}
