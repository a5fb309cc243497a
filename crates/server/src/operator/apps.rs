//! Apps: made, listed, re-keyed, given admins.

use axum::{Json, extract::State, http::StatusCode};
use muster_accounts::{AppChange, Edition, NewApp, SdkAppId};
use muster_usersig::SecretKey;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Parts, Shared,
    app_body::{AppBody, AppsBody, app_body},
    body::{BodyObject, Field, WholeBody, given},
    document,
    error::{ApiError, ErrorBody},
    input::{AppNumber, AppPath, UserName, UserPath},
};

/// The shortest key that an app is given, in bytes: what could be guessed is not accepted.
const KEY_MIN_BYTES: usize = 16;

/// The longest time for which old keys still verify: 365 days.
const GRACE_MAX_S: u64 = 365 * 86_400;

/// The operation whose body may be left out.
pub(super) const ROTATE_KEY: &str = "rotate_key";

/// An app to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAppBody {
    /// The number the app is to have.
    #[schema(minimum = 1, example = 1_400_000_001)]
    sdkappid: u32,
    /// `developer` if left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = document::edition, required = false)]
    edition: Option<String>,
    /// The key to sign UserSigs with, 16 to 256 bytes; if left out, one is made and shown in the
    /// answer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 16, max_length = 256)]
    secret_key: Option<String>,
}

impl BodyObject for NewAppBody {
    const FIELDS: &'static [Field] = &[
        Field::needed("sdkappid", "a whole number up to 4294967295"),
        Field::optional("edition", "a string"),
        Field::optional("secret_key", "a string"),
    ];
}

/// Another key for an app; may be left out as a whole.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKeyBody {
    /// The new key, 16 to 256 bytes; if left out, one is made and shown in the answer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 16, max_length = 256)]
    secret_key: Option<String>,
    /// How long the keys before it still verify, in seconds; not at all if left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, maximum = 31_536_000, example = 86_400)]
    grace_s: Option<u64>,
}

impl BodyObject for RotateKeyBody {
    const FIELDS: &'static [Field] = &[
        Field::optional("secret_key", "a string"),
        Field::optional("grace_s", "a whole number of seconds"),
    ];
}

/// Make an app
///
/// It has the admin `administrator` from the start, who has an account. Its edition is `developer` if
/// none is named.
#[utoipa::path(
    post, path = "/muster/v1/apps", operation_id = "create_app", tag = "apps",
    request_body = NewAppBody,
    responses(
        (status = 201, description = "The app, with its key if one was made", body = AppBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 409, description = "`app_exists`", body = ErrorBody),
        (status = 413, description = "`payload_too_large`", body = ErrorBody)
    )
)]
pub(super) async fn create(
    State(Shared(shared)): State<Shared>,
    body: WholeBody,
) -> Result<(StatusCode, Json<AppBody>), ApiError> {
    let body: NewAppBody = body.json()?;
    let edition = match &body.edition {
        None => Edition::Developer,
        Some(name) => parse_edition(name)?,
    };
    let (key, shown) = given_or_made(body.secret_key)?;
    let sdkappid = SdkAppId(body.sdkappid);
    let new = NewApp {
        sdkappid,
        edition,
        key,
    };
    let created = shared.core.store.create_app(new, shared.core.clock.now());
    let app = shared
        .ask(async { created.await.map_err(|error| ApiError::op(error, sdkappid)) })
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(app_body(&shared, &app, shown).await?),
    ))
}

/// List all apps
#[utoipa::path(
    get, path = "/muster/v1/apps", operation_id = "apps", tag = "apps",
    responses((status = 200, description = "The apps", body = AppsBody))
)]
pub(super) async fn list(State(Shared(shared)): State<Shared>) -> Result<Json<AppsBody>, ApiError> {
    let mut apps = Vec::new();
    for app in shared.ask(shared.core.store.apps()).await? {
        apps.push(app_body(&shared, &app, None).await?);
    }
    Ok(Json(AppsBody { apps }))
}

/// Show an app
#[utoipa::path(
    get, path = "/muster/v1/apps/{sdkappid}", operation_id = "app", tag = "apps",
    params(AppNumber),
    responses(
        (status = 200, description = "The app", body = AppBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody)
    )
)]
pub(super) async fn show(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
) -> Result<Json<AppBody>, ApiError> {
    let app = shared.existing_app(sdkappid).await?;
    Ok(Json(app_body(&shared, &app, None).await?))
}

