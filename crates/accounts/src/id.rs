//! Who: an app, a user as the team names them, a user as muster numbers them.

use std::{fmt, hash};

use thiserror::Error;

/// The number of an app. The protocol calls it SDKAppID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SdkAppId(pub u32);

impl fmt::Display for SdkAppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name that a team gives to its own user: 1 to 32 bytes, each in 0x20-0x7e, compared byte for
/// byte (wire §4.1).
///
/// Held inline: a batch of a hundred costs no allocation and no reference count.
#[derive(Clone, Copy)]
pub struct UserId {
    length: u8,
    // Zero from `length` on; `PartialEq` and `Hash` read only the bytes before.
    bytes: [u8; UserId::MAX_BYTES],
}

/// Why a text is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UserIdError {
    /// Empty, or longer than [`UserId::MAX_BYTES`].
    #[error("it is {bytes} bytes long, 1 to 32 are allowed")]
    Length {
        /// How long the text is.
        bytes: usize,
    },
    /// A control character, DEL, or anything beyond ASCII.
    #[error("it has a byte outside 0x20-0x7e")]
    Byte,
}

impl UserId {
    /// The longest user id, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// The admin that every app has from its creation (wire §4.1).
    pub const ADMINISTRATOR: Self = {
        let name = b"administrator";
        let mut bytes = [0; Self::MAX_BYTES];
        let mut i = 0;
        while i < name.len() {
            bytes[i] = name[i];
            i += 1;
        }
        Self { length: 13, bytes }
    };

    /// The least of all user ids, in the order of [`Ord`].
    pub const FIRST: Self = {
        let mut bytes = [0; Self::MAX_BYTES];
        bytes[0] = 0x20;
        Self { length: 1, bytes }
    };

    /// Takes a text in as a user id. Length is judged before the bytes (wire §3.1).
    pub fn parse(text: &str) -> Result<Self, UserIdError> {
        let source = text.as_bytes();
        if source.is_empty() || source.len() > Self::MAX_BYTES {
            return Err(UserIdError::Length {
                bytes: source.len(),
            });
        }
        if !source.iter().all(|byte| (0x20..=0x7e).contains(byte)) {
            return Err(UserIdError::Byte);
        }
        let mut bytes = [0; Self::MAX_BYTES];
        bytes[..source.len()].copy_from_slice(source);
        let length = u8::try_from(source.len()).expect("at most 32, judged above");
        Ok(Self { length, bytes })
    }

    /// The id's bytes, all printable ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("a UserId is ASCII by construction")
    }

    /// Whether this is the built-in admin `administrator`.
    pub fn is_administrator(&self) -> bool {
        *self == Self::ADMINISTRATOR
    }
}

impl PartialEq for UserId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for UserId {}

impl PartialOrd for UserId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl hash::Hash for UserId {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number that muster gives to an account at its first import: unique over all apps, growing,
/// never given again (wire §4.2).
///
/// It exceeds 2^53, so interfaces that speak JSON show it as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InternalId(u64);

impl InternalId {
    /// The smallest internal id, 2^57 + 1.
    pub const FIRST: Self = Self((1 << 57) + 1);

    /// An internal id, or `None` for a number below [`InternalId::FIRST`].
    pub fn new(number: u64) -> Option<Self> {
        (number >= Self::FIRST.0).then_some(Self(number))
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The id given after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .expect("2^64 accounts are never imported"),
        )
    }
}

impl fmt::Display for InternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_id_bounds() {
        for (text, expected) in [
            ("a", Ok(())),
            (" ", Ok(())),
            ("~@TGS#", Ok(())),
            ("12345678901234567890123456789012", Ok(())),
            ("", Err(UserIdError::Length { bytes: 0 })),
            (
                "123456789012345678901234567890123",
                Err(UserIdError::Length { bytes: 33 }),
            ),
            // Too long and not ASCII: the length is judged first.
            ("éééééééééééééééééé", Err(UserIdError::Length { bytes: 36 })),
            ("josé", Err(UserIdError::Byte)),
            ("a\tb", Err(UserIdError::Byte)),
            ("a\u{7f}", Err(UserIdError::Byte)),
        ] {
            assert_eq!(UserId::parse(text).map(|_| ()), expected, "{text:?}");
        }
        assert_eq!(UserId::parse("Alice").unwrap().as_str(), "Alice");
        assert_ne!(UserId::parse("Alice"), UserId::parse("alice"));
        assert_eq!(UserId::parse("administrator"), Ok(UserId::ADMINISTRATOR));
    }

    #[test]
    fn internal_ids_start_above_2_to_the_57() {
        assert_eq!(InternalId::FIRST.get(), 144_115_188_075_855_873);
        assert_eq!(InternalId::new(144_115_188_075_855_872), None);
    }
}
