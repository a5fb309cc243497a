//! Who calls: an admin of an app with a UserSig (wire §1.1), and the heads of its requests.

use std::{
    fmt::{self, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use muster_usersig::{Claims, SecretKey, sign};

use crate::{command::Command, endpoint::Endpoint};

/// How long the UserSig of a run is valid. No run is longer.
const USERSIG_EXPIRE_S: u64 = 7 * 86_400;

/// An admin of an app.
pub struct Caller {
    sdkappid: u32,
    identifier: String,
    key: SecretKey,
}

impl Caller {
    /// `identifier` is an admin of the app `sdkappid`, whose secret key is `key`.
    pub fn new(sdkappid: u32, identifier: &str, key: SecretKey) -> Caller {
        Caller {
            sdkappid,
            identifier: identifier.to_owned(),
            key,
        }
    }

    pub(crate) fn sdkappid(&self) -> u32 {
        self.sdkappid
    }

    /// Signs, and writes the heads of all commands.
    pub(crate) fn heads(&self, endpoint: &Endpoint) -> Heads {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let claims = Claims {
            identifier: self.identifier.clone(),
            sdkappid: self.sdkappid.into(),
            // A clock before 1970 is wrong by decades: any UserSig made by it would be refused.
            time_s: now.map_or(0, |since| since.as_secs()),
            expire_s: USERSIG_EXPIRE_S,
            userbuf: None,
        };
        let query = format!(
            "sdkappid={}&identifier={}&usersig={}&random=4294967295&contenttype=json",
            self.sdkappid,
            percent_encoded(&self.identifier),
            percent_encoded(&sign(&self.key, &claims)),
        );
        let uris = Command::ALL.map(|command| {
            let (service, name) = (command.service(), command.name());
            format!("{}/v4/{service}/{name}?{query}", endpoint.base_path)
                .parse()
                .expect("a path of a URL and an encoded query make a URI")
        });
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(&endpoint.authority);
        headers.insert(HOST, host.expect("an authority is visible ASCII"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("muster-bench/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Heads { uris, headers }
    }
}

/// Shows no key.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("sdkappid", &self.sdkappid)
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

/// What stands before the body of every call. No `Debug`: it would show the UserSig.
pub(crate) struct Heads {
    uris: [Uri; Command::ALL.len()],
    headers: HeaderMap,
}

impl Heads {
    pub(crate) fn request(&self, command: Command, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uris[command.index()].clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use muster_usersig::UserSig;

    use super::*;

    #[test]
    fn a_head_is_that_of_a_call() {
        let key = SecretKey::from_random([1; 32]);
        let caller = Caller::new(1_400_000_001, "an admin&co", key.clone());
        let endpoint = Endpoint::parse("http://example.com:81/behind").unwrap();
        let heads = caller.heads(&endpoint);
        let request = heads.request(Command::PortraitGet, Bytes::from_static(b"{}"));
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri().path(), "/behind/v4/profile/portrait_get");
        assert_eq!(request.headers()[HOST], "example.com:81");
        let query = request.uri().query().unwrap();
        assert!(query.starts_with("sdkappid=1400000001&identifier=an%20admin%26co&usersig="));
        let (_, rest) = query.split_once("usersig=").unwrap();
        let (usersig, _) = rest.split_once('&').unwrap();
        let usersig = UserSig::decode(&usersig.replace("%2A", "*")).unwrap();
        assert!(usersig.check_signature(&[key]).is_some());
        assert_eq!(usersig.claims().identifier, "an admin&co");
    }

    #[test]
    fn debug_shows_no_key() {
        let key = SecretKey::from_random([1; 32]);
        let text = key.as_str().to_owned();
        let debug = format!("{:?}", Caller::new(1, "a", key));
        assert!(!debug.contains(&text), "{debug}");
    }
}
