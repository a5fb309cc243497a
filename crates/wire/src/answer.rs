//! The envelope of every answer (wire §1.3).

use bytestring::ByteString;
use serde::Serialize;

use crate::{Failure, Service};

/// An answer: the fields of the envelope in their fixed order, then the command's data.
#[derive(Serialize)]
struct Envelope<'a, D> {
    #[serde(rename = "ActionStatus")]
    action_status: &'static str,
    #[serde(rename = "ErrorCode")]
    error_code: u32,
    #[serde(rename = "ErrorInfo")]
    error_info: &'a str,
    /// On profile commands only, and always `""`.
    #[serde(rename = "ErrorDisplay", skip_serializing_if = "Option::is_none")]
    error_display: Option<&'static str>,
    #[serde(flatten)]
    data: D,
}

/// The data of an answer without data.
#[derive(Serialize)]
pub(crate) struct NoData {}

/// The only data that a failed call can carry (wire §3.3).
#[derive(Serialize)]
struct FailureData<'a> {
    #[serde(rename = "FailAccounts", skip_serializing_if = "Option::is_none")]
    fail_accounts: Option<&'a [ByteString]>,
}

/// The answer to a call that succeeded. `capacity_bytes` is about how long it gets.
pub(crate) fn ok_body(service: Service, data: impl Serialize, capacity_bytes: usize) -> Vec<u8> {
    to_json(
        &Envelope {
            action_status: "OK",
            error_code: 0,
            error_info: "",
            error_display: error_display(Some(service)),
            data,
        },
        capacity_bytes,
    )
}

/// The answer to a call that failed. `service` is `None` while it is not known which one is called
/// (checks 1 and 2 of wire §2).
pub fn failure_body(service: Option<Service>, failure: &Failure) -> Vec<u8> {
    let fail_accounts = failure.fail_accounts.as_deref();
    let named_bytes: usize = fail_accounts
        .unwrap_or_default()
        .iter()
        .map(|id| id.len() + 3)
        .sum();
    to_json(
        &Envelope {
            action_status: "FAIL",
            error_code: failure.code.get(),
            error_info: &failure.info,
            error_display: error_display(service),
            data: FailureData { fail_accounts },
        },
        ENVELOPE_BYTES + failure.info.len() + named_bytes,
    )
}

/// About how long an envelope is, with a little room for escapes.
pub(crate) const ENVELOPE_BYTES: usize = 128;

fn error_display(service: Option<Service>) -> Option<&'static str> {
    (service == Some(Service::Profile)).then_some("")
}

fn to_json(answer: &impl Serialize, capacity_bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(capacity_bytes);
    serde_json::to_writer(&mut body, answer).expect("answers are made of strings and numbers");
    body
}
