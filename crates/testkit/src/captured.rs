//! Requests captured from public client libraries, to be sent again byte for byte.

use serde::Deserialize;

use crate::{SDKAPPID, http::chunked};

/// A request as it left a client. Its UserSig is not kept.
#[derive(Clone, Debug, Deserialize)]
pub struct Captured {
    /// The client.
    pub client: String,
    /// The path of the command, as in `/v4/im_open_login_svc/account_check`.
    pub path: String,
    http: String,
    method: String,
    query_order: Vec<String>,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Deserialize)]
struct File {
    samples: Vec<Captured>,
}

/// All captured requests, in an order in which each finds the accounts that it needs.
pub fn captured() -> Vec<Captured> {
    let file: File = serde_json::from_str(include_str!("../vectors/requests.json"))
        .expect("the captured requests are readable");
    file.samples
}

impl Captured {
    /// The bytes of the request, as `administrator` of the app that `muster dev` makes.
    pub fn bytes(&self, usersig: &str) -> Vec<u8> {
        let sdkappid = SDKAPPID.to_string();
        let parameters: Vec<_> = self
            .query_order
            .iter()
            .map(|name| {
                let value = match name.as_str() {
                    "sdkappid" => &sdkappid,
                    "identifier" => "administrator",
                    "usersig" => usersig,
                    "random" => "99999999",
                    "contenttype" => "json",
                    other => panic!("no value for the parameter {other}"),
                };
                format!("{name}={value}")
            })
            .collect();
        let Self {
            path, http, method, ..
        } = self;
        let query = parameters.join("&");
        let mut bytes = format!("{method} {path}?{query} {http}\r\n").into_bytes();
        let mut is_chunked = false;
        for (name, value) in &self.headers {
            is_chunked |= name == "Transfer-Encoding" && value == "chunked";
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        if is_chunked {
            bytes.extend(chunked([self.body.as_bytes()]));
        } else {
            bytes.extend_from_slice(self.body.as_bytes());
        }
        bytes
    }
}
