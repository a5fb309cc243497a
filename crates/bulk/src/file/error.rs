//! Why a file cannot be read, or not to its end.

use std::io;

use super::Compression;

/// Why a file cannot be read, or not to its end. What is wrong with one record alone is a
/// [`Fault`](crate::Fault) of that record instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system cannot open or read it.
    #[error("cannot read it: {0}")]
    Io(#[source] io::Error),
    /// Neither its name nor the options say what it is.
    #[error(
        "its name does not say what it is; give --format csv or --format ndjson (or a name that \
         ends in .csv, .tsv, .ndjson or .jsonl)"
    )]
    FormatUnknown,
    /// A CSV delimiter that rows cannot be told apart with.
    #[error("the delimiter must be one ASCII character, and no quote or line end")]
    BadDelimiter,
    /// Two of [`Columns`](super::Columns) are the same.
    #[error("the column {0:?} cannot stand for two values; name a column of its own for each")]
    SameColumn(String),
    /// It is not UTF-8 but UTF-16.
    #[error("it is UTF-16, not UTF-8; convert it, as with iconv -f UTF-16 -t UTF-8")]
    Utf16,
    /// A NUL byte among the first two, and no byte order mark.
    #[error("it looks like {0}, not UTF-8; convert it, as with iconv -f {0} -t UTF-8")]
    LikeUtf16(&'static str),
    /// No bytes, where compressed data was to be.
    #[error("it is empty: 0 bytes, where {0} data was to be")]
    Empty(Compression),
    /// Something else behind the last gzip member.
    #[error(
        "behind its gzip data there is something else. What stands before that was read. Get the whole \
         file again, or cut that off, as with gzip -dc FILE | gzip > NEW"
    )]
    BehindGzip,
    /// Compressed data that stops too early.
    #[error(
        "it is cut off: its {0} data ends too early. What stands before that was read. Get the \
         whole file, as by copying it again"
    )]
    Truncated(Compression),
    /// Compressed data that is none.
    #[error("it cannot be read as {compression}: {reason}")]
    Corrupt {
        /// What it should be.
        compression: Compression,
        /// What the decoder says.
        reason: String,
    },
    /// A CSV file of no bytes, or of line ends alone.
    #[error("it is empty: not even a header")]
    NoHeader,
    /// A CSV file without a column that is needed.
    #[error(
        "it has no column {missing:?}; its columns are {}. Say which one it is with --map",
        names(.columns)
    )]
    MissingColumn {
        /// The column.
        missing: String,
        /// What columns there are; the first few.
        columns: Vec<String>,
    },
    /// A CSV header that is one column, with another delimiter in it.
    #[error(
        "its header is one column, {header:?}; if {shown} separates the values, give --delimiter \
         {shown}"
    )]
    OtherDelimiter {
        /// The header.
        header: String,
        /// The delimiter, as for a command line.
        shown: &'static str,
    },
    /// A CSV header that names a column twice.
    #[error("it has more than one column {0:?}; rename all but the one that counts")]
    TwiceInHeader(String),
    /// A row that does not end.
    #[error(
        "the row that begins on line {line} is longer than {limit_bytes} bytes; is a quote missing \
         there?"
    )]
    RowTooLong {
        /// Counted from 1.
        line: u64,
        /// How long a row may be.
        limit_bytes: usize,
    },
    /// The file ends within quotes.
    #[error(
        "the row that begins on line {line} has a quote that is never closed; is one missing there, \
         or is the file cut off?"
    )]
    UnclosedQuote {
        /// Counted from 1.
        line: u64,
    },
}

/// A list for people.
fn names(columns: &[String]) -> String {
    let quoted: Vec<_> = columns.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}
