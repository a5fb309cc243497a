//! The figures that a scrape of `/metrics` reads, in the OpenMetrics text format.
//!
//! Labels are closed sets (commands, codes, listeners), so their number is bounded, and no user, app
//! or secret stands in one. What others know already is not counted a second time: the store's
//! figures and the process's are asked for at each scrape (`collectors`).

mod collectors;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use muster_accounts::AccountStore;
use muster_wire::{Command, ErrorCode, webhook::CallbackCommand};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};

use self::collectors::{LoadCollector, ProcessCollector, SessionCollector, StoreCollector};
use crate::{load::Load, presence::Presence};

/// The type of what [`Metrics::text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts what the server does.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<CommandLabels, Histogram, DurationBuckets>,
    body_bytes: Histogram,
    connections: Family<ListenerLabels, Gauge>,
    refused_connections: Family<ListenerLabels, Counter>,
    overload_refusals: Family<OverloadLabels, Counter>,
    sign_ins: Family<CodeLabels, Counter>,
    unsigned_sessions: Counter,
    failed_handshakes: Counter,
    usersig_hits: Counter,
    usersig_misses: Counter,
    webhook_events: Family<EventLabels, Counter>,
    webhook_waiting: Gauge,
    line_imports: Gauge,
}

/// A listener, as logs and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListenerName {
    Public,
    Operator,
}

impl ListenerName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl EncodeLabelValue for ListenerName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: ListenerName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    command: CommandName,
    code: Code,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: CommandName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: Code,
}

/// `unknown` for whatever is no command, so that callers cannot make up labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CommandName(Option<Command>);

impl EncodeLabelValue for CommandName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        command_name(self.0).encode(encoder)
    }
}

/// The name of a command in logs and metrics.
pub(crate) fn command_name(command: Option<Command>) -> &'static str {
    command.map_or("unknown", Command::name)
}

/// 0 for OK.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Code(Option<ErrorCode>);

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.map_or(0, ErrorCode::get).encode(encoder)
    }
}

/// What there was no room for when a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Overload {
    /// One more call in progress.
    Calls,
    /// The body of the request.
    RequestMemory,
    /// The answer.
    AnswerMemory,
    /// One more call to the store.
    Store,
}

impl Overload {
    const ALL: [Self; 4] = [
        Self::Calls,
        Self::RequestMemory,
        Self::AnswerMemory,
        Self::Store,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Store => "store",
            Self::RequestMemory => "request_memory",
            Self::AnswerMemory => "answer_memory",
        }
    }
}

impl EncodeLabelValue for Overload {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.name().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OverloadLabels {
    reason: Overload,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    command: EventName,
    outcome: EventOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct EventName(CallbackCommand);

impl EncodeLabelValue for EventName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.name().encode(encoder)
    }
}

impl EventLabels {
    fn new(command: CallbackCommand, outcome: EventOutcome) -> Self {
        Self {
            command: EventName(command),
            outcome,
        }
    }
}

/// What became of an event for a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventOutcome {
    /// HTTP 200 came back.
    Delivered,
    /// Another status came back.
    Refused,
    /// No whole answer came in time.
    TimedOut,
    /// There was no connection, or it broke.
    Failed,
    /// Too many were waiting, or the server was stopping.
    Dropped,
}

impl EventOutcome {
    const ALL: [Self; 5] = [
        Self::Delivered,
        Self::Refused,
        Self::TimedOut,
        Self::Failed,
        Self::Dropped,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl EncodeLabelValue for EventOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.name().encode(encoder)
    }
}

#[derive(Clone)]
struct DurationBuckets;

impl MetricConstructor<Histogram> for DurationBuckets {
    /// From far below one sync of a disk to the deadline of 3 s and beyond.
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
            1.0, 2.5, 5.0, 10.0,
        ])
    }
}

