//! An app's edition and settings, as an operator changes them: what is sent is taken over, what is
//! left out stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State};
use muster_accounts::{
    App, AppChange, AppPatch, IpNet, SdkAppId, WebhookUrlError,
    app::{Webhook, WebhookPatch, WebhookToken, parse_network},
    profile::CustomField,
};
use muster_wire::{Command, webhook::StateChange};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Parts, Shared,
    app_body::{AppBody, app_body},
    apps::parse_edition,
    body::{BodyObject, Field, WholeBody, given},
    document,
    error::{ApiError, ErrorBody, quoted},
    input::{AppNumber, AppPath},
};
use crate::webhooks::can_be_posted_to;

/// The name that stands for every command which has no rate limit of its own.
const EVERY_COMMAND: &str = "*";

/// New settings for an app. What is left out stays as it is; `null` is refused unless it has a
/// meaning.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppSettingsBody {
    /// The edition, at once for all that is there.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = document::edition, required = false)]
    edition: Option<String>,
    /// Refuses every call and every sign-in, with code 60016, and ends the sessions that are open.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    disabled: Option<bool>,
    /// Allows deletion in the editions that do not by themselves.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    deletion: Option<bool>,
    /// Imports a user who signs in with a right UserSig and has no account yet.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    import_at_sign_in: Option<bool>,
    /// Addresses and networks that calls may come from, instead of those before; at most 100. `[]`
    /// is everywhere.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false)]
    #[schema(max_items = 100, example = json!(["10.0.0.0/8", "192.0.2.1"]))]
    allow_list: Option<Vec<String>>,
    /// Names of the custom profile fields, 1 to 8 letters each, instead of those before; at most
    /// 20. What accounts have in a field that is not declared any more is kept, and shown again
    /// once it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, required = false)]
    #[schema(max_items = 20, example = json!(["Vip"]))]
    custom_fields: Option<Vec<String>>,
    /// Calls per second by the name of the command, instead of those before; `null` is no limit,
    /// and a command that is not named has its documented one. `*` stands for every command that
    /// is not named. `querystate` counts as `query_online_status` and has no limit of its own.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = BTreeMap<String, Option<u32>>, required = false)]
    #[schema(example = json!({"account_import": 500, "*": null}))]
    rate_limits: Option<BTreeMap<String, Option<u32>>>,
    /// Who is told of events; `null` is nobody from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<WebhookChangeBody>, required = false)]
    #[expect(clippy::option_option, reason = "left out and null differ")]
    webhook: Option<Option<WebhookChangeBody>>,
}

/// Who is to be told of an app's events. What is left out stays as it is.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookChangeBody {
    /// Where to post events: an `http` or `https` URL without a query. An app without a webhook
    /// needs it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    #[schema(
        min_length = 1,
        max_length = 2048,
        example = "https://backend.example.com/muster"
    )]
    url: Option<String>,
    /// Signs events, 1 to 256 bytes; `null` removes the token, so that events are not signed. It
    /// is never shown. Left out, the token that is there stays, also with another URL.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 256)]
    #[expect(clippy::option_option, reason = "left out and null differ")]
    token: Option<Option<String>>,
    /// Tries again, twice, when the receiver does not answer in time; false at first.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    retry: Option<bool>,
    /// Makes an import with a nickname or an avatar an event, too; false at first.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    imports: Option<bool>,
}

impl BodyObject for AppSettingsBody {
    const FIELDS: &'static [Field] = &[
        Field::optional("edition", "a string"),
        Field::optional("disabled", "true or false"),
        Field::optional("deletion", "true or false"),
        Field::optional("import_at_sign_in", "true or false"),
        Field::optional("allow_list", "an array of strings"),
        Field::optional("custom_fields", "an array of strings"),
        Field::optional(
            "rate_limits",
            "an object with whole numbers up to 4294967295 or null in it",
        ),
        Field::optional(
            "webhook",
            "null or an object with any of url, a string; token, a string or null; and retry and \
             imports, each true or false",
        ),
    ];
}

/// Change an app's edition and settings
///
/// All that is sent is taken over, or nothing if a part is refused. It counts for the next call.
#[utoipa::path(
    patch, path = "/muster/v1/apps/{sdkappid}", operation_id = "configure_app", tag = "apps",
    params(AppNumber), request_body = AppSettingsBody,
    responses(
        (status = 200, description = "The app as it is now", body = AppBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody),
        (status = 413, description = "`payload_too_large`", body = ErrorBody)
    )
)]
pub(super) async fn configure(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
    body: WholeBody,
) -> Result<Json<AppBody>, ApiError> {
    let body: AppSettingsBody = body.json()?;
    let patch = body.parse()?;
    // Carried out to its end: who disables an app and is told that it took too long must not find
    // its sessions open.
    let parts = shared.clone();
    let change = tokio::spawn(async move { change(&parts, sdkappid, patch).await });
    let changed = async {
        change
            .await
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(ApiError::stopping()),
            })
    };
    let app = shared.ask(changed).await?;
    Ok(Json(app_body(&shared, &app, None).await?))
}

