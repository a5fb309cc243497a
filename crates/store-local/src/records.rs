//! Reading records: by user through the index, or page by page.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use muster_accounts::{Account, InternalId, SdkAppId, StoreError, UserId, rules::Known};

use crate::{
    Tenant, Tenants, app_record,
    index::Index,
    layout::{KEYSPACE, Key},
    record::{self, RecordError},
};

/// The records on disk and the index over them.
pub(crate) struct Records {
    pub(crate) db: Database,
    pub(crate) keyspace: Keyspace,
    pub(crate) index: Index,
}

impl Records {
    /// Reads all records once, and rebuilds from them the index and what is counted.
    pub(crate) fn open(db: Database, hash_mask: u64) -> Result<(Self, Tenants), StoreError> {
        let keyspace = db
            .keyspace(KEYSPACE, KeyspaceCreateOptions::default)
            .map_err(failed)?;
        let index = Index::new(hash_mask);
        let mut tenants = Tenants {
            apps: BTreeMap::new(),
            last_id: None,
        };
        for item in keyspace.iter() {
            let (key, value) = item.into_inner().map_err(failed)?;
            match parse_key(&key)? {
                Key::App(sdkappid) => {
                    let app =
                        app_record::decode(sdkappid, &value).map_err(|e| unreadable(&key, e))?;
                    let tenant = Tenant {
                        app: Arc::new(app),
                        accounts: 0,
                        counted: 0,
                    };
                    tenants.apps.insert(sdkappid, tenant);
                }
                Key::Account(app, internal_id) => {
                    let head = record::decode_head(&value).map_err(|e| unreadable(&key, e))?;
                    index.insert(index.hash(app, &head.user_id), internal_id);
                    tenants.last_id = tenants.last_id.max(Some(internal_id));
                    // The app's own record stands before those of its accounts.
                    let tenant = tenants
                        .apps
                        .get_mut(&app)
                        .ok_or_else(|| unreadable(&key, NO_APP))?;
                    if head.is_account {
                        tenant.accounts += 1;
                        tenant.counted += u64::from(!head.user_id.is_administrator());
                    }
                }
            }
        }
        if let Some(last_id) = tenants.last_id {
            index.publish(last_id);
        }
        Ok((
            Self {
                db,
                keyspace,
                index,
            },
            tenants,
        ))
    }

    /// What is durable of a user.
    pub(crate) fn find_durable(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Known, StoreError> {
        let mut candidates = Vec::new();
        self.index
            .durable_candidates(self.index.hash(app, user_id), &mut candidates);
        for internal_id in candidates {
            let known = self.read(app, internal_id)?;
            if is_of(&known, user_id) {
                return Ok(known);
            }
        }
        Ok(Known::Nothing)
    }

    /// The record under an internal id. [`Known::Nothing`] if another app's account has that id, or
    /// if it was removed a moment ago.
    pub(crate) fn read(&self, app: SdkAppId, internal_id: InternalId) -> Result<Known, StoreError> {
        let key = Key::Account(app, internal_id).to_bytes();
        match self.keyspace.get(key).map_err(failed)? {
            Some(value) => record::decode(internal_id, &value).map_err(|e| unreadable(&key, e)),
            None => Ok(Known::Nothing),
        }
    }

    /// Up to `limit` accounts after `after`, by internal id.
    pub(crate) fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let from = after
            .map_or(Key::App(app), |after| Key::Account(app, after))
            .to_bytes();
        let to = match app.0.checked_add(1) {
            Some(next) => Bound::Excluded(Key::App(SdkAppId(next)).to_bytes()),
            None => Bound::Unbounded,
        };
        let mut accounts = Vec::new();
        for item in self.keyspace.range((Bound::Excluded(from), to)) {
            if accounts.len() == limit {
                break;
            }
            let (key, value) = item.into_inner().map_err(failed)?;
            let Key::Account(_, internal_id) = parse_key(&key)? else {
                return Err(unreadable(&key, FOREIGN_KEY));
            };
            let known = record::decode(internal_id, &value).map_err(|e| unreadable(&key, e))?;
            if let Known::Account(account) = known {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }
}

fn parse_key(key: &[u8]) -> Result<Key, StoreError> {
    Key::parse(key).ok_or_else(|| unreadable(key, FOREIGN_KEY))
}

/// Whether a record is this user's, and not that of one who shares the hash.
pub(crate) fn is_of(known: &Known, user_id: &UserId) -> bool {
    match known {
        Known::Nothing => false,
        Known::Account(account) => account.user_id == *user_id,
        Known::Deleted(tombstone) => tombstone.user_id == *user_id,
    }
}

const FOREIGN_KEY: RecordError = RecordError::Damaged("its key is none of this keyspace");
const NO_APP: RecordError = RecordError::Damaged("its app is missing");

#[expect(clippy::needless_pass_by_value, reason = "it goes into `map_err`")]
pub(crate) fn failed(error: fjall::Error) -> StoreError {
    StoreError::Failed(format!("the storage engine failed: {error}").into())
}

fn unreadable(key: &[u8], error: RecordError) -> StoreError {
    StoreError::Failed(format!("the record under key {key:02x?} cannot be read: {error}").into())
}
