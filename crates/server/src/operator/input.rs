//! What handlers take in. axum's own extractors answer in plain text; these answer in this API's
//! form, and bound what they read.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use muster_accounts::{SdkAppId, UserId};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::error::Category;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::{Shared, error::ApiError};

/// Marks an answer that was given before the body was read to its end.
#[derive(Clone, Copy)]
pub(super) struct UnreadBody;

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
            Ok(Err(_)) => ApiError::invalid_request("The body could not be read."),
            Err(_) => ApiError::invalid_request("The body did not arrive in time."),
        };
        let mut response = error.into_response();
        response.extensions_mut().insert(UnreadBody);
        Err(response)
    }
}

/// What a route takes as its body: a JSON object.
pub(super) trait BodyObject: DeserializeOwned {
    /// Its fields and their types, for the caller whose body is something else; goes on after
    /// `must be a JSON object `.
    const FIELDS: &'static str;
}

impl WholeBody {
    /// The body as JSON. Its `Content-Type` does not matter.
    pub(super) fn json<T: BodyObject>(&self) -> Result<T, ApiError> {
        // A derived struct takes an array as well, for its fields in their order.
        if !self.0.trim_ascii_start().starts_with(b"{") {
            let message = format!("The body must be a JSON object {}.", T::FIELDS);
            return Err(ApiError::invalid_request(message));
        }
        serde_json::from_slice(&self.0)
            .map_err(|error| ApiError::invalid_request(refusal::<T>(&error)))
    }

    /// Likewise, and the default if there is no body.
    pub(super) fn json_or_default<T: BodyObject + Default>(&self) -> Result<T, ApiError> {
        if self.0.trim_ascii().is_empty() {
            Ok(T::default())
        } else {
            self.json()
        }
    }
}

/// What is wrong with a body, and where. The error's own text quotes the body, in which there may be
/// a secret key, so none of it is passed on.
fn refusal<T: BodyObject>(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => format!("The body is cut off at line {line} column {column}."),
        Category::Syntax | Category::Io => {
            format!("The body is not JSON at line {line} column {column}.")
        }
        Category::Data => format!(
            "The body does not fit at line {line} column {column}: it must be a JSON object {}.",
            T::FIELDS
        ),
    }
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

/// Describes [`AppPath`].
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) struct AppNumber {
    /// The app's number.
    #[param(minimum = 1, example = 1_400_000_000)]
    sdkappid: u32,
}

/// Describes the rest of [`UserPath`].
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) struct UserName {
    /// The team's own name for the user: 1 to 32 bytes of printable ASCII, percent-encoded.
    #[param(min_length = 1, max_length = 32, example = "alice")]
    user_id: String,
}

/// `{sdkappid}` of a path.
pub(super) struct AppPath(pub(super) SdkAppId);

/// `{sdkappid}` and `{user_id}` of a path; the latter percent-encoded.
pub(super) struct UserPath(pub(super) SdkAppId, pub(super) UserId);

/// Two parts of a path: `{sdkappid}`, and one that is read by its route.
pub(super) struct PathPair(pub(super) SdkAppId, pub(super) String);

/// The one variable part of a path, read by its route.
pub(super) struct PathWord(pub(super) String);

/// Lets a request pass only where faults and the clock are switched on.
pub(super) struct TestControls;

/// The longest page of a list, and the usual one.
const LIMIT_MAX: usize = 10_000;
const LIMIT_DEFAULT: usize = 1000;

/// How long a page is to be.
pub(super) fn parse_limit(text: Option<&str>) -> Result<usize, ApiError> {
    let Some(text) = text else {
        return Ok(LIMIT_DEFAULT);
    };
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        ApiError::invalid_request(format!("limit is not a number from 1 to {LIMIT_MAX}."))
    })
}

/// The query, as its parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync> FromRequestParts<S> for PathWord {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(word) = path.map_err(|rejection| {
            ApiError::invalid_request(format!("{}.", rejection.body_text()))
        })?;
        Ok(Self(word))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathPair {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((sdkappid, word)) = path.map_err(|rejection| {
            ApiError::invalid_request(format!("{}.", rejection.body_text()))
        })?;
        Ok(Self(parse_sdkappid(&sdkappid)?, word))
    }
}

impl FromRequestParts<Shared> for TestControls {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, Shared(shared): &Shared) -> Result<Self, ApiError> {
        if !shared.test_controls {
            return Err(ApiError::test_controls_off());
        }
        Ok(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AppPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathWord(sdkappid) = PathWord::from_request_parts(parts, state).await?;
        Ok(Self(parse_sdkappid(&sdkappid)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathPair(app, user_id) = PathPair::from_request_parts(parts, state).await?;
        let user_id = UserId::parse(&user_id).map_err(|error| {
            ApiError::invalid_request(format!("The user id in the path cannot be one: {error}."))
        })?;
        Ok(Self(app, user_id))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(parameters) =
            Query::<T>::from_request_parts(parts, state)
                .await
                .map_err(|rejection| {
                    ApiError::invalid_request(format!("{}.", rejection.body_text()))
                })?;
        Ok(Self(parameters))
    }
}

fn parse_sdkappid(text: &str) -> Result<SdkAppId, ApiError> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| only_digits);
    number.map(SdkAppId).ok_or_else(|| {
        ApiError::invalid_request("The sdkappid in the path is not a number up to 4294967295.")
    })
}
