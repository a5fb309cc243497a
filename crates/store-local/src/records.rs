//! Reading records: by user through the index, or page by page.

use std::{
    mem,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use fjall::{Readable, Snapshot};
use muster_accounts::{
    Account, InternalId, SdkAppId, StoreError, UnixSeconds, UserId, rules::Known,
};

use crate::{
    Planned,
    index::{Index, Place, UserHash, UserHasher},
    layout::Key,
    open::Engine,
    read_in::read_in,
    record::{self, RecordError},
};

/// The records on disk and the index over them.
pub(crate) struct Records {
    pub(crate) engine: Engine,
    pub(crate) hasher: UserHasher,
    indexed: RwLock<Indexed>,
}

/// The index, and what of it readers see. Under one lock, which is held for one request at a time: a
/// reader who holds it until it has asked of all users sees each request whole or not at all.
struct Indexed {
    index: Index,
    view: Arc<View>,
}

/// What readers see: what the last commit made durable.
struct View {
    snapshot: Snapshot,
    /// Greater ids are not durable yet.
    last_id: Option<InternalId>,
}

/// What a commit takes from the index, besides what it adds.
#[derive(Default)]
pub(crate) struct Gone {
    /// Accounts that have become tombstones.
    pub(crate) deleted: Vec<(UserHash, InternalId)>,
    /// Tombstones whose users were imported again.
    pub(crate) replaced: Vec<(UserHash, InternalId)>,
}

impl Records {
    /// Reads all records once, and rebuilds from them the index and what the writer plans against.
    pub(crate) fn open(engine: Engine, bucket_mask: u64) -> Result<(Self, Planned), StoreError> {
        let snapshot = engine.db.snapshot();
        let (hasher, index, planned) = read_in(&engine, &snapshot, bucket_mask)?;
        let view = View {
            snapshot,
            last_id: planned.last_id,
        };
        let records = Self {
            engine,
            hasher,
            indexed: RwLock::new(Indexed {
                index,
                view: Arc::new(view),
            }),
        };
        Ok((records, planned))
    }

    /// The ids under which the users with these hashes stand, durable or not: for the writer, which
    /// knows the last id that was given.
    pub(crate) fn ids(
        &self,
        hashes: &[UserHash],
        last_id: Option<InternalId>,
    ) -> Vec<Option<InternalId>> {
        let index = &self.indexed().index;
        let id = |hash: &UserHash| index.find(*hash, last_id).map(|place| place.internal_id);
        hashes.iter().map(id).collect()
    }

    /// Notes new accounts, which nobody sees until they are published.
    pub(crate) fn insert(&self, new: &[(UserHash, InternalId)]) {
        if new.is_empty() {
            return;
        }
        let index = &mut self.indexed_mut().index;
        for (hash, internal_id) in new {
            let place = Place {
                internal_id: *internal_id,
                is_deleted: false,
            };
            index.insert(*hash, place);
        }
    }

    /// Shows readers what is durable by now.
    pub(crate) fn publish(&self, last_id: Option<InternalId>, gone: &Gone) {
        let snapshot = self.engine.db.snapshot();
        let view = Arc::new(View { snapshot, last_id });
        let mut indexed = self.indexed_mut();
        for (hash, internal_id) in &gone.deleted {
            indexed.index.set_deleted(*hash, *internal_id);
        }
        for (hash, internal_id) in &gone.replaced {
            indexed.index.remove(*hash, *internal_id);
        }
        let view_before = mem::replace(&mut indexed.view, view);
        drop(indexed);
        drop(view_before);
    }

    fn indexed(&self) -> RwLockReadGuard<'_, Indexed> {
        self.indexed.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn indexed_mut(&self) -> RwLockWriteGuard<'_, Indexed> {
        self.indexed.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of the users have an account, all at one moment. Waits for no disk.
    pub(crate) fn have_accounts(&self, app: SdkAppId, users: &[UserId]) -> Vec<bool> {
        let hashes = self.hashes(app, users);
        let Indexed { index, view } = &*self.indexed();
        let has_account = |hash: &UserHash| {
            let place = index.find(*hash, view.last_id);
            place.is_some_and(|place| !place.is_deleted)
        };
        hashes.iter().map(has_account).collect()
    }

    fn hashes(&self, app: SdkAppId, users: &[UserId]) -> Vec<UserHash> {
        // Beforehand: the lock is held for less time, and lookups alone can wait for memory together.
        let hash = |user_id| self.hasher.hash(app, user_id);
        users.iter().map(hash).collect()
    }

    /// The accounts of the users, all at one moment.
    pub(crate) fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        let account = |known| match known {
            Known::Account(account) => Some(account),
            Known::Nothing | Known::Deleted(_) => None,
        };
        let found = self.find(app, users)?;
        Ok(found.into_iter().map(account).collect())
    }

    /// The user's kick mark, also that of a deleted user.
    pub(crate) fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        let found = self.find(app, &[user_id])?;
        Ok(found.iter().find_map(Known::kicked_at))
    }

    /// What is known of each user, all at one moment.
    fn find(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<Known>, StoreError> {
        let hashes = self.hashes(app, users);
        let indexed = self.indexed();
        let view = indexed.view.clone();
        let place = |hash: &UserHash| indexed.index.find(*hash, view.last_id);
        let places: Vec<Option<Place>> = hashes.iter().map(place).collect();
        drop(indexed);

        let known = |(user_id, place): (&UserId, Option<Place>)| {
            let Some(Place { internal_id, .. }) = place else {
                return Ok(Known::Nothing);
            };
            let key = Key::Account(app, internal_id).to_bytes();
            let value = view.snapshot.get(&self.engine.keyspace, key);
            known(app, user_id, internal_id, value.map_err(failed)?.as_deref())
        };
        users.iter().zip(places).map(known).collect()
    }

    /// What the newest record under an internal id says of a user, for the writer.
    pub(crate) fn newest(
        &self,
        app: SdkAppId,
        user_id: &UserId,
        internal_id: InternalId,
    ) -> Result<Known, StoreError> {
        let key = Key::Account(app, internal_id).to_bytes();
        let value = self.engine.keyspace.get(key).map_err(failed)?;
        known(app, user_id, internal_id, value.as_deref())
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
        let view = self.indexed().view.clone();
        let range = (Bound::Excluded(from), Key::end_of(app));
        let mut accounts = Vec::new();
        for item in view.snapshot.range(&self.engine.keyspace, range) {
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

/// What the record to which the index points says of a user.
pub(crate) fn known(
    app: SdkAppId,
    user_id: &UserId,
    internal_id: InternalId,
    value: Option<&[u8]>,
) -> Result<Known, StoreError> {
    let unreadable = |error| unreadable(&Key::Account(app, internal_id).to_bytes(), error);
    let value = value.ok_or_else(|| unreadable(MISSING))?;
    let known = record::decode(internal_id, value).map_err(unreadable)?;
    let is_theirs = match &known {
        Known::Nothing => false,
        Known::Account(account) => account.user_id == *user_id,
        Known::Deleted(tombstone) => tombstone.user_id == *user_id,
    };
    if is_theirs {
        Ok(known)
    } else {
        Err(unreadable(ANOTHER_USER))
    }
}

pub(crate) fn parse_key(key: &[u8]) -> Result<Key, StoreError> {
    Key::parse(key).ok_or_else(|| unreadable(key, FOREIGN_KEY))
}

const FOREIGN_KEY: RecordError = RecordError::Damaged("its key is none of this keyspace");
const MISSING: RecordError = RecordError::Damaged("it was there and is gone");
const ANOTHER_USER: RecordError = RecordError::Damaged("it is of another user");

#[expect(clippy::needless_pass_by_value, reason = "it goes into `map_err`")]
pub(crate) fn failed(error: fjall::Error) -> StoreError {
    StoreError::Failed(format!("the storage engine failed: {error}").into())
}

pub(crate) fn unreadable(key: &[u8], error: RecordError) -> StoreError {
    StoreError::Failed(format!("the record under key {key:02x?} cannot be read: {error}").into())
}
