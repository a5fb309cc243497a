//! What holds of every answer (wire §1.3).

use muster_wire::{Failure, Service, failure_body};
use serde_json::{Map, Value};

/// Text of the caller's is cut to 64 characters, of which an answer has at most two.
const INFO_LIMIT_CHARS: usize = 400;

/// A caller's text as answers show it (wire, before §1).
pub(crate) fn cut(text: &str) -> String {
    let shown: String = text.chars().take(64).collect();
    if shown.len() < text.len() {
        return shown + "...";
    }
    shown
}

/// Judges a FAIL and gives its bytes as text.
pub(crate) fn failed(service: Option<Service>, failure: &Failure) -> String {
    assert!(
        failure.info.chars().count() <= INFO_LIMIT_CHARS,
        "{failure:?}"
    );
    let body = failure_body(service, failure);
    let fields = envelope(&body);
    assert_eq!(fields["ActionStatus"], "FAIL");
    assert_eq!(fields["ErrorCode"], failure.code.get());
    assert_eq!(fields["ErrorInfo"], failure.info.as_str());
    assert_eq!(
        fields.contains_key("ErrorDisplay"),
        service == Some(Service::Profile)
    );
    String::from_utf8(body).unwrap()
}

/// Judges an OK and gives its fields.
pub(crate) fn succeeded(body: &[u8]) -> Map<String, Value> {
    let fields = envelope(body);
    assert_eq!(fields["ActionStatus"], "OK");
    assert_eq!(fields["ErrorCode"], 0);
    assert_eq!(fields["ErrorInfo"], "");
    fields
}

fn envelope(body: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(body).expect("an answer is a JSON object")
}
