//! A load generator for the account API of Tencent Cloud Live and Chat, against any server of it.
//!
//! A [`Plan`] says which calls are made; each is a function of the plan and its number, so that a
//! run can be repeated. [`Bench::run`] makes them: one thread writes the bodies ahead of the
//! connections (`feed`), each connection has one call in flight (`worker`, `lane`), and what came of
//! it goes into histograms (`tally`). The generator is to cost far less than the server: bodies are
//! written without serde, answers are scanned rather than parsed (`answer`), and nothing is spawned
//! for a call.
//!
//! With a rate, calls have times at which they are due, whatever the server does, and their latency
//! counts from then: a server that stands still for a second is seen by every call of that second.
//!
//! This crate has its own view of the protocol, like `muster-client`. Comments cite `docs/wire.md`
//! as "wire §3.3".

mod accounts;
mod answer;
mod bench;
mod caller;
mod command;
mod endpoint;
mod feed;
mod figures;
mod lane;
mod plan;
mod progress;
mod refusal;
mod report;
mod schedule;
mod stop;
mod table;
mod tally;
mod worker;

pub use accounts::{AccountValues, Accounts, Scattered};
pub use bench::{Bench, BenchError, Load};
pub use caller::Caller;
pub use endpoint::{Endpoint, EndpointError};
pub use figures::FiguresError;
pub use lane::{CallError, TlsError};
pub use plan::{Again, Plan, Workload};
pub use progress::{Progress, Seen};
pub use report::{CommandReport, Ended, ErrorReport, Latency, PhaseReport, Report, ServerReport};
pub use stop::Stop;
