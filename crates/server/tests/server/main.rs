//! The server's own duties, over real TCP, against the reference store: the order of the gate's
//! checks, bodies and connections that misbehave, a store that does, the operator API, the metrics,
//! stopping.
//!
//! What the commands answer in detail is the business of `muster-wire` and its tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::float_cmp, reason = "the figures compared are counts")]

mod bodies;
mod codes;
mod connections;
mod gate;
mod harness;
mod limits;
mod log;
mod openapi;
mod operator;
mod operator_accounts;
mod operator_apps;
mod operator_backup;
mod operator_faults;
mod operator_lines;
mod operator_lines_broken;
mod operator_lines_seen;
mod operator_refusals;
mod order;
mod overload;
mod peer;
mod receiver;
mod sessions;
mod stopping;
mod store_faults;
mod stub_store;
mod webhook_times;
mod webhooks;
