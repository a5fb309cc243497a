//! Faults, ordered by tests: what the real service can do to a caller, on demand.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use muster_accounts::{SdkAppId, UnixSeconds};
use muster_wire::{Command, ErrorCode};
use serde::Deserialize;
use tracing::info;
use utoipa::ToSchema;

use super::{
    Parts, Shared,
    body::{BodyObject, Field, WholeBody, given},
    error::{ApiError, ErrorBody, quoted},
    fault_body::{FaultBody, FaultsBody, RemovedBody, fault_body, struck_command},
    input::{PathWord, TestControls, parse_number},
};
use crate::faults::{Effect, Fault, Faults, Outcome};

/// The longest that a call is made to wait: longer than callers do.
const LATENCY_MAX_MS: u64 = 60_000;

/// The longest time for which a fault is ordered: 365 days.
const FOR_MAX_S: u64 = 365 * 86_400;

/// The longest text of a failure, in bytes.
const MESSAGE_LIMIT_BYTES: usize = 500;

/// A fault to be put in force. At least one of `code`, `cut` and `latency_ms` says what it does; of
/// the first two only one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFaultBody {
    /// Whose calls it strikes; every app's if left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, required = false, minimum = 1, example = 1_400_000_000)]
    sdkappid: Option<u32>,
    /// Which calls it strikes; every command if left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = struck_command, required = false)]
    command: Option<String>,
    /// The `ErrorCode` that is answered: one of docs/wire.md, section 7.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, required = false, example = 70500)]
    code: Option<u32>,
    /// The `ErrorInfo` that goes with `code`, up to 500 bytes; if left out, one that says that the
    /// fault was injected.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, max_length = 500)]
    message: Option<String>,
    /// How long the call waits before anything else, in milliseconds.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, minimum = 1, maximum = 60_000, example = 5000)]
    latency_ms: Option<u64>,
    /// Cuts the connection instead of an answer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    cut: Option<bool>,
    /// Whether the command is carried out all the same before its answer is replaced (`code`) or
    /// lost (`cut`); false if left out. With `latency_ms` alone it is carried out anyway.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    carried_out: Option<bool>,
    /// How often it strikes: above 0, and always at 1 or if left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = f64, required = false)]
    #[schema(exclusive_minimum = 0.0, maximum = 1.0, example = 0.5)]
    probability: Option<f64>,
    /// For how long it is in force, in seconds, up to 365 days.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, minimum = 1, maximum = 31_536_000, example = 60)]
    for_s: Option<u64>,
    /// Until when it is in force, instead of `for_s`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, example = "2026-02-20T08:00:00Z")]
    until: Option<String>,
    /// After how many strikes it is over.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u64, required = false, minimum = 1, example = 3)]
    count: Option<u64>,
}

impl BodyObject for NewFaultBody {
    const FIELDS: &'static [Field] = &[
        Field::optional("sdkappid", "a whole number up to 4294967295"),
        Field::optional("command", "a string"),
        Field::optional("code", "a whole number"),
        Field::optional("message", "a string"),
        Field::optional("latency_ms", "a whole number of milliseconds"),
        Field::optional("cut", "true or false"),
        Field::optional("carried_out", "true or false"),
        Field::optional("probability", "a number above 0 and up to 1"),
        Field::optional("for_s", "a whole number of seconds"),
        Field::optional("until", "a string"),
        Field::optional("count", "a whole number from 1 up"),
    ];
}

/// Describes the path of a fault.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) struct FaultNumber {
    /// The fault, as the list names it.
    #[param(example = "1")]
    id: String,
}

/// Put a fault in force
///
/// It strikes calls of the account protocol that passed the checks of app, UserSig and rate. Of the
/// faults that aim at a call the oldest strikes. At most 100 are in force at a time, until the
/// server stops.
#[utoipa::path(
    post, path = "/muster/v1/faults", operation_id = "add_fault", tag = "test controls",
    request_body = NewFaultBody,
    responses(
        (status = 201, description = "The fault", body = FaultBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`test_controls_off`, or `app_not_found`", body = ErrorBody),
        (status = 409, description = "`too_many_faults`", body = ErrorBody),
        (status = 413, description = "`payload_too_large`", body = ErrorBody)
    )
)]
pub(super) async fn add(
    TestControls: TestControls,
    State(Shared(shared)): State<Shared>,
    body: WholeBody,
) -> Result<(StatusCode, Json<FaultBody>), ApiError> {
    let body: NewFaultBody = body.json()?;
    let now = shared.core.clock.now();
    let fault = body.parse(&shared, now).await?;
    let added = shared.core.faults.add(fault, now);
    let active = added.map_err(|_| ApiError::too_many_faults(Faults::LIMIT))?;
    info!(id = active.id, fault = ?active.fault, "a fault is in force");
    Ok((StatusCode::CREATED, Json(fault_body(active))))
}

/// List the faults in force
#[utoipa::path(
    get, path = "/muster/v1/faults", operation_id = "faults", tag = "test controls",
    responses(
        (status = 200, description = "The faults", body = FaultsBody),
        (status = 404, description = "`test_controls_off`", body = ErrorBody)
    )
)]
pub(super) async fn list(
    TestControls: TestControls,
    State(Shared(shared)): State<Shared>,
) -> Json<FaultsBody> {
    let core = &shared.core;
    let active = core.faults.list(core.clock.now());
    Json(FaultsBody {
        faults: active.into_iter().map(fault_body).collect(),
    })
}

