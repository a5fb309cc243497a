//! Writes the file, and says what must come of it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

use super::record::{self, HEADER, Record, Values};

/// What must come of a file, however its import goes.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) records: u64,
    pub(super) imported: u64,
    /// Users, each once.
    pub(super) users: u64,
    pub(super) failed_by_code: BTreeMap<i64, u64>,
    /// Line and code of each record that fails, by line.
    pub(super) failed: Vec<(u64, i64)>,
    /// The cells of each, in order.
    pub(super) rejects: Vec<Vec<Vec<u8>>>,
    /// Records that name a user again, by line.
    pub(super) duplicates: Vec<Duplicate>,
    /// What is stored in the end of users who are named more than once, by their numbers.
    named_again: HashMap<u64, Values>,
}

/// A record whose user an earlier one names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Duplicate {
    pub(super) line: u64,
    /// The line before it that names the user.
    pub(super) earlier_line: u64,
    pub(super) is_identical: bool,
}

/// What was read of a user who is named more than once.
struct Seen {
    line: u64,
    said: Values,
    stored: Values,
}

impl Expected {
    pub(super) fn identical(&self) -> u64 {
        let identical = self.duplicates.iter().filter(|it| it.is_identical);
        identical.count() as u64
    }

    pub(super) fn conflicting(&self) -> u64 {
        self.duplicates.len() as u64 - self.identical()
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.len() as u64
    }

    /// What is stored in the end of the user of this number; `None` if there is none.
    pub(super) fn stored(&self, number: u64) -> Option<Values> {
        if number >= self.records {
            return None;
        }
        if let Some(values) = self.named_again.get(&number) {
            return Some(values.clone());
        }
        match record::record(number) {
            Record::Good(good) if good.user == number => Some(good.values),
            _ => None,
        }
    }
}

/// Writes a file of so many records, and brings it to the disk.
pub(super) fn write(path: &Path, records: u64) -> io::Result<Expected> {
    let file = BufWriter::new(File::create_new(path)?);
    let mut rows = csv::WriterBuilder::new()
        .flexible(true)
        .terminator(csv::Terminator::CRLF)
        .from_writer(file);
    rows.write_record(HEADER)?;
    let mut expected = Expected {
        records,
        ..Expected::default()
    };
    let named_again: HashSet<u64> = (0..records).filter_map(record::named_again).collect();
    let mut seen: HashMap<u64, Seen> = HashMap::with_capacity(named_again.len());
    // The header is the first one.
    let mut line = 2;
    for number in 0..records {
        let begin = line;
        match record::record(number) {
            Record::Good(good) => {
                let cells = good.cells();
                rows.write_record(&cells)?;
                line += lines(&cells);
                expected.imported += 1;
                expected.users += u64::from(good.user == number);
                if named_again.contains(&good.user) {
                    expected.see(&mut seen, good.user, begin, good.values);
                }
            }
            Record::Bad(bad) => {
                rows.write_record(&bad.cells)?;
                line += lines(&bad.cells);
                *expected.failed_by_code.entry(bad.code).or_default() += 1;
                expected.failed.push((begin, bad.code));
                expected.rejects.push(bad.cells);
            }
        }
    }
    expected.rejects.sort_unstable();
    let stored = seen.into_iter().map(|(user, seen)| (user, seen.stored));
    expected.named_again = stored.collect();
    let file = rows.into_inner().map_err(csv::IntoInnerError::into_error)?;
    file.into_inner()?.sync_all()?;
    Ok(expected)
}

impl Expected {
    /// Takes in what a record says of a user who is named more than once.
    fn see(&mut self, seen: &mut HashMap<u64, Seen>, user: u64, line: u64, said: Values) {
        let Some(before) = seen.get_mut(&user) else {
            let stored = said.clone();
            seen.insert(user, Seen { line, said, stored });
            return;
        };
        self.duplicates.push(Duplicate {
            line,
            earlier_line: before.line,
            is_identical: before.said == said,
        });
        before.stored.overlay(&said);
        before.line = line;
        before.said = said;
    }
}

/// How many lines a record takes.
fn lines<T: AsRef<[u8]>>(cells: &[T]) -> u64 {
    let cells = cells.iter().flat_map(AsRef::as_ref);
    1 + cells.filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use muster_accounts::{FaceUrl, Nick, UserId};
    use muster_bulk::{
        Raw,
        file::{ReadOptions, Reader},
    };

    use super::*;

    /// What muster's own reader makes of the file.
    #[test]
    fn what_must_come_of_a_file_is_what_comes_of_reading_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.csv");
        let expected = write(&path, 40_000).unwrap();
        let mut reader = Reader::open(&path, &ReadOptions::default()).unwrap();
        let (mut records, mut imported) = (0, 0);
        let (mut failed, mut rejects, mut duplicates) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen: HashMap<UserId, Seen> = HashMap::new();
        while let Some(record) = reader.next_record().unwrap() {
            records += 1;
            let entry = match record.entry {
                Ok(entry) => entry,
                Err(fault) => {
                    failed.push((record.line, fault.code));
                    rejects.push(cells(&record.raw));
                    continue;
                }
            };
            imported += 1;
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            let said = Values {
                nick: text(entry.nick.as_ref().map(Nick::as_str)),
                face_url: text(entry.face_url.as_ref().map(FaceUrl::as_str)),
            };
            let mut now = Seen {
                line: record.line,
                stored: said.clone(),
                said,
            };
            if let Some(before) = seen.remove(&entry.user_id) {
                duplicates.push(Duplicate {
                    line: now.line,
                    earlier_line: before.line,
                    is_identical: before.said == now.said,
                });
                now.stored = before.stored;
                now.stored.overlay(&now.said);
            }
            seen.insert(entry.user_id, now);
        }
        rejects.sort_unstable();
        assert_eq!((records, imported), (expected.records, expected.imported));
        assert_eq!(failed, expected.failed);
        assert_eq!(rejects, expected.rejects);
        assert_eq!(duplicates, expected.duplicates);
        assert_eq!(seen.len() as u64, expected.users);
        for (user_id, seen) in seen {
            let number = record::number_of(user_id.as_str()).unwrap();
            assert_eq!(expected.stored(number), Some(seen.stored), "{user_id}");
        }
        let by_code: u64 = expected.failed_by_code.values().sum();
        assert_eq!((by_code, expected.failed()), (400, 400));
        assert_eq!(expected.failed_by_code.len(), 2);
        assert!(expected.identical() >= 15 && expected.conflicting() >= 15);
        // Nobody but those.
        assert_eq!(expected.stored(40_000), None);
        let users = (0..40_000).filter(|number| expected.stored(*number).is_some());
        assert_eq!(users.count() as u64, expected.users);
    }

    fn cells(raw: &Raw) -> Vec<Vec<u8>> {
        let Raw::Row(row) = raw else {
            panic!("it is no row");
        };
        row.fields().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn every_record_that_fails_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = write(&dir.path().join("users.csv"), 50_000).unwrap();
        assert_eq!(expected.rejects.len(), 500);
        expected.rejects.dedup();
        assert_eq!(expected.rejects.len(), 500);
    }
}
