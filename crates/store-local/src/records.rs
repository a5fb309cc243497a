//! Reading records: by user through the index, or page by page.

use std::{
    io, mem,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use fjall::{Readable, Snapshot};
use muster_accounts::{
    Account, InternalId, SdkAppId, StoreError, UnixSeconds, UserId, rules::Known,
};

use crate::{
    Planned, backup, block,
    index::{Index, Place, UserHash, UserHasher},
    layout::Key,
    open::Engine,
    read_in::read_in,
    record::{self, RecordError},
    scan::scan,
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

/// What a commit changes in the index, besides what it adds.
#[derive(Default)]
pub(crate) struct Moved {
    /// Records that have got another place, or become tombstones.
    pub(crate) replaced: Vec<(UserHash, Place)>,
    /// Ids of deleted users who were imported again.
    pub(crate) removed: Vec<(UserHash, InternalId)>,
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

    /// Where the users with these hashes stand, durable or not: for the writer, which knows the last id
    /// that was given.
    pub(crate) fn places(
        &self,
        hashes: &[UserHash],
        last_id: Option<InternalId>,
    ) -> Vec<Option<Place>> {
        let index = &self.indexed().index;
        let place = |hash: &UserHash| index.find(*hash, last_id);
        hashes.iter().map(place).collect()
    }

    /// Notes new accounts, which nobody sees until they are published.
    pub(crate) fn insert(&self, new: &[(UserHash, Place)]) {
        if new.is_empty() {
            return;
        }
        let index = &mut self.indexed_mut().index;
        for (hash, place) in new {
            index.insert(*hash, *place);
        }
    }

    /// Shows readers what is durable by now.
    pub(crate) fn publish(&self, last_id: Option<InternalId>, moved: &Moved) {
        let snapshot = self.engine.db.snapshot();
        let view = Arc::new(View { snapshot, last_id });
        let mut indexed = self.indexed_mut();
        for (hash, place) in &moved.replaced {
            indexed.index.replace(*hash, *place);
        }
        for (hash, internal_id) in &moved.removed {
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
            let Some(place) = place else {
                return Ok(Known::Nothing);
            };
            let key = place.key(app).to_bytes();
            let value = view.snapshot.get(&self.engine.keyspace, key);
            known(app, user_id, place, value.map_err(failed)?.as_deref())
        };
        users.iter().zip(places).map(known).collect()
    }

    /// What the newest record at a place says of a user, for the writer.
    pub(crate) fn newest(
        &self,
        app: SdkAppId,
        user_id: &UserId,
        place: Place,
    ) -> Result<Known, StoreError> {
        let value = self.engine.keyspace.get(place.key(app).to_bytes());
        known(app, user_id, place, value.map_err(failed)?.as_deref())
    }

    /// Writes all that is visible now.
    pub(crate) fn back_up(&self, out: &mut dyn io::Write) -> Result<(), StoreError> {
        let view = self.indexed().view.clone();
        backup::back_up(&self.engine, &view.snapshot, out)
    }

    /// Up to `limit` accounts after `after`, by internal id.
    pub(crate) fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.read_on(app, after, limit, |known| match known {
            Known::Account(account) => Some(account),
            Known::Nothing | Known::Deleted(_) => None,
        })
    }

    /// Up to `limit` of what `pick` takes of the records after `after`, by internal id.
    pub(crate) fn read_on<T>(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
        pick: impl Fn(Known) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let view = self.indexed().view.clone();
        let Some(last) = view.last_id.filter(|last| after < Some(*last)) else {
            return Ok(Vec::new());
        };
        let first = after.map_or(InternalId::FIRST, InternalId::next);
        let mut picked = Vec::new();
        for scanned in scan(&self.engine, &view.snapshot, app, first, last) {
            if picked.len() == limit {
                break;
            }
            let scanned = scanned?;
            let internal_id = scanned.internal_id;
            let known = record::decode(internal_id, scanned.record())
                .map_err(|e| unreadable_record(app, internal_id, e))?;
            picked.extend(pick(known));
        }
        Ok(picked)
    }
}

/// What the value at a place says of a user.
fn known(
    app: SdkAppId,
    user_id: &UserId,
    place: Place,
    value: Option<&[u8]>,
) -> Result<Known, StoreError> {
    let unreadable = |error| unreadable(place.key(app).to_bytes().as_ref(), error);
    let value = value.ok_or_else(|| unreadable(MISSING))?;
    let record = match place.in_block {
        Some(nth) => &value[block::place(value, nth).map_err(unreadable)?],
        None => value,
    };
    known_of(user_id, place.internal_id, record).map_err(unreadable)
}

/// What a record says of a user, whose it must be.
pub(crate) fn known_of(
    user_id: &UserId,
    internal_id: InternalId,
    record: &[u8],
) -> Result<Known, RecordError> {
    let known = record::decode(internal_id, record)?;
    let is_theirs = match &known {
        Known::Nothing => false,
        Known::Account(account) => account.user_id == *user_id,
        Known::Deleted(tombstone) => tombstone.user_id == *user_id,
    };
    if is_theirs {
        Ok(known)
    } else {
        Err(ANOTHER_USER)
    }
}

pub(crate) fn parse_key(key: &[u8]) -> Result<Key, StoreError> {
    Key::parse(key).ok_or_else(|| unreadable(key, FOREIGN_KEY))
}

pub(crate) const FOREIGN_KEY: RecordError =
    RecordError::Damaged("its key is none of this keyspace");
const MISSING: RecordError = RecordError::Damaged("it was there and is gone");
const ANOTHER_USER: RecordError = RecordError::Damaged("it is of another user");

#[expect(clippy::needless_pass_by_value, reason = "it goes into `map_err`")]
pub(crate) fn failed(error: fjall::Error) -> StoreError {
    StoreError::Failed(format!("the storage engine failed: {error}").into())
}

pub(crate) fn unreadable(key: &[u8], error: RecordError) -> StoreError {
    StoreError::Failed(format!("the record under key {key:02x?} cannot be read: {error}").into())
}

pub(crate) fn unreadable_record(
    app: SdkAppId,
    internal_id: InternalId,
    error: RecordError,
) -> StoreError {
    let message =
        format!("the record of internal id {internal_id} of app {app} cannot be read: {error}");
    StoreError::Failed(message.into())
}
