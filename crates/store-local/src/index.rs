//! Where a user's record stands: (app, user id) to internal id, in memory.
//!
//! The index holds a keyed 64-bit hash and an internal id, 16 bytes, so it is never the truth: a hit
//! is a candidate until the record under that id names the same user. It is rebuilt from the
//! records when the store is opened. It is split into shards that grow each on its own, so growth
//! stops nobody for long.
//!
//! A slot says nothing of visibility: it is there from the moment its record is planned, and a reader
//! finds no record under its id until that is durable.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock},
};

use hashbrown::HashTable;
use muster_accounts::{InternalId, SdkAppId, UserId};

/// As many as one byte can choose from. At ten million accounts a shard holds 40,000.
const SHARDS: usize = 256;

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    internal_id: InternalId,
}

pub(crate) struct Index {
    shards: Box<[RwLock<HashTable<Slot>>]>,
    /// Keyed afresh for each process, so nobody can choose user ids that collide.
    keys: RandomState,
    /// All ones, but for tests that want many users to share a hash.
    hash_mask: u64,
}

impl Index {
    pub(crate) fn new(hash_mask: u64) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            keys: RandomState::new(),
            hash_mask,
        }
    }

    /// The hash of a user, for the other calls.
    pub(crate) fn hash(&self, app: SdkAppId, user_id: &UserId) -> u64 {
        self.keys.hash_one((app.0, user_id.as_bytes())) & self.hash_mask
    }

    /// Hands on the ids under which the user may stand, greatest first.
    ///
    /// Where several are right, the greatest counts: a user who was deleted and imported again has
    /// two until that is durable.
    pub(crate) fn candidates(&self, hash: u64, mut each: impl FnMut(InternalId)) {
        let shard = self
            .shard(hash)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut matching = shard.iter_hash(hash).filter(|slot| slot.hash == hash);
        let (Some(first), second) = (matching.next(), matching.next()) else {
            return;
        };
        let Some(second) = second else {
            return each(first.internal_id);
        };
        let mut several = vec![first.internal_id, second.internal_id];
        several.extend(matching.map(|slot| slot.internal_id));
        several.sort_unstable_by(|a, b| b.cmp(a));
        several.into_iter().for_each(each);
    }

    /// Notes an account.
    pub(crate) fn insert(&self, hash: u64, internal_id: InternalId) {
        let mut shard = self
            .shard(hash)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        shard.insert_unique(hash, Slot { hash, internal_id }, |slot| slot.hash);
    }

    /// Forgets an id whose record is gone.
    pub(crate) fn remove(&self, hash: u64, internal_id: InternalId) {
        let mut shard = self
            .shard(hash)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Ok(slot) = shard.find_entry(hash, |slot| {
            slot.hash == hash && slot.internal_id == internal_id
        }) {
            slot.remove();
        }
    }

    fn shard(&self, hash: u64) -> &RwLock<HashTable<Slot>> {
        // The table itself uses the lowest bits and the seven highest.
        let number = usize::from(hash.to_be_bytes()[1]);
        &self.shards[number]
    }
}
