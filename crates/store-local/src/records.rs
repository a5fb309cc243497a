//! Reading records: by user through the index, or page by page.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
};

use fjall::Readable;
use muster_accounts::{
    Account, InternalId, SdkAppId, StoreError, UnixSeconds, UserId, rules::Known,
};

use crate::{
    Tenant, Tenants, app_record,
    index::Index,
    layout::Key,
    open::Engine,
    record::{self, RecordError},
};

/// The records on disk and the index over them.
pub(crate) struct Records {
    pub(crate) engine: Engine,
    pub(crate) index: Index,
    /// Held shared from the opening of a snapshot until the index has been asked, and alone while
    /// slots are removed: a slot that a snapshot's records still need is not missed.
    removal: RwLock<()>,
}

impl Records {
    /// Reads all records once, and rebuilds from them the index and what is counted.
    pub(crate) fn open(engine: Engine, hash_mask: u64) -> Result<(Self, Tenants), StoreError> {
        let index = Index::new(hash_mask);
        let mut tenants = Tenants {
            apps: BTreeMap::new(),
            last_id: None,
        };
        for item in engine.keyspace.iter() {
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
        Ok((
            Self {
                engine,
                index,
                removal: RwLock::new(()),
            },
            tenants,
        ))
    }

    /// Which of the users have an account, all at one moment.
    pub(crate) fn have_accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<bool>, StoreError> {
        let found = self.find(app, users, |user_id, _, value| {
            let head = record::decode_head(value)?;
            Ok((head.user_id == *user_id).then_some(head.is_account))
        })?;
        Ok(found
            .into_iter()
            .map(|is_account| is_account == Some(true))
            .collect())
    }

    /// The accounts of the users, all at one moment.
    pub(crate) fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        let found = self.find(app, users, |user_id, internal_id, value| {
            let known = record::decode(internal_id, value)?;
            Ok(is_of(&known, user_id).then_some(known))
        })?;
        let account = |known| match known {
            Some(Known::Account(account)) => Some(account),
            None | Some(Known::Nothing | Known::Deleted(_)) => None,
        };
        Ok(found.into_iter().map(account).collect())
    }

    /// The user's kick mark, also that of a deleted user.
    pub(crate) fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        let found = self.find(app, &[user_id], |user_id, internal_id, value| {
            let known = record::decode(internal_id, value)?;
            Ok(is_of(&known, user_id).then_some(known))
        })?;
        let known = found.into_iter().next().flatten();
        Ok(known.and_then(|known| known.kicked_at()))
    }

    /// What `judge` makes of the record of each user; it answers `None` for the record of another
    /// user who shares the hash.
    ///
    /// All is read from one snapshot, so no request is seen in part. A slot of the index may be newer
    /// than the snapshot: then there is no record under its id.
    fn find<T>(
        &self,
        app: SdkAppId,
        users: &[UserId],
        judge: impl Fn(&UserId, InternalId, &[u8]) -> Result<Option<T>, RecordError>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        let mut candidates = Vec::with_capacity(users.len());
        let no_removal = self.removal.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.engine.db.snapshot();
        for (nth, user_id) in users.iter().enumerate() {
            let hash = self.index.hash(app, user_id);
            self.index
                .candidates(hash, |internal_id| candidates.push((nth, internal_id)));
        }
        drop(no_removal);

        let mut found: Vec<Option<T>> = users.iter().map(|_| None).collect();
        for (nth, internal_id) in candidates {
            if found[nth].is_some() {
                continue;
            }
            let key = Key::Account(app, internal_id).to_bytes();
            if let Some(value) = snapshot.get(&self.engine.keyspace, key).map_err(failed)? {
                let judged = judge(&users[nth], internal_id, &value);
                found[nth] = judged.map_err(|e| unreadable(&key, e))?;
            }
        }
        Ok(found)
    }

    /// The newest record under an internal id, for the writer. [`Known::Nothing`] if the id belongs
    /// to another app's account.
    pub(crate) fn newest(
        &self,
        app: SdkAppId,
        internal_id: InternalId,
    ) -> Result<Known, StoreError> {
        let key = Key::Account(app, internal_id).to_bytes();
        match self.engine.keyspace.get(key).map_err(failed)? {
            Some(value) => decoded(app, internal_id, &value),
            None => Ok(Known::Nothing),
        }
    }

    /// Forgets slots whose records are gone.
    pub(crate) fn remove_slots(&self, slots: &[(u64, InternalId)]) {
        if slots.is_empty() {
            return;
        }
        let _alone = self.removal.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, internal_id) in slots {
            self.index.remove(*hash, *internal_id);
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
        let snapshot = self.engine.db.snapshot();
        let mut accounts = Vec::new();
        for item in snapshot.range(&self.engine.keyspace, (Bound::Excluded(from), to)) {
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

/// The record under an internal id.
pub(crate) fn decoded(
    app: SdkAppId,
    internal_id: InternalId,
    value: &[u8],
) -> Result<Known, StoreError> {
    record::decode(internal_id, value)
        .map_err(|error| unreadable(&Key::Account(app, internal_id).to_bytes(), error))
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
