//! The listener of the account protocol, and of nothing else: every method and every path comes
//! here.
//!
//! The way of a call is the order of wire §2. [`muster_wire::parse_call`] does checks 1 to 7, the
//! [`gate`] 8 to 14, [`body`] 15, [`muster_wire::Request::decode`] 16 and 17, and [`commands`]
//! carries out what is left, within the deadline. Whatever comes of it is an answer of HTTP status
//! 200 (503 while the server stops) and one line in the log. What is more than the server takes on at
//! a time ([`Load`]) is refused where it turns out: the body while it is read, the work before it
//! begins, the answer of a read when it is made.
//!
//! One path is not the protocol's: at [`session::PATH`] users of an app show that they are online.

mod body;
mod commands;
mod failed_checks;
mod gate;
mod rate;
mod session;
mod source;
mod usersigs;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        CONNECTION, CONTENT_TYPE, HeaderValue,
    },
    http::request::Parts,
};
use muster_accounts::{App, IpNet, SdkAppId, StoreError, UnixSeconds, UserId};
use muster_usersig::DecodeError;
use muster_wire::{Command, ErrorCode, Failure, Service, failure_body, parse_call, shown_path};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info};

use self::{
    body::{BodyRefusal, RequestBody},
    commands::{Unanswered, Work},
    gate::{Gate, Passed, Refused},
};
pub(crate) use failed_checks::FailedChecks;

use crate::{
    Limits, Settings,
    connections::{Answer, Caller, CutOff},
    core::Core,
    faults::{Effect, Outcome},
    load::{self, Load},
    log_text::LogText,
    metrics::{Overload, command_name},
    panics,
    request_id::RequestId,
};

/// How many values 32 random bits have.
const TWO_POW_32: f64 = 4_294_967_296.0;

/// Answers the account protocol.
#[derive(Clone)]
pub(crate) struct Public(Arc<Shared>);

struct Shared {
    core: Core,
    gate: Gate,
    load: Arc<Load>,
    limits: Limits,
    trusted_proxies: Vec<IpNet>,
}

/// What is known of a request so far: for the log, also if it ends early.
struct Record {
    request_id: RequestId,
    started: Instant,
    command: Option<Command>,
    sdkappid: Option<SdkAppId>,
    /// Why the UserSig is illegal, if it is.
    illegal: Option<DecodeError>,
    entries: usize,
    body_bytes: usize,
    /// Whether a fault struck it.
    struck: bool,
}

/// An answer before it is HTTP.
struct Answered {
    status: StatusCode,
    /// `None` is OK.
    code: Option<ErrorCode>,
    /// `ErrorInfo`, if it failed.
    info: Option<String>,
    body: Bytes,
    /// The request was not read to its end, so the connection cannot go on.
    close: bool,
}

impl Answered {
    fn ok(body: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            code: None,
            info: None,
            body,
            close: false,
        }
    }

    fn failed(service: Option<Service>, failure: &Failure) -> Self {
        let body = failure_body(service, failure).into();
        Self {
            status: StatusCode::OK,
            code: Some(failure.code),
            info: Some(failure.info.clone()),
            body,
            close: false,
        }
    }

    fn closing(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }
}

impl Answer for Public {
    type Body = Full<Bytes>;

    async fn answer(
        &self,
        request: Request<Incoming>,
        caller: &Caller,
    ) -> Result<Response<Full<Bytes>>, CutOff> {
        let Core {
            request_ids,
            stopping,
            ..
        } = &self.0.core;
        if request.uri().path() == session::PATH && !stopping.is_set() {
            let request_id = request_ids.next();
            return Ok(session::open(&self.0, request, caller, request_id));
        }
        let mut record = Record {
            request_id: request_ids.next(),
            started: Instant::now(),
            command: None,
            sdkappid: None,
            illegal: None,
            entries: 0,
            body_bytes: 0,
            struck: false,
        };
        let (head, body) = request.into_parts();
        let answered = if stopping.is_set() {
            Ok(stopping_answer())
        } else {
            let answer = self.0.answer(&head, body, caller, &mut record);
            panics::catch(answer)
                .await
                .unwrap_or_else(|panic| Ok(panicked(&record, &panic)))
        };
        self.0.log(&head, caller, &record, answered.as_ref());
        let answered = answered?;
        if answered.close {
            caller.exchange.linger();
        }
        Ok(response(answered, record.request_id))
    }
}

impl Public {
    /// The counts of failed UserSigs, which servers tell each other.
    pub(crate) fn failed_checks(&self) -> Arc<FailedChecks> {
        self.0.gate.failed_checks().clone()
    }

