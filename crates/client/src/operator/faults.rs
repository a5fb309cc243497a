//! Faults, ordered by tests. They are there only while `test_controls` is on.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Operator, OperatorError};

impl Operator {
    /// Puts a fault in force, behind those that are.
    pub async fn add_fault(&self, new: &NewFault) -> Result<Fault, OperatorError> {
        self.send(Method::POST, &["faults"], &[], Some(new)).await
    }

    /// The faults in force, the oldest first.
    pub async fn faults(&self) -> Result<Vec<Fault>, OperatorError> {
        let Faults { faults } = self.get(&["faults"], &[]).await?;
        Ok(faults)
    }

    /// Removes one.
    pub async fn remove_fault(&self, id: &str) -> Result<(), OperatorError> {
        self.exchange(Method::DELETE, &["faults", id], &[], None::<&()>)
            .await?;
        Ok(())
    }

    /// Removes all, and says how many there were.
    pub async fn clear_faults(&self) -> Result<u64, OperatorError> {
        let sent = self.send(Method::DELETE, &["faults"], &[], None::<&()>);
        let Removed { removed } = sent.await?;
        Ok(removed)
    }
}

/// A fault to be put in force. At least one of `code`, `cut` and `latency_ms` says what it does; of
/// the first two only one. The default says nothing yet, and the server refuses it.
///
/// ```
/// use muster_client::operator::NewFault;
///
/// // Every other import times out after it was carried out.
/// let fault =
///     NewFault::default().command("account_import").code(70169).carried_out().probability(0.5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NewFault {
    #[serde(skip_serializing_if = "Option::is_none")]
    sdkappid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    cut: bool,
    #[serde(skip_serializing_if = "is_false")]
    carried_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl NewFault {
    /// Strikes the calls of this app only, not every app's.
    #[must_use]
    pub fn sdkappid(mut self, sdkappid: u32) -> NewFault {
        self.sdkappid = Some(sdkappid);
        self
    }

    /// Strikes calls of this command only, not of every one.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> NewFault {
        self.command = Some(command.into());
        self
    }

    /// The `ErrorCode` that is answered, one that the protocol has.
    #[must_use]
    pub fn code(mut self, code: i64) -> NewFault {
        self.code = Some(code);
        self
    }

    /// The `ErrorInfo` that goes with the code, at most 500 bytes.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> NewFault {
        self.message = Some(message.into());
        self
    }

    /// How long the call waits before anything else, 1 ms to 60 s.
    #[must_use]
    pub fn latency_ms(mut self, latency_ms: u64) -> NewFault {
        self.latency_ms = Some(latency_ms);
        self
    }

    /// Cuts the connection instead of an answer.
    #[must_use]
    pub fn cut(mut self) -> NewFault {
        self.cut = true;
        self
    }

    /// Carries the command out all the same, before its answer is replaced or lost.
    #[must_use]
    pub fn carried_out(mut self) -> NewFault {
        self.carried_out = true;
        self
    }

    /// How often it strikes: above 0 and up to 1, not always.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> NewFault {
        self.probability = Some(probability);
        self
    }

    /// For how many seconds it is in force, not until it is removed.
    #[must_use]
    pub fn for_s(mut self, seconds: u64) -> NewFault {
        self.for_s = Some(seconds);
        self
    }

    /// Until when it is in force, as in `2026-02-20T08:00:00Z`, instead of `for_s`.
    #[must_use]
    pub fn until(mut self, time: impl Into<String>) -> NewFault {
        self.until = Some(time.into());
        self
    }

    /// After how many strikes it is over.
    #[must_use]
    pub fn count(mut self, count: u64) -> NewFault {
        self.count = Some(count);
        self
    }
}

/// A fault in force; its fields are what [`NewFault`] was given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "what is not told here is told at NewFault")]
#[non_exhaustive]
pub struct Fault {
    /// Its number, unique until the server stops.
    pub id: String,
    pub sdkappid: Option<u32>,
    pub command: Option<String>,
    pub code: Option<i64>,
    pub message: Option<String>,
    pub latency_ms: u64,
    pub cut: bool,
    /// Whether the command is carried out.
    pub carried_out: bool,
    pub probability: f64,
    /// Until when it is in force, UTC.
    pub until: Option<String>,
    /// How often it has struck.
    pub struck: u64,
    /// How often it strikes yet; `None` is without limit.
    pub left: Option<u64>,
}

#[derive(Deserialize)]
struct Faults {
    faults: Vec<Fault>,
}

#[derive(Deserialize)]
struct Removed {
    removed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}
