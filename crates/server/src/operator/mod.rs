//! The operator API: muster's own, on a listener of its own. JSON in and out, proper HTTP statuses,
//! and one form for everything that goes wrong ([`mod@error`]).
//!
//! `health`, the metrics and the [`document`] are open, so that monitoring needs no secret; the rest
//! is behind the operator token ([`auth`]). One file a subject.

mod accounts;
mod app_body;
mod app_settings;
mod apps;
mod auth;
mod backup;
mod body;
mod clock;
mod document;
mod error;
mod fault_body;
mod faults;
mod health;
mod import;
mod input;
mod sessions;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{Extension, Router, middleware, response::IntoResponse};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
};
use muster_accounts::{App, SdkAppId};
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};
use tower_service::Service;
use tracing::{error, info};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{document::Document, error::ApiError};
use crate::{
    OperatorToken, Settings,
    connections::{Answer, Caller, CutOff},
    core::Core,
    log_text::LogText,
    panics,
    request_id::RequestIds,
    stopping::Stopping,
};

/// Answers the operator API.
#[derive(Clone)]
pub(crate) struct Operator {
    router: Router,
    /// The parts of paths that the log may always show.
    words: Arc<BTreeSet<String>>,
    request_ids: Arc<RequestIds>,
    stopping: Stopping,
}

/// What the handlers share.
#[derive(Clone)]
struct Shared(Arc<Parts>);

struct Parts {
    core: Core,
    token: OperatorToken,
    /// Whether faults and the clock are there.
    test_controls: bool,
    /// Held while the store is backed up.
    backing_up: Arc<Mutex<()>>,
    /// Places for imports of lines.
    line_imports: Arc<Semaphore>,
    deadline: Duration,
    body_timeout: Duration,
    body_limit_bytes: usize,
}

impl Parts {
    /// Waits for the store as long as a call of the protocol would.
    async fn ask<T, E: Into<ApiError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ApiError> {
        self.ask_for(self.deadline, work).await
    }

    /// Waits for the store as long as this.
    async fn ask_for<T, E: Into<ApiError>>(
        &self,
        deadline: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ApiError> {
        match timeout(deadline, work).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err(ApiError::store_timed_out()),
        }
    }

    async fn existing_app(&self, sdkappid: SdkAppId) -> Result<Arc<App>, ApiError> {
        let found = self.ask(self.core.store.app(sdkappid)).await?;
        found.ok_or_else(|| ApiError::app_not_found(sdkappid))
    }
}

impl Operator {
    pub(crate) fn new(settings: &Settings, core: Core) -> Self {
        let request_ids = core.request_ids.clone();
        let stopping = core.stopping.clone();
        let shared = Shared(Arc::new(Parts {
            core,
            token: settings.operator_token.clone(),
            test_controls: settings.test_controls,
            backing_up: Arc::default(),
            line_imports: Arc::new(Semaphore::new(import::lines::IMPORTS_MAX)),
            deadline: Duration::from_secs(settings.limits.deadline_s),
            body_timeout: Duration::from_secs(settings.limits.body_timeout_s),
            body_limit_bytes: settings.limits.body_limit_bytes,
        }));
        let (open, open_document) = open_routes().split_for_parts();
        let (protected, protected_document) = protected_routes().split_for_parts();
        let document = document::document(open_document, protected_document);
        let protected = protected.route_layer(middleware::from_fn_with_state(
            shared.clone(),
            auth::require_token,
        ));
        let router = protected
            .merge(open)
            .fallback(error::not_found)
            .method_not_allowed_fallback(error::method_not_allowed)
            .layer(Extension(Document::new(&document)))
            .with_state(shared);
        Self {
            router,
            words: Arc::new(document::words(&document)),
            request_ids,
            stopping,
        }
    }
}

/// What needs no token.
fn open_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(document::openapi))
}

/// What needs the operator token.
fn protected_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::show, app_settings::configure))
        .routes(routes!(apps::rotate_key))
        .routes(routes!(apps::add_admin, apps::remove_admin))
        .routes(routes!(accounts::page, import::list::import))
        .routes(routes!(import::lines::import))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::show_by_internal_id))
        .routes(routes!(sessions::page))
        .routes(routes!(sessions::end))
        .routes(routes!(faults::add, faults::list, faults::clear))
        .routes(routes!(faults::remove))
        .routes(routes!(clock::show))
        .routes(routes!(clock::advance))
        .routes(routes!(backup::backup))
}

impl Answer for Operator {
    type Body = axum::body::Body;

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        caller: &Caller,
    ) -> Result<Response<axum::body::Body>, CutOff> {
        let started = tokio::time::Instant::now();
        let request_id = self.request_ids.next();
        let method = request.method().clone();
        let uri = request.uri().clone();
        request.extensions_mut().insert(request_id);
        request.extensions_mut().insert(caller.exchange.clone());
        let mut router = self.router.clone();
        let mut response = if self.stopping.is_set() {
            ApiError::stopping().into_response()
        } else {
            let answer = panics::catch(router.call(request)).await;
            answer.map_or_else(
                |panic| {
                    error!(%request_id, panic, "panicked in a request of the operator API");
                    ApiError::internal().into_response()
                },
                |Ok(response)| response,
            )
        };
        let refused = response.extensions().get::<ApiError>();
        if let Some(cause) = refused.and_then(|refused| refused.cause.as_ref()) {
            error!(%request_id, %cause, "the store failed");
        }
        let code = refused.map(|refused| refused.code);
        if response.extensions().get::<body::UnreadBody>().is_some() {
            caller.exchange.linger();
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
            .headers_mut()
            .insert("x-request-id", request_id.header());
        info!(
            target: "muster::operator",
            %request_id,
            method = %LogText(method.as_str()),
            path = %LogText(shown_path(&self.words, uri.path(), response.status())),
            status = response.status().as_u16(),
            code,
            duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            peer = %caller.peer,
            "answered"
        );
        Ok(response)
    }
}

/// The path for the log. If the request succeeded its parts are an app and a user, which the log is
/// to name. Any other path is cut before the first part that is neither a word of this API nor a
/// number: what stands there may be the operator token, pasted into the wrong place.
fn shown_path<'p>(words: &BTreeSet<String>, path: &'p str, status: StatusCode) -> &'p str {
    if status.is_success() {
        return muster_wire::shown_path(path);
    }
    let mut end = 0;
    for part in path.split('/') {
        // A token has 16 bytes at least.
        let is_number = part.len() <= 10 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number && !words.contains(part) {
            return &path[..end];
        }
        end += part.len() + 1;
    }
    path
}
