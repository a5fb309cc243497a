//! Reading JSON by hand where derived readers do not suffice.
//!
//! The protocol tells apart what serde's derives mix up or refuse: absent, null and wrong type have
//! different answers, a repeated key is no error (the last counts), and a list beyond its limit is
//! counted to its end but not kept. So every JSON value can become each of the types here, and the
//! only error left is text that is not JSON.
//!
//! What is not JSON (wire §2.1) is decided by `serde_json`: each value, also one that nobody looks
//! at, is read in full. `IgnoredAny` would not do, as it passes over lone surrogates.

use std::{borrow::Cow, fmt, marker::PhantomData};

use bytestring::ByteString;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A type that any JSON value can become. What it does not define it takes as [`other`].
///
/// [`other`]: FromJson::other
pub(crate) trait FromJson<'de>: Sized {
    /// A value of a kind that this type does not tell apart.
    fn other() -> Self;

    fn null() -> Self {
        Self::other()
    }

    /// A string: borrowed from the body unless it holds escapes.
    fn text(_text: Cow<'de, str>) -> Self {
        Self::other()
    }

    /// An integer of at most 64 bits, without sign, fraction or exponent.
    fn unsigned(_number: u64) -> Self {
        Self::other()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element_seed(Any::<Skipped>::new())?.is_some() {}
        Ok(Self::other())
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_key_seed(Any::<Skipped>::new())?.is_some() {
            skip_value(&mut object)?;
        }
        Ok(Self::other())
    }
}

/// A value that nobody looks at.
pub(crate) struct Skipped;

impl FromJson<'_> for Skipped {
    fn other() -> Self {
        Self
    }
}

/// A value of which only strings and unsigned integers matter. `Absent` is the start, before its
/// key is met.
#[derive(Default)]
pub(crate) enum Value<'de> {
    #[default]
    Absent,
    Null,
    Text(Cow<'de, str>),
    Unsigned(u64),
    Other,
}

impl<'de> FromJson<'de> for Value<'de> {
    fn other() -> Self {
        Self::Other
    }

    fn null() -> Self {
        Self::Null
    }

    fn text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }

    fn unsigned(number: u64) -> Self {
        Self::Unsigned(number)
    }
}

/// A list of which the first `LIMIT` entries matter. Null counts as absent (wire §3.1).
#[derive(Default)]
pub(crate) enum List<T, const LIMIT: usize> {
    #[default]
    Absent,
    WrongType,
    Entries {
        /// The first `LIMIT` entries.
        kept: Vec<T>,
        /// How many entries there are in all.
        count: usize,
    },
}

impl<T, const LIMIT: usize> List<T, LIMIT> {
    /// The entries, if there are 1 to `LIMIT` of them.
    pub(crate) fn filled(self) -> Option<Vec<T>> {
        match self {
            Self::Entries { kept, count } if (1..=LIMIT).contains(&count) => Some(kept),
            _ => None,
        }
    }
}

impl<'de, T: FromJson<'de>, const LIMIT: usize> FromJson<'de> for List<T, LIMIT> {
    fn other() -> Self {
        Self::WrongType
    }

    fn null() -> Self {
        Self::Absent
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < LIMIT {
            let Some(entry) = list.next_element_seed(Any::new())? else {
                let count = kept.len();
                return Ok(Self::Entries { kept, count });
            };
            kept.push(entry);
        }
        let mut count = kept.len();
        while list.next_element_seed(Any::<Skipped>::new())?.is_some() {
            count += 1;
        }
        Ok(Self::Entries { kept, count })
    }
}

/// The keys of an object that are looked at.
pub(crate) trait Fields<'de>: Default {
    /// Reads the value of `key` into its place with [`read`], or passes over it with
    /// [`skip_value`]. A key can come again; the last counts.
    fn field<A: MapAccess<'de>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error>;
}

/// An object, or `None` for a value that is not one.
pub(crate) struct Object<T>(pub(crate) Option<T>);

impl<'de, T: Fields<'de>> FromJson<'de> for Object<T> {
    fn other() -> Self {
        Self(None)
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut fields = T::default();
        while let Some(Key(key)) = object.next_key_seed(Any::new())? {
            fields.field(&key, &mut object)?;
        }
        Ok(Self(Some(fields)))
    }
}

/// The key of an object, which JSON allows to be a string only.
struct Key<'de>(Cow<'de, str>);

impl<'de> FromJson<'de> for Key<'de> {
    fn other() -> Self {
        unreachable!("a JSON key is a string")
    }

    fn text(text: Cow<'de, str>) -> Self {
        Self(text)
    }
}

/// The value of the key that was just met.
pub(crate) fn read<'de, T: FromJson<'de>, A: MapAccess<'de>>(
    object: &mut A,
) -> Result<T, A::Error> {
    object.next_value_seed(Any::new())
}

/// Passes over the value of the key that was just met.
pub(crate) fn skip_value<'de, A: MapAccess<'de>>(object: &mut A) -> Result<(), A::Error> {
    let Skipped = read(object)?;
    Ok(())
}

/// The object that a body is; `None` if it is not JSON or not an object (wire §2, check 16).
pub(crate) fn body_object<'de, T: Fields<'de>>(body: &'de str) -> Option<T> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let Object(fields) = Any::new().deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    fields
}

/// The text as a string of its own: a slice of the body, without a copy, if it stands there as it
/// is.
pub(crate) fn share(body: &ByteString, text: Cow<'_, str>) -> ByteString {
    match text {
        Cow::Borrowed(slice) => body.slice_ref(slice),
        Cow::Owned(unescaped) => ByteString::from(unescaped),
    }
}

/// The one visitor: hands each kind of JSON value to the method of [`FromJson`].
struct Any<T>(PhantomData<T>);

impl<T> Any<T> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: FromJson<'de>> DeserializeSeed<'de> for Any<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FromJson<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::null())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::unsigned(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}