impl Metrics {
    pub(crate) fn new(store: Arc<dyn AccountStore>, presence: Presence, load: Arc<Load>) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(DurationBuckets),
            // A single id, one account, up to a full batch and the limit.
            body_bytes: Histogram::new([
                64.0,
                256.0,
                1024.0,
                4096.0,
                16_384.0,
                65_536.0,
                262_144.0,
                1_048_576.0,
            ]),
            connections: Family::default(),
            refused_connections: Family::default(),
            overload_refusals: Family::default(),
            sign_ins: Family::default(),
            unsigned_sessions: Counter::default(),
            failed_handshakes: Counter::default(),
            usersig_hits: Counter::default(),
            usersig_misses: Counter::default(),
            webhook_events: Family::default(),
            webhook_waiting: Gauge::default(),
            line_imports: Gauge::default(),
        };
        // The series are there from the start, not from the first event on.
        for listener in [ListenerName::Public, ListenerName::Operator] {
            metrics.connections(listener);
            metrics
                .refused_connections
                .get_or_create_owned(&ListenerLabels { listener });
        }
        for reason in Overload::ALL {
            metrics
                .overload_refusals
                .get_or_create_owned(&OverloadLabels { reason });
        }
        for command in CallbackCommand::ALL {
            for outcome in EventOutcome::ALL {
                metrics
                    .webhook_events
                    .get_or_create_owned(&EventLabels::new(command, outcome));
            }
        }
        metrics.register(store, presence, load);
        metrics
    }

    /// The names; a counter's gets `_total` at its end.
    fn register(&mut self, store: Arc<dyn AccountStore>, presence: Presence, load: Arc<Load>) {
        let registry = &mut self.registry;
        registry.register(
            "muster_requests",
            "Answered calls of the protocol, by ErrorCode",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "muster_request_duration",
            "From the end of a request's head to its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "muster_request_body",
            "Size of the bodies that were read",
            Unit::Bytes,
            self.body_bytes.clone(),
        );
        registry.register(
            "muster_connections",
            "Open connections",
            self.connections.clone(),
        );
        registry.register(
            "muster_connections_refused",
            "Connections closed at once because every one was taken",
            self.refused_connections.clone(),
        );
        registry.register(
            "muster_overload_refusals",
            "Calls refused because the server had too much to do (code 60018), by what was used up",
            self.overload_refusals.clone(),
        );
        registry.register(
            "muster_sign_ins",
            "Sign-ins to a session, by code",
            self.sign_ins.clone(),
        );
        registry.register(
            "muster_sessions_unsigned",
            "Sessions that ended before anyone tried to sign in",
            self.unsigned_sessions.clone(),
        );
        registry.register(
            "muster_tls_handshakes_failed",
            "Connections that ended before their TLS handshake did",
            self.failed_handshakes.clone(),
        );
        registry.register(
            "muster_usersig_cache_hits",
            "UserSigs that were verified before",
            self.usersig_hits.clone(),
        );
        registry.register(
            "muster_usersig_cache_misses",
            "UserSigs that had to be verified",
            self.usersig_misses.clone(),
        );
        registry.register(
            "muster_webhook_events",
            "Events for webhooks, by what became of them",
            self.webhook_events.clone(),
        );
        registry.register(
            "muster_webhook_waiting",
            "Events that wait for a receiver, or for its answer",
            self.webhook_waiting.clone(),
        );
        registry.register(
            "muster_line_imports",
            "Imports of lines under way",
            self.line_imports.clone(),
        );
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("muster_build", "The running version", version);
        registry.register_collector(Box::new(StoreCollector(store)));
        registry.register_collector(Box::new(SessionCollector(presence)));
        registry.register_collector(Box::new(LoadCollector(load)));
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        registry.register_collector(Box::new(ProcessCollector {
            started: since_1970,
        }));
    }

    /// Counts an answered call; `code` is `None` for OK.
    pub(crate) fn request(
        &self,
        command: Option<Command>,
        code: Option<ErrorCode>,
        duration: Duration,
    ) {
        let labels = RequestLabels {
            command: CommandName(command),
            code: Code(code),
        };
        self.requests.get_or_create(&labels).inc();
        let labels = CommandLabels {
            command: CommandName(command),
        };
        self.durations
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
    }

    /// Counts a body that was read to its end.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a body is far smaller than 2^52 bytes"
    )]
    pub(crate) fn body(&self, bytes: usize) {
        self.body_bytes.observe(bytes as f64);
    }

    /// The number of open connections, to be kept by the listener.
    pub(crate) fn connections(&self, listener: ListenerName) -> Gauge {
        self.connections
            .get_or_create_owned(&ListenerLabels { listener })
    }

    pub(crate) fn refused_connection(&self, listener: ListenerName) {
        self.refused_connections
            .get_or_create(&ListenerLabels { listener })
            .inc();
    }

    /// Counts a call that was refused for want of room.
    pub(crate) fn overload(&self, reason: Overload) {
        self.overload_refusals
            .get_or_create(&OverloadLabels { reason })
            .inc();
    }

    pub(crate) fn failed_handshake(&self) {
        self.failed_handshakes.inc();
    }

    /// Counts a UserSig, and whether it was known.
    pub(crate) fn usersig(&self, known: bool) {
        if known {
            self.usersig_hits.inc()
        } else {
            self.usersig_misses.inc()
        };
    }

    /// Counts a sign-in to a session; `code` is `None` for one that succeeded.
    pub(crate) fn sign_in(&self, code: Option<ErrorCode>) {
        let labels = CodeLabels { code: Code(code) };
        self.sign_ins.get_or_create(&labels).inc();
    }

    /// Counts the end of an event for a webhook.
    pub(crate) fn event(&self, command: CallbackCommand, outcome: EventOutcome) {
        self.webhook_events
            .get_or_create(&EventLabels::new(command, outcome))
            .inc();
    }

    /// So many more events wait for a receiver, or fewer.
    pub(crate) fn waiting_events(&self, change: isize) {
        self.webhook_waiting
            .inc_by(i64::try_from(change).expect("a count fits"));
    }

    /// The number of imports of lines under way, to be kept by them.
    pub(crate) fn line_imports(&self) -> Gauge {
        self.line_imports.clone()
    }

    /// Counts a session that ended before anyone tried to sign in.
    pub(crate) fn unsigned_session(&self) {
        self.unsigned_sessions.inc();
    }

    /// All figures, as they are now.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}
