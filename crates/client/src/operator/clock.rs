//! The server's clock, put ahead by tests. It is there only while `test_controls` is on.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Operator, OperatorError};

impl Operator {
    /// What the server takes the time to be.
    pub async fn clock(&self) -> Result<ServerTime, OperatorError> {
        self.get(&["clock"], &[]).await
    }

    /// Puts the clock ahead by 1 s to 100 years, until the server stops.
    pub async fn advance_clock(&self, seconds: u64) -> Result<ServerTime, OperatorError> {
        let path = ["clock", "advance"];
        self.send(Method::POST, &path, &[], Some(&Advance { seconds }))
            .await
    }
}

/// The server's time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServerTime {
    /// UTC, as in `2026-02-20T08:00:00Z`.
    pub now: String,
    /// How far that is ahead of the machine's clock, in seconds.
    pub ahead_s: u64,
}

#[derive(Serialize)]
struct Advance {
    seconds: u64,
}
