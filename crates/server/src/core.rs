//! What both listeners work with.

use std::sync::Arc;

use muster_accounts::{AccountStore, App};
use muster_wire::webhook::{Event, StateChange};

use crate::{
    Clock,
    faults::Faults,
    metrics::Metrics,
    presence::{Presence, SessionInfo},
    request_id::RequestIds,
    stopping::Stopping,
    webhooks::{Origin, Webhooks},
};

/// One server's state, of which each listener has a clone.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) request_ids: Arc<RequestIds>,
    pub(crate) stopping: Stopping,
    pub(crate) presence: Presence,
    pub(crate) webhooks: Webhooks,
    pub(crate) faults: Arc<Faults>,
}

impl Core {
    /// Tells the app's webhook what became of a device of a session.
    pub(crate) fn tell_of_session(&self, app: &App, session: &SessionInfo, change: StateChange) {
        let user_id = &session.key.user_id;
        let event = Event::StateChange { user_id, change };
        let origin = Origin {
            source: session.source,
            platform: Some(session.platform),
        };
        let now_ms = self.clock.now_ms();
        self.webhooks.send(app, user_id, &event, origin, now_ms);
    }
}
