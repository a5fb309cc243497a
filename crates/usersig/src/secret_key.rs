//! The secret key of an app: parsed once, compared in constant time, never printed.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Longest secret key, in bytes. The console's keys have 64.
pub const SECRET_KEY_LIMIT_BYTES: usize = 256;

/// The key the console shows for an app, as text.
///
/// The text looks like hex, yet it is never decoded: its ASCII bytes are the HMAC key.
/// A clone shares the text. Equality takes constant time for keys of the same length; `Debug` shows
/// no part of the key.
#[derive(Clone)]
pub struct SecretKey(Arc<str>);

impl SecretKey {
    /// Takes 1 to [`SECRET_KEY_LIMIT_BYTES`] bytes of printable ASCII without space, and changes
    /// nothing about them.
    pub fn parse(text: &str) -> Result<SecretKey, SecretKeyError> {
        if text.is_empty() {
            return Err(SecretKeyError::Empty);
        }
        if text.len() > SECRET_KEY_LIMIT_BYTES {
            return Err(SecretKeyError::TooLong {
                len_bytes: text.len(),
            });
        }
        match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(position) => Err(SecretKeyError::ForbiddenByte { position }),
            None => Ok(SecretKey(text.into())),
        }
    }

    /// A new key like the console's: the lower-case hex of 32 random bytes. The caller answers for
    /// their being random.
    pub fn from_random(random: [u8; 32]) -> SecretKey {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(2 * random.len());
        for byte in random {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
        }
        SecretKey(text.into())
    }

    /// The key itself. **This exposes the secret**: it is for storing the key, or for showing it to
    /// its owner on request, never for a log or an error.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn hmac_of(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        mac
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &SecretKey) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(***)")
    }
}

/// Why a text is no secret key. Says the rule, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// Nothing was given.
    #[error("the secret key is empty")]
    Empty,
    /// More than [`SECRET_KEY_LIMIT_BYTES`].
    #[error("the secret key has {len_bytes} bytes, more than {SECRET_KEY_LIMIT_BYTES}")]
    TooLong {
        /// Length of what was given.
        len_bytes: usize,
    },
    /// A byte outside `0x21..=0x7e`, counted from 0; often a line end that came along by copying.
    #[error(
        "the secret key is not printable ASCII at byte {position}, counted from 0 \
         (white space is not allowed either)"
    )]
    ForbiddenByte {
        /// Where it stands.
        position: usize,
    },
}
