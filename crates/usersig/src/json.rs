//! The JSON in a token, read by hand.
//!
//! `serde_json::Value` would be shorter, but what it makes of a text hangs on features that any
//! other crate of a build can switch on: with `raw_value` it takes an object with one reserved key
//! for the JSON text in it, and parses that anew. So a value is what stands there, and nothing else.
//! Derived structs would not do either: they refuse repeated keys.
//!
//! Each value, also one that nobody looks at, is read in full. `IgnoredAny` passes over text that is
//! not JSON, such as lone surrogates.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

pub(crate) const IDENTIFIER: &str = "TLS.identifier";
pub(crate) const SDKAPPID: &str = "TLS.sdkappid";
pub(crate) const TIME: &str = "TLS.time";
pub(crate) const EXPIRE: &str = "TLS.expire";
pub(crate) const USERBUF: &str = "TLS.userbuf";
pub(crate) const SIG: &str = "TLS.sig";

/// A value of which only strings and unsigned integers matter.
pub(crate) enum Value {
    Text(String),
    Integer(u64),
    Other(Kind),
}

/// How an error names a value without showing it.
pub(crate) type Kind = &'static str;

const OBJECT: Kind = "an object";

impl Value {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a number",
            Self::Other(kind) => kind,
        }
    }
}

/// The values of the known keys; `None` is absent.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) identifier: Option<Value>,
    pub(crate) sdkappid: Option<Value>,
    pub(crate) time: Option<Value>,
    pub(crate) expire: Option<Value>,
    pub(crate) userbuf: Option<Value>,
    pub(crate) sig: Option<Value>,
}

impl Fields {
    /// Of a repeated key the last counts. Unknown ones are ignored.
    fn set(&mut self, key: &str, value: Value) {
        let place = match key {
            IDENTIFIER => &mut self.identifier,
            SDKAPPID => &mut self.sdkappid,
            TIME => &mut self.time,
            EXPIRE => &mut self.expire,
            USERBUF => &mut self.userbuf,
            SIG => &mut self.sig,
            _ => return,
        };
        *place = Some(value);
    }
}

/// Reads a text that is JSON: the fields if it is an object, or what it is instead.
pub(crate) fn read(json: &[u8]) -> Result<Result<Fields, Kind>, serde_json::Error> {
    let mut fields = Fields::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Reader(Some(&mut fields)).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(match value {
        Value::Other(OBJECT) => Ok(fields),
        other => Err(other.kind()),
    })
}

/// Takes any value in; if it is an object, its fields go to the place given.
struct Reader<'a>(Option<&'a mut Fields>);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("a boolean"))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    /// Of the integers only those below 0 come here.
    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other("a negative number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other(
            "a number with a fraction or exponent, or of more than 64 bits",
        ))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element_seed(Reader(None))?.is_some() {}
        Ok(Value::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        while let Some(key) = object.next_key::<String>()? {
            let value = object.next_value_seed(Reader(None))?;
            if let Some(fields) = &mut self.0 {
                fields.set(&key, value);
            }
        }
        Ok(Value::Other(OBJECT))
    }
}
