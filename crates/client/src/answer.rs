//! What comes back from a call: the envelope of wire §1.3, and all that can be wrong with it.

use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

use crate::TransportError;

/// Longest body that is sent, in bytes: the most that muster takes. A hundred users with the longest
/// nicknames and avatars, escaped in the longest way, have little more than half of it.
pub const REQUEST_LIMIT_BYTES: usize = 1024 * 1024;

/// Why a call gave no result. [`advice`](Self::advice) says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// More than [`REQUEST_LIMIT_BYTES`]. Nothing was sent.
    #[error(
        "the request has {bytes} bytes, and {REQUEST_LIMIT_BYTES} is the limit; nothing was sent: \
         give fewer users at a time, or shorter values"
    )]
    RequestTooLong {
        /// What the body would have had.
        bytes: usize,
    },
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
#[error("the call was refused with code {code}{}", told(info))]
#[non_exhaustive]
pub struct ApiFailure {
    /// `ErrorCode`; Tencent [lists](https://trtc.io/document/34348) what each means.
    pub code: i64,
    /// `ErrorInfo`, for people; empty where the answer has none.
    pub info: String,
    /// `FailAccounts`, where the answer has one: with code 70399 of an import, the users who cannot be
    /// imported.
    pub fail_accounts: Option<Vec<String>>,
}

/// The API says no to one item of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused with code {code}{}", told(info))]
#[non_exhaustive]
pub struct ItemFailure {
    /// `ResultCode`; Tencent [lists](https://trtc.io/document/34348) what each means.
    pub code: i64,
    /// `ResultInfo`, for people; empty where the answer has none.
    pub info: String,
}

impl ItemFailure {
    pub(crate) fn new(code: i64, info: Option<String>) -> ItemFailure {
        let info = info.unwrap_or_default();
        ItemFailure { code, info }
    }
}

/// The text of a failure behind its code.
fn told(info: &str) -> String {
    if info.is_empty() {
        return String::new();
    }
    format!(": {info}")
}

/// The data of an answer that has none.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    action_status: String,
    error_code: i64,
    // Documented as text; some gateways leave it out when there is nothing to say.
    error_info: Option<String>,
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

/// The item of each user that was asked about, in the order asked.
///
/// muster answers in this order and repeats who is asked about twice. Tencent promises neither, but an
/// item names its user.
pub(crate) fn one_each<T: Clone>(
    asked: &[&str],
    items: Vec<T>,
    user_id: impl Fn(&T) -> &str,
    list: &str,
) -> Result<Vec<T>, CallError> {
    if items.iter().map(&user_id).eq(asked.iter().copied()) {
        return Ok(items);
    }
    let find = |asked: &&str| {
        let found = items.iter().find(|item| user_id(item) == *asked).cloned();
        found.ok_or_else(|| not_an_answer(format!("{list} has no entry for {asked:?}")))
    };
    asked.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items found, each with its place in the answer.
    fn found(asked: &[&str], answered: &[&'static str]) -> Option<Vec<(usize, &'static str)>> {
        let items = answered.iter().copied().enumerate().collect();
        one_each(asked, items, |item| item.1, "ResultItem").ok()
    }

    #[test]
    fn each_user_gets_the_item_that_names_it() {
        for (answered, expected) in [
            // Who is asked about twice may have two answers, as in a deletion.
            (
                &["a", "b", "a"][..],
                Some(vec![(0, "a"), (1, "b"), (2, "a")]),
            ),
            (&["b", "a"], Some(vec![(1, "a"), (0, "b"), (1, "a")])),
            (&["c", "a", "b"], Some(vec![(1, "a"), (2, "b"), (1, "a")])),
            (&["a", "a", "a"], None),
            (&[], None),
        ] {
            assert_eq!(found(&["a", "b", "a"], answered), expected, "{answered:?}");
        }
    }
}
