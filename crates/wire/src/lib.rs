//! The account protocol of Tencent Cloud Live and Chat: what is read, what is answered, and in
//! which order things are checked. `docs/wire.md` is the specification; comments cite it as
//! `wire §3.3`.
//!
//! This is the only crate that knows the protocol's JSON. It knows no storage, no HTTP framework
//! and no clock: a request line and a body go in, a typed [`Request`] or a [`Failure`] comes out,
//! and every answer is made here as bytes. The way of one call:
//!
//! - [`parse_call`] is checks 1 to 7 of wire §2 and yields a [`Call`]. Checks 8 to 15 are the
//!   server's; their answers are constructors of [`Failure`].
//! - [`Request::decode`] is checks 16 and 17.
//! - The module of the command makes its answer; [`failure_body`] makes that of any failure.
//!
//! ```
//! use muster_wire::{Request, failure_body, parse_call};
//!
//! let call = parse_call(
//!     "POST",
//!     "/v4/im_open_login_svc/account_check",
//!     Some("sdkappid=1400000000&identifier=administrator&usersig=..."),
//! )
//! .expect("passes checks 1 to 7");
//! let body = br#"{"CheckItem":[{"UserID":"alice"}]}"#;
//! let answer = match Request::decode(call.command, &body.as_slice().into(), &[].into()) {
//!     // Here the store says that alice exists.
//!     Ok(Request::AccountCheck(check)) => check.answer(&[true]),
//!     Ok(_) => unreachable!("the command was account_check"),
//!     Err(failure) => failure_body(Some(call.command.service()), &failure),
//! };
//! assert!(answer.starts_with(br#"{"ActionStatus":"OK""#));
//! ```
//!
//! All texts that a caller can get to read in `ErrorInfo` are in [`failure`], all codes in
//! [`code`].

pub mod account_check;
pub mod account_delete;
pub mod account_import;
mod answer;
mod asked;
pub mod code;
pub mod command;
pub mod failure;
mod form;
mod import_fields;
mod json;
pub mod kick;
pub mod multiaccount_import;
pub mod online_status;
mod parameters;
pub mod platform;
pub mod portrait_get;
pub mod portrait_set;
mod profile_tag;
mod request;
mod request_line;
pub mod webhook;

pub use answer::failure_body;
pub use code::ErrorCode;
pub use command::{Command, Service};
pub use failure::Failure;
pub use profile_tag::{TagValue, further_fields};
pub use request::Request;
pub use request_line::{Call, RefusedCall, parse_call, shown_path};
