//! What everyone knows: the public sample key of the UserSig libraries, and the sample of the page
//! that documents the batch import. `muster dev` is made of it, and nothing else may be.

use std::path::Path;

use muster_accounts::{App, SdkAppId, UnixSeconds};
use muster_usersig::{Claims, SecretKey, sign};

use crate::out::shell_quoted;

/// The app that `muster dev` makes.
pub(crate) const SDKAPPID: SdkAppId = SdkAppId(1_400_000_000);

/// The key that the UserSig libraries print in their examples (wire §6.5). Whoever reads this can
/// sign with it.
pub(crate) const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// The usual lifetime of a UserSig (wire §6.1): 180 days.
pub(crate) const USERSIG_EXPIRE_S: u64 = 15_552_000;

pub(crate) fn key() -> SecretKey {
    SecretKey::parse(KEY).expect("64 hex digits are a key")
}

/// Whether anyone can sign for this app at `now`.
pub(crate) fn holds_public_key(app: &App, now: UnixSeconds) -> bool {
    app.keys_at(now).any(|known| *known == key())
}

/// The documented sample of the new form, with its repeated id: the last entry wins (wire §3.3).
const IMPORT: &str = r#"{"AccountList": [
  {"UserID": "UserID_001", "Nick": "Nick_001", "FaceUrl": "http://www.qq.com"},
  {"UserID": "UserID_002", "Nick": "Nick_002", "FaceUrl": "http://www.qq.com"},
  {"UserID": "UserID_002", "Nick": "Nick_001", "FaceUrl": "http://www.qq.com"}
]}"#;

/// A command line that imports the sample, signed with the app's own key. It trusts the CA at
/// `ca_path`, if there is one, and no other.
pub(crate) fn curl(app: &App, base: &str, ca_path: Option<&Path>, now_s: u64) -> String {
    let claims = Claims {
        identifier: "administrator".to_owned(),
        sdkappid: app.sdkappid.0.into(),
        time_s: now_s,
        expire_s: USERSIG_EXPIRE_S,
        userbuf: None,
    };
    let key = app.signing_key();
    let usersig = sign(key, &claims);
    let sdkappid = app.sdkappid;
    let trust = ca_path.map_or_else(String::new, |path| {
        format!(" --cacert {}", shell_quoted(&path.to_string_lossy()))
    });
    format!(
        "curl -sS{trust} -d '{IMPORT}' '{base}/v4/im_open_login_svc/multiaccount_import\
         ?sdkappid={sdkappid}&identifier=administrator&usersig={usersig}\
         &random=99999999&contenttype=json'\n"
    )
}
