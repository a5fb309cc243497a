//! The events of one app, and what the log says of its receiver.

use std::sync::{Mutex, MutexGuard, PoisonError};

use muster_accounts::{SdkAppId, UserId};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    delivery::{Delivery, Ended, outcome},
    lanes::{Bounds, Full, LaneNumber, Lanes, Pushed},
    outage::Outage,
};
use crate::metrics::EventOutcome;

/// What waits for the receiver of one app.
pub(super) struct Queue {
    sdkappid: SdkAppId,
    state: Mutex<State>,
}

struct State {
    lanes: Lanes<Delivery>,
    /// The receiver does not take events.
    failing: Outage,
    /// More events would wait for it than may.
    full: Outage,
}

/// What became of an event that was put in.
pub(super) enum Taken {
    /// It waits in this lane, from which nobody takes yet.
    Begins(LaneNumber),
    /// It waits.
    Waits,
    /// There was no room.
    Dropped,
}

impl Queue {
    pub(super) fn new(sdkappid: SdkAppId, bounds: Bounds) -> Self {
        Self {
            sdkappid,
            state: Mutex::new(State {
                lanes: Lanes::new(bounds),
                failing: Outage::default(),
                full: Outage::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event about this user in, if there is room.
    pub(super) fn push(&self, user_id: &UserId, delivery: Delivery) -> Taken {
        let lane = LaneNumber::of(user_id);
        let bytes = delivery.bytes();
        let mut state = self.state();
        let delivery = match state.lanes.push(lane, delivery, bytes) {
            Ok(Pushed::Begins) => return Taken::Begins(lane),
            Ok(Pushed::Waits) => return Taken::Waits,
            Err(Full(delivery)) => delivery,
        };
        let is_new = state.full.happened(Instant::now());
        drop(state);
        if is_new {
            warn!(
                sdkappid = %self.sdkappid,
                host = delivery.host(),
                "too many events wait for the receiver of the app's webhook; dropping new ones"
            );
        }
        Taken::Dropped
    }

    /// The next event of a lane; after `None` nobody takes from the lane.
    pub(super) fn next(&self, lane: LaneNumber) -> Option<Delivery> {
        self.state().lanes.next(lane)
    }

    /// Makes room after the end of an event, and says what is worth saying of it.
    pub(super) fn ended(&self, delivery: &Delivery, ended: &Ended) {
        let outcome = outcome(ended);
        let is_delivered = outcome == EventOutcome::Delivered;
        let (is_new, failed, dropped) = {
            let mut state = self.state();
            state.lanes.done(delivery.bytes());
            let dropped = state.lanes.has_room().then(|| state.full.over()).flatten();
            if is_delivered {
                (false, state.failing.over(), dropped)
            } else {
                (state.failing.happened(Instant::now()), None, dropped)
            }
        };
        let (sdkappid, host) = (self.sdkappid, delivery.host());
        let (command, outcome) = (delivery.command().name(), outcome.name());
        debug!(%sdkappid, host, command, outcome, "event ended");
        if is_new {
            let cause = match ended {
                Ok(status) => format!("HTTP status {} instead of 200", status.as_u16()),
                Err(unanswered) => unanswered.to_string(),
            };
            warn!(
                %sdkappid,
                host,
                command,
                outcome,
                cause,
                "the receiver of the app's webhook does not take events; each is lost and counted"
            );
        }
        if let Some(failed) = failed {
            info!(%sdkappid, host, failed, "the receiver of the app's webhook takes events again");
        }
        if let Some(dropped) = dropped {
            info!(%sdkappid, host, dropped, "there is room for events of the app's webhook again");
        }
    }
}