    pub(crate) fn new(settings: &Settings, core: Core, load: Arc<Load>) -> Self {
        Self(Arc::new(Shared {
            load,
            gate: Gate::new(settings, core.store.clone(), core.metrics.clone()),
            limits: settings.limits.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            core,
        }))
    }
}

/// A call that passed the gate, without its secrets.
struct Admitted {
    command: Command,
    app: Arc<App>,
    caller: UserId,
    source: IpAddr,
    now: UnixSeconds,
}

impl Shared {
    async fn answer(
        &self,
        head: &Parts,
        body: Incoming,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<Answered, CutOff> {
        let body = RequestBody::new(body, &head.headers, &self.limits);
        let admitted = match self.admit(head, caller, record).await {
            Ok(admitted) => admitted,
            // Not a call, to be answered with 200 (wire §1.2), but a wish for a tunnel, which any
            // status of success would grant.
            Err(refused) if head.method == Method::CONNECT => {
                return Ok(Answered {
                    status: StatusCode::BAD_REQUEST,
                    ..refused.closing()
                });
            }
            Err(refused) => {
                let passed = body.discard().await?;
                return Ok(if passed { refused } else { refused.closing() });
            }
        };
        let service = Some(admitted.command.service());
        // 15
        let body = match body.read(&self.load).await? {
            Ok(body) => body,
            Err(BodyRefusal::TooLarge) => {
                return Ok(Answered::failed(service, &Failure::body_too_large()).closing());
            }
            Err(BodyRefusal::Slow | BodyRefusal::Malformed) => {
                return Ok(Answered::failed(service, &Failure::slow_body()).closing());
            }
            Err(BodyRefusal::NoRoom) => {
                let overloaded = self.overloaded(Overload::RequestMemory);
                return Ok(Answered::failed(service, &overloaded).closing());
            }
        };
        record.body_bytes = body.len();
        self.core.metrics.body(body.len());
        let command = admitted.command;
        let done = match self.strike(&admitted) {
            None => self.carry_out(admitted, &body, record).await,
            Some(effect) => self.suffer(effect, admitted, &body, record).await?,
        };
        Ok(match done.and_then(|answer| self.hold(command, answer)) {
            Ok(answer) => Answered::ok(answer),
            Err(failure) => Answered::failed(service, &failure),
        })
    }

    /// Counts an answer as held until the caller has taken it. A read for which there is no room is
    /// refused, and can be had again; what a write has done is answered in any case.
    fn hold(&self, command: Command, answer: Vec<u8>) -> Result<Bytes, Failure> {
        if commands::writes(command) {
            return Ok(self.load.hold_anyway(answer));
        }
        let held = self.load.hold(answer);
        held.map_err(|load::Full| self.overloaded(Overload::AnswerMemory))
    }

    /// Counts that a call is refused for want of room, and says so.
    fn overloaded(&self, why: Overload) -> Failure {
        self.core.metrics.overload(why);
        Failure::overloaded()
    }

    /// What a fault does to this call, if one strikes it.
    fn strike(&self, admitted: &Admitted) -> Option<Effect> {
        let Admitted {
            command, app, now, ..
        } = admitted;
        let chance = || getrandom::u32().map_or(0.0, |drawn| f64::from(drawn) / TWO_POW_32);
        self.core
            .faults
            .strike(app.sdkappid, *command, *now, chance)
    }

    /// Answers a call that a fault strikes.
    async fn suffer(
        &self,
        effect: Effect,
        admitted: Admitted,
        body: &Bytes,
        record: &mut Record,
    ) -> Result<Result<Vec<u8>, Failure>, CutOff> {
        record.struck = true;
        let command = admitted.command;
        // A server that stops does not wait for what is only played.
        let mut stopping = self.core.stopping.clone();
        tokio::select! {
            () = sleep(effect.latency) => {}
            () = stopping.wait() => {}
        }
        let usual = if effect.after_work || effect.outcome == Outcome::AsUsual {
            Some(self.carry_out(admitted, body, record).await)
        } else {
            None
        };
        match effect.outcome {
            Outcome::AsUsual => Ok(usual.expect("it was carried out")),
            Outcome::Code(code, info) => Ok(Err(Failure::injected(code, command, info.as_deref()))),
            Outcome::Cut => Err(CutOff),
        }
    }

    /// Checks 1 to 14.
    async fn admit(
        &self,
        head: &Parts,
        caller: &Caller,
        record: &mut Record,
    ) -> Result<Admitted, Answered> {
        let path = head.uri.path();
        record.command = Command::ALL
            .into_iter()
            .find(|command| command.path() == path);
        let call = parse_call(head.method.as_str(), path, head.uri.query())
            .map_err(|refused| Answered::failed(refused.service, &refused.failure))?;
        record.sdkappid = Some(call.sdkappid);
        let now = self.core.clock.now();
        let source = source::source(caller.peer.ip(), &head.headers, &self.trusted_proxies);
        match self.gate.pass(&call, source, now, record.request_id).await {
            Ok(Passed {
                app,
                caller: identifier,
            }) => Ok(Admitted {
                command: call.command,
                app,
                caller: identifier,
                source,
                now,
            }),
            Err(Refused { failure, illegal }) => {
                record.illegal = illegal;
                Err(Answered::failed(Some(call.command.service()), &failure))
            }
        }
    }

    /// Checks 16 and 17, and the work, unless too much of it is in progress.
    async fn carry_out(
        &self,
        admitted: Admitted,
        body: &Bytes,
        record: &mut Record,
    ) -> Result<Vec<u8>, Failure> {
        let Admitted {
            command,
            app,
            caller,
            source,
            now,
        } = admitted;
        let Ok(_in_progress) = self.load.begin() else {
            return Err(self.overloaded(Overload::Calls));
        };
        let declared = &app.settings.custom_fields;
        let request = muster_wire::Request::decode(command, body, declared)?;
        record.entries = commands::entries(&request);
        let work = Work {
            store: self.core.store.clone(),
            load: self.load.clone(),
            presence: self.core.presence.clone(),
            webhooks: self.core.webhooks.clone(),
            app,
            caller,
            source,
            now,
            clock: self.core.clock.clone(),
        };
        let deadline = Duration::from_secs(self.limits.deadline_s);
        match timeout(deadline, work.carry_out(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Unanswered::Refused(failure))) => Err(failure),
            Ok(Err(Unanswered::Store(StoreError::UnknownApp(app)))) => {
                Err(Failure::unknown_app(app))
            }
            Ok(Err(Unanswered::Store(StoreError::Busy))) => Err(self.overloaded(Overload::Store)),
            Ok(Err(Unanswered::Store(error))) => {
                let request_id = record.request_id;
                error!(%request_id, command = command.name(), %error, "the store failed");
                Err(Failure::internal(command))
            }
            Err(_) => {
                let request_id = record.request_id;
                let command_name = command.name();
                error!(%request_id, command = command_name, "the store did not answer in time");
                Err(Failure::timed_out(command))
            }
        }
    }

