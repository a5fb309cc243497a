//! An app as this API shows it: all there is to know of it but its secrets.

use std::{collections::BTreeMap, sync::Arc};

use muster_accounts::{App, AppSettings, UnixSeconds, app::Webhook};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Parts, document, error::ApiError};

/// An app. Its keys are never shown, but for one that was made by this very request.
#[derive(Serialize, ToSchema)]
pub(super) struct AppBody {
    /// Its number.
    #[schema(minimum = 1, example = 1_400_000_000)]
    sdkappid: u32,
    /// Decides on the account cap, on deletion and on import after deletion.
    #[schema(schema_with = document::edition)]
    edition: &'static str,
    /// Who may call the account protocol, in byte order.
    #[schema(example = json!(["administrator"]))]
    admins: Vec<String>,
    /// The keys that verify UserSigs; the first is the one to sign with.
    keys: Vec<KeyBody>,
    /// How many accounts it has, `administrator` included. Up to 100,000 it is exact; beyond that,
    /// in a database, it is as of the last count in the background, half a minute ago or with many
    /// millions longer.
    #[schema(example = 1)]
    accounts: u64,
    /// When it was made, in UTC.
    #[schema(example = "2026-02-20T08:00:00Z")]
    created_at: String,
    /// Whether every call and every sign-in is refused, with code 60016.
    disabled: bool,
    /// Whether accounts can be deleted in the editions that do not allow it by themselves.
    deletion: bool,
    /// Whether a user who signs in with a right UserSig and has no account yet is imported.
    #[schema(example = true)]
    import_at_sign_in: bool,
    /// Networks that calls may come from (else code 60021); empty is everywhere.
    #[schema(example = json!(["10.0.0.0/8", "192.0.2.1/32"]))]
    allow_list: Vec<String>,
    /// Names of the custom profile fields that are declared: what stands after
    /// `Tag_Profile_Custom_`.
    #[schema(example = json!(["Vip"]))]
    custom_fields: Vec<String>,
    /// Calls per second by the name of the command, where they differ from the documented ones;
    /// `null` is no limit. `*` stands for every command that is not named.
    #[schema(example = json!({"account_import": 500, "*": null}))]
    rate_limits: BTreeMap<String, Option<u32>>,
    /// Who is told of events; `null` is nobody.
    #[schema(required = true)]
    webhook: Option<WebhookBody>,
    /// The key that was made here; shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    secret_key: Option<String>,
}

/// A key of an app, without the key.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyBody {
    /// From when on it verifies nothing more, in UTC; `null` for the key to sign with.
    #[schema(example = "2026-02-21T08:00:00Z")]
    #[schema(required = true)]
    until: Option<String>,
}

/// Who is told of an app's events.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookBody {
    /// Where events are posted to.
    #[schema(example = "https://backend.example.com/muster")]
    url: String,
    /// Whether events are signed. The token itself is never shown.
    has_token: bool,
    /// Whether an event is sent again when the receiver does not answer in time.
    retry: bool,
    /// Whether an import with a nickname or an avatar is an event, too.
    imports: bool,
}

/// All apps.
#[derive(Serialize, ToSchema)]
pub(super) struct AppsBody {
    /// By number.
    pub(super) apps: Vec<AppBody>,
}

/// Shows an app as it is now, with the key to show if one was made.
pub(super) async fn app_body(
    shared: &Parts,
    app: &Arc<App>,
    secret_key: Option<String>,
) -> Result<AppBody, ApiError> {
    let accounts = shared.ask(shared.core.store.count(app.sdkappid)).await?;
    let now = shared.core.clock.now();
    let AppSettings {
        disabled,
        deletion,
        import_at_sign_in,
        allow_list,
        custom_fields,
        rate_limits,
        webhook,
    } = &app.settings;
    let custom_fields = custom_fields.iter().map(|field| field.as_str().to_owned());
    Ok(AppBody {
        sdkappid: app.sdkappid.0,
        edition: app.edition.name(),
        admins: app.admins.iter().map(ToString::to_string).collect(),
        keys: keys(app, now),
        accounts,
        created_at: app.created_at.to_string(),
        disabled: *disabled,
        deletion: *deletion,
        import_at_sign_in: *import_at_sign_in,
        allow_list: allow_list.iter().map(ToString::to_string).collect(),
        custom_fields: custom_fields.collect(),
        rate_limits: rate_limits.clone(),
        webhook: webhook.as_ref().map(webhook_body),
        secret_key,
    })
}

fn keys(app: &App, now: UnixSeconds) -> Vec<KeyBody> {
    let valid = app.keys.iter().filter(|key| key.is_valid(now));
    let body = valid.map(|key| KeyBody {
        until: key.until.map(|until| until.to_string()),
    });
    body.collect()
}

fn webhook_body(webhook: &Webhook) -> WebhookBody {
    let Webhook {
        url,
        token,
        retry,
        imports,
    } = webhook;
    WebhookBody {
        url: url.clone(),
        has_token: token.is_some(),
        retry: *retry,
        imports: *imports,
    }
}
