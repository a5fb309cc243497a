//! The records of an app in the order of their internal ids, each as it was written last.

use std::{collections::VecDeque, ops::Range};

use fjall::{Guard, Readable, Slice, Snapshot};
use muster_accounts::{InternalId, SdkAppId, StoreError};

use crate::{
    block,
    layout::Key,
    open::Engine,
    records::{FOREIGN_KEY, failed, parse_key, unreadable},
};

/// A record, and the id under which it stands.
pub(crate) struct Scanned {
    pub(crate) internal_id: InternalId,
    /// Which record of its block it is, counted from 0; `None` if it has a key of its own.
    pub(crate) in_block: Option<u8>,
    value: Slice,
    /// Where in the value it stands.
    place: Range<usize>,
}

impl Scanned {
    pub(crate) fn record(&self) -> &[u8] {
        &self.value[self.place.clone()]
    }
}

/// Reads the records of the ids from `first` to `last` of an app.
pub(crate) fn scan(
    engine: &Engine,
    snapshot: &Snapshot,
    app: SdkAppId,
    first: InternalId,
    last: InternalId,
) -> impl Iterator<Item = Result<Scanned, StoreError>> {
    // The first of them may stand in a block that begins before it.
    let before = u64::from(block::LIMIT) - 1;
    let begin = InternalId::new(first.get().saturating_sub(before)).unwrap_or(InternalId::FIRST);
    let range = Key::Record(app, begin).to_bytes()..=Key::Block(app, last).to_bytes();
    let scan = Scan {
        items: snapshot.range(&engine.keyspace, range),
        waiting: VecDeque::new(),
        passed: None,
    };
    scan.filter(move |scanned| {
        scanned.as_ref().map_or(true, |scanned| {
            (first..=last).contains(&scanned.internal_id)
        })
    })
}

struct Scan<I> {
    items: I,
    /// Records read and not handed on, by id. A record of its own that stands in a block too comes
    /// after the block, except that of the block's first id.
    waiting: VecDeque<Scanned>,
    /// The id of the last key that was read. What is below it is final.
    passed: Option<InternalId>,
}

impl<I: Iterator<Item = Guard>> Iterator for Scan<I> {
    type Item = Result<Scanned, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self.waiting.front();
            if next.is_some_and(|scanned| Some(scanned.internal_id) < self.passed) {
                return self.waiting.pop_front().map(Ok);
            }
            match self.items.next() {
                None => return self.waiting.pop_front().map(Ok),
                Some(item) => {
                    if let Err(error) = self.read(item) {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

impl<I> Scan<I> {
    fn read(&mut self, item: Guard) -> Result<(), StoreError> {
        let (key, value) = item.into_inner().map_err(failed)?;
        match parse_key(&key)? {
            Key::App(_) => Err(unreadable(&key, FOREIGN_KEY)),
            Key::Record(_, internal_id) => {
                self.passed = Some(internal_id);
                let scanned = Scanned {
                    internal_id,
                    in_block: None,
                    place: 0..value.len(),
                    value,
                };
                match self.find(internal_id) {
                    Ok(at) => self.waiting[at] = scanned,
                    Err(at) => self.waiting.insert(at, scanned),
                }
                Ok(())
            }
            Key::Block(_, first) => {
                self.passed = Some(first);
                let places = block::places(&value).map_err(|e| unreadable(&key, e))?;
                let mut internal_id = first;
                for (nth, place) in (0..=u8::MAX).zip(places) {
                    if let Err(at) = self.find(internal_id) {
                        let scanned = Scanned {
                            internal_id,
                            in_block: Some(nth),
                            value: value.clone(),
                            place,
                        };
                        self.waiting.insert(at, scanned);
                    }
                    internal_id = internal_id.next();
                }
                Ok(())
            }
        }
    }

    fn find(&self, internal_id: InternalId) -> Result<usize, usize> {
        self.waiting
            .binary_search_by_key(&internal_id, |scanned| scanned.internal_id)
    }
}
