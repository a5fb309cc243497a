//! The client against sockets that say what they are told to.
#![expect(clippy::unwrap_used, reason = "tests, and their tools")]

mod commands;
mod failures;
mod lines;
mod operator;
mod retries;
mod specification;
mod tolerance;
mod wire_tap;

use muster_client::{Client, SecretKey};
use wire_tap::WireTap;

const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

fn client(tap: &WireTap) -> Client {
    let key = SecretKey::parse(KEY).unwrap();
    Client::new(&tap.base, 1_400_000_000, "administrator", key).unwrap()
}
