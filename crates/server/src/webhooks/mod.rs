//! Tells an app's own back end of events (wire §8).
//!
//! Who makes an event never waits: it goes into the queue of its app, and tasks bring it to the
//! receiver. Each app has lanes of its own, so a receiver that is slow or down delays no other app's
//! events. Nothing of this is on disk: an event is told once, as far as the receiver takes it, and
//! what a stop finds waiting is sent as long as the stop may take.
//!
//! - `lanes`: the order and the bounds of what waits.
//! - `queue`: those of one app, with what the log says of its receiver.
//! - `delivery`: one event, and how often it is tried.
//! - `receivers`, `names`: HTTP, and where a receiver's name leads.
//! - `outage`: lines of the log that are written once and not with every event.

mod delivery;
mod lanes;
mod names;
mod outage;
mod queue;
mod receivers;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use muster_accounts::{App, SdkAppId, UserId};
use muster_wire::{platform::Platform, webhook::Event};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tracing::{error, info, warn};

pub(crate) use self::receivers::can_be_posted_to;
use self::{
    delivery::{Delivery, outcome},
    lanes::{Bounds, LaneNumber},
    queue::{Queue, Taken},
    receivers::{Receivers, Unanswered},
};
use crate::{
    Clock,
    metrics::{EventOutcome, Metrics},
    panics,
    stopping::{StopSwitch, Stopping},
};

/// How many bytes of events wait for one receiver, however few events they are.
const WAITING_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Sends events to the receivers that apps have named. Clones share the queues.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<Shared>);

struct Shared {
    /// One for each app that ever had an event; apps are as many as the operator makes.
    queues: Mutex<HashMap<SdkAppId, Arc<Queue>>>,
    bounds: Bounds,
    receivers: Receivers,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Events in all queues and on their way.
    waiting: watch::Sender<usize>,
    /// Set when what still waits is given up.
    abandon: StopSwitch,
    given_up: Stopping,
}

/// Where the call or the session came from that made an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) source: IpAddr,
    /// `None` is a call of the account API.
    pub(crate) platform: Option<Platform>,
}

impl Webhooks {
    /// `limit` is how many events wait for one app's receiver.
    pub(crate) fn new(metrics: Arc<Metrics>, clock: Clock, limit: usize) -> Self {
        let (abandon, given_up) = Stopping::new();
        Self(Arc::new(Shared {
            queues: Mutex::default(),
            bounds: Bounds {
                events: limit,
                bytes: WAITING_LIMIT_BYTES,
            },
            receivers: Receivers::default(),
            clock,
            metrics,
            waiting: watch::Sender::new(0),
            abandon,
            given_up,
        }))
    }

    /// Takes an event about a user in, to be sent if the app has a receiver. Never waits. Events of
    /// one user are sent in the order of these calls.
    pub(crate) fn send(
        &self,
        app: &App,
        user_id: &UserId,
        event: &Event<'_>,
        origin: Origin,
        now_ms: u64,
    ) {
        let Some(webhook) = &app.settings.webhook else {
            return;
        };
        let shared = &self.0;
        let command = event.command();
        if shared.given_up.is_set() {
            shared.metrics.event(command, EventOutcome::Dropped);
            return;
        }
        let delivery = Delivery::new(app.sdkappid, webhook, event, origin, now_ms);
        let queue = shared.queue(app.sdkappid);
        // Counted before it can end.
        shared.count(1);
        match queue.push(user_id, delivery) {
            Taken::Begins(lane) => {
                tokio::spawn(shared.clone().run_lane(queue, lane));
            }
            Taken::Waits => {}
            Taken::Dropped => {
                shared.count(-1);
                shared.metrics.event(command, EventOutcome::Dropped);
            }
        }
    }

    /// Waits until all events are sent, at most until `deadline`; those that are left then are
    /// dropped, and so are all later ones. To be called when nothing makes events any more.
    pub(crate) async fn drain(&self, deadline: Instant) {
        let shared = &self.0;
        let mut waiting = shared.waiting.subscribe();
        let left = *waiting.borrow();
        if left > 0 {
            info!(
                events = left,
                "stopping: sending the events that wait for webhooks"
            );
        }
        let sent = timeout_at(deadline, waiting.wait_for(|waiting| *waiting == 0))
            .await
            .is_ok();
        let dropped = *shared.waiting.borrow();
        // Also if all were sent: nobody waits any more for what comes now.
        shared.abandon.stop();
        if sent {
            return;
        }
        warn!(
            dropped,
            "stopped before every event was sent to its webhook; dropped them"
        );
    }
}

