//! What both listeners work with.

use std::sync::Arc;

use muster_accounts::AccountStore;

use crate::{
    Clock, faults::Faults, metrics::Metrics, presence::Presence, request_id::RequestIds,
    stopping::Stopping, webhooks::Webhooks,
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
