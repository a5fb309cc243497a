//! Records become batches.
//!
//! A batch stands for a run of consecutive records, faulty ones included, so that what is done can be said
//! in a few numbers. Records of one user that are in the same batch become one entry, as if they were imported
//! one by one; those in different batches are told apart by [`Users`](crate::users::Users).

use std::{mem, ops::RangeInclusive};

use crate::{
    journal::Refused,
    record::{Entry, Fault, Raw, Record},
    users::{UserHash, UserMap},
};

/// How much goes into a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// Users, at most.
    pub(crate) users: usize,
    /// Records, at most, faulty and repeated ones included.
    pub(crate) records: usize,
    /// Bytes of records in memory, about.
    pub(crate) bytes: u64,
}

/// Consecutive records that come to their ends together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The users to be imported, each once.
    pub(crate) entries: Vec<Entry>,
    /// The users' hashes, in the same order.
    pub(crate) users: Vec<UserHash>,
    /// All records, in their order.
    records: Vec<BatchRecord>,
    /// Those that are faulty, by their places among the records.
    faulty: Vec<(usize, Fault)>,
    /// The number of the first record, counted from 1.
    first: u64,
    /// The digest of the file up to the last record.
    pub(crate) digest: u64,
}

/// A record of a batch.
#[derive(Debug)]
pub(crate) struct BatchRecord {
    /// The line that it begins on.
    pub(crate) line: u64,
    /// As it stands in the file.
    pub(crate) raw: Raw,
    /// Which of the batch's entries it has become part of; `None` if it is faulty.
    entry: Option<u32>,
}

impl Batch {
    fn from(first: u64, limits: BatchLimits) -> Self {
        Self {
            entries: Vec::with_capacity(limits.users),
            users: Vec::with_capacity(limits.users),
            records: Vec::with_capacity(limits.users),
            faulty: Vec::new(),
            first,
            digest: 0,
        }
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The numbers of its records.
    pub(crate) fn numbers(&self) -> RangeInclusive<u64> {
        self.first..=self.first + (self.records.len() as u64).saturating_sub(1)
    }

    /// The records that have failed, and why, in their order: those that are faulty, and those whose entries
    /// are refused.
    pub(crate) fn failed<'b>(&'b self, refused: &'b Refused) -> Vec<(&'b BatchRecord, &'b Fault)> {
        let faulty = self.faulty.iter();
        let mut failed: Vec<_> = faulty
            .map(|(place, fault)| (&self.records[*place], fault))
            .collect();
        if !refused.is_empty() {
            failed.extend(self.records.iter().filter_map(|record| {
                let fault = refused.get(&record.entry?)?;
                Some((record, fault))
            }));
            failed.sort_by_key(|(record, _)| record.line);
        }
        failed
    }
}

/// A record with what it is recognised by.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) record: Record,
    /// Counted from 1.
    pub(crate) number: u64,
    /// Of the user id; that of a faulty record does not matter.
    pub(crate) user: UserHash,
    /// Of the file up to this record.
    pub(crate) digest: u64,
}

/// Fills batches.
pub(crate) struct Batches {
    limits: BatchLimits,
    filling: Option<Batch>,
    /// The entries of the users of the batch that is being filled.
    entries: UserMap<u32>,
    bytes: u64,
}

impl Batches {
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            filling: None,
            entries: UserMap::default(),
            bytes: 0,
        }
    }

    /// Puts the next record in, and gives the batch if it is full now. Between two batches records may be left
    /// out, within one none.
    pub(crate) fn put(&mut self, numbered: Numbered) -> Option<Batch> {
        let Numbered {
            record:
                Record {
                    line,
                    bytes,
                    raw,
                    entry,
                },
            number,
            user,
            digest,
        } = numbered;
        let limits = self.limits;
        let batch = self
            .filling
            .get_or_insert_with(|| Batch::from(number, limits));
        debug_assert_eq!(number, batch.first + batch.records.len() as u64);
        // A row of a million empty fields takes more than it has in the file, and a line that shares its
        // chunk with a long one that was cut, or with blank ones, keeps the whole of it.
        self.bytes += bytes.max(raw.whole().len() as u64);
        let entry = match entry {
            Ok(entry) => {
                let next = u32::try_from(batch.entries.len()).expect("the limit is far below");
                let place = *self.entries.entry(user).or_insert(next);
                if place == next {
                    batch.entries.push(entry);
                    batch.users.push(user);
                } else {
                    batch.entries[place as usize].overlay(entry);
                }
                Some(place)
            }
            Err(fault) => {
                batch.faulty.push((batch.records.len(), fault));
                None
            }
        };
        batch.digest = digest;
        batch.records.push(BatchRecord { line, raw, entry });
        let is_full = batch.entries.len() >= limits.users
            || batch.records.len() >= limits.records
            || self.bytes >= limits.bytes;
        if is_full { self.take() } else { None }
    }

    /// The batch that is being filled.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        self.bytes = 0;
        self.entries.clear();
        mem::take(&mut self.filling)
    }
}

