//! Whether the server lives, whether it can take writes, and its figures. Open to all who reach the
//! listener.

use axum::{Json, extract::State, http::header::CONTENT_TYPE, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, error::ApiError};
use crate::metrics;

/// The server lives.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// Always `ok`: a server that is not does not answer.
    #[schema(example = "ok")]
    status: &'static str,
    /// The running version.
    #[schema(example = "1.0.0")]
    version: &'static str,
}

/// The server can take writes.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadyBody {
    /// Always `ready`; a server that is not answers 503.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether the server lives
#[utoipa::path(
    get, path = "/muster/v1/health", operation_id = "health", tag = "server",
    responses((status = 200, description = "It lives", body = HealthBody))
)]
pub(super) async fn health() -> Json<HealthBody> {
    Json(HealthBody {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Whether the server can take writes
#[utoipa::path(
    get, path = "/muster/v1/ready", operation_id = "ready", tag = "server",
    responses((status = 200, description = "It can", body = ReadyBody))
)]
pub(super) async fn ready(
    State(Shared(shared)): State<Shared>,
) -> Result<Json<ReadyBody>, ApiError> {
    shared.ask(shared.core.store.ready()).await?;
    Ok(Json(ReadyBody { status: "ready" }))
}

/// The server's figures
///
/// In the OpenMetrics text format, for Prometheus and its kin.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((
        status = 200, description = "The figures", body = String,
        content_type = "application/openmetrics-text"
    ))
)]
pub(super) async fn metrics(State(Shared(shared)): State<Shared>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
        shared.core.metrics.text(),
    )
}
