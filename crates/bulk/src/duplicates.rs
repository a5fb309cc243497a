//! Which users a file names more than once, found in constant memory.
//!
//! Of each record there is kept what it takes to recognise its user and its values. Full parts are sorted
//! and go to a file without a name; in the end they are merged, and equal users meet.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    fs::File,
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::users::UserHash;

/// Sightings that are sorted at a time: 8 MiB of them.
const PART: usize = 256 * 1024;

/// What all parts are read through, and what one of them gets at least and at most.
const READ_BYTES: usize = 8 * 1024 * 1024;
const READ_BYTES_OF_PART: (usize, usize) = (4 * 1024, 256 * 1024);

/// A user in a record. Hashes stand for user and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sighting {
    pub(crate) user: UserHash,
    pub(crate) line: u64,
    pub(crate) values: u64,
}

/// A record whose user an earlier one names too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) line: u64,
    /// The line before it that names the user.
    pub(crate) earlier: u64,
    /// Whether both say the same of the user.
    pub(crate) is_identical: bool,
}

/// Collects sightings.
pub(crate) struct Sightings {
    part: Vec<Sighting>,
    limit: usize,
    /// The parts that are in the file, in bytes.
    ends: Vec<u64>,
    file: Option<File>,
    dir: Box<Path>,
}

impl Sightings {
    /// `dir` is where the file without a name is made, if there is to be one.
    pub(crate) fn new(dir: &Path) -> Self {
        Self::with_parts_of(PART, dir)
    }

    fn with_parts_of(limit: usize, dir: &Path) -> Self {
        Self {
            part: Vec::new(),
            limit,
            ends: Vec::new(),
            file: None,
            dir: dir.into(),
        }
    }

    pub(crate) fn add(&mut self, sighting: Sighting) -> io::Result<()> {
        self.part.push(sighting);
        if self.part.len() >= self.limit {
            self.write_part()?;
        }
        Ok(())
    }

    fn write_part(&mut self) -> io::Result<()> {
        self.part.sort_unstable();
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.dir)?);
        }
        let file = self.file.as_mut().expect("it has just been made");
        let mut out = BufWriter::with_capacity(READ_BYTES_OF_PART.1, file);
        for sighting in &self.part {
            out.write_all(&sighting.to_bytes())?;
        }
        out.flush()?;
        let bytes = (self.part.len() * Sighting::BYTES) as u64;
        self.ends.push(self.ends.last().unwrap_or(&0) + bytes);
        self.part.clear();
        Ok(())
    }

    /// Tells all duplicates, user by user, those of one in the order of their lines.
    pub(crate) fn duplicates(
        mut self,
        mut tell: impl FnMut(Duplicate) -> io::Result<()>,
    ) -> io::Result<()> {
        self.part.sort_unstable();
        let bytes_of_part = READ_BYTES / (self.ends.len() + 1);
        let bytes_of_part = bytes_of_part.clamp(READ_BYTES_OF_PART.0, READ_BYTES_OF_PART.1);
        let mut sources = Vec::with_capacity(self.ends.len() + 1);
        let mut start = 0;
        for end in self.ends {
            sources.push(Source {
                read: Vec::new(),
                next: 0,
                rest: start..end,
                bytes: bytes_of_part,
            });
            start = end;
        }
        sources.push(Source {
            read: self.part,
            next: 0,
            rest: 0..0,
            bytes: 0,
        });
        let file = self.file.as_ref();
        let mut heads = BinaryHeap::with_capacity(sources.len());
        for (number, source) in sources.iter_mut().enumerate() {
            if let Some(sighting) = source.next(file)? {
                heads.push(Reverse((sighting, number)));
            }
        }
        let mut before: Option<Sighting> = None;
        while let Some(mut head) = heads.peek_mut() {
            let Reverse((sighting, number)) = *head;
            if let Some(before) = before.filter(|before| before.user == sighting.user) {
                tell(Duplicate {
                    line: sighting.line,
                    earlier: before.line,
                    is_identical: sighting.values == before.values,
                })?;
            }
            before = Some(sighting);
            match sources[number].next(file)? {
                Some(next) => *head = Reverse((next, number)),
                None => drop(PeekMut::pop(head)),
            }
        }
        Ok(())
    }
}

/// A sorted part.
struct Source {
    read: Vec<Sighting>,
    next: usize,
    /// What is still in the file.
    rest: std::ops::Range<u64>,
    bytes: usize,
}

impl Source {
    fn next(&mut self, file: Option<&File>) -> io::Result<Option<Sighting>> {
        if self.next == self.read.len() && !self.rest.is_empty() {
            let file = file.expect("parts are in it");
            let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
            let count = left.min(self.bytes) / Sighting::BYTES;
            let mut bytes = vec![0; count * Sighting::BYTES];
            file.read_exact_at(&mut bytes, self.rest.start)?;
            self.rest.start += bytes.len() as u64;
            self.read.clear();
            let (sightings, _) = bytes.as_chunks();
            self.read.extend(sightings.iter().map(Sighting::of_bytes));
            self.next = 0;
        }
        let sighting = self.read.get(self.next).copied();
        self.next += 1;
        Ok(sighting)
    }
}

impl Sighting {
    const BYTES: usize = 32;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.user.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.line.to_le_bytes());
        bytes[24..].copy_from_slice(&self.values.to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let ([user, rest], []) = bytes.as_chunks() else {
            unreachable!("32 bytes are two chunks of 16");
        };
        let rest = u128::from_le_bytes(*rest);
        Self {
            user: UserHash(u128::from_le_bytes(*user)),
            #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
            line: rest as u64,
            values: (rest >> 64) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(limit: usize, sightings: &[Sighting]) -> Vec<Duplicate> {
        let mut all = Sightings::with_parts_of(limit, &std::env::temp_dir());
        for sighting in sightings {
            all.add(*sighting).unwrap();
        }
        let mut found = Vec::new();
        all.duplicates(|duplicate| {
            found.push(duplicate);
            Ok(())
        })
        .unwrap();
        found
    }

    proptest! {
        #[test]
        fn all_are_found_whatever_the_size_of_parts(
            users in prop::collection::vec((0..50_u128, 0..3_u64), 0..400),
            limit in 1..60_usize,
        ) {
            let sightings: Vec<_> = users
                .iter()
                .zip(1..)
                .map(|((user, values), line)| Sighting {
                    user: UserHash(user << 90 | user),
                    line,
                    values: *values,
                })
                .collect();
            let mut expected = Vec::new();
            for (at, sighting) in sightings.iter().enumerate() {
                let same = |other: &&Sighting| other.user == sighting.user;
                if let Some(earlier) = sightings[..at].iter().rev().find(same) {
                    expected.push(Duplicate {
                        line: sighting.line,
                        earlier: earlier.line,
                        is_identical: earlier.values == sighting.values,
                    });
                }
            }
            let mut found = found(limit, &sightings);
            found.sort_by_key(|duplicate| duplicate.line);
            prop_assert_eq!(found, expected);
        }
    }
}
