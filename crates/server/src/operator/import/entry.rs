//! One account as a caller of an import gives it.

use std::{borrow::Cow, fmt};

use bytestring::ByteString;
use muster_accounts::{
    FaceUrl, Nick, UserId,
    profile::TooLong,
    rules::import::{Barred, ImportEntry},
};
use muster_wire::ErrorCode;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use utoipa::ToSchema;

use crate::operator::error::quoted;

/// An account to be made, or to be given new values. It is read by hand, so that one that is wrong
/// refuses only itself.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) struct NewAccountBody {
    /// The team's own name for the user: 1 to 32 bytes of printable ASCII.
    #[schema(min_length = 1, max_length = 32, example = "alice")]
    user_id: String,
    /// Nickname, at most 500 bytes; left out or `null`, the one that is there stays.
    #[schema(example = "Alice")]
    nick: Option<String>,
    /// Avatar, at most 500 bytes; likewise.
    #[schema(example = "https://img.example.com/alice.png")]
    face_url: Option<String>,
}

/// An entry that is an object, as it was read: its texts are slices of what it was read from, as far as
/// no escapes are in them. Of a field that comes twice the last counts.
#[derive(Default)]
pub(super) struct Entry<'b> {
    user_id: Field<'b>,
    nick: Field<'b>,
    face_url: Field<'b>,
    /// A field that no entry has.
    unknown: Option<String>,
}

#[derive(Default)]
enum Field<'b> {
    #[default]
    Absent,
    Null,
    Text(Cow<'b, str>),
    Other,
}

/// Why an entry is refused.
pub(super) struct Reason {
    pub(super) code: ErrorCode,
    pub(super) text: String,
}

impl<'b> Entry<'b> {
    /// Whom it names, right or wrong.
    pub(super) fn user_id(&self) -> Option<&str> {
        match &self.user_id {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entry for the store. `share` makes a text of its own of one that was read.
    pub(super) fn judge(
        &self,
        position: usize,
        share: impl Fn(&Cow<'b, str>) -> ByteString,
    ) -> Result<ImportEntry, Reason> {
        let user_id = match &self.user_id {
            Field::Text(user_id) => user_id,
            Field::Absent => return Err(Reason::bad("user_id is missing.")),
            Field::Null | Field::Other => {
                let code = ErrorCode::AccountNotAString;
                return Err(Reason::new(code, "user_id is not a string."));
            }
        };
        let nick = self.nick.text("nick")?;
        let face_url = self.face_url.text("face_url")?;
        if let Some(name) = &self.unknown {
            let name = quoted(name);
            return Err(Reason::bad(format!("There is no field {name}.")));
        }
        let nick = nick.map(|text| Nick::parse(share(text))).transpose();
        let nick = nick.map_err(|error| Reason::too_long("nick", error))?;
        let face_url = face_url.map(|text| FaceUrl::parse(share(text))).transpose();
        let face_url = face_url.map_err(|error| Reason::too_long("face_url", error))?;
        let user_id = UserId::parse(user_id)
            .map_err(|error| Reason::bad(format!("user_id cannot be one: {error}.")))?;
        Ok(ImportEntry {
            position,
            user_id,
            nick,
            face_url,
        })
    }
}

impl<'b> Field<'b> {
    /// The text of a field that may be left out.
    fn text(&self, name: &str) -> Result<Option<&Cow<'b, str>>, Reason> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Other => Err(Reason::bad(format!("{name} is not a string."))),
        }
    }
}

impl Reason {
    pub(super) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadParameter, text)
    }

    pub(super) fn not_an_object() -> Self {
        Self::bad("The entry is not an object.")
    }

    fn too_long(name: &str, TooLong { bytes, limit_bytes }: TooLong) -> Self {
        let text = format!("{name} is {bytes} bytes long, the limit is {limit_bytes}.");
        Self::new(ErrorCode::ValueTooLong, text)
    }

    pub(super) fn barred(barred: &Barred) -> Self {
        let until = barred.until;
        let text = format!("The user was deleted and cannot be imported again before {until}.");
        Self::new(ErrorCode::Barred, text)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    UserId,
    Nick,
    FaceUrl,
    Unknown(String),
}

/// Fails on what is no object, and on what is no JSON; no field can be wrong yet.
impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Entry<'de>, A::Error> {
        let mut entry = Entry::default();
        while let Some(name) = object.next_key()? {
            let field = match name {
                Name::UserId => &mut entry.user_id,
                Name::Nick => &mut entry.nick,
                Name::FaceUrl => &mut entry.face_url,
                Name::Unknown(name) => {
                    entry.unknown.get_or_insert(name);
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = object.next_value()?;
        }
        Ok(entry)
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Field<'de>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}