/// Give an app another key
///
/// What is signed with a key before it verifies for `grace_s` more, or as long as that key was to
/// last anyway. At most 5 keys verify at a time.
#[utoipa::path(
    post, path = "/muster/v1/apps/{sdkappid}/rotate-key", operation_id = ROTATE_KEY,
    tag = "apps", params(AppNumber), request_body = RotateKeyBody,
    responses(
        (status = 200, description = "The app, with its key if one was made", body = AppBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody),
        (status = 409, description = "`too_many_keys`, or `same_key`", body = ErrorBody),
        (status = 413, description = "`payload_too_large`", body = ErrorBody)
    )
)]
pub(super) async fn rotate_key(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
    body: WholeBody,
) -> Result<Json<AppBody>, ApiError> {
    let body: RotateKeyBody = body.json_or_default()?;
    let grace_s = body.grace_s.unwrap_or(0);
    if grace_s > GRACE_MAX_S {
        return Err(ApiError::invalid_request(format!(
            "grace_s is {grace_s}, more than {GRACE_MAX_S} (365 days)."
        )));
    }
    let (key, shown) = given_or_made(body.secret_key)?;
    let rotate = AppChange::RotateKey { key, grace_s };
    change(&shared, sdkappid, rotate, shown).await
}

/// Make a user an admin
///
/// An admin may call the account protocol. Who has no account gets one, whatever cap and bar say.
#[utoipa::path(
    put, path = "/muster/v1/apps/{sdkappid}/admins/{user_id}", operation_id = "add_admin",
    tag = "apps", params(AppNumber, UserName),
    responses(
        (status = 200, description = "The app", body = AppBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody),
        (status = 409, description = "`too_many_admins`: 10 is the most", body = ErrorBody)
    )
)]
pub(super) async fn add_admin(
    State(Shared(shared)): State<Shared>,
    UserPath(sdkappid, user_id): UserPath,
) -> Result<Json<AppBody>, ApiError> {
    change(&shared, sdkappid, AppChange::AddAdmin(user_id), None).await
}

/// Take an admin's role away
///
/// The account stays.
#[utoipa::path(
    delete, path = "/muster/v1/apps/{sdkappid}/admins/{user_id}", operation_id = "remove_admin",
    tag = "apps", params(AppNumber, UserName),
    responses(
        (status = 200, description = "The app", body = AppBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody),
        (
            status = 409, body = ErrorBody,
            description = "`administrator_fixed`, or `not_an_admin`"
        )
    )
)]
pub(super) async fn remove_admin(
    State(Shared(shared)): State<Shared>,
    UserPath(sdkappid, user_id): UserPath,
) -> Result<Json<AppBody>, ApiError> {
    change(&shared, sdkappid, AppChange::RemoveAdmin(user_id), None).await
}

async fn change(
    shared: &Parts,
    sdkappid: SdkAppId,
    change: AppChange,
    shown: Option<String>,
) -> Result<Json<AppBody>, ApiError> {
    let changed = shared
        .core
        .store
        .change_app(sdkappid, change, shared.core.clock.now());
    let app = shared
        .ask(async { changed.await.map_err(|error| ApiError::op(error, sdkappid)) })
        .await?;
    Ok(Json(app_body(shared, &app, shown).await?))
}

/// An edition by its name.
pub(super) fn parse_edition(name: &str) -> Result<Edition, ApiError> {
    name.parse()
        .map_err(|error| ApiError::invalid_request(format!("{error}.")))
}

/// The key to use, and the one to show if it was made here.
fn given_or_made(secret_key: Option<String>) -> Result<(SecretKey, Option<String>), ApiError> {
    if let Some(text) = secret_key {
        let key = SecretKey::parse(&text)
            .map_err(|error| ApiError::invalid_request(format!("secret_key: {error}.")))?;
        if text.len() < KEY_MIN_BYTES {
            return Err(ApiError::invalid_request(format!(
                "secret_key: the secret key has {} bytes, fewer than {KEY_MIN_BYTES}.",
                text.len()
            )));
        }
        return Ok((key, None));
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the operating system gives no random bytes");
        ApiError::internal()
    })?;
    let key = SecretKey::from_random(random);
    let shown = key.as_str().to_owned();
    Ok((key, Some(shown)))
}
