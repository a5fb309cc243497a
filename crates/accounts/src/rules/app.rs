//! Apps: made, configured, re-keyed, given admins (wire §5). Done by the operator, never over the protocol.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Known, Write};
use crate::{
    Account, App, AppChange, AppKey, AppPatch, AppSettings, InternalId, NewApp, Profile,
    UnixSeconds, UserId,
    app::{Webhook, WebhookPatch},
};

/// Why an app was not made or not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppRefusal {
    /// There is an app of this number.
    #[error("an app with this SDKAppID exists already")]
    Exists,
    /// SDKAppID 0 names no app.
    #[error("SDKAppID 0 cannot be used; choose 1 to 4294967295")]
    Zero,
    /// The app has as many admins as it may.
    #[error("an app has at most 10 admins, `administrator` among them")]
    TooManyAdmins,
    /// `administrator` cannot lose its role.
    #[error("`administrator` cannot lose its role")]
    Administrator,
    /// The user is not an admin.
    #[error("the user is not an admin of this app")]
    NotAdmin,
    /// The app has as many keys that are still good as it may.
    #[error("an app has at most 5 keys at a time")]
    TooManyKeys,
    /// The key is the one in use, and there is no older one to end.
    #[error("this is the key in use")]
    SameKey,
    /// The list has more custom fields than an app may declare.
    #[error("an app declares at most 20 custom fields")]
    TooManyCustomFields,
    /// There is no webhook to change, and the URL for a new one is missing.
    #[error("the app has no webhook yet, and no URL for one is given")]
    NoWebhook,
    /// The allow-list is longer than it may be.
    #[error("an allow-list has at most 100 entries")]
    TooManyNetworks,
}

/// Plans a new app and the account of its `administrator`.
pub fn create(
    existing: Option<&App>,
    new: NewApp,
    now: UnixSeconds,
    new_id: impl FnOnce() -> InternalId,
) -> Result<(App, Write), AppRefusal> {
    if existing.is_some() {
        return Err(AppRefusal::Exists);
    }
    if new.sdkappid.0 == 0 {
        return Err(AppRefusal::Zero);
    }
    let app = App {
        sdkappid: new.sdkappid,
        edition: new.edition,
        keys: vec![AppKey {
            key: new.key,
            until: None,
        }],
        admins: BTreeSet::from([UserId::ADMINISTRATOR]),
        created_at: now,
        settings: AppSettings::default(),
        times_disabled: 0,
    };
    let account = bare_account(UserId::ADMINISTRATOR, new_id(), now);
    Ok((
        app,
        Write::Create {
            account,
            replaces: None,
        },
    ))
}

/// Plans a change of an app. `known` is what is stored of the user that gets the role, and
/// [`Known::Nothing`] for a change that names nobody ([`AppChange::new_admin`]).
///
/// An admin's account is made whatever the cap and the re-import bar say: the operator decides.
pub fn change(
    app: &App,
    change: AppChange,
    known: Known,
    now: UnixSeconds,
    new_id: impl FnOnce() -> InternalId,
) -> Result<(App, Option<Write>), AppRefusal> {
    let mut changed = app.clone();
    match change {
        AppChange::RotateKey { key, grace_s } => {
            let end = now.plus(grace_s);
            for old in &mut changed.keys {
                old.until = Some(old.until.map_or(end, |until| until.min(end)));
            }
            changed
                .keys
                .retain(|old| old.is_valid(now) && old.key != key);
            changed.keys.insert(0, AppKey { key, until: None });
            if changed.keys == app.keys {
                return Err(AppRefusal::SameKey);
            }
            if changed.keys.len() > App::MAX_KEYS {
                return Err(AppRefusal::TooManyKeys);
            }
        }
        AppChange::Configure(patch) => configure(&mut changed, *patch)?,
        AppChange::RemoveAdmin(user_id) => {
            if user_id.is_administrator() {
                return Err(AppRefusal::Administrator);
            }
            if !changed.admins.remove(&user_id) {
                return Err(AppRefusal::NotAdmin);
            }
        }
        AppChange::AddAdmin(user_id) => {
            changed.admins.insert(user_id);
            if changed.admins.len() > App::MAX_ADMINS {
                return Err(AppRefusal::TooManyAdmins);
            }
            let (replaces, kicked_at) = match known {
                Known::Account(_) => return Ok((changed, None)),
                Known::Nothing => (None, None),
                Known::Deleted(tombstone) => (Some(tombstone.internal_id), tombstone.kicked_at),
            };
            let account = Account {
                kicked_at,
                ..bare_account(user_id, new_id(), now)
            };
            return Ok((changed, Some(Write::Create { account, replaces })));
        }
    }
    Ok((changed, None))
}

fn configure(app: &mut App, patch: AppPatch) -> Result<(), AppRefusal> {
    let AppPatch {
        edition,
        disabled,
        deletion,
        import_at_sign_in,
        allow_list,
        custom_fields,
        rate_limits,
        webhook,
    } = patch;
    let webhook = webhook
        .map(|patch| {
            patch
                .map(|patch| patched(app.settings.webhook.as_ref(), patch))
                .transpose()
        })
        .transpose()?;
    if allow_list
        .as_ref()
        .is_some_and(|list| list.len() > App::MAX_ALLOWED_NETWORKS)
    {
        return Err(AppRefusal::TooManyNetworks);
    }
    if custom_fields
        .as_ref()
        .is_some_and(|fields| fields.len() > App::MAX_CUSTOM_FIELDS)
    {
        return Err(AppRefusal::TooManyCustomFields);
    }
    set(&mut app.edition, edition);
    if disabled == Some(true) && !app.settings.disabled {
        app.times_disabled += 1;
    }
    let settings = &mut app.settings;
    set(&mut settings.disabled, disabled);
    set(&mut settings.deletion, deletion);
    set(&mut settings.import_at_sign_in, import_at_sign_in);
    set(&mut settings.allow_list, allow_list);
    set(&mut settings.custom_fields, custom_fields);
    set(&mut settings.rate_limits, rate_limits);
    set(&mut settings.webhook, webhook);
    Ok(())
}

fn patched(webhook: Option<&Webhook>, patch: WebhookPatch) -> Result<Webhook, AppRefusal> {
    let WebhookPatch {
        url,
        token,
        retry,
        imports,
    } = patch;
    let mut patched = match (webhook, &url) {
        (Some(webhook), _) => webhook.clone(),
        (None, Some(url)) => Webhook {
            url: url.clone(),
            token: None,
            retry: false,
            imports: false,
        },
        (None, None) => return Err(AppRefusal::NoWebhook),
    };
    set(&mut patched.url, url);
    set(&mut patched.token, token);
    set(&mut patched.retry, retry);
    set(&mut patched.imports, imports);
    Ok(patched)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn bare_account(user_id: UserId, internal_id: InternalId, now: UnixSeconds) -> Account {
    Account {
        internal_id,
        user_id,
        imported_at: now,
        changed_at: now,
        kicked_at: None,
        profile: Profile::default(),
    }
}
