//! What lies on disk: every keyspace with its keys and values.
//!
//! All integers in keys are big-endian, so that byte order is number order. Every value begins with
//! a version byte; a version that this program does not know is an error, never a guess.

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use muster_accounts::{InternalId, SdkAppId};

/// The keyspaces of one data directory.
#[derive(Clone)]
pub(crate) struct Keyspaces {
    /// One record for each account, and for each deleted account that was not imported again.
    ///
    /// - key: `u32` SDKAppID, `u64` internal id. Internal ids grow, so within an app writes append,
    ///   tables hardly overlap, and one app is one range.
    /// - value: [`crate::record`].
    pub(crate) accounts: Keyspace,
    /// One record for each app.
    ///
    /// - key: `u32` SDKAppID
    /// - value: [`crate::app_record`].
    pub(crate) apps: Keyspace,
}

impl Keyspaces {
    pub(crate) fn open(db: &Database) -> fjall::Result<Self> {
        Ok(Self {
            accounts: db.keyspace("accounts", KeyspaceCreateOptions::default)?,
            apps: db.keyspace("apps", KeyspaceCreateOptions::default)?,
        })
    }
}

/// The key of a record in `accounts`.
pub(crate) fn account_key(app: SdkAppId, internal_id: InternalId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&app_key(app));
    key[4..].copy_from_slice(&internal_id.get().to_be_bytes());
    key
}

/// Takes a key of `accounts` apart; `None` if it is no such key.
pub(crate) fn parse_account_key(key: &[u8]) -> Option<(SdkAppId, InternalId)> {
    let (app, internal_id) = key.split_first_chunk::<4>()?;
    let internal_id = u64::from_be_bytes(internal_id.try_into().ok()?);
    Some((
        SdkAppId(u32::from_be_bytes(*app)),
        InternalId::new(internal_id)?,
    ))
}

/// The key of a record in `apps`, and the prefix of the app's keys in `accounts`.
pub(crate) fn app_key(app: SdkAppId) -> [u8; 4] {
    app.0.to_be_bytes()
}
