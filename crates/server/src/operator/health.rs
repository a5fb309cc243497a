//! Whether the server lives, whether it can take writes, and its figures. Open to all who reach the
//! listener.

use axum::{Json, extract::State, http::header::CONTENT_TYPE, response::IntoResponse};
use serde::Serialize;

use super::{Shared, error::ApiError};
use crate::metrics;

/// Answer of `GET /muster/v1/health`.
#[derive(Serialize)]
pub(super) struct HealthBody {
    /// Always `ok`: a server that is not does not answer.
    status: &'static str,
    /// The running version.
    version: &'static str,
}

/// Answer of `GET /muster/v1/ready`.
#[derive(Serialize)]
pub(super) struct ReadyBody {
    /// Always `ready`; a server that is not answers 503.
    status: &'static str,
}

/// `GET /muster/v1/health`
pub(super) async fn health() -> Json<HealthBody> {
    Json(HealthBody {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// `GET /muster/v1/ready`
pub(super) async fn ready(
    State(Shared(shared)): State<Shared>,
) -> Result<Json<ReadyBody>, ApiError> {
    shared.ask(shared.core.store.ready()).await?;
    Ok(Json(ReadyBody { status: "ready" }))
}

/// `GET /metrics`
pub(super) async fn metrics(State(Shared(shared)): State<Shared>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
        shared.core.metrics.text(),
    )
}