impl Shared {
    fn queue(&self, sdkappid: SdkAppId) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues
            .entry(sdkappid)
            .or_insert_with(|| Arc::new(Queue::new(sdkappid, self.bounds)));
        queue.clone()
    }

    fn count(&self, change: isize) {
        self.waiting
            .send_modify(|waiting| *waiting = waiting.saturating_add_signed(change));
        self.metrics.waiting_events(change);
    }

    /// Sends what is in a lane, one event after the other, until there is none.
    async fn run_lane(self: Arc<Self>, queue: Arc<Queue>, lane: LaneNumber) {
        let mut given_up = self.given_up.clone();
        while let Some(delivery) = queue.next(lane) {
            let delivering = panics::catch(delivery.deliver(&self.receivers, &self.clock));
            let ended = tokio::select! {
                biased;
                () = given_up.wait() => return,
                ended = delivering => ended,
            };
            let ended = ended.unwrap_or_else(|panic| {
                error!(panic, "sending an event panicked");
                Err(Unanswered::Failed("a fault of muster".to_owned()))
            });
            self.metrics.event(delivery.command(), outcome(&ended));
            queue.ended(&delivery, &ended);
            self.count(-1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use muster_accounts::{
        AccountStore as _, AppChange, AppPatch, Edition, NewApp, ReferenceStore, UnixSeconds,
        app::Webhook,
    };
    use muster_usersig::SecretKey;
    use muster_wire::webhook::StateChange;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Limits, load::Load, presence::Presence};

    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    /// An app whose receiver is at this URL.
    async fn app(store: &ReferenceStore, url: String) -> Arc<App> {
        let new = NewApp {
            sdkappid: SdkAppId(7),
            edition: Edition::Developer,
            key: SecretKey::from_random([7; 32]),
        };
        store.create_app(new, NOW).await.expect("a new app");
        let webhook = Webhook {
            url,
            token: None,
            retry: false,
            imports: false,
        };
        let patch = AppPatch {
            webhook: Some(Some(webhook.into())),
            ..AppPatch::default()
        };
        let change = AppChange::Configure(Box::new(patch));
        let changed = store.change_app(SdkAppId(7), change, NOW).await;
        changed.expect("it is there")
    }

    /// Whether all were sent or some were left makes no difference to those that come later, as of a
    /// kick that goes on although its caller was cut off.
    #[tokio::test]
    async fn what_comes_after_the_drain_is_dropped() {
        // Takes connections, and answers nobody.
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = silent.local_addr().expect("it is bound");
        for before in [0, 1] {
            let store = Arc::new(ReferenceStore::default());
            let app = app(&store, format!("http://{address}/hook")).await;
            let load = Arc::new(Load::new(&Limits::default()));
            let metrics = Arc::new(Metrics::new(store, Presence::new(1, None), load));
            let (clock, _hand) = Clock::stopped_at(NOW);
            let webhooks = Webhooks::new(metrics.clone(), clock, 10);
            let tell = || {
                let user_id = UserId::ADMINISTRATOR;
                let event = Event::StateChange {
                    user_id: &user_id,
                    change: StateChange::Logout,
                };
                let origin = Origin {
                    source: Ipv4Addr::LOCALHOST.into(),
                    platform: None,
                };
                webhooks.send(&app, &user_id, &event, origin, 0);
            };
            let is = |line: String| metrics.text().lines().any(|found| found == line);
            let dropped = |count| {
                let event = "command=\"State.StateChange\",outcome=\"dropped\"";
                is(format!("muster_webhook_events_total{{{event}}} {count}"))
            };
            let waiting = |count| is(format!("muster_webhook_waiting {count}"));
            for _ in 0..before {
                tell();
            }
            assert!(waiting(before), "{}", metrics.text());
            webhooks
                .drain(Instant::now() + Duration::from_millis(1))
                .await;
            assert!(dropped(0), "{}", metrics.text());
            tell();
            assert!(dropped(1) && waiting(before), "{}", metrics.text());
        }
    }
}
