//! A typed async client of the account API that muster and Tencent Cloud Live and Chat speak, and of
//! muster's own operator API.
//!
//! [`Client`] makes calls of the account API as an admin of one app. It signs its own `UserSig`,
//! renews it in time, and tells apart what can go wrong ([`CallError`]): the way to the server, an
//! HTTP status, an answer that is none, or the API saying no with a code. [`operator::Operator`]
//! manages the apps of a muster server.
//!
//! The requests and answers here are the client's own view of the protocol. They share no code with
//! muster's server, so that a mistake in one does not hide the same mistake in the other. Comments
//! cite `docs/wire.md` as "wire §3.3".
//!
//! A client holds a pool of connections and is meant to be shared: all calls take `&self`. Nothing
//! is retried here; which failures are worth another try is listed in wire §7.
//!
//! ```no_run
//! use muster_client::{CallError, Client, ImportEntry, SecretKey};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SecretKey::parse("5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")?;
//! let client = Client::new("http://127.0.0.1:7080", 1_400_000_000, "administrator", key)?;
//!
//! let alice = ImportEntry { user_id: "alice", nick: Some("Alice"), face_url: None };
//! match client.multiaccount_import(&[alice, ImportEntry::id("bob")]).await {
//!     Ok(fail_accounts) if fail_accounts.is_empty() => println!("all are in"),
//!     Ok(fail_accounts) => println!("all but {fail_accounts:?} are in"),
//!     Err(CallError::Api(failure)) => println!("refused with code {}", failure.code),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod check;
mod client;
mod http;
mod import;
pub mod operator;
mod portrait;
mod signer;

pub use answer::{ApiFailure, CallError, ItemFailure};
pub use check::{AccountStatus, CheckedAccount};
pub use client::{Client, Options};
pub use http::{ANSWER_LIMIT_BYTES, SetupError, TransportError};
pub use import::ImportEntry;
pub use muster_usersig::SecretKey;
pub use portrait::{ProfileValue, UserProfile};
