//! The operator token, asked of every route but the open ones.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::Body as _;
use tracing::warn;

use super::{Shared, body::UnreadBody, error::ApiError};
use crate::request_id::RequestId;

/// Lets a request pass that carries the token; answers 401 to any other.
pub(super) async fn require_token(
    State(Shared(shared)): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let sent = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(bearer);
    if sent.is_some_and(|sent| shared.token.is(sent)) {
        return next.run(request).await;
    }
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .map(tracing::field::display);
    let reason = if sent.is_some() {
        "wrong token"
    } else {
        "no bearer token"
    };
    warn!(target: "muster::operator", request_id, reason, "refused at the operator API");
    let mut response = ApiError::unauthorized().into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    if request.body().is_end_stream() {
        response
    } else {
        UnreadBody::mark(response)
    }
}

/// What stands after `Bearer`, whose letters may be of either case.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}