impl Entry {
    /// As if `later` were imported after this.
    fn overlay(&mut self, later: Entry) {
        self.nick = later.nick.or(self.nick.take());
        self.face_url = later.face_url.or(self.face_url.take());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;
    use muster_accounts::{Nick, UserId};

    use super::*;
    use crate::Row;

    const LIMITS: BatchLimits = BatchLimits {
        users: 3,
        records: 5,
        bytes: 1000,
    };

    /// A batch of these records.
    pub(crate) fn batch_of(records: impl IntoIterator<Item = Numbered>) -> Batch {
        let mut batches = Batches::new(BatchLimits {
            users: 1000,
            records: 1000,
            bytes: u64::MAX,
        });
        for record in records {
            assert!(batches.put(record).is_none());
        }
        batches.take().unwrap()
    }

    /// A record on the line after its number, whose digest is ten times its number.
    pub(crate) fn numbered(number: u64, user_id: &str, nick: Option<&str>) -> Numbered {
        let entry = Entry {
            user_id: UserId::parse(user_id).unwrap(),
            nick: nick.map(|nick| Nick::parse(nick.into()).unwrap()),
            face_url: None,
        };
        let user = user_id
            .bytes()
            .fold(7, |hash, byte| hash * 257 + u128::from(byte));
        Numbered {
            record: Record {
                line: number + 1,
                bytes: 10,
                raw: Raw::Line(Bytes::from(format!("record {number}"))),
                entry: Ok(entry),
            },
            number,
            user: UserHash(user),
            digest: number * 10,
        }
    }

    /// Likewise, but faulty.
    pub(crate) fn faulty(number: u64) -> Numbered {
        let fault = Fault {
            user_id: None,
            code: 70402,
            reason: "It is none.".to_owned(),
        };
        let mut numbered = numbered(number, "x", None);
        numbered.record.entry = Err(fault);
        numbered
    }

    #[test]
    fn a_batch_is_full_of_what_it_keeps_in_memory() {
        let mut batches = Batches::new(LIMITS);
        let mut record = faulty(1);
        record.record.raw = Raw::Row(Row::of([&b""[..]; 250]));
        assert!(batches.put(record).is_some());
        // A record behind a thousand bytes of blank lines.
        let mut record = numbered(2, "a", None);
        record.record.bytes = 1000;
        assert!(batches.put(record).is_some());
    }

    fn nick_of(entry: &Entry) -> Option<&str> {
        entry.nick.as_ref().map(Nick::as_str)
    }

    #[test]
    fn a_batch_is_full_of_users_or_records() {
        let mut batches = Batches::new(LIMITS);
        assert!(batches.put(numbered(1, "a", None)).is_none());
        assert!(batches.put(faulty(2)).is_none());
        assert!(batches.put(numbered(3, "b", None)).is_none());
        let batch = batches.put(numbered(4, "c", None)).unwrap();
        assert_eq!((batch.numbers(), batch.digest), (1..=4, 40));
        assert_eq!(batch.entries.len(), 3);
        assert!(batches.take().is_none());
        for number in 5..9 {
            assert!(batches.put(faulty(number)).is_none());
        }
        let batch = batches.put(faulty(9)).unwrap();
        assert_eq!((batch.numbers(), batch.entries.len()), (5..=9, 0));
    }

    #[test]
    fn records_of_one_user_in_a_batch_count_as_one_after_the_other() {
        let batch = batch_of([
            numbered(1, "a", Some("first")),
            numbered(2, "b", None),
            numbered(3, "a", Some("second")),
            numbered(4, "a", None),
        ]);
        let nicks: Vec<_> = batch.entries.iter().map(nick_of).collect();
        assert_eq!(nicks, [Some("second"), None]);
        let entries: Vec<_> = batch.records.iter().map(|record| record.entry).collect();
        assert_eq!(entries, [Some(0), Some(1), Some(0), Some(0)]);
        // In another batch it is another entry.
        let other = batch_of([numbered(5, "a", None)]);
        assert_eq!(nick_of(&other.entries[0]), None);
    }

    #[test]
    fn all_records_of_a_refused_entry_have_failed() {
        let batch = batch_of([
            numbered(1, "a", None),
            faulty(2),
            numbered(3, "b", None),
            numbered(4, "a", None),
        ]);
        let lines = |refused: &Refused| {
            let failed = batch.failed(refused).into_iter();
            failed
                .map(|(record, fault)| (record.line, fault.code))
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(&Refused::new()), [(3, 70402)]);
        let fault = Fault {
            user_id: None,
            code: 70399,
            reason: "Barred.".to_owned(),
        };
        let refused = [(0, fault)].into();
        assert_eq!(lines(&refused), [(2, 70399), (3, 70402), (5, 70399)]);
    }
}
