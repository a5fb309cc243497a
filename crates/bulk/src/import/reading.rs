//! The thread that reads the file: it numbers records, recognises users, leaves out what is done, fills batches,
//! and remembers what it takes to find duplicates.

use std::{hash::Hasher as _, path::Path, thread};

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use tokio::sync::mpsc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{BreakOff, Progress};
use crate::{
    batches::{Batch, BatchLimits, Batches, Numbered},
    duplicates::{Sighting, Sightings},
    file::{Columns, Reader},
    ranges::Ranges,
    record::{Entry, Raw, Record},
    users::UserHash,
};

/// Users of batches that the thread may be ahead, about.
const USERS_AHEAD: usize = 2000;

/// What comes from the thread.
pub(super) enum Read {
    Batch(Batch),
    /// All were read.
    End(Sightings),
    BrokenOff(BreakOff),
}

pub(super) struct Reading {
    reader: Reader,
    batches: Batches,
    sightings: Sightings,
    /// The records that an import before this has done.
    done: Ranges,
    progress: Progress,
    /// Nobody who writes the file knows it, so nobody can make two users look like one.
    key: (u64, u64),
    digest: u64,
    number: u64,
}

impl Reading {
    /// Reads ahead of who takes what comes; ends when nobody does any more.
    pub(super) fn start(
        reader: Reader,
        limits: BatchLimits,
        done: Ranges,
        progress: Progress,
        scratch_dir: &Path,
    ) -> Result<mpsc::Receiver<Read>, BreakOff> {
        let digest = digest_of_shape(&reader);
        let mut reading = Self {
            reader,
            batches: Batches::new(limits),
            sightings: Sightings::new(scratch_dir),
            done,
            progress,
            key: (fastrand::u64(..), fastrand::u64(..)),
            digest,
            number: 0,
        };
        let scratch = |cause| BreakOff::Scratch {
            dir: scratch_dir.display().to_string(),
            cause,
        };
        let (sender, receiver) = mpsc::channel((USERS_AHEAD / limits.users).max(1));
        let dir = scratch_dir.display().to_string();
        let thread = thread::Builder::new().name("bulk-reader".to_owned());
        let started = thread.spawn(move || {
            let end = match reading.run(&sender) {
                Ok(()) => Read::End(reading.sightings),
                Err(ReadFailed::Off(error)) => Read::BrokenOff(error),
                Err(ReadFailed::Scratch(cause)) => {
                    Read::BrokenOff(BreakOff::Scratch { dir, cause })
                }
                Err(ReadFailed::Unwanted) => return,
            };
            // Who does not want it needs no telling.
            let _ = sender.blocking_send(end);
        });
        started.map_err(scratch)?;
        Ok(receiver)
    }

    fn run(&mut self, sender: &mpsc::Sender<Read>) -> Result<(), ReadFailed> {
        let send = |batch: Batch| {
            let sent = sender.blocking_send(Read::Batch(batch));
            sent.map_err(|_| ReadFailed::Unwanted)
        };
        let done_up_to = self.done.last();
        // Records between those that are done. They are few: those that were under way when it was broken off.
        let mut between = Vec::new();
        loop {
            let record = match self.reader.next_record() {
                Ok(Some(record)) => self.numbered(record)?,
                // The file has fewer records than were done of it.
                Ok(None) if self.number < done_up_to => return Err(changed(done_up_to)),
                Ok(None) => return self.batches.take().map_or(Ok(()), send),
                Err(error) => {
                    if self.number >= done_up_to {
                        self.batches.take().map_or(Ok(()), send)?;
                    }
                    return Err(ReadFailed::Off(error.into()));
                }
            };
            let number = record.number;
            self.progress.read(record.number);
            if record.number <= done_up_to && self.done.has(record.number) {
                let expected = self.done.digest_at(record.number);
                if expected.is_some_and(|digest| digest != record.digest) {
                    return Err(changed(done_up_to));
                }
                self.progress.skip_one();
                // A batch is of consecutive records.
                between.extend(self.batches.take());
            } else if let Some(batch) = self.batches.put(record) {
                between.push(batch);
            }
            // Nothing is imported before it is certain that it is the same file.
            if number >= done_up_to {
                between.drain(..).try_for_each(send)?;
            }
        }
    }

    fn numbered(&mut self, record: Record) -> Result<Numbered, ReadFailed> {
        self.number += 1;
        self.digest = digest(self.digest, &record.raw);
        let mut user = UserHash(0);
        if let Ok(entry) = &record.entry {
            let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
            hasher.write(entry.user_id.as_str().as_bytes());
            user = UserHash(hasher.finish128().as_u128());
            let sighting = Sighting {
                user,
                line: record.line,
                values: values(entry),
            };
            self.sightings.add(sighting).map_err(ReadFailed::Scratch)?;
        }
        Ok(Numbered {
            record,
            number: self.number,
            user,
            digest: self.digest,
        })
    }
}