/// Remove a fault
#[utoipa::path(
    delete, path = "/muster/v1/faults/{id}", operation_id = "remove_fault",
    tag = "test controls", params(FaultNumber),
    responses(
        (status = 204, description = "It strikes no more"),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (
            status = 404, body = ErrorBody,
            description = "`test_controls_off`, or `fault_not_found`: it is over, or never was"
        )
    )
)]
pub(super) async fn remove(
    TestControls: TestControls,
    State(Shared(shared)): State<Shared>,
    PathWord(id): PathWord,
) -> Result<StatusCode, ApiError> {
    let id = parse_number(&id).ok_or_else(|| {
        ApiError::invalid_request("The fault in the path is no number; the list names them.")
    })?;
    if !shared.core.faults.remove(id) {
        return Err(ApiError::fault_not_found());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Remove all faults
#[utoipa::path(
    delete, path = "/muster/v1/faults", operation_id = "clear_faults", tag = "test controls",
    responses(
        (status = 200, description = "None is in force", body = RemovedBody),
        (status = 404, description = "`test_controls_off`", body = ErrorBody)
    )
)]
pub(super) async fn clear(
    TestControls: TestControls,
    State(Shared(shared)): State<Shared>,
) -> Json<RemovedBody> {
    Json(RemovedBody {
        removed: shared.core.faults.clear(),
    })
}

impl NewFaultBody {
    async fn parse(self, shared: &Parts, now: UnixSeconds) -> Result<Fault, ApiError> {
        let refused = |message: String| Err(ApiError::invalid_request(message));
        let effect = self.effect()?;
        let command = self.command.as_deref().map(parse_command).transpose()?;
        let probability = self.probability.unwrap_or(1.0);
        if !(probability > 0.0 && probability <= 1.0) {
            return refused("probability is not above 0 and up to 1.".to_owned());
        }
        if self.count == Some(0) {
            return refused("count is 0, and the fault would never strike.".to_owned());
        }
        let until = match (self.for_s, &self.until) {
            (Some(_), Some(_)) => {
                return refused("for_s and until exclude each other.".to_owned());
            }
            (Some(for_s), None) if (1..=FOR_MAX_S).contains(&for_s) => Some(now.plus(for_s)),
            (Some(for_s), None) => {
                return refused(format!(
                    "for_s is {for_s}; 1 to {FOR_MAX_S} (365 days) are allowed."
                ));
            }
            (None, Some(text)) => Some(parse_until(text, now)?),
            (None, None) => None,
        };
        let sdkappid = self.sdkappid.map(SdkAppId);
        if let Some(app) = sdkappid {
            shared.existing_app(app).await?;
        }
        Ok(Fault {
            sdkappid,
            command,
            effect,
            probability,
            until,
            count: self.count,
        })
    }

    fn effect(&self) -> Result<Effect, ApiError> {
        let refused = |message: String| Err(ApiError::invalid_request(message));
        if let Some(message) = &self.message {
            if self.code.is_none() {
                return refused("message goes with code, and there is none.".to_owned());
            }
            let bytes = message.len();
            if bytes > MESSAGE_LIMIT_BYTES {
                return refused(format!(
                    "message is {bytes} bytes long, the limit is {MESSAGE_LIMIT_BYTES}."
                ));
            }
        }
        let outcome = match (self.code, self.cut.unwrap_or(false)) {
            (Some(_), true) => {
                return refused("code and cut exclude each other.".to_owned());
            }
            (Some(number), false) => match ErrorCode::of(number) {
                Some(code) => Outcome::Code(code, self.message.clone()),
                None => {
                    return refused(format!(
                        "code: muster knows no code {number}; docs/wire.md, section 7, lists them."
                    ));
                }
            },
            (None, true) => Outcome::Cut,
            (None, false) => Outcome::AsUsual,
        };
        let latency_ms = match self.latency_ms {
            None => 0,
            Some(latency_ms @ 1..=LATENCY_MAX_MS) => latency_ms,
            Some(latency_ms) => {
                return refused(format!(
                    "latency_ms is {latency_ms}; 1 to {LATENCY_MAX_MS} are allowed."
                ));
            }
        };
        if outcome == Outcome::AsUsual {
            if latency_ms == 0 {
                return refused("Give at least one of code, cut and latency_ms.".to_owned());
            }
            if self.carried_out.is_some() {
                return refused(
                    "carried_out goes with code or cut; with latency_ms alone the command is \
                     carried out anyway."
                        .to_owned(),
                );
            }
        }
        Ok(Effect {
            latency: Duration::from_millis(latency_ms),
            after_work: self.carried_out.unwrap_or(false),
            outcome,
        })
    }
}

fn parse_command(name: &str) -> Result<Command, ApiError> {
    let found = Command::ALL.into_iter().find(|it| it.name() == name);
    found.ok_or_else(|| {
        let known = Command::ALL.map(Command::name).join(", ");
        ApiError::invalid_request(format!(
            "command: there is no command {}; use {known}, or leave it out for all.",
            quoted(name)
        ))
    })
}

fn parse_until(text: &str, now: UnixSeconds) -> Result<UnixSeconds, ApiError> {
    let until = UnixSeconds::parse(text).ok_or_else(|| {
        ApiError::invalid_request(format!(
            "until: {} is no time; write it like 2026-02-20T08:00:00Z.",
            quoted(text)
        ))
    })?;
    if until <= now {
        return Err(ApiError::invalid_request(format!(
            "until is {until}, and the server's time is {now} already."
        )));
    }
    Ok(until)
}
