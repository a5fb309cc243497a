//! The fields that both imports take of one user (wire §3.2), in their three stages: as read, of
//! the right types, of the right sizes. The stages are apart because a batch passes each as a whole
//! before the next (wire §3.1). Whether the user id is one, the commands judge.

use std::borrow::Cow;

use bytestring::ByteString;
use muster_accounts::{FaceUrl, Nick};
use serde::de::MapAccess;

use crate::{
    Failure,
    json::{self, Fields, Value, share},
    parameters,
};

/// As read.
#[derive(Default)]
pub(crate) struct ImportFields<'b> {
    pub(crate) user_id: Value<'b>,
    /// The legacy key, for `account_import` only.
    pub(crate) identifier: Value<'b>,
    nick: Value<'b>,
    face_url: Value<'b>,
}

impl<'b> Fields<'b> for ImportFields<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "UserID" => self.user_id = json::read(object)?,
            "Identifier" => self.identifier = json::read(object)?,
            "Nick" => self.nick = json::read(object)?,
            "FaceUrl" => self.face_url = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

/// Of the right types. A field that is `None` keeps the stored value.
pub(crate) struct TypedFields<'b> {
    pub(crate) user_id: Cow<'b, str>,
    pub(crate) nick: Option<Cow<'b, str>>,
    pub(crate) face_url: Option<Cow<'b, str>>,
}

/// Of the right sizes.
pub(crate) struct SizedFields<'b> {
    pub(crate) user_id: Cow<'b, str>,
    pub(crate) nick: Option<Nick>,
    pub(crate) face_url: Option<FaceUrl>,
}

impl<'b> ImportFields<'b> {
    /// Judges the types. `path` makes the name of a field for the answer.
    pub(crate) fn typed(
        self,
        path: impl Fn(&'static str) -> String,
    ) -> Result<TypedFields<'b>, Failure> {
        let optional = |value, field| match value {
            Value::Absent | Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Unsigned(_) | Value::Other => Err(Failure::not_a_string(path(field))),
        };
        Ok(TypedFields {
            user_id: parameters::user_id(self.user_id, &path)?,
            nick: optional(self.nick, "Nick")?,
            face_url: optional(self.face_url, "FaceUrl")?,
        })
    }
}

impl<'b> TypedFields<'b> {
    /// Judges the sizes. The fields become slices of `body` where they stand in it as they are.
    pub(crate) fn sized(
        self,
        body: &ByteString,
        path: impl Fn(&'static str) -> String,
    ) -> Result<SizedFields<'b>, Failure> {
        let nick = self
            .nick
            .map(|text| Nick::parse(share(body, text)))
            .transpose();
        let face_url = self
            .face_url
            .map(|text| FaceUrl::parse(share(body, text)))
            .transpose();
        Ok(SizedFields {
            user_id: self.user_id,
            nick: nick.map_err(|too_long| Failure::too_long(path("Nick"), too_long))?,
            face_url: face_url.map_err(|too_long| Failure::too_long(path("FaceUrl"), too_long))?,
        })
    }
}
