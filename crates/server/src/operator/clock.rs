//! The clock, put ahead by tests: 90 days pass in no time.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use muster_accounts::UnixSeconds;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::{
    Shared,
    body::{BodyObject, Field, WholeBody},
    error::{ApiError, ErrorBody},
    input::TestControls,
};
use crate::{Clock, ClockHand};

/// The farthest that the clock is advanced at a time: 100 years.
const ADVANCE_MAX_S: u64 = 3_155_760_000;

/// The last second of the year 9997. Times beyond the year 9999 cannot be written as dates, and what
/// is ordered for a year from now on is to have an end that can.
const END: UnixSeconds = UnixSeconds(253_339_228_799);

/// How far to put the clock ahead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvanceBody {
    /// 1 to 3155760000, 100 years.
    #[schema(minimum = 1, maximum = 3_155_760_000_u64, example = 7_776_000)]
    seconds: u64,
}

impl BodyObject for AdvanceBody {
    const FIELDS: &'static [Field] = &[Field::needed("seconds", "a whole number from 1 up")];
}

/// What moves the clock, where tests may.
pub(super) struct Hand(ClockHand);

impl FromRequestParts<Shared> for Hand {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        let TestControls = TestControls::from_request_parts(parts, shared).await?;
        let hand = shared.0.core.clock.hand();
        hand.map(Self).ok_or_else(ApiError::test_controls_off)
    }
}

/// What the server takes the time to be.
#[derive(Serialize, ToSchema)]
pub(super) struct ClockBody {
    /// In UTC.
    #[schema(example = "2026-05-21T08:00:00Z")]
    now: String,
    /// How far that is ahead of the machine's clock, in seconds.
    #[schema(example = 7_776_000)]
    ahead_s: u64,
}

/// What time it is
#[utoipa::path(
    get, path = "/muster/v1/clock", operation_id = "clock", tag = "test controls",
    responses(
        (status = 200, description = "The time", body = ClockBody),
        (status = 404, description = "`test_controls_off`", body = ErrorBody)
    )
)]
pub(super) async fn show(
    Hand(hand): Hand,
    State(Shared(shared)): State<Shared>,
) -> Json<ClockBody> {
    Json(clock_body(&shared.core.clock, &hand))
}

/// Put the clock ahead
///
/// For all that goes by the time of day: UserSigs, the bar of 90 days after deletion, grace of old
/// keys, rate limits, faults. A UserSig that a client signed by its own clock may have ended by then;
/// sign for longer. It goes forward only, and lasts until the server stops; what was
/// written in the meantime keeps its times, so use a data directory that can be thrown away.
#[utoipa::path(
    post, path = "/muster/v1/clock/advance", operation_id = "advance_clock",
    tag = "test controls", request_body = AdvanceBody,
    responses(
        (status = 200, description = "The time from now on", body = ClockBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`test_controls_off`", body = ErrorBody),
        (status = 413, description = "`payload_too_large`", body = ErrorBody)
    )
)]
pub(super) async fn advance(
    Hand(hand): Hand,
    State(Shared(shared)): State<Shared>,
    body: WholeBody,
) -> Result<Json<ClockBody>, ApiError> {
    let AdvanceBody { seconds } = body.json()?;
    if !(1..=ADVANCE_MAX_S).contains(&seconds) {
        return Err(ApiError::invalid_request(format!(
            "seconds is {seconds}; 1 to {ADVANCE_MAX_S} (100 years) are allowed at a time."
        )));
    }
    let clock = &shared.core.clock;
    if clock.now().plus(seconds) > END {
        return Err(ApiError::invalid_request(
            "The clock cannot go beyond the year 9997.",
        ));
    }
    hand.advance(seconds);
    let body = clock_body(clock, &hand);
    info!(
        now = body.now,
        ahead_s = body.ahead_s,
        "the clock was moved"
    );
    Ok(Json(body))
}

fn clock_body(clock: &Clock, hand: &ClockHand) -> ClockBody {
    ClockBody {
        now: clock.now().to_string(),
        ahead_s: hand.ahead_s(),
    }
}
