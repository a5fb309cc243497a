//! What a line of NDJSON says: the values that are taken, as slices of the line wherever JSON allows.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Columns, IgnoredColumns};

/// The fields of an object that are taken.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) user_id: Field<'a>,
    pub(super) nick: Field<'a>,
    pub(super) face_url: Field<'a>,
}

/// A field. Of one that stands there twice the last counts.
#[derive(Default)]
pub(super) enum Field<'a> {
    #[default]
    Absent,
    Null,
    Text(Cow<'a, str>),
    /// A value of another type.
    Other,
}

/// Reads a line. `None` is JSON, but no object.
pub(super) fn read<'a>(
    line: &'a str,
    columns: &Columns,
    ignored: &IgnoredColumns,
) -> Result<Option<Object<'a>>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(line);
    let object = json.deserialize_any(ObjectVisitor { columns, ignored })?;
    json.end()?;
    Ok(object)
}

struct ObjectVisitor<'c> {
    columns: &'c Columns,
    ignored: &'c IgnoredColumns,
}

/// The visits of JSON values that all have one result.
macro_rules! other_values {
    ($result:expr, $($visit:ident: $type:ty),+) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok($result)
        })+

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            while entries.next_element::<IgnoredAny>()?.is_some() {}
            Ok($result)
        }
    };
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Option<Object<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let Self { columns, ignored } = self;
        let mut object = Object::default();
        while let Some(name) = fields.next_key_seed(NameSeed { columns, ignored })? {
            let field = match name {
                Name::UserId => &mut object.user_id,
                Name::Nick => &mut object.nick,
                Name::FaceUrl => &mut object.face_url,
                Name::Other => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = fields.next_value_seed(FieldVisitor)?;
        }
        Ok(Some(object))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    other_values!(None, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

enum Name {
    UserId,
    Nick,
    FaceUrl,
    Other,
}

struct NameSeed<'s> {
    columns: &'s Columns,
    ignored: &'s IgnoredColumns,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Name, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        if name == self.columns.user_id {
            return Ok(Name::UserId);
        }
        if name == self.columns.nick {
            return Ok(Name::Nick);
        }
        if name == self.columns.face_url {
            return Ok(Name::FaceUrl);
        }
        self.ignored.add(name);
        Ok(Name::Other)
    }
}

struct FieldVisitor;

impl<'de> DeserializeSeed<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    // A text with escapes in it.
    fn visit_str<E: Error>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Field<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    other_values!(Field::Other, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}
