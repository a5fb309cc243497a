//! What the server is told at its start.

use std::net::SocketAddr;

use muster_accounts::IpNet;

use crate::{OperatorToken, Tls};

/// Where to listen, and how much to allow.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the account protocol is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// With which the account protocol is served over TLS; without, it is plain HTTP.
    pub tls: Option<Tls>,
    /// Where the operator API and the metrics are served.
    pub operator_listen: SocketAddr,
    /// Opens the operator API.
    pub operator_token: OperatorToken,
    /// Whether the protocol's limits on calls per second are kept (wire §2, check 14).
    pub rate_limits: bool,
    /// Proxies whose word on where a call comes from is taken, for allow-lists and webhooks: the
    /// last address of `X-Forwarded-For` that is not a proxy's own counts (wire §2.1).
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the operator API has faults and the clock (`faults`, and [`Clock`](crate::Clock)'s
    /// hand), with which anything can be made to fail.
    pub test_controls: bool,
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
    /// From the first byte of a request's head to its end; also for a TLS handshake, from the
    /// connection's beginning. 10 s.
    pub header_timeout_s: u64,
    /// From the end of the head to the end of the body (wire §1.2). Of an import of lines over the operator
    /// API: from the end of one line to the end of the next. 10 s.
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
    /// Calls that are carried out at a time, from the end of the body to the answer; further ones are
    /// refused at once (wire §1.2). Four groups of the store's, so that it never has to wait for
    /// calls, and few enough to be answered within the deadline. 1,024.
    pub max_calls: usize,
    /// Bytes of request bodies and of answers in memory at a time, together; a call that needs more
    /// is refused at once (wire §1.2). Not counted is what is not over 4 KiB. 256 MiB.
    pub body_memory_bytes: usize,
    /// How long calls in progress, and after them the events of webhooks, may take to end when the
    /// server stops. 10 s.
    pub shutdown_grace_s: u64,
    /// How many verified UserSigs are remembered. 10,000.
    pub verified_tokens: usize,
    /// Sessions at a time, each on a connection of the public listener. 5,000.
    pub max_sessions: usize,
    /// How long a session lasts without a sign of life (wire §8.2). 400 s.
    pub session_timeout_s: u64,
    /// From how many failed UserSigs on within 60 s an app's user is refused (wire §2, check 11); 0
    /// switches that off. 100.
    pub failed_usersigs_per_min: u32,
    /// For how many users failed UserSigs are counted. 10,000.
    pub failed_usersig_counters: usize,
    /// Events that wait for the receiver of an app's webhook; further ones are dropped. 10,000.
    pub webhook_queue: usize,
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
            max_calls: 1024,
            body_memory_bytes: 256 * 1024 * 1024,
            shutdown_grace_s: 10,
            verified_tokens: 10_000,
            max_sessions: 5000,
            session_timeout_s: 400,
            failed_usersigs_per_min: 100,
            failed_usersig_counters: 10_000,
            webhook_queue: 10_000,
        }
    }
}
