//! Apps as text, for people.

use std::{collections::BTreeMap, fmt::Write as _};

use muster_client::operator::{App, AppKey, Webhook};

/// One line an app.
pub(super) fn list(apps: &[App]) -> String {
    if apps.is_empty() {
        return "There are no apps yet; `muster app create --sdkappid N` makes one.\n".to_owned();
    }
    let mut text = format!(
        "{:<10}  {:<10}  {:>10}  {:>6}  {}\n",
        "SDKAPPID", "EDITION", "ACCOUNTS", "ADMINS", "CREATED"
    );
    for app in apps {
        let admins = app.admins.len();
        let disabled = if app.disabled { "  disabled" } else { "" };
        let App {
            sdkappid,
            edition,
            accounts,
            created_at,
            ..
        } = app;
        writeln!(
            text,
            "{sdkappid:<10}  {edition:<10}  {accounts:>10}  {admins:>6}  {created_at}{disabled}"
        )
        .expect("writing to a String does not fail");
    }
    text
}

/// One line each of what there is to know.
pub(super) fn shown(app: &App) -> String {
    let mut lines = vec![
        ("sdkappid", app.sdkappid.to_string()),
        ("edition", app.edition.clone()),
        (
            "disabled",
            if app.disabled { "yes" } else { "no" }.to_owned(),
        ),
        ("admins", app.admins.join(", ")),
        ("keys", keys(&app.keys)),
        ("accounts", app.accounts.to_string()),
        ("created", app.created_at.clone()),
        ("deletion", on_off(app.deletion).to_owned()),
        (
            "import at sign-in",
            on_off(app.import_at_sign_in).to_owned(),
        ),
        ("calls from", joined_or(&app.allow_list, "everywhere")),
        ("custom fields", joined_or(&app.custom_fields, "none")),
        ("rate limits", rate_limits(&app.rate_limits)),
        (
            "webhook",
            app.webhook
                .as_ref()
                .map_or_else(|| "none".to_owned(), webhook),
        ),
    ];
    if let Some(key) = &app.secret_key {
        lines.push(("secret key", key.as_str().to_owned()));
    }
    let mut text = String::new();
    for (name, value) in lines {
        writeln!(text, "  {name:<17}  {value}").expect("writing to a String does not fail");
    }
    if app.secret_key.is_some() {
        text.push_str("\nKeep the secret key: it is not shown again.\n");
    }
    text
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn joined_or(list: &[String], empty: &str) -> String {
    if list.is_empty() {
        return empty.to_owned();
    }
    list.join(", ")
}

/// How many keys, and when the old ones end.
fn keys(keys: &[AppKey]) -> String {
    let ends: Vec<_> = keys.iter().filter_map(|key| key.until.as_deref()).collect();
    if ends.is_empty() {
        return keys.len().to_string();
    }
    format!("{} (old ones until {})", keys.len(), ends.join(", "))
}

fn rate_limits(limits: &BTreeMap<String, Option<u32>>) -> String {
    let shown: Vec<_> = limits
        .iter()
        .map(|(command, limit)| match limit {
            Some(limit) => format!("{command}={limit}"),
            None => format!("{command}=none"),
        })
        .collect();
    joined_or(&shown, "as documented")
}

fn webhook(webhook: &Webhook) -> String {
    let Webhook {
        url,
        has_token,
        retry,
        imports,
        ..
    } = webhook;
    let signed = if *has_token { "signed" } else { "not signed" };
    let (retry, imports) = (on_off(*retry), on_off(*imports));
    format!("{url} ({signed}, retry {retry}, imports {imports})")
}
