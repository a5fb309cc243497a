//! Where a user's record stands: (app, user id) to internal id, in memory.
//!
//! The index holds 96 bits of a keyed hash of each user, which is wide enough to be sure: with 10^9
//! accounts, a stranger is taken for one of them once in 10^19 lookups. So who exists is answered
//! from here, without reading a record. Whoever reads a record finds the user id in it and compares.
//!
//! It is never the truth: it is rebuilt from the records when the store is opened. It is split into
//! shards, each under its own lock. The shards differ in size, by up to a factor of two, so that they
//! do not all grow at the same time: growth stops nobody for long, and the memory of an account stays
//! the same whatever their number.
//!
//! A slot is there from the moment its record is planned. Whether a reader may see it is a matter of
//! [`crate::records::View`].

use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;
use muster_accounts::{InternalId, SdkAppId, UserId};
use siphasher::sip128::SipHasher13;

/// As many as a byte can number. At ten million accounts a shard holds 40,000.
const SHARDS: usize = 256;

/// How finely the hashes are cut into shards.
const SLICES: usize = 1 << 12;

/// How many internal ids the index can hold apart.
pub(crate) const IDS_LIMIT: u64 = 1 << 39;

/// The keyed hash of a user of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserHash {
    shard: u8,
    /// 88 bits, in place for a [`Slot`].
    rest: u128,
}

/// From the top: 88 bits of hash, 1 whether the account is deleted, 39 of internal id, counted from
/// the first.
#[derive(Clone, Copy)]
struct Slot(u128);

const ID_BITS: u32 = 39;
const DELETED: u128 = 1 << ID_BITS;
const HASH: u128 = !0 << (ID_BITS + 1);

/// What the index knows of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) internal_id: InternalId,
    /// Whether the account is deleted and this is the place of its tombstone. Told only of what is
    /// visible: the writer, who has deletions under way, asks the record.
    pub(crate) is_deleted: bool,
}

pub(crate) struct Index {
    shards: Box<[RwLock<HashTable<Slot>>]>,
    /// The shard of each slice of the hashes.
    shard_of_slice: Box<[u8]>,
    /// Keyed afresh for each process, so nobody can choose user ids that collide.
    hasher: SipHasher13,
    /// All ones, but for tests that want many users to meet in the same buckets.
    bucket_mask: u64,
}

impl Index {
    /// An index with the random key `key`, that has room for about so many accounts.
    pub(crate) fn new(key: &[u8; 16], accounts: usize, bucket_mask: u64) -> Self {
        let shard_of_slice = shard_of_slice();
        let mut slices = [0_usize; SHARDS];
        for shard in &shard_of_slice {
            slices[usize::from(*shard)] += 1;
        }
        let shards = slices
            .iter()
            .map(|slices| RwLock::new(HashTable::with_capacity(accounts / SLICES * slices)));
        Self {
            shards: shards.collect(),
            shard_of_slice,
            hasher: SipHasher13::new_with_key(key),
            bucket_mask,
        }
    }

    /// The hash of a user, for the other calls.
    pub(crate) fn hash(&self, app: SdkAppId, user_id: &UserId) -> UserHash {
        let mut bytes = [0; 4 + UserId::MAX_BYTES];
        let name = user_id.as_bytes();
        bytes[..4].copy_from_slice(&app.0.to_le_bytes());
        bytes[4..4 + name.len()].copy_from_slice(name);
        let hash = self.hasher.hash(&bytes[..4 + name.len()]).as_u128();
        // The lowest bits, none of which is in a slot.
        let slice = usize::try_from(hash % SLICES as u128).expect("there are few slices");
        UserHash {
            shard: self.shard_of_slice[slice],
            rest: hash & HASH,
        }
    }

    /// Where the user stands among the ids up to `last`, the last that was given.
    ///
    /// Where several are right, the greatest counts: a user who was deleted and imported again has
    /// two until that is durable.
    pub(crate) fn find(&self, hash: UserHash, last: Option<InternalId>) -> Option<Place> {
        let shard = self.shard(hash).read();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        shard
            .iter_hash(self.bucket(hash.rest))
            .filter(|slot| slot.0 & HASH == hash.rest)
            .map(|slot| slot.place())
            .filter(|place| Some(place.internal_id) <= last)
            .max_by_key(|place| place.internal_id)
    }

    /// Notes an account or its tombstone.
    pub(crate) fn insert(&self, hash: UserHash, place: Place) {
        let mut shard = self.write(hash);
        let slot = Slot::new(hash, place);
        shard.insert_unique(self.bucket(slot.0), slot, |slot| self.bucket(slot.0));
    }

    /// Notes that the account under an id is deleted.
    pub(crate) fn set_deleted(&self, hash: UserHash, internal_id: InternalId) {
        let mut shard = self.write(hash);
        let is_it = |slot: &Slot| slot.is(hash, internal_id);
        if let Some(slot) = shard.find_mut(self.bucket(hash.rest), is_it) {
            slot.0 |= DELETED;
        }
    }

