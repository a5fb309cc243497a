//! The HTTP server of muster.
//!
//! Two listeners. The public one speaks the account protocol (`docs/wire.md`, cited as `wire §2`)
//! and nothing else; the operator one has an API of muster's own under `/muster/v1/`, with proper
//! HTTP statuses, and the metrics. Behind both is one [`AccountStore`](muster_accounts::AccountStore),
//! of which this crate knows the trait only.
//!
//! - [`server`]: [`bind`] takes both addresses, [`Server::run`] serves until it is told to stop.
//! - `connections`, `stream`: accepting, HTTP/1 on a connection, how long anything may take.
//! - `runtimes`: on which thread a connection runs.
//! - `load`: how much is taken on at a time; the rest is refused at once.
//! - `tls`, `transport`: certificates, and TLS below HTTP on the public listener.
//! - `public`: the protocol, from a request's head to its answer. `public::gate` decides who may
//!   call.
//! - `operator`: the operator API, one file a subject.
//! - `metrics`, `process`: what a scrape reads.
//!
//! Every answer has an `X-Request-Id`, under which the log tells more. The log never holds a
//! UserSig, a secret key or the operator token.

mod clock;
mod cluster;
mod connections;
mod core;
mod faults;
mod load;
mod log_text;
mod metrics;
mod operator;
mod operator_token;
mod panics;
mod presence;
mod process;
mod public;
mod request_id;
mod runtimes;
pub mod server;
mod settings;
mod stopping;
mod stream;
mod tls;
mod transport;
mod webhooks;

pub use clock::{Clock, ClockHand};
pub use operator_token::{OperatorToken, OperatorTokenError};
pub use server::{BindError, Server, Stopped, bind};
pub use settings::{Limits, Settings};
pub use tls::{Certificate, CertificateError, Tls};
