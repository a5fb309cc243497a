//! The records that a group will write: what is new in blocks, what is changed under its own key.
//!
//! Their bytes are kept rather than the accounts themselves, of which a large group would hold
//! megabytes, and few of which are ever asked for again.

use std::{collections::HashMap, ops::Range};

use fjall::{Keyspace, OwnedWriteBatch};
use muster_accounts::{InternalId, SdkAppId};

use crate::{block, layout::Key};

pub(crate) struct Pending {
    bytes: Vec<u8>,
    /// New records, as places of `bytes`; their ids follow each other from `first_id` on.
    created: Vec<Range<usize>>,
    first_id: InternalId,
    /// The blocks into which they go.
    blocks: Vec<Block>,
    /// Older records, as places of `bytes`.
    changed: HashMap<(SdkAppId, InternalId), Range<usize>>,
}

/// New records of one app.
struct Block {
    app: SdkAppId,
    /// The first of them in [`Pending::created`].
    first: usize,
    records: u8,
}

impl Pending {
    /// Nothing yet. Ids from `first_id` on will be new.
    pub(crate) fn new(first_id: InternalId) -> Self {
        Self {
            bytes: Vec::new(),
            created: Vec::new(),
            first_id,
            blocks: Vec::new(),
            changed: HashMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.created.len() + self.changed.len()
    }

    /// What will be written under an id.
    pub(crate) fn get(&self, app: SdkAppId, internal_id: InternalId) -> Option<&[u8]> {
        let place = match self.nth_new(internal_id) {
            Some(nth) => self.created.get(nth),
            None => self.changed.get(&(app, internal_id)),
        };
        place.map(|place| &self.bytes[place.clone()])
    }

    /// Puts the record that `encode` appends under an id, and says which of a block it is, `None` if it
    /// gets a key of its own. New ids come in order.
    pub(crate) fn put(
        &mut self,
        app: SdkAppId,
        internal_id: InternalId,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Option<u8> {
        let start = self.bytes.len();
        encode(&mut self.bytes);
        let place = start..self.bytes.len();
        let Some(nth) = self.nth_new(internal_id) else {
            self.changed.insert((app, internal_id), place);
            return None;
        };
        if nth < self.created.len() {
            self.created[nth] = place;
            let after = self.blocks.partition_point(|block| block.first <= nth);
            let in_block = nth - self.blocks[after - 1].first;
            return Some(u8::try_from(in_block).expect("a block holds few records"));
        }
        debug_assert_eq!(nth, self.created.len(), "new ids come in order");
        self.created.push(place);
        if let Some(block) = self.blocks.last_mut()
            && block.app == app
            && block.records < block::LIMIT
        {
            block.records += 1;
            return Some(block.records - 1);
        }
        self.blocks.push(Block {
            app,
            first: nth,
            records: 1,
        });
        Some(0)
    }

    /// Takes all into a batch.
    pub(crate) fn write(&self, batch: &mut OwnedWriteBatch, keyspace: &Keyspace) {
        let mut value = Vec::new();
        for block in &self.blocks {
            let Block { app, first, .. } = *block;
            let places = &self.created[first..first + usize::from(block.records)];
            value.clear();
            let records = places.iter().map(|place| &self.bytes[place.clone()]);
            block::encode(records, &mut value);
            let first_id = InternalId::new(self.first_id.get() + first as u64);
            let key = Key::Block(app, first_id.expect("it follows one"));
            batch.insert(keyspace, key.to_bytes(), &value[..]);
        }
        for ((app, internal_id), place) in &self.changed {
            let key = Key::Record(*app, *internal_id);
            batch.insert(keyspace, key.to_bytes(), &self.bytes[place.clone()]);
        }
    }

    /// Which of the new records stands under an id; `None` if the id is older.
    fn nth_new(&self, internal_id: InternalId) -> Option<usize> {
        let nth = internal_id.get().checked_sub(self.first_id.get())?;
        Some(usize::try_from(nth).expect("a group is small"))
    }
}
