//! The secret that opens the operator API.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// What an operator sends as `Authorization: Bearer <token>`.
///
/// `Debug` shows no part of it. Comparison takes the same time whatever is compared.
#[derive(Clone)]
pub struct OperatorToken {
    text: String,
    // Digests have one length, so comparing them does not tell the length of the token either.
    digest: [u8; 32],
}

/// Why a text is no [`OperatorToken`]. Says the rule, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OperatorTokenError {
    /// Shorter than [`OperatorToken::MIN_BYTES`] or longer than [`OperatorToken::MAX_BYTES`].
    #[error("the operator token has {bytes} bytes, 16 to 256 are allowed")]
    Length {
        /// How long the text is.
        bytes: usize,
    },
    /// White space, a control character, or anything beyond ASCII; often a line end that came along
    /// by copying.
    #[error(
        "the operator token is not printable ASCII at byte {position}, counted from 0 \
         (white space is not allowed either)"
    )]
    ForbiddenByte {
        /// Where it stands.
        position: usize,
    },
}

impl OperatorToken {
    /// The shortest token, in bytes: what could be guessed is not accepted.
    pub const MIN_BYTES: usize = 16;
    /// The longest token, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Takes a token in, exactly as given.
    pub fn new(text: String) -> Result<Self, OperatorTokenError> {
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&text.len()) {
            return Err(OperatorTokenError::Length { bytes: text.len() });
        }
        if let Some(position) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(OperatorTokenError::ForbiddenByte { position });
        }
        let digest = Sha256::digest(&text).into();
        Ok(Self { text, digest })
    }

    /// A new token: the lower-case hex of 32 random bytes. The caller answers for their being
    /// random.
    pub fn from_random(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(2 * random.len());
        for byte in random {
            write!(text, "{byte:02x}").expect("writing to a String does not fail");
        }
        Self::new(text).expect("64 hex digits are a token")
    }

    /// The token itself. **This exposes the secret**: it is for handing it to its owner, never for
    /// a log or an error.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `sent` is this token.
    pub(crate) fn is(&self, sent: &[u8]) -> bool {
        let sent: [u8; 32] = Sha256::digest(sent).into();
        self.digest.ct_eq(&sent).into()
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_printable_text_of_16_to_256_bytes() {
        let long = "x".repeat(256);
        let too_long = "x".repeat(257);
        for (text, expected) in [
            ("0123456789abcdef", Ok(())),
            (long.as_str(), Ok(())),
            ("", Err(OperatorTokenError::Length { bytes: 0 })),
            (
                "0123456789abcde",
                Err(OperatorTokenError::Length { bytes: 15 }),
            ),
            (
                too_long.as_str(),
                Err(OperatorTokenError::Length { bytes: 257 }),
            ),
            (
                "0123456789abcdef\n",
                Err(OperatorTokenError::ForbiddenByte { position: 16 }),
            ),
            (
                "0123456 89abcdef",
                Err(OperatorTokenError::ForbiddenByte { position: 7 }),
            ),
        ] {
            assert_eq!(
                OperatorToken::new(text.to_owned()).map(|_| ()),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn is_compared_and_never_shown() {
        let token = OperatorToken::from_random([0xab; 32]);
        assert_eq!(token.as_str(), "ab".repeat(32));
        assert!(token.is("ab".repeat(32).as_bytes()));
        assert!(!token.is("ab".repeat(31).as_bytes()));
        assert!(!token.is(b""));
        assert!(!format!("{token:?}").contains("ab"));
    }
}
