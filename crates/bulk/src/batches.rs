//! Records become batches.
//!
//! A batch stands for a run of consecutive records, faulty ones included, so that what is done can be said
//! in a few numbers. No two batches that are under way name one user: a record whose user is in one of
//! them waits until it is done, and for a while after that if a call of it was lost, since such a call may
//! still be carried out. So a file counts as if its records were imported one by one.

use std::{collections::VecDeque, ops::RangeInclusive};

use hashbrown::{HashMap, hash_map::Entry as Slot};
use tokio::time::Instant;

use crate::record::{Entry, Fault, Raw, Record};

/// How much goes into a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// Users, at most.
    pub(crate) users: usize,
    /// Records, at most, faulty and repeated ones included.
    pub(crate) records: usize,
    /// Bytes of records, about.
    pub(crate) bytes: usize,
}

/// Consecutive records that come to their ends together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The users to be imported, each once.
    pub(crate) entries: Vec<Entry>,
    /// All records, in their order.
    pub(crate) records: Vec<BatchRecord>,
    /// The number of the first record, counted from 1.
    pub(crate) first: u64,
    /// The digest of the file up to the last record.
    pub(crate) digest: u64,
    /// The users' hashes, by which they are known to be under way.
    users: Vec<u128>,
}

/// A record of a batch.
#[derive(Debug)]
pub(crate) struct BatchRecord {
    /// The line that it begins on.
    pub(crate) line: u64,
    /// As it stands in the file.
    pub(crate) raw: Raw,
    /// Which of the batch's entries it has become part of, or why it is none.
    pub(crate) place: Result<u32, Fault>,
}

impl Batch {
    /// The numbers of its records.
    pub(crate) fn numbers(&self) -> RangeInclusive<u64> {
        self.first..=self.first + (self.records.len() as u64).saturating_sub(1)
    }

    /// One without entries, whose digest is the number of its last record.
    #[cfg(test)]
    pub(crate) fn of_records(first: u64, records: Vec<BatchRecord>) -> Self {
        Self {
            entries: Vec::new(),
            first,
            digest: first + records.len() as u64 - 1,
            records,
            users: Vec::new(),
        }
    }
}

/// A record with what it is recognised by.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) record: Record,
    /// Counted from 1.
    pub(crate) number: u64,
    /// Of the user id; 0 of a faulty record.
    pub(crate) user: u128,
    /// Of the file up to this record.
    pub(crate) digest: u64,
}

/// Where a user is.
#[derive(Clone, Copy)]
enum Place {
    /// In the batch that is being filled.
    Here(u32),
    UnderWay,
    /// Not any more, but a call may be carried out until then.
    Held(Instant),
}

/// Fills batches.
pub(crate) struct Batches {
    limits: BatchLimits,
    users: HashMap<u128, Place>,
    filling: Option<Batch>,
    bytes: usize,
    /// The users who are held, to be forgotten: about in the order of their times.
    held: VecDeque<(Instant, Vec<u128>)>,
}

/// What comes of a record that is put in.
pub(crate) enum Put {
    /// It is in; there is room for more.
    In,
    /// It is in, and the batch is full.
    Full,
    /// Its user is under way. It can be put in once another batch is done.
    Wait(Box<Numbered>),
    /// It can be put in at that time.
    WaitUntil(Instant, Box<Numbered>),
}

