//! The lines of a file, each a slice of the chunk that it was read in.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::{memchr, memrchr};

use super::{ReadError, input::Input};

/// The longest line, without its end.
pub(super) const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// How much is kept of a line that is too long.
pub(super) const KEPT_BYTES: usize = 1024;

/// Lines share chunks of about this size. Who keeps a line keeps its chunk.
const CHUNK_BYTES: usize = 256 * 1024;

/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    /// Without its end; only the first bytes if the line is too long.
    pub(super) bytes: Bytes,
    /// Whether it is too long.
    pub(super) is_cut: bool,
}

pub(super) struct Lines {
    input: Input,
    /// Whole lines with their ends.
    whole: Bytes,
    /// What was read behind them.
    rest: BytesMut,
    /// Of the line that was given last.
    number: u64,
    /// Bytes of the lines that were given, with their ends.
    passed: u64,
}

impl Lines {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            whole: Bytes::new(),
            rest: BytesMut::with_capacity(CHUNK_BYTES),
            number: 0,
            passed: 0,
        }
    }

    /// How many bytes the lines had that were given, with their ends.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, ReadError> {
        while self.whole.is_empty() {
            if self.rest.len() > LINE_LIMIT_BYTES + 1 {
                let start = Bytes::copy_from_slice(&self.rest[..KEPT_BYTES]);
                self.skip_line()?;
                return Ok(Some(self.line(start, true)));
            }
            if self.read()? == 0 {
                let last = self.rest.split().freeze();
                self.passed += last.len() as u64;
                return Ok((!last.is_empty()).then(|| self.checked(last)));
            }
            self.take_whole();
        }
        let end = memchr(b'\n', &self.whole).expect("whole lines have their ends");
        let mut line = self.whole.split_to(end + 1);
        self.passed += line.len() as u64;
        line.truncate(end);
        Ok(Some(self.checked(line)))
    }

    /// Cuts a line that may be whole but too long.
    fn checked(&mut self, mut line: Bytes) -> Line {
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        if line.len() > LINE_LIMIT_BYTES {
            return self.line(Bytes::copy_from_slice(&line[..KEPT_BYTES]), true);
        }
        self.line(line, false)
    }

    fn line(&mut self, bytes: Bytes, is_cut: bool) -> Line {
        self.number += 1;
        Line {
            number: self.number,
            bytes,
            is_cut,
        }
    }

    /// Reads on to the end of the line that the rest begins with, and keeps nothing of it.
    fn skip_line(&mut self) -> Result<(), ReadError> {
        loop {
            self.passed += self.rest.len() as u64;
            self.rest.clear();
            if self.read()? == 0 {
                return Ok(());
            }
            if let Some(end) = memchr(b'\n', &self.rest) {
                self.passed += end as u64 + 1;
                self.rest.advance(end + 1);
                self.take_whole();
                return Ok(());
            }
        }
    }

    /// Parts the lines that are whole from the rest.
    fn take_whole(&mut self) {
        if let Some(end) = memrchr(b'\n', &self.rest) {
            self.whole = self.rest.split_to(end + 1).freeze();
        }
    }

    /// Reads more behind the rest; says how much.
    fn read(&mut self) -> Result<usize, ReadError> {
        let length = self.rest.len();
        if self.rest.capacity() - length < READ_BYTES {
            self.rest.reserve(CHUNK_BYTES);
        }
        self.rest.resize(length + READ_BYTES, 0);
        let read = self.input.read(&mut self.rest[length..]);
        self.rest.truncate(length + *read.as_ref().unwrap_or(&0));
        read
    }
}
