//! Where a user's record stands: (app, user id) to internal id, in memory.
//!
//! The index holds 90 bits of a keyed hash of each user, which is wide enough to be sure: with 10^9
//! accounts, a stranger is taken for one of them once in 10^18 lookups. So who exists is answered
//! from here, without reading a record. Whoever reads a record finds the user id in it and compares.
//!
//! It is never the truth: it is rebuilt from the records when the store is opened. It is split into
//! shards, so that growth moves a small part of it at a time. The shards differ in size, by up to a
//! factor of two, so that they do not all grow at about the same time: growth stops nobody for long,
//! and the memory of an account stays the same whatever their number.
//!
//! A slot is there from the moment its record is planned. Whether a reader may see it is a matter of
//! [`crate::records::View`].

use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use muster_accounts::{InternalId, SdkAppId, UserId};
use siphasher::sip128::SipHasher13;

use crate::{block, layout::Key};

const _: () = assert!(
    block::LIMIT < 1 << 6,
    "a position in a block fits into a slot"
);

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
    /// 82 bits, in place for a [`Slot`].
    rest: u128,
}

/// From the top: 82 bits of hash, 6 of the position in a block, 1 whether the account is deleted, 39 of
/// internal id, counted from the first.
#[derive(Clone, Copy)]
struct Slot(u128);

const ID_BITS: u32 = 39;
const DELETED: u128 = 1 << ID_BITS;
const POSITION_SHIFT: u32 = ID_BITS + 1;
const POSITION: u128 = 0x3f << POSITION_SHIFT;
const HASH: u128 = !0 << (POSITION_SHIFT + 6);

/// What the index knows of a user: what is durable, so the writer asks its own records first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) internal_id: InternalId,
    /// Which record of its block this is, counted from 0; `None` if it has a key of its own.
    pub(crate) in_block: Option<u8>,
    /// Whether the account is deleted and this is the place of its tombstone.
    pub(crate) is_deleted: bool,
}

impl Place {
    /// The key under which the record stands.
    pub(crate) fn key(self, app: SdkAppId) -> Key {
        let Some(nth) = self.in_block else {
            return Key::Record(app, self.internal_id);
        };
        let first = InternalId::new(self.internal_id.get() - u64::from(nth));
        Key::Block(app, first.expect("a block begins with an id"))
    }
}

/// Makes hashes of users.
pub(crate) struct UserHasher {
    /// Keyed afresh for each process, so nobody can choose user ids that collide.
    hasher: SipHasher13,
    /// The shard of each slice of the hashes.
    shard_of_slice: Box<[u8]>,
}

impl UserHasher {
    /// A hasher with the random key `key`.
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(key),
            shard_of_slice: shard_of_slice(),
        }
    }

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
}

pub(crate) struct Index {
    shards: Box<[Shard]>,
    /// All ones, but for tests that want many users to meet in the same buckets.
    bucket_mask: u64,
}

#[derive(Default)]
struct Shard(HashTable<Slot>);

impl Index {
    /// Where the user stands among the ids up to `last`, the last that was given.
    ///
    /// Where several are right, the greatest counts: a user who was deleted and imported again has
    /// two until that is durable.
    pub(crate) fn find(&self, hash: UserHash, last: Option<InternalId>) -> Option<Place> {
        self.shards[shard_of(hash, self.bucket_mask)]
            .0
            .iter_hash(bucket(hash.rest, self.bucket_mask))
            .filter(|slot| slot.0 & HASH == hash.rest)
            .map(|slot| slot.place())
            .filter(|place| Some(place.internal_id) <= last)
            .max_by_key(|place| place.internal_id)
    }

    /// Notes an account or its tombstone.
    pub(crate) fn insert(&mut self, hash: UserHash, place: Place) {
        let mask = self.bucket_mask;
        self.shards[shard_of(hash, mask)].insert(Slot::new(hash, place), mask);
    }

    /// Notes that the record under an id has got another place, or is a tombstone now.
    pub(crate) fn replace(&mut self, hash: UserHash, place: Place) {
        let (shard, bucket) = self.at(hash);
        let is_it = |slot: &Slot| slot.is(hash, place.internal_id);
        if let Some(slot) = shard.0.find_mut(bucket, is_it) {
            *slot = Slot::new(hash, place);
        }
    }

    /// Forgets an id whose record is gone.
    pub(crate) fn remove(&mut self, hash: UserHash, internal_id: InternalId) {
        let (shard, bucket) = self.at(hash);
        let is_it = |slot: &Slot| slot.is(hash, internal_id);
        if let Ok(slot) = shard.0.find_entry(bucket, is_it) {
            slot.remove();
        }
    }

    fn at(&mut self, hash: UserHash) -> (&mut Shard, u64) {
        let bucket = bucket(hash.rest, self.bucket_mask);
        let shard = shard_of(hash, self.bucket_mask);
        (&mut self.shards[shard], bucket)
    }
}

impl Shard {
    fn insert(&mut self, slot: Slot, bucket_mask: u64) {
        let bucket_of = |slot: &Slot| bucket(slot.0, bucket_mask);
        self.0.insert_unique(bucket_of(&slot), slot, bucket_of);
    }
}

