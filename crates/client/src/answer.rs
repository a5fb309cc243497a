//! What comes back from a call: the envelope of wire §1.3, and all that can be wrong with it.

use std::fmt;

use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

use crate::TransportError;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The call did not come through.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An HTTP status other than 200: no answer of the API, which uses 200 only, but of something
    /// on the way, or of a server that is stopping (503).
    #[error("HTTP status {status}, and an answer of the API has 200; is the host right?")]
    HttpStatus {
        /// The status.
        status: u16,
    },
    /// HTTP status 200, but not the answer that the protocol defines.
    #[error("the answer is not what the API defines: {reason}")]
    NotAnAnswer {
        /// What is wrong with it.
        reason: String,
    },
    /// The API says no.
    #[error(transparent)]
    Api(#[from] ApiFailure),
}

/// The API says no to a whole call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call was refused with code {code}: {info}")]
pub struct ApiFailure {
    /// `ErrorCode`, listed in wire §7.
    pub code: i64,
    /// `ErrorInfo`, for people.
    pub info: String,
    /// `FailAccounts`, where the answer has one (wire §3.3).
    pub fail_accounts: Option<Vec<String>>,
}

/// The API says no to one item of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFailure {
    /// `ResultCode`.
    pub code: i64,
    /// `ResultInfo`, for people.
    pub info: String,
}

impl fmt::Display for ItemFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with code {}: {}", self.code, self.info)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    action_status: String,
    error_code: i64,
    // Documented as text; some gateways leave it out when there is nothing to say.
    #[serde(default)]
    error_info: Option<String>,
    #[serde(default)]
    fail_accounts: Option<Vec<String>>,
}

/// Reads an answer: the envelope first, the data only after an OK.
pub(crate) fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, CallError> {
    if status != StatusCode::OK {
        return Err(CallError::HttpStatus {
            status: status.as_u16(),
        });
    }
    let envelope: Envelope = serde_json::from_slice(body).map_err(not_json)?;
    let ok = match envelope.action_status.as_str() {
        "OK" => true,
        "FAIL" => false,
        other => return Err(not_an_answer(format!("ActionStatus is {other:?}"))),
    };
    if ok != (envelope.error_code == 0) {
        let Envelope {
            action_status,
            error_code,
            ..
        } = envelope;
        let reason = format!("ActionStatus {action_status} with ErrorCode {error_code}");
        return Err(not_an_answer(reason));
    }
    if !ok {
        return Err(CallError::Api(ApiFailure {
            code: envelope.error_code,
            info: envelope.error_info.unwrap_or_default(),
            fail_accounts: envelope.fail_accounts,
        }));
    }
    serde_json::from_slice(body).map_err(not_json)
}

pub(crate) fn not_an_answer(reason: impl Into<String>) -> CallError {
    CallError::NotAnAnswer {
        reason: reason.into(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn not_json(error: serde_json::Error) -> CallError {
    not_an_answer(error.to_string())
}

/// One answer item for each item asked, or the answer cannot be told apart.
pub(crate) fn one_each<T>(asked: usize, items: Vec<T>, list: &str) -> Result<Vec<T>, CallError> {
    if items.len() != asked {
        let found = items.len();
        return Err(not_an_answer(format!(
            "{list} has {found} entries for {asked} accounts"
        )));
    }
    Ok(items)
}
