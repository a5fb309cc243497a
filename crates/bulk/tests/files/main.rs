//! Files of accounts, through the doors of the crate.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod compressed;
mod csv_files;
mod ndjson_files;
mod pieces;
mod writing;

use std::io::{self, Cursor, Read};

use muster_accounts::{FaceUrl, Nick};
use muster_bulk::{
    Entry, Record,
    file::{Format, ReadError, ReadOptions, Reader},
};

/// How a file of that format is read, with all else as it is by default.
fn options(format: Format) -> ReadOptions {
    ReadOptions {
        format: Some(format),
        ..ReadOptions::default()
    }
}

/// All records, and the error that ended them.
fn read(bytes: &[u8], options: &ReadOptions) -> (Vec<Record>, Option<ReadError>) {
    match Reader::new(Cursor::new(bytes.to_vec()), options) {
        Ok(mut reader) => read_all(&mut reader),
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn read_all(reader: &mut Reader) -> (Vec<Record>, Option<ReadError>) {
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, None),
            Err(error) => {
                assert!(reader.next_record().unwrap().is_none(), "after {error}");
                return (records, Some(error));
            }
        }
    }
}

/// All records of a file that is whole.
fn records(bytes: &[u8], format: Format) -> Vec<Record> {
    let (records, error) = read(bytes, &options(format));
    assert!(error.is_none(), "{error:?}");
    records
}

/// User id, nickname and avatar.
type Values<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn values(entry: &Entry) -> Values<'_> {
    let nick = entry.nick.as_ref().map(Nick::as_str);
    let face_url = entry.face_url.as_ref().map(FaceUrl::as_str);
    (entry.user_id.as_str(), nick, face_url)
}

/// The line and the values of each record; all must be good.
fn good(records: &[Record]) -> Vec<(u64, Values<'_>)> {
    let good = records.iter().map(|record| match &record.entry {
        Ok(entry) => (record.line, values(entry)),
        Err(fault) => panic!("line {}: {fault:?}", record.line),
    });
    good.collect()
}

/// Line, user id, code and reason of each record that is at fault.
fn faults(records: &[Record]) -> Vec<(u64, Option<&str>, i64, &str)> {
    let faults = records.iter().filter_map(|record| {
        let fault = record.entry.as_ref().err()?;
        let user_id = fault.user_id.as_deref();
        Some((record.line, user_id, fault.code, fault.reason.as_str()))
    });
    faults.collect()
}

/// Gives a few bytes at a time.
struct Trickle<R>(R, usize);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}
