//! What handlers take from the path and the query. axum's own extractors answer in plain text; these
//! answer in this API's form. Bodies are in [`super::body`].

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use muster_accounts::{SdkAppId, UserId};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::{Shared, error::ApiError};

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

/// A number in a path or a query: digits and nothing else, so there is no sign.
pub(super) fn parse_number<N: FromStr>(text: &str) -> Option<N> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| only_digits)
}

/// The longest page of a list, and the usual one.
const LIMIT_MAX: usize = 10_000;
const LIMIT_DEFAULT: usize = 1000;

/// How long a page is to be.
pub(super) fn parse_limit(text: Option<&str>) -> Result<usize, ApiError> {
    let Some(text) = text else {
        return Ok(LIMIT_DEFAULT);
    };
    let limit = parse_number(text).filter(|limit| (1..=LIMIT_MAX).contains(limit));
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
    parse_number(text).map(SdkAppId).ok_or_else(|| {
        ApiError::invalid_request("The sdkappid in the path is not a number up to 4294967295.")
    })
}
