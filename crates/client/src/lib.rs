#![doc = include_str!("../README.md")]

mod advice;
mod answer;
mod backoff;
mod check;
mod client;
mod delete;
mod http;
mod http_options;
mod import;
mod kick;
mod online;
pub mod operator;
mod portrait;
mod retries;
mod signer;
pub mod tag;

pub use advice::Advice;
pub use answer::{ApiFailure, CallError, ItemFailure, REQUEST_LIMIT_BYTES};
pub use backoff::Backoff;
pub use check::{AccountStatus, CheckedAccount};
pub use client::{Client, Options};
pub use delete::DeletedAccount;
pub use http::{ANSWER_LIMIT_BYTES, SetupError, TransportError};
pub use http_options::HttpOptions;
pub use import::ImportEntry;
pub use muster_usersig::SecretKey;
pub use online::{Device, OnlineState, OnlineStatus, OnlineUser};
pub use portrait::{ProfileValue, UserProfile};
pub use retries::Retries;
