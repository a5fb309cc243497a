//! The value of an app's record: `u8` version, then JSON ([`muster_app_record`]).

use muster_accounts::{App, SdkAppId};
use muster_app_record::AppRecordError;

use crate::record::RecordError;

/// The record of an app.
pub(crate) fn encode(app: &App) -> Vec<u8> {
    let mut value = vec![muster_app_record::VERSION];
    value.extend_from_slice(muster_app_record::encode(app).as_bytes());
    value
}

/// Reads the record of the app `sdkappid`.
pub(crate) fn decode(sdkappid: SdkAppId, value: &[u8]) -> Result<App, RecordError> {
    let (version, json) = value
        .split_first()
        .ok_or(RecordError::Damaged("it is empty"))?;
    muster_app_record::decode(sdkappid, *version, json).map_err(|error| match error {
        AppRecordError::Version(version) => RecordError::Version(version),
        AppRecordError::Damaged(what) => RecordError::Damaged(what),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use muster_accounts::{AppKey, AppSettings, Edition, UnixSeconds, UserId};
    use muster_usersig::SecretKey;

    use super::*;

    #[test]
    fn the_version_stands_first() {
        let app = App {
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
        };
        let mut value = encode(&app);
        assert_eq!(value[..2], *b"\x02{");
        assert_eq!(decode(SdkAppId(7), &value), Ok(app));
        value[0] = 3;
        assert_eq!(decode(SdkAppId(7), &value), Err(RecordError::Version(3)));
        assert!(decode(SdkAppId(7), &[]).is_err());
    }
}
