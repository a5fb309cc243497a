//! The protocol through the public API of the crate, rule by rule of `docs/wire.md`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod account_check;
mod account_import;
mod arbitrary;
mod captured;
mod failures;
mod json;
mod multiaccount_import;
mod online_status;
mod portrait_get;
mod portrait_set;
mod request_line;
mod specification;
mod webhook;

use std::collections::BTreeSet;

use bytes::Bytes;
use muster_wire::{Command, Failure, Request};

fn decode(command: Command, body: &str) -> Result<Request, Failure> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Request::decode(command, &body, &BTreeSet::new())
}

/// Code and text of the failure that this body gets.
fn refused(command: Command, body: &str) -> (u32, String) {
    let failure = decode(command, body).expect_err(body);
    assert_eq!(failure.fail_accounts, None, "{body}");
    (failure.code.get(), failure.info)
}

fn parsed(answer: &[u8]) -> serde_json::Value {
    serde_json::from_slice(answer).unwrap()
}

fn text(answer: Vec<u8>) -> String {
    String::from_utf8(answer).unwrap()
}
