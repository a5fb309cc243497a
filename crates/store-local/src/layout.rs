//! What lies on disk: one keyspace, its keys and its values.
//!
//! Integers in keys are big-endian, so that byte order is number order. Every value begins with a
//! version byte; a version that this program does not know is an error, never a guess.

use std::ops::Bound;

use muster_accounts::{InternalId, SdkAppId};

/// The name of the keyspace.
///
/// There is one only: fjall can drop a journal when *every* keyspace has written its part of it to a
/// table, so a second one that is rarely written (such as one for apps) would keep all journals,
/// and each start would replay them.
pub(crate) const KEYSPACE: &str = "accounts";

/// What a key stands for. An app and all of its accounts are one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// An app.
    ///
    /// - key: `u32` SDKAppID, `u64` 0
    /// - value: [`crate::app_record`]
    App(SdkAppId),
    /// An account, or a deleted account whose user was not imported again.
    ///
    /// - key: `u32` SDKAppID, `u64` internal id. Internal ids grow, so within an app writes append
    ///   and tables hardly overlap.
    /// - value: [`crate::record`]
    Account(SdkAppId, InternalId),
}

impl Key {
    pub(crate) fn to_bytes(self) -> [u8; 12] {
        let (app, number) = match self {
            Self::App(app) => (app, 0),
            Self::Account(app, internal_id) => (app, internal_id.get()),
        };
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&app.0.to_be_bytes());
        bytes[4..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    /// Where the range of an app and its accounts ends.
    pub(crate) fn end_of(app: SdkAppId) -> Bound<[u8; 12]> {
        match app.0.checked_add(1) {
            Some(next) => Bound::Excluded(Self::App(SdkAppId(next)).to_bytes()),
            None => Bound::Unbounded,
        }
    }

    /// Takes a key apart; `None` if it is none of these.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (app, number) = bytes.split_first_chunk::<4>()?;
        let app = SdkAppId(u32::from_be_bytes(*app));
        match u64::from_be_bytes(number.try_into().ok()?) {
            0 => Some(Self::App(app)),
            number => Some(Self::Account(app, InternalId::new(number)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of keys, so that no change of the code moves them unseen.
    #[test]
    fn keys_are_these_bytes_and_read_back() {
        let app = SdkAppId(0x0102_0304);
        let account = Key::Account(app, InternalId::FIRST);
        assert_eq!(
            Key::App(app).to_bytes(),
            *b"\x01\x02\x03\x04\0\0\0\0\0\0\0\0"
        );
        assert_eq!(account.to_bytes(), *b"\x01\x02\x03\x04\x02\0\0\0\0\0\0\x01");
        for key in [Key::App(app), account] {
            assert_eq!(Key::parse(&key.to_bytes()), Some(key));
        }
        assert_eq!(Key::parse(b"\x01\x02\x03\x04\0\0\0\0\0\0\0\x07"), None);
        assert_eq!(Key::parse(b"short"), None);
    }
}
