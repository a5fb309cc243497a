//! Reading records: by user through the index, or page by page.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use fjall::Database;
use muster_accounts::{Account, InternalId, SdkAppId, StoreError, UserId, rules::Known};

use crate::{
    Tenant, Tenants, app_record,
    index::Index,
    layout::{Keyspaces, account_key, app_key, parse_account_key},
    record::{self, RecordError},
};

/// The records on disk and the index over them.
pub(crate) struct Records {
    pub(crate) db: Database,
    pub(crate) keyspaces: Keyspaces,
    pub(crate) index: Index,
}

impl Records {
    /// Opens the keyspaces, and rebuilds from them the index and what is counted.
    pub(crate) fn open(db: Database, hash_mask: u64) -> Result<(Self, Tenants), StoreError> {
        let keyspaces = Keyspaces::open(&db).map_err(failed)?;
        let index = Index::new(hash_mask);

        let mut apps = BTreeMap::new();
        for item in keyspaces.apps.iter() {
            let (key, value) = item.into_inner().map_err(failed)?;
            let number = key
                .as_ref()
                .try_into()
                .map_err(|_| unreadable(&key, FOREIGN_KEY))?;
            let sdkappid = SdkAppId(u32::from_be_bytes(number));
            let app = app_record::decode(sdkappid, &value).map_err(|e| unreadable(&key, e))?;
            apps.insert(
                sdkappid,
                Tenant {
                    app: Arc::new(app),
                    accounts: 0,
                    counted: 0,
                },
            );
        }

        let mut last_id = None;
        for item in keyspaces.accounts.iter() {
            let (key, value) = item.into_inner().map_err(failed)?;
            let (app, internal_id) =
                parse_account_key(&key).ok_or_else(|| unreadable(&key, FOREIGN_KEY))?;
            let head = record::decode_head(&value).map_err(|e| unreadable(&key, e))?;
            index.insert(index.hash(app, &head.user_id), internal_id);
            last_id = last_id.max(Some(internal_id));
            let tenant = apps.get_mut(&app).ok_or_else(|| unreadable(&key, NO_APP))?;
            if head.is_account {
                tenant.accounts += 1;
                tenant.counted += u64::from(!head.user_id.is_administrator());
            }
        }
        if let Some(last_id) = last_id {
            index.publish(last_id);
        }
        Ok((
            Self {
                db,
                keyspaces,
                index,
            },
            Tenants { apps, last_id },
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
        let key = account_key(app, internal_id);
        match self.keyspaces.accounts.get(key).map_err(failed)? {
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
        let from = match after {
            Some(after) => Bound::Excluded(account_key(app, after).to_vec()),
            None => Bound::Included(app_key(app).to_vec()),
        };
        let to = match app.0.checked_add(1) {
            Some(next) => Bound::Excluded(app_key(SdkAppId(next)).to_vec()),
            None => Bound::Unbounded,
        };
        let mut accounts = Vec::new();
        for item in self.keyspaces.accounts.range((from, to)) {
            if accounts.len() == limit {
                break;
            }
            let (key, value) = item.into_inner().map_err(failed)?;
            let (_, internal_id) =
                parse_account_key(&key).ok_or_else(|| unreadable(&key, FOREIGN_KEY))?;
            let known = record::decode(internal_id, &value).map_err(|e| unreadable(&key, e))?;
            if let Known::Account(account) = known {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }
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
