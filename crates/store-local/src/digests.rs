//! What the writer remembers of each account's nickname and avatar: 64 bits of a keyed hash.
//!
//! Most of what a team imports is there already with the same values. The digests tell so without a
//! read. They are keyed afresh for each process, so nobody can choose values that collide; a changed
//! value is taken for the stored one once in 10^19 times.
//!
//! They are those of the records as planned, durable or not yet, which is what the writer plans
//! against. After a failed commit nobody asks them any more.

use std::{
    collections::TryReserveError,
    sync::atomic::{AtomicU64, Ordering},
};

use muster_accounts::{FaceUrl, InternalId, Nick};
use siphasher::sip::SipHasher13;

use crate::{index::number, record};

pub(crate) struct Digests {
    hasher: SipHasher13,
    /// By internal id, counted from the first. Atomic because several threads read the records in.
    by_id: Vec<AtomicU64>,
    // Kept between calls for its capacity.
    texts: Vec<u8>,
}

/// Of an account that is not there.
const NONE: u64 = 0;

impl Digests {
    /// No digests yet, with room for those of all ids up to `last_id`, and a random key.
    pub(crate) fn new(
        key: &[u8; 16],
        last_id: Option<InternalId>,
    ) -> Result<Self, TryReserveError> {
        let ids = last_id.map_or(0, |last_id| number(last_id) + 1);
        let ids = usize::try_from(ids).unwrap_or(usize::MAX);
        let mut by_id = Vec::new();
        by_id.try_reserve(ids)?;
        by_id.resize_with(ids, || AtomicU64::new(NONE));
        Ok(Self {
            hasher: SipHasher13::new_with_key(key),
            by_id,
            texts: Vec::new(),
        })
    }

    /// Notes the values of an account among those that there was room for, by the texts as its
    /// record has them.
    pub(crate) fn read_in(&self, internal_id: InternalId, texts: &[u8]) {
        let digest = self.digest(texts);
        self.by_id[place(internal_id)].store(digest, Ordering::Relaxed);
    }

    /// Notes the values of an account.
    pub(crate) fn set(&mut self, internal_id: InternalId, texts: &[u8]) {
        let digest = self.digest(texts);
        *self.at(internal_id) = digest;
    }

    /// Notes that an account is gone.
    pub(crate) fn clear(&mut self, internal_id: InternalId) {
        *self.at(internal_id) = NONE;
    }

    /// Whether the account under an id is there and has these very values.
    pub(crate) fn are(&mut self, internal_id: InternalId, nick: &Nick, face_url: &FaceUrl) -> bool {
        self.texts.clear();
        record::encode_texts(nick, face_url, &mut self.texts);
        let digest = self.digest(&self.texts);
        *self.at(internal_id) == digest
    }

    fn digest(&self, texts: &[u8]) -> u64 {
        self.hasher.hash(texts).max(NONE + 1)
    }

    fn at(&mut self, internal_id: InternalId) -> &mut u64 {
        let place = place(internal_id);
        if place >= self.by_id.len() {
            self.by_id.resize_with(place + 1, || AtomicU64::new(NONE));
        }
        self.by_id[place].get_mut()
    }
}

fn place(internal_id: InternalId) -> usize {
    usize::try_from(number(internal_id)).expect("as many ids as were given fit in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_values_of_an_account_that_is_there_are_its_own() {
        let nick = |text: &str| Nick::parse(text.into()).unwrap();
        let face = |text: &str| FaceUrl::parse(text.into()).unwrap();
        let first = InternalId::FIRST;
        let mut digests = Digests::new(&[7; 16], None).unwrap();
        let mut texts = Vec::new();
        record::encode_texts(&nick("ab"), &face("c"), &mut texts);
        digests.set(first, &texts);
        assert!(digests.are(first, &nick("ab"), &face("c")));
        assert!(!digests.are(first, &nick("a"), &face("bc")));
        assert!(!digests.are(first.next(), &nick("ab"), &face("c")));
        digests.clear(first);
        assert!(!digests.are(first, &nick("ab"), &face("c")));
    }
}
