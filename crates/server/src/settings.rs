//! What the server is told at its start.

use std::net::SocketAddr;

use muster_accounts::IpNet;

use crate::{ClockHand, OperatorToken};

/// Where to listen, and how much to allow.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the account protocol is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the operator API and the metrics are served.
    pub operator_listen: SocketAddr,
    /// Opens the operator API.
    pub operator_token: OperatorToken,
    /// Whether the protocol's limits on calls per second are kept (wire §2, check 14).
    pub rate_limits: bool,
    /// Whose `X-Forwarded-For` is believed (wire §2.1, check 10); empty is nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// Opens fault injection and the clock to the operator API; `None` on a server for real users.
    pub test_controls: Option<ClockHand>,
    /// Bounds on time and memory.
    pub limits: Limits,
}

/// Bounds on what callers can make the server hold or wait for. The defaults are the documented
/// values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of the protocol at a time; further ones are closed at once, so that a client
    /// sees a refusal instead of silence. 10,000.
    pub max_connections: usize,
    /// Likewise for the operator API, apart so that an operator gets in when the protocol is
    /// flooded. 100.
    pub max_operator_connections: usize,
    /// From the first byte of a request's head to its end. 10 s.
    pub header_timeout_s: u64,
    /// From the end of the head to the end of the body (wire §1.2). 10 s.
    pub body_timeout_s: u64,
    /// Between requests on one connection, and before the first one; the protocol promises at least
    /// 60 s (wire §1.2). 75 s.
    pub idle_timeout_s: u64,
    /// Without a byte of an answer taken by the caller. 30 s.
    pub write_timeout_s: u64,
    /// From the end of the body to the answer (wire §1.2). 3 s.
    pub deadline_s: u64,
    /// The largest request body (wire §2, check 15). 1 MiB.
    pub body_limit_bytes: usize,
    /// How long calls in progress may take to end when the server stops. 10 s.
    pub shutdown_grace_s: u64,
    /// From how many failed UserSig checks of one app and identifier within a minute further calls
    /// are refused (wire §2.1, check 11); 0 is never. 100.
    pub failed_checks: u32,
    /// Without a message or a ping of a session's client, before it counts as gone (wire §8.2). 400 s.
    pub heartbeat_timeout_s: u64,
    /// Devices of one user that are signed in at a time; one more ends the oldest. 10.
    pub max_devices: usize,
    /// Webhook events that wait to be sent; one more is dropped and counted. 10,000.
    pub webhook_queue: usize,
    /// How many verified UserSigs are remembered. 10,000.
    pub verified_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_operator_connections: 100,
            header_timeout_s: 10,
            body_timeout_s: 10,
            idle_timeout_s: 75,
            write_timeout_s: 30,
            deadline_s: 3,
            body_limit_bytes: 1024 * 1024,
            shutdown_grace_s: 10,
            failed_checks: 100,
            heartbeat_timeout_s: 400,
            max_devices: 10,
            webhook_queue: 10_000,
            verified_tokens: 10_000,
        }
    }
}
