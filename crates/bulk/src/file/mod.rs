//! Files of accounts: CSV and NDJSON, plain or compressed, read and written piece by piece.
//!
//! - `input`: the bytes of a file, decompressed, without a byte order mark.
//! - `lines`, `rows`: where a record begins and ends, within bounds that hold for every file.
//! - `object`, `check`: what a record says, and whether it can be imported.
//! - `reader`, `writer`: the doors to all that.
//! - `partial`: a file that has its name only once it is whole.
//!
//! Reading and writing block, so they belong on a thread of their own.

mod check;
mod error;
mod input;
mod lines;
mod object;
mod partial;
mod reader;
mod rows;
mod writer;

use std::{
    fmt,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use self::{
    error::ReadError,
    partial::PartialFile,
    reader::{ReadOptions, Reader},
    writer::{WriteOptions, Writer},
};

/// How the records of a file are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A row a record (RFC 4180), below a header that names the columns.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// Reads `csv` or `ndjson`.
impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(text: &str) -> Result<Self, NoFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(NoFormat),
        }
    }
}

/// A word that is no [`Format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is csv or ndjson")]
pub struct NoFormat;

/// How the bytes of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// One gzip member or several.
    Gzip,
    /// One Zstandard frame or several.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// What a file's name says of it; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// By `.csv`, `.tsv`, `.ndjson` and `.jsonl`.
    pub format: Option<Format>,
    /// By a `.gz` or `.zst` at the end.
    pub compression: Option<Compression>,
    /// What stands between the values of a row, by `.csv` and `.tsv`.
    pub delimiter: Option<u8>,
}

impl Named {
    /// Reads the endings of a file's name, whatever their case.
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_ascii_lowercase();
        let (stem, compression) = if let Some(stem) = name.strip_suffix(".gz") {
            (stem, Some(Compression::Gzip))
        } else if let Some(stem) = name.strip_suffix(".zst") {
            (stem, Some(Compression::Zstd))
        } else {
            (name.as_str(), None)
        };
        let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
        let (format, delimiter) = match ending {
            "csv" => (Some(Format::Csv), Some(b',')),
            "tsv" => (Some(Format::Csv), Some(b'\t')),
            "ndjson" | "jsonl" => (Some(Format::Ndjson), None),
            _ => (None, None),
        };
        Self {
            format,
            compression,
            delimiter,
        }
    }
}

/// Under which names a file has what is imported: columns of CSV, fields of NDJSON. No two may be the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The team's own name for the user. A CSV file must have it.
    pub user_id: String,
    /// Nickname.
    pub nick: String,
    /// Address of the avatar.
    pub face_url: String,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            user_id: "user_id".to_owned(),
            nick: "nick".to_owned(),
            face_url: "face_url".to_owned(),
        }
    }
}

/// Names in a file that are not taken, of columns of CSV or fields of NDJSON: the first 20, each once. It is
/// shared with the [`Reader`], and has more of NDJSON the more is read.
#[derive(Clone, Debug, Default)]
pub struct IgnoredColumns(Arc<Mutex<Vec<String>>>);

impl IgnoredColumns {
    const MAX: usize = 20;
    const NAME_LIMIT_BYTES: usize = 100;

    /// Those that were seen until now, in their order. A long one is cut.
    pub fn names(&self) -> Vec<String> {
        self.known().clone()
    }

    fn add(&self, name: &str) {
        let mut known = self.known();
        if known.len() == Self::MAX {
            return;
        }
        let name = start_of(name, Self::NAME_LIMIT_BYTES);
        if !known.iter().any(|known| known == name) {
            known.push(name.to_owned());
        }
    }

    fn known(&self) -> MutexGuard<'_, Vec<String>> {
        // Whoever panicked has not left half a list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first characters of a text, at most so many bytes.
fn start_of(text: &str, limit_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(limit_bytes)]
}
