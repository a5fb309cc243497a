//! The body of a request: read within its bounds, and refused by the name of the field that is wrong.
//! What is in a field may be a secret, so no refusal quotes it.

use std::{cell::Cell, iter};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, value::MapDeserializer},
};
use serde_json::{Map, Value, error::Category};
use tokio::time::timeout;

use super::{
    Shared,
    error::{ApiError, quoted},
};

/// The longest name of an unknown field that is quoted. No field has a name so long; a secret key
/// in its place mostly is longer.
const NAME_LIMIT_BYTES: usize = 32;

/// Marks an answer that was given before the body was read to its end.
#[derive(Clone, Copy)]
pub(super) struct UnreadBody;

impl UnreadBody {
    pub(super) fn mark(mut response: Response) -> Response {
        response.extensions_mut().insert(Self);
        response
    }
}

/// The body, read to its end.
pub(super) struct WholeBody(Bytes);

impl FromRequest<Shared> for WholeBody {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Response> {
        let limit_bytes = shared.0.body_limit_bytes;
        let body = Limited::new(Body::new(request.into_body()), limit_bytes);
        let error = match timeout(shared.0.body_timeout, body.collect()).await {
            Ok(Ok(body)) => return Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                ApiError::payload_too_large(limit_bytes)
            }
            Ok(Err(_)) => ApiError::body_cut_off(),
            Err(_) => ApiError::body_timed_out(),
        };
        Err(UnreadBody::mark(error.into_response()))
    }
}

/// What a route takes as its body: a JSON object.
pub(super) trait BodyObject: DeserializeOwned {
    /// All its fields, those that it cannot be without first.
    const FIELDS: &'static [Field];
}

/// A field of a body, for the caller whose body is something else.
pub(super) struct Field {
    name: &'static str,
    /// Such as `a string`.
    must_be: &'static str,
    is_needed: bool,
}

impl Field {
    /// One that has to be there.
    pub(super) const fn needed(name: &'static str, must_be: &'static str) -> Self {
        Self {
            name,
            must_be,
            is_needed: true,
        }
    }

    /// One that may be left out.
    pub(super) const fn optional(name: &'static str, must_be: &'static str) -> Self {
        Self {
            name,
            must_be,
            is_needed: false,
        }
    }
}

impl WholeBody {
    /// The body as JSON. Its `Content-Type` does not matter.
    pub(super) fn json<T: BodyObject>(&self) -> Result<T, ApiError> {
        // A derived struct takes an array as well, for its fields in their order.
        if !self.0.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::invalid_request(form::<T>()));
        }
        serde_json::from_slice(&self.0)
            .map_err(|error| ApiError::invalid_request(self.refusal::<T>(&error)))
    }

    /// Likewise, and the default if there is no body.
    pub(super) fn json_or_default<T: BodyObject + Default>(&self) -> Result<T, ApiError> {
        if self.0.trim_ascii().is_empty() {
            Ok(T::default())
        } else {
            self.json()
        }
    }

    /// What is wrong with the body, and where. The error's own text quotes it, so none of that is
    /// passed on.
    fn refusal<T: BodyObject>(&self, error: &serde_json::Error) -> String {
        if error.classify() != Category::Data {
            return not_json(error);
        }
        match serde_json::from_slice(&self.0) {
            Ok(object) => misfit::<T>(&object),
            // It fails to be JSON behind what does not fit.
            Err(error) => not_json(&error),
        }
    }
}

fn not_json(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return format!("The body is cut off at line {line} column {column}.");
    }
    format!("The body is not JSON at line {line} column {column}.")
}

/// The form of a body as a whole.
fn form<T: BodyObject>() -> String {
    let list = |is_needed: bool| {
        let fields = T::FIELDS.iter().filter(|it| it.is_needed == is_needed);
        let fields: Vec<_> = fields
            .map(|it| format!("{} ({})", it.name, it.must_be))
            .collect();
        fields.join(", ")
    };
    let (needed, optional) = (list(true), list(false));
    let fields = match (needed.as_str(), optional.as_str()) {
        (needed, "") => needed.to_owned(),
        ("", optional) => format!("any of {optional}"),
        (needed, optional) => format!("{needed} and, where wanted, {optional}"),
    };
    format!("The body must be a JSON object with {fields}.")
}

/// Which field keeps an object from being the body, and what it must be.
fn misfit<T: BodyObject>(object: &Map<String, Value>) -> String {
    let known = |name: &str| T::FIELDS.iter().find(|it| it.name == name);
    if let Some(name) = object.keys().find(|name| known(name).is_none()) {
        return no_such_field::<T>(name);
    }
    // The name of the field that is being read, until all have been.
    let at = Cell::new(None);
    let fields = object.iter().map(|(name, value)| {
        at.set(Some(name.as_str()));
        (name.as_str(), value)
    });
    let end = iter::from_fn(|| {
        at.set(None);
        None
    });
    let read: Result<T, serde_json::Error> =
        T::deserialize(MapDeserializer::new(fields.chain(end)));
    if read.is_ok() {
        // An object in memory has each name once.
        return "The body has a field twice.".to_owned();
    }
    if let Some(Field { name, must_be, .. }) = at.get().and_then(known) {
        return format!("The field {name} must be {must_be}.");
    }
    let is_missing = |it: &&Field| it.is_needed && !object.contains_key(it.name);
    match T::FIELDS.iter().find(is_missing) {
        Some(Field { name, must_be, .. }) => {
            format!("The field {name} is missing; it must be {must_be}.")
        }
        None => form::<T>(),
    }
}

fn no_such_field<T: BodyObject>(name: &str) -> String {
    let taken: Vec<_> = T::FIELDS.iter().map(|it| it.name).collect();
    let taken = taken.join(", ");
    if name.len() > NAME_LIMIT_BYTES {
        return format!(
            "The body has a field of an unknown name, longer than any; it takes {taken}."
        );
    }
    format!(
        "There is no field {}; the body takes {taken}.",
        quoted(name)
    )
}

/// Reads a field that may be left out but has no null; `Some(None)` is the null of a field that has
/// one. To be used with `#[serde(default)]`.
pub(super) fn given<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}