/// An index that several threads fill.
pub(crate) struct Filling {
    shards: Box<[Mutex<Shard>]>,
    bucket_mask: u64,
}

impl Filling {
    /// Begins an index.
    pub(crate) fn new(bucket_mask: u64) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            bucket_mask,
        }
    }

    /// A way in for one thread.
    pub(crate) fn filler(&self) -> Filler<'_> {
        Filler {
            filling: self,
            waiting: (0..SHARDS).map(|_| Vec::new()).collect(),
        }
    }

    /// Ends it.
    pub(crate) fn into_index(self) -> Index {
        let shards = self.shards.into_iter();
        Index {
            shards: shards
                .map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner))
                .collect(),
            bucket_mask: self.bucket_mask,
        }
    }
}

/// Puts slots into an index shard by shard, many at a time: one by one each would wait for memory,
/// while the part of a table that many go to stays in the processor's cache.
pub(crate) struct Filler<'f> {
    filling: &'f Filling,
    waiting: Box<[Vec<Slot>]>,
}

/// How many slots a thread collects for a shard before it puts them in.
const FILL: usize = 1024;

impl Filler<'_> {
    /// Notes an account or its tombstone.
    pub(crate) fn insert(&mut self, hash: UserHash, place: Place) {
        let shard = shard_of(hash, self.filling.bucket_mask);
        let waiting = &mut self.waiting[shard];
        waiting.push(Slot::new(hash, place));
        if waiting.len() == FILL {
            self.put_in(shard);
        }
    }

    fn put_in(&mut self, shard: usize) {
        let mut into = self.filling.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for slot in self.waiting[shard].drain(..) {
            into.insert(slot, self.filling.bucket_mask);
        }
    }
}

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        for shard in 0..self.waiting.len() {
            self.put_in(shard);
        }
    }
}

/// The part of the hash by which a shard's table is ordered: the upper half of a slot.
fn bucket(bits: u128, mask: u64) -> u64 {
    let upper = u64::try_from(bits >> 64).expect("half of it is left");
    upper & mask
}

fn shard_of(hash: UserHash, mask: u64) -> usize {
    usize::from(hash.shard & mask.to_le_bytes()[0])
}

impl Slot {
    fn new(hash: UserHash, place: Place) -> Self {
        let position = place.in_block.map_or(0, |nth| nth + 1);
        let deleted = if place.is_deleted { DELETED } else { 0 };
        let number = u128::from(number(place.internal_id));
        Self(hash.rest | u128::from(position) << POSITION_SHIFT | deleted | number)
    }

    fn internal_id(self) -> InternalId {
        let number = u64::try_from(self.0 & (DELETED - 1)).expect("it has 39 bits");
        let internal_id = InternalId::new(InternalId::FIRST.get() + number);
        internal_id.expect("it is not below the first")
    }

    fn place(self) -> Place {
        let position = (self.0 & POSITION) >> POSITION_SHIFT;
        let position = u8::try_from(position).expect("it has 6 bits");
        Place {
            internal_id: self.internal_id(),
            in_block: position.checked_sub(1),
            is_deleted: self.0 & DELETED != 0,
        }
    }

    fn is(self, hash: UserHash, internal_id: InternalId) -> bool {
        self.0 & HASH == hash.rest && self.internal_id() == internal_id
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

    fn place(number: u64, in_block: Option<u8>) -> Place {
        Place {
            internal_id: id(number),
            in_block,
            is_deleted: false,
        }
    }

    #[test]
    fn a_slot_keeps_what_it_is_given() {
        let hash = UserHasher::new(&[7; 16]).hash(SdkAppId(1), &UserId::ADMINISTRATOR);
        let greatest = IDS_LIMIT - 1;
        for number in [0, greatest] {
            for in_block in [None, Some(0), Some(block::LIMIT - 1)] {
                for is_deleted in [false, true] {
                    let place = Place {
                        is_deleted,
                        ..place(number, in_block)
                    };
                    let slot = Slot::new(hash, place);
                    assert_eq!(slot.place(), place);
                    assert_eq!(slot.0 & HASH, hash.rest);
                    assert!(slot.is(hash, id(number)));
                }
            }
        }
    }

    #[test]
    fn the_greatest_id_that_counts_is_found() {
        let hasher = UserHasher::new(&[7; 16]);
        let mut index = Filling::new(u64::MAX).into_index();
        let hash = hasher.hash(SdkAppId(1), &UserId::ADMINISTRATOR);
        let find = |index: &Index, last| index.find(hash, Some(id(last)));
        assert_eq!(find(&index, 9), None);
        let deleted = Place {
            is_deleted: true,
            ..place(3, None)
        };
        index.insert(hash, place(3, Some(3)));
        index.insert(hash, place(5, Some(0)));
        index.replace(hash, deleted);
        assert_eq!(index.find(hash, None), None);
        assert_eq!(find(&index, 2), None);
        assert_eq!(find(&index, 4), Some(deleted));
        assert_eq!(find(&index, 5), Some(place(5, Some(0))));
        index.remove(hash, id(3));
        assert_eq!(find(&index, 4), None);
        let other_app = hasher.hash(SdkAppId(2), &UserId::ADMINISTRATOR);
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
