//! The thread that reads the file: it numbers records, recognises users, and remembers what it takes to find
//! duplicates.

use std::{hash::Hasher as _, path::Path, thread};

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use tokio::sync::mpsc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::BreakOff;
use crate::{
    batches::Numbered,
    duplicates::{Sighting, Sightings},
    file::Reader,
    record::{Entry, Raw, Record},
};

/// Records that are handed over at once, and how often the thread may be so far ahead.
const CHUNK: usize = 256;
const AHEAD: usize = 8;

/// What comes from the thread.
pub(super) enum Read {
    Records(Vec<Numbered>),
    /// All were read.
    End(Sightings),
    BrokenOff(BreakOff),
}

pub(super) struct Reading {
    reader: Reader,
    sightings: Sightings,
    /// Nobody who writes the file knows it, so nobody can make two users look like one.
    key: (u64, u64),
    digest: u64,
    number: u64,
}

impl Reading {
    /// Reads ahead of who takes what comes; ends when nobody does any more.
    pub(super) fn start(
        reader: Reader,
        scratch_dir: &Path,
    ) -> Result<mpsc::Receiver<Read>, BreakOff> {
        let reading = Self {
            reader,
            sightings: Sightings::new(scratch_dir),
            key: (fastrand::u64(..), fastrand::u64(..)),
            digest: 0,
            number: 0,
        };
        let scratch = |cause| BreakOff::Scratch {
            dir: scratch_dir.display().to_string(),
            cause,
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let dir = scratch_dir.display().to_string();
        let thread = thread::Builder::new().name("bulk-reader".to_owned());
        let started = thread.spawn(move || {
            let end = match reading.run(&sender) {
                Ok(end) => end,
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

    fn run(mut self, sender: &mpsc::Sender<Read>) -> Result<Read, ReadFailed> {
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            let record = self.reader.next_record();
            let is_last = !matches!(record, Ok(Some(_)));
            if chunk.len() == CHUNK || (is_last && !chunk.is_empty()) {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
                sender
                    .blocking_send(Read::Records(full))
                    .map_err(|_| ReadFailed::Unwanted)?;
            }
            let record = record.map_err(|error| ReadFailed::Off(error.into()))?;
            let Some(record) = record else {
                return Ok(Read::End(self.sightings));
            };
            chunk.push(self.numbered(record)?);
        }
    }

    fn numbered(&mut self, record: Record) -> Result<Numbered, ReadFailed> {
        self.number += 1;
        self.digest = digest(self.digest, &record.raw);
        let mut user = 0;
        if let Ok(entry) = &record.entry {
            let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
            hasher.write(entry.user_id.as_str().as_bytes());
            user = hasher.finish128().as_u128();
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

enum ReadFailed {
    Off(BreakOff),
    Scratch(std::io::Error),
    /// Nobody takes records any more.
    Unwanted,
}

/// The digest of a file that goes on with this record.
fn digest(before: u64, raw: &Raw) -> u64 {
    match raw {
        Raw::Line(line) => xxh3_64_with_seed(line, before),
        Raw::Row { fields, ends } => {
            let mut digest = Xxh3::with_seed(before);
            digest.update(fields);
            for end in ends {
                digest.update(&end.to_le_bytes());
            }
            digest.digest()
        }
    }
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
    use super::*;

    #[test]
    fn a_digest_tells_where_fields_end() {
        let row = |fields: [&str; 2]| Raw::row(fields.map(str::as_bytes));
        let (one, other) = (row(["ab", "c"]), row(["a", "bc"]));
        assert_ne!(digest(0, &one), digest(0, &other));
        assert_ne!(digest(0, &one), digest(1, &one));
        assert_eq!(digest(7, &one), digest(7, &row(["ab", "c"])));
    }
}
