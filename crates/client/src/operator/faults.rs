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
/// let fault = NewFault {
///     command: Some("account_import".to_owned()),
///     code: Some(70169),
///     carried_out: true,
///     probability: Some(0.5),
///     ..NewFault::default()
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NewFault {
    /// Whose calls it strikes; `None` is every app's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdkappid: Option<u32>,
    /// Which calls it strikes; `None` is every command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The `ErrorCode` that is answered (wire §7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// The `ErrorInfo` that goes with the code, at most 500 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long the call waits before anything else, 1 ms to 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Cuts the connection instead of an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub cut: bool,
    /// Carries the command out all the same, before its answer is replaced or lost.
    #[serde(skip_serializing_if = "is_false")]
    pub carried_out: bool,
    /// How often it strikes: above 0 and up to 1; `None` is always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// For how many seconds it is in force; `None` is until it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
    /// Until when it is in force, as in `2026-02-20T08:00:00Z`, instead of `for_s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// After how many strikes it is over; `None` is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A fault in force; its fields are those of [`NewFault`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "what is not told here is told at NewFault")]
pub struct Fault {
    /// Its number, unique until the server stops.
    pub id: String,
    pub sdkappid: Option<u32>,
    pub command: Option<String>,
    pub code: Option<u32>,
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