    /// Forgets an id whose record is gone.
    pub(crate) fn remove(&self, hash: UserHash, internal_id: InternalId) {
        let mut shard = self.write(hash);
        let is_it = |slot: &Slot| slot.is(hash, internal_id);
        if let Ok(slot) = shard.find_entry(self.bucket(hash.rest), is_it) {
            slot.remove();
        }
    }

    /// The part of the hash by which a shard's table is ordered: the upper half of a slot.
    fn bucket(&self, bits: u128) -> u64 {
        let upper = u64::try_from(bits >> 64).expect("half of it is left");
        upper & self.bucket_mask
    }

    fn shard(&self, hash: UserHash) -> &RwLock<HashTable<Slot>> {
        let mask = self.bucket_mask.to_le_bytes()[0];
        &self.shards[usize::from(hash.shard & mask)]
    }

    fn write(&self, hash: UserHash) -> std::sync::RwLockWriteGuard<'_, HashTable<Slot>> {
        let shard = self.shard(hash).write();
        shard.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn new(hash: UserHash, place: Place) -> Self {
        let deleted = if place.is_deleted { DELETED } else { 0 };
        Self(hash.rest | deleted | u128::from(number(place.internal_id)))
    }

    fn place(self) -> Place {
        let number = u64::try_from(self.0 & (DELETED - 1)).expect("it has 39 bits");
        let internal_id = InternalId::new(InternalId::FIRST.get() + number);
        Place {
            internal_id: internal_id.expect("it is not below the first"),
            is_deleted: self.0 & DELETED != 0,
        }
    }

    fn is(self, hash: UserHash, internal_id: InternalId) -> bool {
        self.0 & !DELETED == hash.rest | u128::from(number(internal_id))
    }
}

/// The internal id, counted from the first.
pub(crate) fn number(internal_id: InternalId) -> u64 {
    let number = internal_id.get() - InternalId::FIRST.get();
    assert!(
        number < IDS_LIMIT,
        "2^39 accounts are more than a disk holds"
    );
    number
}

/// Cuts the hashes into shards of which the last is about twice as large as the first, and each a
/// little larger than the one before.
fn shard_of_slice() -> Box<[u8]> {
    (0..SLICES)
        .map(|slice| {
            let position = f64::from(u32::try_from(slice).expect("there are few slices"));
            let shard = (1.0 + position / 4096.0).log2() * 256.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is from 0 to below 256"
            )]
            let shard = shard as u8;
            shard
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> InternalId {
        InternalId::new(InternalId::FIRST.get() + number).unwrap()
    }

    fn place(number: u64, is_deleted: bool) -> Place {
        Place {
            internal_id: id(number),
            is_deleted,
        }
    }

    #[test]
    fn a_slot_keeps_what_it_is_given() {
        let index = Index::new(&[7; 16], 0, u64::MAX);
        let hash = index.hash(SdkAppId(1), &UserId::ADMINISTRATOR);
        let greatest = IDS_LIMIT - 1;
        for (number, is_deleted) in [(0, false), (0, true), (greatest, false), (greatest, true)] {
            let slot = Slot::new(hash, place(number, is_deleted));
            assert_eq!(slot.place(), place(number, is_deleted));
            assert_eq!(slot.0 & HASH, hash.rest);
            assert!(slot.is(hash, id(number)));
        }
    }

    #[test]
    fn the_greatest_id_that_counts_is_found() {
        let index = Index::new(&[7; 16], 0, u64::MAX);
        let hash = index.hash(SdkAppId(1), &UserId::ADMINISTRATOR);
        assert_eq!(index.find(hash, Some(id(9))), None);
        index.insert(hash, place(3, false));
        index.insert(hash, place(5, false));
        index.set_deleted(hash, id(3));
        assert_eq!(index.find(hash, Some(id(2))), None);
        assert_eq!(index.find(hash, Some(id(4))), Some(place(3, true)));
        assert_eq!(index.find(hash, Some(id(5))), Some(place(5, false)));
        index.remove(hash, id(3));
        assert_eq!(index.find(hash, Some(id(4))), None);
        let other_app = index.hash(SdkAppId(2), &UserId::ADMINISTRATOR);
        assert_eq!(index.find(other_app, Some(id(9))), None);
    }

    #[test]
    fn shards_differ_in_size_by_a_factor_of_two_and_none_is_empty() {
        let mut slices = [0_u32; SHARDS];
        for shard in shard_of_slice() {
            slices[usize::from(shard)] += 1;
        }
        let (least, most) = (slices.iter().min().unwrap(), slices.iter().max().unwrap());
        assert!(*least >= 11 && *most <= 23, "{least} to {most}");
    }
}
