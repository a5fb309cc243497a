//! The value of an app's record: `u8` version (1 or 2), then JSON.
//!
//! Apps are few and gain settings over time, so their records favour being readable and extensible
//! over being small. They hold the app's secret keys: the data directory is for its owner only.
//! Version 1 has keys without an end, as strings, and no settings; it is read, and written no more.

use std::collections::{BTreeMap, BTreeSet};

use muster_accounts::{
    App, AppKey, AppSettings, SdkAppId, UnixSeconds, UserId,
    app::{Webhook, WebhookToken},
    profile::CustomField,
};
use muster_usersig::SecretKey;
use serde::{Deserialize, Serialize};

use crate::record::RecordError;

const VERSION: u8 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppRecord {
    edition: String,
    keys: Vec<KeyRecord>,
    admins: Vec<String>,
    created_at: u64,
    #[serde(default)]
    settings: SettingsRecord,
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
    fn settings(self) -> Result<AppSettings, RecordError> {
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
                WebhookToken::new(token).ok_or(RecordError::Damaged("a webhook token is none"))
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
                .map_err(|_| RecordError::Damaged("an entry of the allow-list is no network"))?,
            custom_fields: fields
                .ok_or(RecordError::Damaged("the name of a custom field is none"))?,
            rate_limits: self.rate_limits,
            webhook: webhook.transpose()?,
        })
    }
}

/// The record of an app.
pub(crate) fn encode(app: &App) -> Vec<u8> {
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
    };
    let mut value = vec![VERSION];
    serde_json::to_writer(&mut value, &record).expect("strings and numbers always write as JSON");
    value
}

/// Reads the record of the app `sdkappid`.
pub(crate) fn decode(sdkappid: SdkAppId, value: &[u8]) -> Result<App, RecordError> {
    let (version, json) = value
        .split_first()
        .ok_or(RecordError::Damaged("it is empty"))?;
    // The cause is not passed on: a parser's message may quote the secret key.
    let not_json = |_| RecordError::Damaged("it is not its JSON");
    let record: AppRecord = match *version {
        1 => serde_json::from_slice::<AppRecord1>(json)
            .map_err(not_json)?
            .into(),
        VERSION => serde_json::from_slice(json).map_err(not_json)?,
        newer => return Err(RecordError::Version(newer)),
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
    let keys = keys.map_err(|_| RecordError::Damaged("a secret key is none"))?;
    if keys.is_empty() {
        return Err(RecordError::Damaged("it has no secret key"));
    }
    let admins: Result<BTreeSet<_>, _> = record
        .admins
        .iter()
        .map(|admin| UserId::parse(admin))
        .collect();
    Ok(App {
        sdkappid,
        edition: edition.map_err(|_| RecordError::Damaged("unknown edition"))?,
        keys,
        admins: admins.map_err(|_| RecordError::Damaged("an admin is no user id"))?,
        created_at: UnixSeconds(record.created_at),
        settings: record.settings.settings()?,
    })
}

#[cfg(test)]
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
        let value = encode(&app);
        let json = concat!(
            r#"{"edition":"pro_plus","keys":[{"key":"k1","until":null},{"key":"k2","until":11}],"#,
            r#""admins":["administrator"],"created_at":9,"settings":{"disabled":true,"#,
            r#""deletion":true,"import_at_sign_in":false,"allow_list":["10.0.0.0/8","::1/128"],"#,
            r#""custom_fields":["Team"],"rate_limits":{"*":null,"kick":5},"#,
            r#""webhook":{"url":"http://127.0.0.1/hook","token":"xxxxyyyy","retry":true,"imports":false}}}"#,
        );
        assert_eq!(String::from_utf8_lossy(&value[1..]), json);
        assert_eq!(value[0], 2);
        assert_eq!(decode(SdkAppId(7), &value), Ok(app));
    }

    #[test]
    fn version_1_is_read() {
        let json =
            br#"{"edition":"pro_plus","keys":["k1"],"admins":["administrator"],"created_at":9}"#;
        assert_eq!(decode(SdkAppId(7), &[&[1], &json[..]].concat()), Ok(app()));
    }

    #[test]
    fn damage_is_told_without_the_key() {
        for value in [
            &b"\x01{\"edition\":\"pro\",\"keys\":[\"SECRET"[..],
            b"\x02{\"edition\":\"pro\",\"keys\":[{\"key\":\"SECRET",
        ] {
            let error = decode(SdkAppId(7), value).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
