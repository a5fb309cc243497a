//! The rows of a CSV file. `csv-core` tells fields apart; what is here bounds a row, says on which line
//! it begins, and notices quotes that are never closed.

use bytes::BytesMut;
use csv_core::ReadRecordResult;
use memchr::memchr2_iter;

use super::{ReadError, input::Input};
use crate::Row;

/// The longest row, as it stands in the file.
pub(super) const ROW_LIMIT_BYTES: usize = 1024 * 1024;

/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Rows share chunks of about this size. Who keeps a row keeps its chunk.
const CHUNK_BYTES: usize = 256 * 1024;

pub(super) struct Rows {
    input: Input,
    csv: csv_core::Reader,
    read: Box<[u8]>,
    /// What of it is not parsed yet.
    unparsed: std::ops::Range<usize>,
    line: LineCount,
    /// Room for rows. The text of the one in progress is at its beginning.
    room: BytesMut,
    ends: Vec<usize>,
    /// Bytes of the rows that were given, with what was passed over before them.
    passed: u64,
}

impl Rows {
    pub(super) fn new(input: Input, delimiter: u8) -> Self {
        Self {
            input,
            csv: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            read: vec![0; READ_BYTES].into(),
            unparsed: 0..0,
            line: LineCount::default(),
            room: BytesMut::zeroed(CHUNK_BYTES),
            ends: vec![0; 16],
            passed: 0,
        }
    }

    /// How many bytes the rows had that were given, with what was passed over before them.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// The next row, and the line that it begins on, counted from 1.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Row)>, ReadError> {
        if !self.skip_line_ends()? {
            return Ok(None);
        }
        let line = self.line.number();
        let (mut bytes, mut text_bytes, mut fields) = (0, 0, 0);
        loop {
            // A line end closes a last row that has none, unless it stands within quotes.
            let at_end = self.unparsed.is_empty() && !self.fill()?;
            let input = if at_end {
                b"\n"
            } else {
                &self.read[self.unparsed.clone()]
            };
            let (result, parsed, written, ended) = self.csv.read_record(
                input,
                &mut self.room[text_bytes..],
                &mut self.ends[fields..],
            );
            if !at_end {
                self.line.pass(&input[..parsed]);
                self.passed += parsed as u64;
                self.unparsed.start += parsed;
            }
            bytes += parsed;
            text_bytes += written;
            fields += ended;
            if bytes > ROW_LIMIT_BYTES {
                let limit_bytes = ROW_LIMIT_BYTES;
                return Err(ReadError::RowTooLong { line, limit_bytes });
            }
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::InputEmpty if at_end => {
                    return Err(ReadError::UnclosedQuote { line });
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.make_room(text_bytes, self.room.len()),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => unreachable!("only after an empty input"),
            }
        }
        let whole_bytes = Row::whole_bytes(text_bytes, fields);
        if self.room.len() < whole_bytes {
            self.make_room(text_bytes, whole_bytes);
        }
        let (behind, _) = self.room[text_bytes..whole_bytes].as_chunks_mut();
        for (place, end) in behind.iter_mut().zip(&self.ends) {
            *place = Row::end_bytes(*end);
        }
        let whole = self.room.split_to(whole_bytes).freeze();
        Ok(Some((line, Row::from_whole(whole, text_bytes))))
    }

    /// Goes to where the next row begins; says whether there is one. Empty lines are none.
    fn skip_line_ends(&mut self) -> Result<bool, ReadError> {
        loop {
            if self.unparsed.is_empty() && !self.fill()? {
                return Ok(false);
            }
            let unparsed = &self.read[self.unparsed.clone()];
            let ends = unparsed
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            self.line.pass(&unparsed[..ends]);
            self.passed += ends as u64;
            self.unparsed.start += ends;
            if !self.unparsed.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Reads more; says whether there is any.
    fn fill(&mut self) -> Result<bool, ReadError> {
        self.unparsed = 0..0;
        self.unparsed = 0..self.input.read(&mut self.read)?;
        Ok(!self.unparsed.is_empty())
    }

    /// Goes on in another chunk, which has twice the room that the row in progress needs.
    fn make_room(&mut self, text_bytes: usize, needed_bytes: usize) {
        let mut room = BytesMut::zeroed(CHUNK_BYTES.max(needed_bytes * 2));
        room[..text_bytes].copy_from_slice(&self.room[..text_bytes]);
        self.room = room;
    }
}

/// Counts lines that end in `\n`, `\r\n` or `\r`.
#[derive(Default)]
struct LineCount {
    ended: u64,
    /// Whether the byte before was a `\r`, which a `\n` belongs to.
    after_return: bool,
}

impl LineCount {
    /// Of the byte that comes next, counted from 1.
    fn number(&self) -> u64 {
        self.ended + 1
    }

    fn pass(&mut self, bytes: &[u8]) {
        for place in memchr2_iter(b'\r', b'\n', bytes) {
            let after_return = match place.checked_sub(1) {
                Some(before) => bytes[before] == b'\r',
                None => self.after_return,
            };
            if bytes[place] == b'\r' || !after_return {
                self.ended += 1;
            }
        }
        if let Some(&last) = bytes.last() {
            self.after_return = last == b'\r';
        }
    }
}
