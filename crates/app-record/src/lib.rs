//! The JSON in which the stores keep an app, and its version, which they keep beside it.
//!
//! Apps are few and gain settings over time, so their records favour being readable and extensible
//! over being small. They hold the app's secret keys: where they lie is for their owner only.
//! Version 1 has keys without an end, as strings, and no settings; it is read, and written no more.

use std::collections::{BTreeMap, BTreeSet};

use muster_accounts::{
    App, AppKey, AppSettings, SdkAppId, UnixSeconds, UserId,
    app::{Webhook, WebhookToken},
    profile::CustomField,
};
use muster_usersig::SecretKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version that is written.
pub const VERSION: u8 = 2;

/// A record does not read as one of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppRecordError {
    /// It has a version that is not known here.
    #[error("it was written by a newer version of muster (record version {0})")]
    Version(u8),
    /// The text says what is wrong, without quoting it: it holds secret keys.
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppRecord {
    edition: String,
    keys: Vec<KeyRecord>,
    admins: Vec<String>,
    created_at: u64,
    #[serde(default)]
    settings: SettingsRecord,
    /// None if it is not there.
    #[serde(default, skip_serializing_if = "is_none")]
    times_disabled: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(times: &u64) -> bool {
    *times == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord {
    key: String,
    until: Option<u64>,
}

/// What is not there is as in a new app.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SettingsRecord {
    disabled: bool,
    deletion: bool,
    import_at_sign_in: bool,
    allow_list: Vec<String>,
    custom_fields: Vec<String>,
    rate_limits: BTreeMap<String, Option<u32>>,
    webhook: Option<WebhookRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookRecord {
    url: String,
    token: Option<String>,
    retry: bool,
    imports: bool,
}

/// Version 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppRecord1 {
    edition: String,
    keys: Vec<String>,
    admins: Vec<String>,
    created_at: u64,
}

impl From<AppRecord1> for AppRecord {
    fn from(old: AppRecord1) -> Self {
        let mut keys: Vec<_> = old
            .keys
            .into_iter()
            .map(|key| KeyRecord { key, until: None })
            .collect();
        // Version 1 had one key at a time.
        keys.truncate(1);
        Self {
            edition: old.edition,
            keys,
            admins: old.admins,
            created_at: old.created_at,
            settings: SettingsRecord::default(),
            times_disabled: 0,
        }
    }
}

impl Default for SettingsRecord {
    fn default() -> Self {
        Self::from(&AppSettings::default())
    }
}

impl From<&AppSettings> for SettingsRecord {
    fn from(settings: &AppSettings) -> Self {
        let AppSettings {
            disabled,
            deletion,
            import_at_sign_in,
            allow_list,
            custom_fields,
            rate_limits,
            webhook,
        } = settings;
        Self {
            disabled: *disabled,
            deletion: *deletion,
            import_at_sign_in: *import_at_sign_in,
            allow_list: allow_list.iter().map(ToString::to_string).collect(),
            custom_fields: custom_fields
                .iter()
                .map(|field| field.as_str().to_owned())
                .collect(),
            rate_limits: rate_limits.clone(),
            webhook: webhook.as_ref().map(|webhook| WebhookRecord {
                url: webhook.url.clone(),
                token: webhook
                    .token
                    .as_ref()
                    .map(|token| token.as_str().to_owned()),
                retry: webhook.retry,
                imports: webhook.imports,
            }),
        }
    }
}

impl SettingsRecord {
    fn settings(self) -> Result<AppSettings, AppRecordError> {
        let networks: Result<Vec<_>, _> = self
            .allow_list
            .iter()
            .map(|network| network.parse())
            .collect();
        let fields: Option<BTreeSet<_>> = self
            .custom_fields
            .iter()
            .map(|field| CustomField::parse(field))
            .collect();
        let webhook = self.webhook.map(|webhook| {
            let token = webhook.token.map(|token| {
                WebhookToken::new(token).ok_or(AppRecordError::Damaged("a webhook token is none"))
            });
            Ok(Webhook {
                url: webhook.url,
                token: token.transpose()?,
                retry: webhook.retry,
                imports: webhook.imports,
            })
        });
        Ok(AppSettings {
            disabled: self.disabled,
            deletion: self.deletion,
            import_at_sign_in: self.import_at_sign_in,
            allow_list: networks
                .map_err(|_| AppRecordError::Damaged("an entry of the allow-list is no network"))?,
            custom_fields: fields.ok_or(AppRecordError::Damaged(
                "the name of a custom field is none",
            ))?,
            rate_limits: self.rate_limits,
            webhook: webhook.transpose()?,
        })
    }
}

/// The record of an app, in version [`VERSION`].
pub fn encode(app: &App) -> String {
    let record = AppRecord {
        edition: app.edition.name().to_owned(),
        keys: app
            .keys
            .iter()
            .map(|AppKey { key, until }| KeyRecord {
                key: key.as_str().to_owned(),
                until: until.map(|until| until.0),
            })
            .collect(),
        admins: app.admins.iter().map(ToString::to_string).collect(),
        created_at: app.created_at.0,
        settings: SettingsRecord::from(&app.settings),
        times_disabled: app.times_disabled,
    };
    serde_json::to_string(&record).expect("strings and numbers always write as JSON")
}

/// Reads the record of the app `sdkappid`.
pub fn decode(sdkappid: SdkAppId, version: u8, json: &[u8]) -> Result<App, AppRecordError> {
    // The cause is not passed on: a parser's message may quote the secret key.
    let not_json = |_| AppRecordError::Damaged("it is not its JSON");
    let record: AppRecord = match version {
        1 => serde_json::from_slice::<AppRecord1>(json)
            .map_err(not_json)?
            .into(),
        VERSION => serde_json::from_slice(json).map_err(not_json)?,
        newer => return Err(AppRecordError::Version(newer)),
    };
    let edition = record.edition.parse();
    let keys: Result<Vec<_>, _> = record
        .keys
        .into_iter()
        .map(|KeyRecord { key, until }| {
            let key = SecretKey::parse(&key)?;
            let until = until.map(UnixSeconds);
            Ok::<_, muster_usersig::SecretKeyError>(AppKey { key, until })
        })
        .collect();
    let keys = keys.map_err(|_| AppRecordError::Damaged("a secret key is none"))?;
    if keys.is_empty() {
        return Err(AppRecordError::Damaged("it has no secret key"));
    }
    let admins: Result<BTreeSet<_>, _> = record
        .admins
        .iter()
        .map(|admin| UserId::parse(admin))
        .collect();
    Ok(App {
        sdkappid,
        edition: edition.map_err(|_| AppRecordError::Damaged("unknown edition"))?,
        keys,
        admins: admins.map_err(|_| AppRecordError::Damaged("an admin is no user id"))?,
        created_at: UnixSeconds(record.created_at),
        settings: record.settings.settings()?,
        times_disabled: record.times_disabled,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use muster_accounts::Edition;

    use super::*;

    fn app() -> App {
        App {
            sdkappid: SdkAppId(7),
            edition: Edition::ProPlus,
            keys: vec![AppKey {
                key: SecretKey::parse("k1").unwrap(),
                until: None,
            }],
            admins: BTreeSet::from([UserId::ADMINISTRATOR]),
            created_at: UnixSeconds(9),
            settings: AppSettings::default(),
            times_disabled: 0,
        }
    }

    /// The bytes of version 2, so that no change of the code moves them unseen.
    #[test]
    fn version_2_is_these_bytes_and_reads_back() {
        let mut app = app();
        app.keys.push(AppKey {
            key: SecretKey::parse("k2").unwrap(),
            until: Some(UnixSeconds(11)),
        });
        app.settings = AppSettings {
            disabled: true,
            deletion: true,
            import_at_sign_in: false,
            allow_list: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            custom_fields: BTreeSet::from([CustomField::parse("Team").unwrap()]),
            rate_limits: BTreeMap::from([("*".to_owned(), None), ("kick".to_owned(), Some(5))]),
            webhook: Some(Webhook {
                url: "http://127.0.0.1/hook".to_owned(),
                token: WebhookToken::new("xxxxyyyy".to_owned()),
                retry: true,
                imports: false,
            }),
        };
        app.times_disabled = 3;
        let value = encode(&app);
        let json = concat!(
            r#"{"edition":"pro_plus","keys":[{"key":"k1","until":null},{"key":"k2","until":11}],"#,
            r#""admins":["administrator"],"created_at":9,"settings":{"disabled":true,"#,
            r#""deletion":true,"import_at_sign_in":false,"allow_list":["10.0.0.0/8","::1/128"],"#,
            r#""custom_fields":["Team"],"rate_limits":{"*":null,"kick":5},"#,
            r#""webhook":{"url":"http://127.0.0.1/hook","token":"xxxxyyyy","retry":true,"imports":false}},"times_disabled":3}"#,
        );
        assert_eq!(value, json);
        assert_eq!(decode(SdkAppId(7), 2, value.as_bytes()), Ok(app));
    }

    #[test]
    fn what_is_not_there_is_as_in_a_new_app() {
        let json = concat!(
            r#"{"edition":"pro_plus","keys":[{"key":"k1","until":null}],"#,
            r#""admins":["administrator"],"created_at":9}"#,
        );
        assert_eq!(decode(SdkAppId(7), 2, json.as_bytes()), Ok(app()));
    }

    #[test]
    fn version_1_is_read() {
        let json =
            br#"{"edition":"pro_plus","keys":["k1"],"admins":["administrator"],"created_at":9}"#;
        assert_eq!(decode(SdkAppId(7), 1, json), Ok(app()));
    }

    #[test]
    fn damage_is_told_without_the_key() {
        for (version, json) in [
            (1, &b"{\"edition\":\"pro\",\"keys\":[\"SECRET"[..]),
            (2, b"{\"edition\":\"pro\",\"keys\":[{\"key\":\"SECRET"),
        ] {
            let error = decode(SdkAppId(7), version, json).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
