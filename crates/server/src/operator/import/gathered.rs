//! The lines of one commit.

use std::{borrow::Cow, mem};

use bytes::Bytes;
use bytestring::ByteString;
use muster_accounts::rules::import::ImportEntry;
use serde_json::error::Category;

use super::{
    body_lines::{LINE_END_BYTES, LINE_LIMIT_BYTES, Line},
    entry::{Entry, Reason},
};

/// The most lines of a commit, and the most bytes; the last line may go beyond. Each byte of the body counts,
/// also those of blank lines and of lines that are too long: a good line may keep what came with it.
const LINES_MAX: usize = 10_000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Lines that are to be imported together.
pub(super) struct Gathered {
    /// The number of the first one, counted from 1.
    pub(super) first: u64,
    /// How many there are, blank ones too.
    pub(super) count: usize,
    bytes: usize,
    /// The good ones, each with its place among the lines.
    pub(super) entries: Vec<ImportEntry>,
    pub(super) refused: Vec<RefusedLine>,
}

/// A line that is not imported.
pub(super) struct RefusedLine {
    /// Its place among the lines, counted from 0.
    pub(super) position: usize,
    /// Whom it names, if that can be told.
    pub(super) user_id: Option<String>,
    pub(super) reason: Reason,
}

impl Gathered {
    pub(super) fn from(first: u64) -> Self {
        Self {
            first,
            count: 0,
            bytes: 0,
            entries: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// What was gathered; what comes is gathered anew.
    pub(super) fn take(&mut self) -> Self {
        let following = Self::from(self.first + self.count as u64);
        mem::replace(self, following)
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= LINES_MAX || self.bytes >= BYTES_MAX
    }

    pub(super) fn add(&mut self, line: Line) {
        let position = self.count;
        self.count += 1;
        let refused = match line {
            Line::Text(line) => {
                self.bytes += line.len() + LINE_END_BYTES;
                if line.trim_ascii().is_empty() {
                    return;
                }
                match judge(position, line) {
                    Ok(entry) => return self.entries.push(entry),
                    Err(refused) => refused,
                }
            }
            Line::TooLong { bytes } => {
                self.bytes += bytes + LINE_END_BYTES;
                let limit = LINE_LIMIT_BYTES;
                let reason = format!("The line is longer than {limit} bytes.");
                nobody(position, Reason::bad(reason))
            }
        };
        self.refused.push(refused);
    }
}

fn judge(position: usize, line: Bytes) -> Result<ImportEntry, RefusedLine> {
    let line = ByteString::try_from(line)
        .map_err(|_| nobody(position, Reason::bad("The line is not UTF-8.")))?;
    let entry: Entry<'_> =
        serde_json::from_str(&line).map_err(|error| nobody(position, no_entry(&error)))?;
    // Texts stay slices of the body, which the store copies from.
    let judged = entry.judge(position, |text| match text {
        Cow::Borrowed(slice) => line.slice_ref(slice),
        Cow::Owned(unescaped) => ByteString::from(unescaped.as_str()),
    });
    judged.map_err(|reason| RefusedLine {
        position,
        user_id: entry.user_id().map(str::to_owned),
        reason,
    })
}

fn nobody(position: usize, reason: Reason) -> RefusedLine {
    RefusedLine {
        position,
        user_id: None,
        reason,
    }
}

/// Why a line is no entry. The error's own text may quote the line, so none of it is passed on.
fn no_entry(error: &serde_json::Error) -> Reason {
    let column = error.column();
    match error.classify() {
        Category::Data => Reason::not_an_object(),
        Category::Eof => Reason::bad(format!("The line is cut off at column {column}.")),
        Category::Syntax | Category::Io => {
            Reason::bad(format!("The line is not JSON at column {column}."))
        }
    }
}