    /// The one line of a request. The query is never in it: it holds the UserSig.
    fn log(
        &self,
        head: &Parts,
        caller: &Caller,
        record: &Record,
        answered: Result<&Answered, &CutOff>,
    ) {
        let duration = record.started.elapsed();
        let code = match answered {
            Ok(answered) => {
                self.core
                    .metrics
                    .request(record.command, answered.code, duration);
                Some(answered.code.map_or(0, ErrorCode::get))
            }
            Err(CutOff) => None,
        };
        // The protocol's text for an illegal UserSig does not say what is wrong with it.
        let illegal = record.illegal.as_ref().map(ToString::to_string);
        let info = || answered.ok()?.info.as_deref();
        let reason = illegal.or_else(|| info().map(|info| LogText(info).to_string()));
        let path = record
            .command
            .is_none()
            .then(|| LogText(shown_path(head.uri.path())));
        info!(
            target: "muster::request",
            request_id = %record.request_id,
            command = command_name(record.command),
            path = path.as_ref().map(tracing::field::display),
            sdkappid = record.sdkappid.map(|sdkappid| sdkappid.0),
            code,
            reason = reason.as_ref().map(tracing::field::display),
            method = %LogText(head.method.as_str()),
            entries = record.entries,
            body_bytes = record.body_bytes,
            fault = record.struck.then_some(true),
            duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            peer = %caller.peer,
            "{}",
            match code {
                Some(_) => "answered",
                None if record.struck => "cut off by a fault",
                None => "cut off by the caller",
            },
        );
    }
}

/// A stopping server takes no more calls: the one status besides 200 (wire §1.2).
fn stopping_answer() -> Answered {
    let answered = Answered::failed(None, &Failure::slow_body()).closing();
    Answered {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..answered
    }
}

fn panicked(record: &Record, panic: &str) -> Answered {
    let request_id = record.request_id;
    error!(%request_id, command = command_name(record.command), panic, "panicked in a call");
    match record.command {
        Some(command) => Answered::failed(Some(command.service()), &Failure::internal(command)),
        // Before a service is known 60008 is the one code that advises to repeat the call.
        None => Answered::failed(None, &Failure::slow_body()),
    }
    .closing()
}

/// Headers of wire §1.2.
fn response(answered: Answered, request_id: RequestId) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answered.body));
    *response.status_mut() = answered.status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("X-Requested-With"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST"),
    );
    headers.insert("x-request-id", request_id.header());
    if answered.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
