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
    /// The record of one internal id, once it has changed. It counts instead of the one in a block.
    ///
    /// - key: `u32` SDKAppID, `u64` internal id
    /// - value: [`crate::record`]
    Record(SdkAppId, InternalId),
    /// New records of internal ids that follow each other, from this one on. Internal ids grow, so
    /// within an app writes append and tables hardly overlap.
    ///
    /// - key: `u32` SDKAppID, `u64` internal id, `u8` 1
    /// - value: [`crate::block`]
    Block(SdkAppId, InternalId),
}

const BLOCK: u8 = 1;

impl Key {
    pub(crate) fn to_bytes(self) -> KeyBytes {
        let (app, number, length) = match self {
            Self::App(app) => (app, 0, 12),
            Self::Record(app, internal_id) => (app, internal_id.get(), 12),
            Self::Block(app, internal_id) => (app, internal_id.get(), 13),
        };
        let mut bytes = [0; 13];
        bytes[..4].copy_from_slice(&app.0.to_be_bytes());
        bytes[4..12].copy_from_slice(&number.to_be_bytes());
        bytes[12] = BLOCK;
        KeyBytes { bytes, length }
    }

    /// Where the range of an app and its accounts ends.
    pub(crate) fn end_of(app: SdkAppId) -> Bound<KeyBytes> {
        match app.0.checked_add(1) {
            Some(next) => Bound::Excluded(Self::App(SdkAppId(next)).to_bytes()),
            None => Bound::Unbounded,
        }
    }

    /// Takes a key apart; `None` if it is none of these.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (app, rest) = bytes.split_first_chunk::<4>()?;
        let app = SdkAppId(u32::from_be_bytes(*app));
        let (number, rest) = rest.split_first_chunk::<8>()?;
        match (u64::from_be_bytes(*number), rest) {
            (0, []) => Some(Self::App(app)),
            (number, []) => Some(Self::Record(app, InternalId::new(number)?)),
            (number, [BLOCK]) => Some(Self::Block(app, InternalId::new(number)?)),
            _ => None,
        }
    }
}

/// The bytes of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyBytes {
    bytes: [u8; 13],
    length: usize,
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl From<KeyBytes> for fjall::UserKey {
    fn from(key: KeyBytes) -> Self {
        key.as_ref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of keys, so that no change of the code moves them unseen.
    #[test]
    fn keys_are_these_bytes_and_read_back() {
        let app = SdkAppId(0x0102_0304);
        let first = InternalId::FIRST;
        for (key, bytes) in [
            (Key::App(app), &b"\x01\x02\x03\x04\0\0\0\0\0\0\0\0"[..]),
            (
                Key::Record(app, first),
                b"\x01\x02\x03\x04\x02\0\0\0\0\0\0\x01",
            ),
            (
                Key::Block(app, first),
                b"\x01\x02\x03\x04\x02\0\0\0\0\0\0\x01\x01",
            ),
        ] {
            assert_eq!(key.to_bytes().as_ref(), bytes);
            assert_eq!(Key::parse(bytes), Some(key));
        }
        assert_eq!(Key::parse(b"\x01\x02\x03\x04\0\0\0\0\0\0\0\x07"), None);
        assert_eq!(
            Key::parse(b"\x01\x02\x03\x04\x02\0\0\0\0\0\0\x01\x02"),
            None
        );
        assert_eq!(Key::parse(b"short"), None);
    }
}
