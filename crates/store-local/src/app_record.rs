//! The value of an app's record: `u8` version (1), then JSON.
//!
//! Apps are few and gain settings over time, so their records favour being readable and extensible
//! over being small. They hold the app's secret keys: the data directory is for its owner only.

use std::collections::BTreeSet;

use muster_accounts::{App, SdkAppId, UnixSeconds, UserId};
use muster_usersig::SecretKey;
use serde::{Deserialize, Serialize};

use crate::record::RecordError;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppRecord {
    edition: String,
    keys: Vec<String>,
    admins: Vec<String>,
    created_at: u64,
}

/// The record of an app.
pub(crate) fn encode(app: &App) -> Vec<u8> {
    let record = AppRecord {
        edition: app.edition.name().to_owned(),
        keys: app.keys.iter().map(|key| key.as_str().to_owned()).collect(),
        admins: app.admins.iter().map(ToString::to_string).collect(),
        created_at: app.created_at.0,
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
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    // The cause is not passed on: a parser's message may quote the secret key.
    let record: AppRecord =
        serde_json::from_slice(json).map_err(|_| RecordError::Damaged("it is not its JSON"))?;
    let edition = record.edition.parse();
    let keys: Result<Vec<_>, _> = record
        .keys
        .iter()
        .map(|key| SecretKey::parse(key))
        .collect();
    let admins: Result<BTreeSet<_>, _> = record
        .admins
        .iter()
        .map(|admin| UserId::parse(admin))
        .collect();
    Ok(App {
        sdkappid,
        edition: edition.map_err(|_| RecordError::Damaged("unknown edition"))?,
        keys: keys.map_err(|_| RecordError::Damaged("a secret key is none"))?,
        admins: admins.map_err(|_| RecordError::Damaged("an admin is no user id"))?,
        created_at: UnixSeconds(record.created_at),
    })
}

#[cfg(test)]
mod tests {
    use muster_accounts::Edition;

    use super::*;

    /// The bytes of version 1, so that no change of the code moves them unseen.
    #[test]
    fn version_1_is_these_bytes_and_reads_back() {
        let app = App {
            sdkappid: SdkAppId(7),
            edition: Edition::ProPlus,
            keys: vec![
                SecretKey::parse("k1").unwrap(),
                SecretKey::parse("k2").unwrap(),
            ],
            admins: BTreeSet::from([UserId::ADMINISTRATOR]),
            created_at: UnixSeconds(9),
        };
        let value = encode(&app);
        let json = br#"{"edition":"pro_plus","keys":["k1","k2"],"admins":["administrator"],"created_at":9}"#;
        assert_eq!(value, [&[1], &json[..]].concat());
        assert_eq!(decode(SdkAppId(7), &value), Ok(app));
    }

    #[test]
    fn damage_is_told_without_the_key() {
        let value = b"\x01{\"edition\":\"pro\",\"keys\":[\"SECRET";
        let error = decode(SdkAppId(7), value).unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
