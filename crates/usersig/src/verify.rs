//! Whether a token is true, and for whom: steps 5 to 8 of wire §6.2, and all eight in one.
//!
//! Step 9, the comparison with a kick, needs to know when a user was kicked; it is the caller's,
//! with `claims.time_s`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Mac;

use crate::{Claims, DecodeError, SecretKey, UserSig};

/// Whom the token has to be for: what the caller's request says beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The app the request is for.
    pub sdkappid: u64,
    /// The user the request claims to come from.
    pub identifier: &'a str,
}

/// A token that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says. If this is cached, [`Claims::check_time`] is still asked on every use.
    pub claims: Claims,
    /// Which of the keys verified it, counted from 0.
    pub key_index: usize,
}

/// Why a token is refused: the first check that failed, in this order.
///
/// The display text says what failed and what was compared, for people and logs. It holds neither
/// token nor key; identifiers in it are quoted, and cut to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Steps 1 to 4: it is no token at all. The account API answers it with code 70003.
    #[error("the UserSig is illegal: {0}")]
    Illegal(#[from] DecodeError),
    /// Step 5: it is for another app.
    #[error("the UserSig is for SDKAppID {signed}, the request for {requested}")]
    SdkAppId {
        /// The app of the request.
        requested: u64,
        /// The app of the token.
        signed: u64,
    },
    /// Step 6: it is for another user.
    #[error(
        "the UserSig is for identifier {}, the request for {}",
        quoted(signed),
        quoted(requested)
    )]
    Identifier {
        /// The identifier of the request.
        requested: String,
        /// The identifier of the token.
        signed: String,
    },
    /// Step 7: no key gives this signature.
    #[error(
        "the signature of the UserSig does not verify: it was made with another key, \
         or its content was changed"
    )]
    Signature,
    /// Step 8: it is over.
    #[error("the UserSig expired: it ended at Unix second {ended_at_s}, now is {now_s}")]
    Expired {
        /// Last second of its validity, in Unix seconds.
        ended_at_s: u64,
        /// The time it was checked at, in Unix seconds.
        now_s: u64,
    },
}

/// Reads and checks a token, in eight steps of which the first that fails decides: its length (1), its
/// base64 (2), the zlib stream in it (3), the JSON in that (4), the app (5), the user (6), the signature
/// (7) and the time (8).
///
/// Any of `keys` may verify it, so that an app can change its key; without keys every token fails
/// with [`Rejection::Signature`]. `now_s` is the time in Unix seconds.
pub fn verify(
    token: &str,
    expected: &Expected<'_>,
    keys: &[SecretKey],
    now_s: u64,
) -> Result<Verified, Rejection> {
    let usersig = UserSig::decode(token)?;
    usersig.check_sdkappid(expected.sdkappid)?;
    usersig.check_identifier(expected.identifier)?;
    let key_index = usersig.check_signature(keys).ok_or(Rejection::Signature)?;
    usersig.check_time(now_s)?;
    Ok(Verified {
        claims: usersig.into_claims(),
        key_index,
    })
}

impl UserSig {
    /// Step 5: is it for this app? Fails with [`Rejection::SdkAppId`] only.
    pub fn check_sdkappid(&self, requested: u64) -> Result<(), Rejection> {
        let signed = self.claims().sdkappid;
        if signed != requested {
            return Err(Rejection::SdkAppId { requested, signed });
        }
        Ok(())
    }

    /// Step 6: is it for this user, byte for byte? Fails with [`Rejection::Identifier`] only.
    pub fn check_identifier(&self, requested: &str) -> Result<(), Rejection> {
        let signed = &self.claims().identifier;
        if signed != requested {
            return Err(Rejection::Identifier {
                requested: requested.to_owned(),
                signed: signed.clone(),
            });
        }
        Ok(())
    }

    /// Step 7: the index of the first key that gives this signature, `None` if none does.
    /// Signatures are compared in constant time.
    pub fn check_signature(&self, keys: &[SecretKey]) -> Option<usize> {
        // A text that is no base64 is the signature of nothing; it needs no error of its own.
        let sent = STANDARD.decode(self.tls_sig()).ok()?;
        let text = self.claims().signed_text();
        keys.iter()
            .position(|key| key.hmac_of(&text).verify_slice(&sent).is_ok())
    }

    /// Step 8: [`Claims::check_time`].
    pub fn check_time(&self, now_s: u64) -> Result<(), Rejection> {
        self.claims().check_time(now_s)
    }
}

/// An identifier of unknown origin, fit for one line of a log.
fn quoted(identifier: &str) -> String {
    const LIMIT_CHARS: usize = 64;
    match identifier.char_indices().nth(LIMIT_CHARS) {
        Some((end, _)) => format!("{:?}...", &identifier[..end]),
        None => format!("{identifier:?}"),
    }
}
