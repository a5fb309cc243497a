//! Apps: made, listed, re-keyed, given admins.

use axum::{Json, extract::State, http::StatusCode};
use muster_accounts::{App, AppChange, Edition, NewApp, SdkAppId};
use muster_usersig::SecretKey;
use serde::{Deserialize, Serialize};

use super::{
    Parts, Shared,
    error::ApiError,
    input::{AppPath, BodyObject, UserPath, WholeBody},
};

/// The shortest key that an app is given, in bytes: what could be guessed is not accepted.
const KEY_MIN_BYTES: usize = 16;

/// Body of `POST /muster/v1/apps`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAppBody {
    /// The number the app is to have, 1 to 4294967295.
    sdkappid: u32,
    /// `trial`, `developer`, `standard`, `pro`, `pro_plus` or `enterprise`; `developer` if left out.
    edition: Option<String>,
    /// The key to sign UserSigs with, 16 to 256 bytes; if left out, one is made and shown in the answer.
    secret_key: Option<String>,
}

impl BodyObject for NewAppBody {
    const FIELDS: &'static str = "with sdkappid, a number up to 4294967295, and, where wanted, \
         edition and secret_key, each a string";
}

/// Body of `POST /muster/v1/apps/{sdkappid}/rotate-key`; may be left out as a whole.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKeyBody {
    /// The new key, 16 to 256 bytes; if left out, one is made and shown in the answer.
    secret_key: Option<String>,
}

impl BodyObject for RotateKeyBody {
    const FIELDS: &'static str = "with nothing but, where wanted, secret_key, a string";
}

/// An app. Its keys are never shown, but for one that was made by this very request.
#[derive(Serialize)]
pub(super) struct AppBody {
    /// Its number.
    sdkappid: u32,
    /// Its edition.
    edition: &'static str,
    /// Who may call the account protocol, in byte order.
    admins: Vec<String>,
    /// How many keys verify UserSigs.
    keys: usize,
    /// How many accounts it has, `administrator` included.
    accounts: u64,
    /// When it was made, in UTC.
    created_at: String,
    /// The key that was made here; shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
}

/// Answer of `GET /muster/v1/apps`.
#[derive(Serialize)]
pub(super) struct AppsBody {
    /// All apps, by number.
    apps: Vec<AppBody>,
}

/// `POST /muster/v1/apps`
pub(super) async fn create(
    State(Shared(shared)): State<Shared>,
    body: WholeBody,
) -> Result<(StatusCode, Json<AppBody>), ApiError> {
    let body: NewAppBody = body.json()?;
    let edition = match &body.edition {
        None => Edition::Developer,
        Some(name) => name
            .parse()
            .map_err(|error| ApiError::invalid_request(format!("{error}.")))?,
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

/// `GET /muster/v1/apps`
pub(super) async fn list(State(Shared(shared)): State<Shared>) -> Result<Json<AppsBody>, ApiError> {
    let mut apps = Vec::new();
    for app in shared.ask(shared.core.store.apps()).await? {
        apps.push(app_body(&shared, &app, None).await?);
    }
    Ok(Json(AppsBody { apps }))
}

/// `GET /muster/v1/apps/{sdkappid}`
pub(super) async fn show(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
) -> Result<Json<AppBody>, ApiError> {
    let found = shared.ask(shared.core.store.app(sdkappid)).await?;
    let app = found.ok_or_else(|| ApiError::app_not_found(sdkappid))?;
    Ok(Json(app_body(&shared, &app, None).await?))
}

/// `POST /muster/v1/apps/{sdkappid}/rotate-key`
pub(super) async fn rotate_key(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
    body: WholeBody,
) -> Result<Json<AppBody>, ApiError> {
    let body: RotateKeyBody = body.json_or_default()?;
    let (key, shown) = given_or_made(body.secret_key)?;
    change(
        &shared,
        sdkappid,
        AppChange::RotateKey { key, grace_s: 0 },
        shown,
    )
    .await
}

/// `PUT /muster/v1/apps/{sdkappid}/admins/{user_id}`
pub(super) async fn add_admin(
    State(Shared(shared)): State<Shared>,
    UserPath(sdkappid, user_id): UserPath,
) -> Result<Json<AppBody>, ApiError> {
    change(&shared, sdkappid, AppChange::AddAdmin(user_id), None).await
}

/// `DELETE /muster/v1/apps/{sdkappid}/admins/{user_id}`
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

/// The key to use, and the one to show if it was made here.
fn given_or_made(given: Option<String>) -> Result<(SecretKey, Option<String>), ApiError> {
    if let Some(text) = given {
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

async fn app_body(
    shared: &Parts,
    app: &App,
    secret_key: Option<String>,
) -> Result<AppBody, ApiError> {
    Ok(AppBody {
        sdkappid: app.sdkappid.0,
        edition: app.edition.name(),
        admins: app.admins.iter().map(ToString::to_string).collect(),
        keys: app.keys.len(),
        accounts: shared.ask(shared.core.store.count(app.sdkappid)).await?,
        created_at: app.created_at.to_string(),
        secret_key,
    })
}
