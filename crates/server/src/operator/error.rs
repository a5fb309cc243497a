//! What can go wrong in the operator API: one table of codes, statuses and texts.
//!
//! A text says what was wrong and, where there is one, what to do next; the code is for programs.
//! The cause of a failure inside is for the log only.

use std::sync::Arc;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use muster_accounts::{
    App, InternalId, OpError, SdkAppId, StoreError, UserId, rules::app::AppRefusal,
};
use serde::Serialize;
use utoipa::ToSchema;

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// One of a fixed set of words.
    pub(super) code: &'static str,
    message: String,
    /// Why the store failed, for the log.
    pub(super) cause: Option<Arc<str>>,
}

/// The body of every answer that is no success.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// One of a fixed set of words, for programs.
    #[schema(example = "app_not_found")]
    code: &'static str,
    /// For people; may change.
    #[schema(example = "There is no app 7. `muster app list` shows the apps.")]
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            cause: None,
        }
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message =
            "The operator token is missing or wrong. Send `Authorization: Bearer <token>`.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn app_not_found(app: SdkAppId) -> Self {
        let message = format!("There is no app {app}. `muster app list` shows the apps.");
        Self::new(StatusCode::NOT_FOUND, "app_not_found", message)
    }

    pub(super) fn account_not_found(app: SdkAppId, user_id: &UserId) -> Self {
        let message = format!("App {app} has no account {:?}.", user_id.as_str());
        Self::new(StatusCode::NOT_FOUND, "account_not_found", message)
    }

    pub(super) fn no_such_internal_id(app: SdkAppId, id: InternalId) -> Self {
        let message = format!("App {app} has no account of the internal id {id}.");
        Self::new(StatusCode::NOT_FOUND, "account_not_found", message)
    }

    pub(super) fn session_not_found(app: SdkAppId) -> Self {
        let message = format!("App {app} has no such session, or not any more.");
        Self::new(StatusCode::NOT_FOUND, "session_not_found", message)
    }

    pub(super) fn fault_not_found() -> Self {
        let message = "There is no such fault, or not any more.";
        Self::new(StatusCode::NOT_FOUND, "fault_not_found", message)
    }

    pub(super) fn too_many_faults(limit: usize) -> Self {
        let message = format!("There are {limit} faults in force; remove one first.");
        Self::new(StatusCode::CONFLICT, "too_many_faults", message)
    }

    pub(super) fn test_controls_off() -> Self {
        let message = "Faults and the clock are switched off. Start the server with the setting \
                       `test_controls = true`, as `muster dev` does; never where it matters, for \
                       with them anything can be made to fail.";
        Self::new(StatusCode::NOT_FOUND, "test_controls_off", message)
    }

    pub(super) fn payload_too_large(limit_bytes: usize) -> Self {
        let message = format!(
            "The body is larger than {limit_bytes} bytes. Send a long list in several requests."
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    /// The rest of a body did not come, though the connection stands.
    pub(super) fn body_timed_out() -> Self {
        let message = "The body did not arrive in time.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timed_out", message)
    }

    /// A body broke off on its way.
    pub(super) fn body_cut_off() -> Self {
        let message = "The body was cut off.";
        Self::new(StatusCode::BAD_REQUEST, "body_cut_off", message)
    }

    pub(super) fn backup_under_way() -> Self {
        let message = "Another backup is under way; try again when it is done.";
        Self::new(StatusCode::CONFLICT, "backup_under_way", message)
    }

    /// A body is compressed, or encoded otherwise.
    pub(super) fn body_encoded() -> Self {
        let message = "The body has a Content-Encoding, which nothing here undoes. Send the lines as they are.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body_encoded", message)
    }

    pub(super) fn too_many_imports(limit: usize) -> Self {
        let message =
            format!("{limit} imports of lines are under way; try again when one of them is done.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_imports", message)
    }

    pub(super) fn backup_failed() -> Self {
        let message = "The backup failed; the log says why.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            message,
        )
    }

    pub(super) fn internal() -> Self {
        let message = "The server failed; its log says more under the X-Request-Id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub(super) fn stopping() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "The server is stopping.",
        )
    }

    pub(super) fn store_timed_out() -> Self {
        let error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "The store did not answer in time; whether a change was made is unknown.",
        );
        Self {
            cause: Some("it did not answer in time".into()),
            ..error
        }
    }

    pub(super) fn refused(refusal: AppRefusal, app: SdkAppId) -> Self {
        let conflict = |code, message: String| Self::new(StatusCode::CONFLICT, code, message);
        match refusal {
            AppRefusal::Exists => conflict("app_exists", format!("There is an app {app} already.")),
            AppRefusal::Zero => {
                Self::invalid_request("sdkappid 0 cannot be used; choose 1 to 4294967295.")
            }
            AppRefusal::TooManyAdmins => conflict(
                "too_many_admins",
                format!("App {app} has 10 admins, `administrator` among them; remove one first."),
            ),
            AppRefusal::Administrator => conflict(
                "administrator_fixed",
                "`administrator` cannot lose its role.".to_owned(),
            ),
            AppRefusal::NotAdmin => conflict(
                "not_an_admin",
                format!("The user is not an admin of app {app}."),
            ),
            AppRefusal::TooManyKeys => conflict(
                "too_many_keys",
                format!(
                    "App {app} has {} keys that are still good; rotate with a grace of 0 s to end them, \
                     or wait.",
                    App::MAX_KEYS
                ),
            ),
            AppRefusal::SameKey => conflict(
                "same_key",
                format!("App {app} signs with this key already; give it another one."),
            ),
            AppRefusal::TooManyCustomFields => Self::invalid_request(format!(
                "custom_fields has more than {} names.",
                App::MAX_CUSTOM_FIELDS
            )),
            AppRefusal::NoWebhook => {
                Self::invalid_request("The app has no webhook yet; give webhook.url to make one.")
            }
            AppRefusal::TooManyNetworks => Self::invalid_request(format!(
                "allow_list has more than {} entries.",
                App::MAX_ALLOWED_NETWORKS
            )),
        }
    }

    /// An outcome of a store's operation on an app.
    pub(super) fn op(error: OpError<AppRefusal>, app: SdkAppId) -> Self {
        match error {
            OpError::Refused(refusal) => Self::refused(refusal, app),
            OpError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::UnknownApp(app) = error {
            return Self::app_not_found(app);
        }
        let unavailable = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "The store failed; whether a change was made is unknown. The log says more under the \
             X-Request-Id.",
        );
        Self {
            cause: Some(error.to_string().into()),
            ..unavailable
        }
    }
}

impl ApiError {
    /// What the caller is told of it.
    pub(super) fn detail(&self) -> ErrorDetail {
        ErrorDetail {
            code: self.code,
            message: self.message.clone(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.detail(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// No route has this path.
pub(super) async fn not_found() -> ApiError {
    let message = "There is nothing at this path. The account protocol is on the other listener.";
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// The route has other methods.
pub(super) async fn method_not_allowed() -> ApiError {
    let message = "This path has no such method; the Allow header names those it has.";
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

/// Text of the caller's, cut to 64 characters, in quotes and with control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    const LIMIT_CHARS: usize = 64;
    match text.char_indices().nth(LIMIT_CHARS) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
