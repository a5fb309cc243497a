//! Whether a record can be imported: the rules of a single entry, with the protocol's codes (wire §3.1,
//! §3.2).

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;
use muster_accounts::{FaceUrl, Nick, UserId, profile::TooLong};

use super::{
    Columns, IgnoredColumns,
    lines::{KEPT_BYTES, LINE_LIMIT_BYTES},
    object::{self, Field, Object},
    start_of,
};
use crate::{Entry, Fault, Row};

/// A parameter is missing or wrong.
const BAD_PARAMETER: i64 = 70402;
/// An account is not a string.
const NOT_A_STRING: i64 = 60015;
/// A value is longer than it may be.
const VALUE_TOO_LONG: i64 = 40601;

/// How much of something that is no user id is shown.
const NAMED_LIMIT_BYTES: usize = 64;

const NOT_UTF8: &str =
    "not UTF-8; convert a file in another encoding first, as with iconv -f GB18030 -t UTF-8.";

/// Of a whole file that is a JSON list, too.
const LIST: &str =
    "The line begins a JSON list; write one object a line, not a list, as with jq -c '.[]'.";

fn fault(user_id: Option<&str>, code: i64, reason: impl Into<String>) -> Fault {
    Fault {
        user_id: user_id.map(|text| start_of(text, NAMED_LIMIT_BYTES).to_owned()),
        code,
        reason: reason.into(),
    }
}

/// What a line of NDJSON says.
pub(super) fn line(
    line: &Bytes,
    columns: &Columns,
    ignored: &IgnoredColumns,
) -> Result<Entry, Fault> {
    let Ok(line) = ByteString::try_from(line.clone()) else {
        return Err(not_utf8(line, columns));
    };
    if line.trim_start().starts_with('[') {
        return Err(fault(None, BAD_PARAMETER, LIST));
    }
    let object = object::read(&line, columns, ignored).map_err(|error| not_json(&error))?;
    let Object {
        user_id,
        nick,
        face_url,
    } = object.ok_or_else(|| fault(None, BAD_PARAMETER, "The line is not a JSON object."))?;
    let user_id = match user_id {
        Field::Text(text) => text,
        Field::Absent => {
            let reason = format!("{} is missing.", columns.user_id);
            return Err(fault(None, BAD_PARAMETER, reason));
        }
        Field::Null | Field::Other => {
            let reason = format!("{} is not a string.", columns.user_id);
            return Err(fault(None, NOT_A_STRING, reason));
        }
    };
    let text = |field, name: &str| match field {
        Field::Absent | Field::Null => Ok(None),
        Field::Text(Cow::Borrowed(text)) => Ok(Some(line.slice_ref(text))),
        Field::Text(Cow::Owned(text)) => Ok(Some(text.into())),
        Field::Other => {
            let reason = format!("{name} is not a string.");
            Err(fault(Some(&user_id), BAD_PARAMETER, reason))
        }
    };
    let nick = text(nick, &columns.nick)?;
    let face_url = text(face_url, &columns.face_url)?;
    entry(&user_id, nick, face_url, columns)
}

/// Of a line that is too long to be looked at.
pub(super) fn line_too_long() -> Fault {
    let reason = format!(
        "The line is longer than {LINE_LIMIT_BYTES} bytes, so only its first {KEPT_BYTES} bytes are in the \
         rejects; was the file written with one object a line?"
    );
    fault(None, BAD_PARAMETER, reason)
}

/// Names the field, if the line is right but for that.
fn not_utf8(line: &[u8], columns: &Columns) -> Fault {
    let mended = String::from_utf8_lossy(line);
    if let Ok(Some(object)) = object::read(&mended, columns, &IgnoredColumns::default()) {
        let user_id = match &object.user_id {
            Field::Text(text) => Some(text.clone()),
            _ => None,
        };
        for (field, name) in [
            (object.user_id, &columns.user_id),
            (object.nick, &columns.nick),
            (object.face_url, &columns.face_url),
        ] {
            if matches!(field, Field::Text(text) if text.contains('\u{fffd}')) {
                let reason = format!("{name} is {NOT_UTF8}");
                return fault(user_id.as_deref(), BAD_PARAMETER, reason);
            }
        }
    }
    fault(None, BAD_PARAMETER, format!("The line is {NOT_UTF8}"))
}

fn not_json(error: &serde_json::Error) -> Fault {
    let shown = error.to_string();
    // "... at line 1 column 7": which line it is is told elsewhere.
    let what = shown
        .rsplit_once(" at line ")
        .map_or(&*shown, |(what, _)| what);
    let column = error.column();
    let reason = format!("The line is not JSON: {what}, at character {column} of it.");
    fault(None, BAD_PARAMETER, reason)
}

/// Where a row of CSV has the columns that are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) user_id: usize,
    pub(super) nick: Option<usize>,
    pub(super) face_url: Option<usize>,
    /// How many columns there are.
    pub(super) count: usize,
}

/// What a row of CSV says. An empty value is one that is left out.
pub(super) fn row(row: &Row, places: Places, columns: &Columns) -> Result<Entry, Fault> {
    let user_id = row.field(places.user_id).map(str::from_utf8);
    let named = user_id.and_then(Result::ok).filter(|text| !text.is_empty());
    let (count, expected) = (row.len(), places.count);
    if count != expected {
        let hint = if count < expected {
            "a value that is left out still needs its delimiter"
        } else {
            "a value with a delimiter in it needs quotes"
        };
        let reason = format!("The row has {count} values, the header {expected}; {hint}.");
        return Err(fault(named, BAD_PARAMETER, reason));
    }
    if matches!(user_id, Some(Err(_))) {
        let reason = format!("{} is {NOT_UTF8}", columns.user_id);
        return Err(fault(None, BAD_PARAMETER, reason));
    }
    let Some(user_id) = named else {
        let reason = format!("{} is empty.", columns.user_id);
        return Err(fault(None, BAD_PARAMETER, reason));
    };
    let text = |place: Option<usize>, name: &str| {
        let field = place.and_then(|place| row.shared_field(place));
        let Some(field) = field.filter(|field| !field.is_empty()) else {
            return Ok(None);
        };
        ByteString::try_from(field)
            .map(Some)
            .map_err(|_| fault(named, BAD_PARAMETER, format!("{name} is {NOT_UTF8}")))
    };
    let nick = text(places.nick, &columns.nick)?;
    let face_url = text(places.face_url, &columns.face_url)?;
    entry(user_id, nick, face_url, columns)
}

/// Sizes are judged before the user id, as the protocol does.
fn entry(
    user_id: &str,
    nick: Option<ByteString>,
    face_url: Option<ByteString>,
    columns: &Columns,
) -> Result<Entry, Fault> {
    let too_long = |name: &str, TooLong { bytes, limit_bytes }| {
        let reason = format!("{name} is {bytes} bytes long, the limit is {limit_bytes}.");
        fault(Some(user_id), VALUE_TOO_LONG, reason)
    };
    let nick = nick.map(Nick::parse).transpose();
    let nick = nick.map_err(|error| too_long(&columns.nick, error))?;
    let face_url = face_url.map(FaceUrl::parse).transpose();
    let face_url = face_url.map_err(|error| too_long(&columns.face_url, error))?;
    let user_id = UserId::parse(user_id).map_err(|error| {
        let reason = format!("{} cannot be a user id: {error}.", columns.user_id);
        fault(Some(user_id), BAD_PARAMETER, reason)
    })?;
    Ok(Entry {
        user_id,
        nick,
        face_url,
    })
}
