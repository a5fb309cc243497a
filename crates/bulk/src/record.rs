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

impl Entry {
    /// Nickname and avatar, as texts.
    pub(crate) fn values(&self) -> (Option<&str>, Option<&str>) {
        let nick = self.nick.as_ref().map(Nick::as_str);
        (nick, self.face_url.as_ref().map(FaceUrl::as_str))
    }
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
    /// A line, without its end; of one that is too long, the first 1,024 bytes.
    Line(Bytes),
    /// The fields of a row, one after the other, and where each ends.
    Row {
        /// Their bytes.
        fields: Bytes,
        /// Counted from the first byte of all.
        ends: Box<[u32]>,
    },
}

impl Raw {
    /// A row of these fields.
    pub fn row<'f>(fields: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for field in fields {
            bytes.extend_from_slice(field);
            // Readers give up on far shorter rows.
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Raw::Row {
            fields: bytes.into(),
            ends: ends.into(),
        }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        match self {
            Raw::Line(line) => line.len(),
            Raw::Row { fields, .. } => fields.len(),
        }
    }

    /// Appends it as a line of a file of its format, which for a row may be several.
    pub fn write(&self, delimiter: u8, out: &mut Vec<u8>) {
        match self {
            Raw::Line(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Raw::Row { fields, ends } => {
                let mut rows = csv::WriterBuilder::new();
                let mut rows = rows.delimiter(delimiter).flexible(true).from_writer(out);
                let mut begin = 0;
                let fields = ends.iter().map(|end| {
                    let field = &fields[begin..*end as usize];
                    begin = *end as usize;
                    field
                });
                let written = rows.write_record(fields);
                written
                    .and_then(|()| Ok(rows.flush()?))
                    .expect("memory takes all");
            }
        }
    }
}
