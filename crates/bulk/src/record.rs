//! What a file says of one user.

use std::ops::Range;

use bytes::Bytes;
use muster_accounts::{FaceUrl, Nick, UserId};

/// A record of a file: a row of CSV below the header, or a line of NDJSON.
#[derive(Clone, Debug)]
pub struct Record {
    /// The line of the file that it begins on, counted from 1.
    pub line: u64,
    /// How many bytes of the file it takes, once decompressed, with what was passed over before it. It may keep
    /// about as many in memory, since records share chunks of the file.
    pub bytes: u64,
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
    /// A row of CSV.
    Row(Row),
}

impl Raw {
    /// All that makes it this text and no other, and all that it takes in memory.
    pub(crate) fn whole(&self) -> &[u8] {
        match self {
            Raw::Line(line) => line,
            Raw::Row(row) => &row.whole,
        }
    }

    /// Appends it as a line of a file of its format, which for a row may be several. The values are as they
    /// were; a row may be quoted in another way. A first line that begins with a byte order mark will be read
    /// without it, as every file is.
    pub fn write(&self, delimiter: u8, out: &mut Vec<u8>) {
        match self {
            Raw::Line(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Raw::Row(row) => {
                let mut rows = csv::WriterBuilder::new();
                let mut rows = rows.delimiter(delimiter).flexible(true).from_writer(out);
                let written = rows.write_record(row.fields());
                written
                    .and_then(|()| Ok(rows.flush()?))
                    .expect("memory takes all");
            }
        }
    }
}

/// The fields of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Their text, one after the other, then where in it each ends, as a `u32`: in one piece, since a file has
    /// very many.
    whole: Bytes,
    text_bytes: u32,
}

impl Row {
    const END_BYTES: usize = size_of::<u32>();

    /// A row of these fields.
    pub fn of<'f>(fields: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for field in fields {
            text.extend_from_slice(field);
            ends.push(text.len());
        }
        let text_bytes = text.len();
        text.extend(ends.into_iter().flat_map(Self::end_bytes));
        Self::from_whole(text.into(), text_bytes)
    }

    /// How many bytes [`whole`](Self::from_whole) has for so much text in so many fields.
    pub(crate) fn whole_bytes(text_bytes: usize, fields: usize) -> usize {
        text_bytes + fields * Self::END_BYTES
    }

    /// Where a field ends, as it is kept behind the text.
    pub(crate) fn end_bytes(end: usize) -> [u8; Self::END_BYTES] {
        // Readers give up on far longer rows.
        u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes()
    }

    /// A row whose text and ends are there.
    pub(crate) fn from_whole(whole: Bytes, text_bytes: usize) -> Self {
        let text_bytes = u32::try_from(text_bytes).unwrap_or(u32::MAX);
        Self { whole, text_bytes }
    }

    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.ends().len()
    }

    /// Whether it has none, as no row of a file.
    pub fn is_empty(&self) -> bool {
        self.ends().is_empty()
    }

    /// A field; `None` behind the last one.
    pub fn field(&self, place: usize) -> Option<&[u8]> {
        self.range(place).map(|range| &self.whole[range])
    }

    /// Likewise, sharing the row's memory.
    pub(crate) fn shared_field(&self, place: usize) -> Option<Bytes> {
        self.range(place).map(|range| self.whole.slice(range))
    }

    /// All fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|place| self.field(place))
    }

    fn range(&self, place: usize) -> Option<Range<usize>> {
        let ends = self.ends();
        let end = u32::from_le_bytes(*ends.get(place)?);
        let start = place
            .checked_sub(1)
            .map_or(0, |before| u32::from_le_bytes(ends[before]));
        Some(start as usize..end as usize)
    }

    fn ends(&self) -> &[[u8; Self::END_BYTES]] {
        self.whole[self.text_bytes as usize..].as_chunks().0
    }
}