async fn change(shared: &Parts, app: SdkAppId, patch: AppPatch) -> Result<Arc<App>, ApiError> {
    let core = &shared.core;
    let disables = patch.disabled == Some(true);
    let change = AppChange::Configure(Box::new(patch));
    let changed = core.store.change_app(app, change, core.clock.now()).await;
    let changed = changed.map_err(|error| ApiError::op(error, app))?;
    if disables {
        core.presence.end_disabled(&changed, |session| {
            core.tell_of_session(&changed, session, StateChange::LinkClose);
        });
    }
    Ok(changed)
}

impl AppSettingsBody {
    fn parse(self) -> Result<AppPatch, ApiError> {
        let edition = self.edition.as_deref().map(parse_edition).transpose()?;
        let webhook = self
            .webhook
            .map(|webhook| webhook.map(WebhookChangeBody::parse).transpose())
            .transpose()?;
        Ok(AppPatch {
            edition,
            disabled: self.disabled,
            deletion: self.deletion,
            import_at_sign_in: self.import_at_sign_in,
            allow_list: self.allow_list.as_deref().map(networks).transpose()?,
            custom_fields: self.custom_fields.as_deref().map(fields).transpose()?,
            rate_limits: self.rate_limits.map(rate_limits).transpose()?,
            webhook,
        })
    }
}

fn networks(list: &[String]) -> Result<Vec<IpNet>, ApiError> {
    let parse = |text: &String| {
        parse_network(text).ok_or_else(|| {
            ApiError::invalid_request(format!(
                "allow_list: {} is no address and no network; write it like 192.0.2.1 or \
                 10.0.0.0/8.",
                quoted(text)
            ))
        })
    };
    list.iter().map(parse).collect()
}

fn fields(list: &[String]) -> Result<BTreeSet<CustomField>, ApiError> {
    let parse = |name: &String| {
        CustomField::parse(name).ok_or_else(|| {
            ApiError::invalid_request(format!(
                "custom_fields: {} is no name of a custom field; give 1 to 8 ASCII letters, what \
                 stands after Tag_Profile_Custom_.",
                quoted(name)
            ))
        })
    };
    list.iter().map(parse).collect()
}

fn rate_limits(
    limits: BTreeMap<String, Option<u32>>,
) -> Result<BTreeMap<String, Option<u32>>, ApiError> {
    for name in limits.keys().filter(|name| *name != EVERY_COMMAND) {
        let command = Command::ALL.into_iter().find(|it| it.name() == name);
        match command.map(Command::counted_as) {
            Some(counted_as) if counted_as.name() == name => {}
            Some(counted_as) => {
                return Err(ApiError::invalid_request(format!(
                    "rate_limits: {name} has no limit of its own; it shares that of {}.",
                    counted_as.name()
                )));
            }
            None => {
                let known = Command::ALL.into_iter().filter(|it| it.counted_as() == *it);
                let known: Vec<_> = known.map(Command::name).collect();
                return Err(ApiError::invalid_request(format!(
                    "rate_limits: there is no command {}; use {} or {EVERY_COMMAND}.",
                    quoted(name),
                    known.join(", ")
                )));
            }
        }
    }
    Ok(limits)
}

impl WebhookChangeBody {
    fn parse(self) -> Result<WebhookPatch, ApiError> {
        let url = |text: String| {
            Webhook::parse_url(&text)
                .and_then(|url| {
                    let is_one = can_be_posted_to(&url);
                    is_one.then_some(url).ok_or(WebhookUrlError::Host)
                })
                .map_err(|error| ApiError::invalid_request(format!("webhook.url: {error}.")))
        };
        let token = |text| {
            WebhookToken::new(text).ok_or_else(|| {
                ApiError::invalid_request("webhook.token: 1 to 256 bytes are allowed.")
            })
        };
        Ok(WebhookPatch {
            url: self.url.map(url).transpose()?,
            token: self
                .token
                .map(|text| text.map(token).transpose())
                .transpose()?,
            retry: self.retry,
            imports: self.imports,
        })
    }
}
