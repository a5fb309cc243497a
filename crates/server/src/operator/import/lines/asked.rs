//! The request behind an import of lines.

use std::sync::Arc;

use axum::http::request;
use tracing::error;

use super::{LineImport, Step};
use crate::{operator::error::ApiError, panics, request_id::RequestId, stream::Exchange};

/// The request whose answer is under way.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) request_id: Option<RequestId>,
    exchange: Option<Arc<Exchange>>,
}

impl Asked {
    pub(super) fn of(head: &request::Parts) -> Self {
        Self {
            request_id: head.extensions.get().copied(),
            exchange: head.extensions.get().cloned(),
        }
    }

    /// The next step, also if it panics: the caller is told, and can go on elsewhere.
    pub(super) async fn next_of(&self, import: &mut LineImport) -> Step {
        let step = panics::catch(import.next()).await;
        let step = step.unwrap_or_else(|panic| {
            let request_id = self.request_id.map(tracing::field::display);
            error!(request_id, panic, "panicked in an import of lines");
            Step::Failed(ApiError::internal())
        });
        match &step {
            Step::Committed(_) => {}
            Step::Done => import.trace.end = "done",
            Step::Failed(error) => import.trace.end = error.code,
        }
        step
    }

    /// Notes that the answer ends before the body may have been sent.
    pub(super) fn broken_off(&self, error: &ApiError) {
        if let Some(exchange) = &self.exchange {
            exchange.linger();
        }
        if let Some(cause) = &error.cause {
            let request_id = self.request_id.map(tracing::field::display);
            error!(request_id, %cause, "the store failed in an import of lines");
        }
    }
}