fn changed(records: u64) -> ReadFailed {
    ReadFailed::Off(BreakOff::Changed { records })
}

enum ReadFailed {
    Off(BreakOff),
    Scratch(std::io::Error),
    /// Nobody takes batches any more.
    Unwanted,
}

/// The digest of a file before its first record: of what its records are read by.
fn digest_of_shape(reader: &Reader) -> u64 {
    let Columns {
        user_id,
        nick,
        face_url,
    } = reader.columns();
    let columns = [user_id, nick, face_url].map(|name| Some(name.as_bytes()));
    let header = reader.header().map(Raw::whole);
    let delimiter = reader.delimiter().map(|delimiter| [delimiter]);
    let delimiter = delimiter.as_ref().map(<[u8; 1]>::as_slice);
    let parts = columns.into_iter().chain([header, delimiter]).flatten();
    parts.fold(0, |digest, part| xxh3_64_with_seed(part, digest))
}

/// The digest of a file that goes on with this record.
fn digest(before: u64, raw: &Raw) -> u64 {
    xxh3_64_with_seed(raw.whole(), before)
}

/// A hash of what an entry says of its user.
fn values(entry: &Entry) -> u64 {
    let (nick, face_url) = entry.values();
    [nick, face_url].iter().fold(0, |hash, value| {
        xxh3_64_with_seed(value.unwrap_or_default().as_bytes(), hash)
            .wrapping_add(value.is_some().into())
    })
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, ops::RangeInclusive};

    use super::*;
    use crate::{
        Row,
        file::{Format, ReadOptions},
    };

    #[test]
    fn a_digest_tells_where_fields_end() {
        let row = |fields: [&str; 2]| Raw::Row(Row::of(fields.map(str::as_bytes)));
        let (one, other) = (row(["ab", "c"]), row(["a", "bc"]));
        assert_ne!(digest(0, &one), digest(0, &other));
        assert_ne!(digest(0, &one), digest(1, &one));
        assert_eq!(digest(7, &one), digest(7, &row(["ab", "c"])));
    }

    /// What comes of a file of which these records are done.
    fn read(text: &str, done: &Ranges) -> (Vec<RangeInclusive<u64>>, Option<BreakOff>) {
        let options = ReadOptions {
            format: Some(Format::Csv),
            ..ReadOptions::default()
        };
        let reader = Reader::new(Cursor::new(text.to_owned()), &options).unwrap();
        let limits = BatchLimits {
            users: 2,
            records: 2,
            bytes: u64::MAX,
        };
        let dir = std::env::temp_dir();
        let progress = Progress::default();
        let mut came = Reading::start(reader, limits, done.clone(), progress, &dir).unwrap();
        let mut batches = Vec::new();
        loop {
            match came.blocking_recv().unwrap() {
                Read::Batch(batch) => batches.push(batch.numbers()),
                Read::End(_) => return (batches, None),
                Read::BrokenOff(error) => return (batches, Some(error)),
            }
        }
    }

    /// The digests after each record of a file.
    fn digests(text: &str) -> Vec<u64> {
        let options = ReadOptions {
            format: Some(Format::Csv),
            ..ReadOptions::default()
        };
        let mut reader = Reader::new(Cursor::new(text.to_owned()), &options).unwrap();
        let mut digests = vec![digest_of_shape(&reader)];
        while let Some(record) = reader.next_record().unwrap() {
            digests.push(digest(digests[digests.len() - 1], &record.raw));
        }
        digests
    }

    const FILE: &str = "user_id,nick\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\ng,7\n";

    #[test]
    fn nothing_is_imported_before_the_done_part_is_seen_to_be_the_same() {
        let digests = digests(FILE);
        let mut done = Ranges::default();
        done.add(1, 2, digests[2]);
        done.add(4, 5, digests[5]);
        let (batches, error) = read(FILE, &done);
        assert!(error.is_none());
        assert_eq!(batches, [3..=3, 6..=7]);
        for changed in [
            FILE.replace("c,3", "c,x"),
            FILE.replace("user_id,nick", "user_id,face_url"),
            FILE[..FILE.find("d,4").unwrap()].to_owned(),
        ] {
            let (batches, error) = read(&changed, &done);
            assert!(matches!(error, Some(BreakOff::Changed { records: 5 })));
            assert_eq!(batches, []);
        }
    }

    #[test]
    fn what_stands_before_a_broken_end_is_imported() {
        let (batches, error) = read(&format!("{FILE}h,\"8\n"), &Ranges::default());
        assert!(matches!(error, Some(BreakOff::Read(_))));
        assert_eq!(batches, [1..=2, 3..=4, 5..=6, 7..=7]);
    }
}
