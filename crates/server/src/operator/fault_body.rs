//! A fault as this API shows it.

use muster_wire::Command;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{Object, Type},
};

use super::document;
use crate::faults::{ActiveFault, Effect, Outcome};

/// A fault in force.
#[derive(Serialize, ToSchema)]
pub(super) struct FaultBody {
    /// Its number, unique until the server stops.
    #[schema(example = "1")]
    id: String,
    /// Whose calls it strikes; `null` is every app's.
    #[schema(example = 1_400_000_000)]
    #[schema(required = true)]
    sdkappid: Option<u32>,
    /// Which calls it strikes; `null` is every command.
    #[schema(schema_with = struck_command_or_null, required = true)]
    command: Option<&'static str>,
    /// The code that is answered, if one is.
    #[schema(example = 70500)]
    #[schema(required = true)]
    code: Option<u32>,
    /// The text that goes with it, if one was given.
    #[schema(required = true)]
    message: Option<String>,
    /// How long the call waits, in milliseconds.
    #[schema(example = 0)]
    latency_ms: u64,
    /// Whether the connection is cut instead of an answer.
    cut: bool,
    /// Whether the command is carried out.
    carried_out: bool,
    /// How often it strikes.
    #[schema(example = 1.0)]
    probability: f64,
    /// Until when it is in force, in UTC; `null` is until it is removed.
    #[schema(example = "2026-02-20T08:00:00Z")]
    #[schema(required = true)]
    until: Option<String>,
    /// How often it has struck.
    #[schema(example = 1)]
    struck: u64,
    /// How often it strikes yet; `null` is without limit.
    #[schema(example = 2)]
    #[schema(required = true)]
    left: Option<u64>,
}

/// All faults in force.
#[derive(Serialize, ToSchema)]
pub(super) struct FaultsBody {
    /// The oldest first, which is the order in which they are tried.
    pub(super) faults: Vec<FaultBody>,
}

/// How many faults were removed.
#[derive(Serialize, ToSchema)]
pub(super) struct RemovedBody {
    /// How many.
    #[schema(example = 3)]
    pub(super) removed: usize,
}

/// The command that a fault is to strike.
pub(super) fn struck_command() -> Object {
    document::words_of(
        Command::ALL.map(Command::name),
        "account_import",
        "Which calls it strikes; every command if left out.",
    )
}

fn struck_command_or_null() -> Object {
    let mut command = struck_command();
    command.schema_type = [Type::String, Type::Null].into_iter().collect();
    command
        .enum_values
        .get_or_insert_default()
        .push(serde_json::Value::Null);
    command.description = Some("Which calls it strikes; `null` is every command.".to_owned());
    command
}

/// Shows a fault as it is now.
pub(super) fn fault_body(active: ActiveFault) -> FaultBody {
    let ActiveFault { id, fault, struck } = active;
    let Effect {
        latency,
        outcome,
        after_work,
    } = fault.effect;
    let cut = outcome == Outcome::Cut;
    let carried_out = after_work || outcome == Outcome::AsUsual;
    let (code, message) = match outcome {
        Outcome::Code(code, message) => (Some(code.get()), message),
        Outcome::AsUsual | Outcome::Cut => (None, None),
    };
    FaultBody {
        id: id.to_string(),
        sdkappid: fault.sdkappid.map(|app| app.0),
        command: fault.command.map(Command::name),
        code,
        message,
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        cut,
        carried_out,
        probability: fault.probability,
        until: fault.until.map(|until| until.to_string()),
        struck,
        left: fault.count.map(|count| count.saturating_sub(struck)),
    }
}
