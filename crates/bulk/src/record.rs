//! What a file says of one user.

use bytes::Bytes;
use muster_accounts::{FaceUrl, Nick, UserId};

/// A record of a file: a row of CSV below the header, or a line of NDJSON.
#[derive(Clone, Debug)]
pub struct Record {
    /// The line of the file that it begins on, counted from 1.
    pub line: u64,
    /// As it stands there.
    pub raw: Raw,
    /// Whom it is about, or why that cannot be imported.
    pub entry: Result<Entry, Fault>,
}

/// A user to be imported. A value that is left out leaves a stored one as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The team's own name for the user.
    pub user_id: UserId,
    /// Nickname.
    pub nick: Option<Nick>,
    /// Address of the avatar.
    pub face_url: Option<FaceUrl>,
}

/// Why a record is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whom it names, if that can be told.
    pub user_id: Option<String>,
    /// The code with which the account protocol refuses it (`docs/wire.md`, section 7).
    pub code: i64,
    /// For people: what is wrong, as a sentence.
    pub reason: String,
}

/// The text of a record, so that it can be written down again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A line, without its end.
    Line(Bytes),
    /// The fields of a row, one after the other, and where each ends.
    Row {
        /// Their bytes.
        fields: Bytes,
        /// Counted from the first byte of all.
        ends: Box<[u32]>,
    },
}