impl Batches {
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            users: HashMap::new(),
            filling: None,
            bytes: 0,
            held: VecDeque::new(),
        }
    }

    /// Puts the next record in. Between two batches records may be left out, within one none.
    pub(crate) fn put(&mut self, numbered: Numbered) -> Put {
        match self.place_of(&numbered) {
            Some(Place::UnderWay) => return Put::Wait(Box::new(numbered)),
            Some(Place::Held(until)) if Instant::now() < until => {
                return Put::WaitUntil(until, Box::new(numbered));
            }
            Some(Place::Held(_)) => drop(self.users.remove(&numbered.user)),
            Some(Place::Here(_)) | None => {}
        }
        let Numbered {
            record,
            number,
            user,
            digest,
        } = numbered;
        let batch = self.filling.get_or_insert_with(|| Batch {
            entries: Vec::new(),
            records: Vec::new(),
            first: number,
            digest,
            users: Vec::new(),
        });
        debug_assert_eq!(number, batch.first + batch.records.len() as u64);
        self.bytes += record.raw.bytes();
        let place = record.entry.map(|entry| match self.users.entry(user) {
            Slot::Occupied(slot) => {
                let Place::Here(place) = *slot.get() else {
                    unreachable!("others wait, or were let go");
                };
                batch.entries[place as usize].overlay(entry);
                place
            }
            Slot::Vacant(slot) => {
                let place = u32::try_from(batch.entries.len()).expect("the limit is far below");
                slot.insert(Place::Here(place));
                batch.entries.push(entry);
                batch.users.push(user);
                place
            }
        });
        batch.digest = digest;
        batch.records.push(BatchRecord {
            line: record.line,
            raw: record.raw,
            place,
        });
        let limits = self.limits;
        if batch.entries.len() >= limits.users
            || batch.records.len() >= limits.records
            || self.bytes >= limits.bytes
        {
            Put::Full
        } else {
            Put::In
        }
    }

    fn place_of(&self, numbered: &Numbered) -> Option<Place> {
        numbered.record.entry.as_ref().ok()?;
        self.users.get(&numbered.user).copied()
    }

    /// The batch that is being filled, which is under way from now on.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let batch = self.filling.take()?;
        self.bytes = 0;
        for user in &batch.users {
            self.users.insert(*user, Place::UnderWay);
        }
        Some(batch)
    }

    /// A batch is not under way any more, but its users are held until a time if there is one.
    pub(crate) fn done(&mut self, batch: &Batch, held_until: Option<Instant>) {
        self.let_go();
        for user in &batch.users {
            match held_until {
                Some(until) => self.users.insert(*user, Place::Held(until)),
                None => self.users.remove(user),
            };
        }
        if let Some(until) = held_until {
            self.held.push_back((until, batch.users.clone()));
        }
    }

    /// Forgets those who need not be held any more.
    fn let_go(&mut self) {
        let now = Instant::now();
        while let Some((_, users)) = self.held.pop_front_if(|(until, _)| *until <= now) {
            for user in users {
                if matches!(self.users.get(&user), Some(Place::Held(until)) if *until <= now) {
                    self.users.remove(&user);
                }
            }
        }
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
mod tests {
    use bytes::Bytes;
    use muster_accounts::{Nick, UserId};

    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        users: 3,
        records: 5,
        bytes: 1000,
    };

    fn numbered(number: u64, user_id: &str, nick: Option<&str>) -> Numbered {
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
                raw: Raw::Line(Bytes::from(user_id.to_owned())),
                entry: Ok(entry),
            },
            number,
            user,
            digest: number * 10,
        }
    }

    fn faulty(number: u64) -> Numbered {
        let fault = Fault {
            user_id: None,
            code: 70402,
            reason: "It is none.".to_owned(),
        };
        let mut numbered = numbered(number, "x", None);
        numbered.record.entry = Err(fault);
        numbered.user = 0;
        numbered
    }

    fn nick_of(entry: &Entry) -> Option<&str> {
        entry.nick.as_ref().map(Nick::as_str)
    }

    #[test]
    fn a_batch_is_full_of_users_or_records() {
        let mut batches = Batches::new(LIMITS);
        assert!(matches!(batches.put(numbered(1, "a", None)), Put::In));
        assert!(matches!(batches.put(faulty(2)), Put::In));
        assert!(matches!(batches.put(numbered(3, "b", None)), Put::In));
        assert!(matches!(batches.put(numbered(4, "c", None)), Put::Full));
        let batch = batches.take().unwrap();
        assert_eq!((batch.numbers(), batch.digest), (1..=4, 40));
        assert_eq!(batch.entries.len(), 3);
        assert!(batches.take().is_none());
        for number in 5..9 {
            assert!(matches!(batches.put(faulty(number)), Put::In));
        }
        assert!(matches!(batches.put(faulty(9)), Put::Full));
        let batch = batches.take().unwrap();
        assert_eq!((batch.numbers(), batch.entries.len()), (5..=9, 0));
    }

    #[test]
    fn a_user_who_is_under_way_waits() {
        let mut batches = Batches::new(LIMITS);
        assert!(matches!(batches.put(numbered(1, "a", Some("1"))), Put::In));
        let first = batches.take().unwrap();
        assert!(matches!(batches.put(numbered(2, "b", None)), Put::In));
        let Put::Wait(waiting) = batches.put(numbered(3, "a", Some("2"))) else {
            panic!("two batches with one user");
        };
        batches.done(&first, None);
        assert!(matches!(batches.put(*waiting), Put::In));
        let second = batches.take().unwrap();
        assert_eq!((second.numbers(), second.entries.len()), (2..=3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_of_a_lost_call_waits_longer() {
        let mut batches = Batches::new(LIMITS);
        batches.put(numbered(1, "a", None));
        let first = batches.take().unwrap();
        let until = Instant::now() + std::time::Duration::from_secs(5);
        batches.done(&first, Some(until));
        assert!(matches!(batches.put(numbered(2, "b", None)), Put::In));
        let Put::WaitUntil(at, waiting) = batches.put(numbered(3, "a", None)) else {
            panic!("a lost call may come after it");
        };
        assert_eq!(at, until);
        tokio::time::sleep_until(until).await;
        assert!(matches!(batches.put(*waiting), Put::In));
        assert_eq!(batches.users.len(), 2);
    }

    #[test]
    fn records_of_one_user_in_a_batch_count_as_one_after_the_other() {
        let mut batches = Batches::new(LIMITS);
        batches.put(numbered(1, "a", Some("first")));
        batches.put(numbered(2, "b", None));
        batches.put(numbered(3, "a", Some("second")));
        batches.put(numbered(4, "a", None));
        let batch = batches.take().unwrap();
        let nicks: Vec<_> = batch.entries.iter().map(nick_of).collect();
        assert_eq!(nicks, [Some("second"), None]);
        let places: Vec<_> = batch
            .records
            .iter()
            .map(|it| it.place.clone().unwrap())
            .collect();
        assert_eq!(places, [0, 1, 0, 0]);
    }
}
