//! What each fuzz target holds to be true of any bytes, as plain functions: a panic is a finding.
//!
//! `scripts/fuzz` runs them under libFuzzer; `tests/corpus.rs` replays what lies in `corpus/`
//! through the same functions, without it. Where there is a second, independent reading, the two
//! are compared, so that a wrong answer is found as well as a panic.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a fuzz target says what it found"
)]

mod answer;
pub mod app_record;
pub mod block;
pub mod body;
pub mod network;
pub mod private_map_key;
pub mod record;
pub mod request_line;
pub mod usersig;
pub mod webhook_url;

/// A fuzz target by its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 9] = [
    ("app_record", app_record::check),
    ("block", block::check),
    ("body", body::check),
    ("network", network::check),
    ("private_map_key", private_map_key::check),
    ("record", record::check),
    ("request_line", request_line::check),
    ("usersig", usersig::check),
    ("webhook_url", webhook_url::check),
];
