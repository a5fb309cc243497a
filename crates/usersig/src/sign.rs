//! Making a token (wire §6.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Mac;
use serde::Serialize;

use crate::{Claims, SecretKey, envelope};

/// The JSON inside a token, in the key order of the official Go library.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "TLS.ver")]
    ver: &'static str,
    #[serde(rename = "TLS.identifier")]
    identifier: &'a str,
    #[serde(rename = "TLS.sdkappid")]
    sdkappid: u64,
    #[serde(rename = "TLS.expire")]
    expire_s: u64,
    #[serde(rename = "TLS.time")]
    time_s: u64,
    #[serde(rename = "TLS.userbuf", skip_serializing_if = "Option::is_none")]
    userbuf: Option<&'a str>,
    #[serde(rename = "TLS.sig")]
    sig: String,
}

/// Signs `claims` with `key` and returns the token.
///
/// Any claims can be signed. A verifier accepts the token if it keeps the bounds of
/// [`UserSig::decode`](crate::UserSig::decode): [`TOKEN_LIMIT_BYTES`](crate::TOKEN_LIMIT_BYTES),
/// [`JSON_LIMIT_BYTES`](crate::JSON_LIMIT_BYTES), and a `time + expire` within 64 bits. The same
/// input gives the same signature in every library, but not the same token, since compressors
/// differ.
///
/// The token holds only letters, digits, `*`, `-` and `_`, so it can stand in a URL as it is.
///
/// ```
/// use muster_usersig::{Claims, SecretKey, UserSig, UserbufText, sign};
///
/// let key = SecretKey::parse("5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")?;
/// let token = sign(
///     &key,
///     &Claims {
///         identifier: "0".to_owned(),
///         sdkappid: 1_400_000_000,
///         time_s: 1_569_910_200,
///         expire_s: 15_552_000,
///         userbuf: Some(UserbufText::encode(b"abc")),
///     },
/// );
/// let decoded = UserSig::decode(&token)?;
/// assert_eq!(decoded.tls_sig(), "bC3u5cuslSg8Ds7KY58mhSkTrxunrFu50dkdkCYH4i8=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn sign(key: &SecretKey, claims: &Claims) -> String {
    let mac = key.hmac_of(&claims.signed_text()).finalize();
    let body = Body {
        ver: "2.0",
        identifier: &claims.identifier,
        sdkappid: claims.sdkappid,
        expire_s: claims.expire_s,
        time_s: claims.time_s,
        userbuf: claims.userbuf.as_ref().map(crate::UserbufText::as_str),
        sig: STANDARD.encode(mac.into_bytes()),
    };
    let json = serde_json::to_vec(&body).expect("strings and numbers always serialize");
    envelope::seal(&json)
}
