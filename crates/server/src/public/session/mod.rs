//! Sessions: how a client program shows that its user is online (`docs/sessions.md`).
//!
//! A session is a WebSocket on the public listener, at [`PATH`]. The UserSig is in its first
//! message and never in the URL, which proxies and logs like to keep. It is checked as that of a
//! call is (wire §2, checks 8, 9, 11 and 12), but anyone may sign in, not only admins.
//!
//! The connection's own task serves it, so the session takes the connection's slot, and the server
//! waits for it when it stops.

mod messages;
mod over;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE},
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use muster_accounts::{
    App, OpError, SdkAppId, StoreError, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_wire::{
    Call, Command, Failure, account_import, platform::Platform, webhook::StateChange,
};
use tokio::{
    io::AsyncWriteExt as _,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message, handshake,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tracing::{error, info};

use self::{
    messages::{Refusal, SignIn, Told, ended, no_room, no_such_platform, not_a_sign_in},
    over::Over,
};
use super::{Shared, failed_checks::Use, source};
use crate::{
    connections::Caller,
    log_text::LogText,
    presence::{Entered, NewSession, NotEntered},
    request_id::RequestId,
    stream::Exchange,
};

/// Where sessions are opened.
pub(super) const PATH: &str = "/muster/v1/session";

/// The largest message that a client may send: a sign-in with the largest UserSig fits well.
const MESSAGE_LIMIT_BYTES: usize = 16 * 1024;

/// How long a client that is told to go has to answer the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a client is asked for a sign of life, at the least.
const PING_PERIOD: Duration = Duration::from_secs(30);

/// The codes of a sign-in that fails inside are those of this command's service.
const LIKE: Command = Command::AccountImport;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A user who is online.
struct SignedIn {
    app: Arc<App>,
    entered: Entered,
}

/// One session, from its opening to its end.
pub(super) struct Session {
    shared: Arc<Shared>,
    request_id: RequestId,
    exchange: Arc<Exchange>,
    source: IpAddr,
}

/// Answers a request at [`PATH`]. If it opens a WebSocket, the connection goes on as a session.
pub(super) fn open(
    shared: &Arc<Shared>,
    mut request: Request<Incoming>,
    caller: &Caller,
    request_id: RequestId,
) -> Response<Full<Bytes>> {
    let peer = caller.peer;
    let Ok(mut response) = handshake::server::create_response_with_body(&request, Full::default)
    else {
        info!(target: "muster::session", %request_id, %peer, "no WebSocket was asked for");
        // What else the request holds is not read.
        caller.exchange.linger();
        return no_handshake(request_id);
    };
    info!(target: "muster::session", %request_id, %peer, "opened");
    let session = Session {
        shared: shared.clone(),
        request_id,
        exchange: caller.exchange.clone(),
        source: source::source(caller.peer.ip(), request.headers(), &shared.trusted_proxies),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    caller.takeover.set(session.run(upgrade));
    response
        .headers_mut()
        .insert("x-request-id", request_id.header());
    response
}

/// Says how to open a session to who did not.
fn no_handshake(request_id: RequestId) -> Response<Full<Bytes>> {
    const BODY: &str = r#"{"error":{"code":"upgrade_required","message":"A session is a WebSocket, version 13; its first message signs in."}}"#;
    let mut response = Response::new(Full::from(BODY));
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert("x-request-id", request_id.header());
    response
}

impl Session {
    async fn run(self, upgrade: OnUpgrade) {
        // From here on times are kept here.
        let _untimed = self.exchange.begin();
        let Ok(upgraded) = upgrade.await else {
            return;
        };
        // Sessions are many and say little: small buffers, and nothing is held back in them.
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MESSAGE_LIMIT_BYTES)
            .max_message_size(Some(MESSAGE_LIMIT_BYTES))
            .max_frame_size(Some(MESSAGE_LIMIT_BYTES));
        let io = TokioIo::new(upgraded);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;

        let mut stopping = self.shared.core.stopping.clone();
        let sign_in_timeout = Duration::from_secs(self.shared.limits.header_timeout_s);
        let first = tokio::select! {
            first = timeout(sign_in_timeout, first_text(&mut socket)) => first,
            () = stopping.wait() => return close(&mut socket, CloseCode::Away, "server stops").await,
        };
        let text = match first {
            Ok(Ok(text)) => text,
            Ok(Err(over)) => {
                self.log_unsigned(over.text());
                if let Some((code, reason)) = over.close() {
                    close(&mut socket, code, reason).await;
                }
                return;
            }
            Err(_) => {
                const LATE: &str = "no sign-in came in time";
                self.log_unsigned(LATE);
                return close(&mut socket, CloseCode::Policy, LATE).await;
            }
        };
        let first = serde_json::from_str(&text).map_err(|_| not_a_sign_in());
        // Not the text of one who put something else into its place.
        let who = |first: &SignIn<'_>| (first.sdkappid, UserId::parse(&first.identifier).ok());
        let who = first.as_ref().ok().map(who);
        let signed_in = match first {
            Ok(first) => self.sign_in(first).await,
            Err(refusal) => Err(refusal),
        };
        drop(text);
        match signed_in {
            Ok(signed_in) => self.stay(&mut socket, signed_in).await,
            Err(Refusal { code, message }) => {
                self.shared.core.metrics.sign_in(Some(code));
                let (sdkappid, user_id) = who.unzip();
                info!(
                    target: "muster::session",
                    request_id = %self.request_id,
                    code = code.get(),
                    reason = %LogText(&message),
                    sdkappid,
                    user_id = user_id.flatten().as_ref().map(tracing::field::display),
                    source = %self.source,
                    "refused"
                );
                let (code, message) = (code.get(), &*message);
                // Whether it is heard does not matter: there is no session.
                tell(&mut socket, &Told::Refused { code, message }).await;
                close(&mut socket, CloseCode::Policy, "refused").await;
            }
        }
    }

    /// A session that ends before anyone tried to sign in.
    fn log_unsigned(&self, what: &str) {
        self.shared.core.metrics.unsigned_session();
        let request_id = self.request_id;
        info!(target: "muster::session", %request_id, source = %self.source, "not signed in: {what}");
    }

    /// Judges the first message. The session is online when this succeeds.
    async fn sign_in(&self, first: SignIn<'_>) -> Result<SignedIn, Refusal> {
        let SignIn {
            sdkappid,
            identifier,
            usersig,
            platform,
        } = first;
        let platform = Platform::parse(&platform).ok_or_else(no_such_platform)?;
        let call = Call {
            command: LIKE,
            sdkappid: SdkAppId(sdkappid),
            identifier,
            usersig,
        };
        let Shared { core, gate, .. } = &*self.shared;
        let now = core.clock.now();
        let app = gate.enabled_app(&call, self.request_id).await?;
        let mut token = gate.check_usersig(&app, &call, Use::SignIn, now)?;
        let user_id = UserId::parse(&call.identifier)
            .map_err(|error| Failure::bad_user_id(&call.identifier, error))?;
        // Entered before the app, the kick mark and the account are looked at: if one of them
        // changes after that, the session is found and ended.
        let new = NewSession {
            app: app.sdkappid,
            user_id,
            platform,
            source: self.source,
            since: now,
            signed_at: token.issued_at(),
            times_disabled: app.times_disabled,
        };
        let entering = core.presence.enter(new).await;
        let mut entered = entering.map_err(|why| match why {
            NotEntered::Full(full) => no_room(&full),
            NotEntered::Store(error) => self.failed(&error).into(),
        })?;
        let times_disabled = app.times_disabled;
        let app = gate.enabled_app(&call, self.request_id).await?;
        if app.times_disabled != times_disabled {
            return Err(Failure::app_disabled(app.sdkappid).into());
        }
        gate.refuse_kicked_now(&mut token, &call, self.request_id)
            .await?;
        let deadline = Duration::from_secs(self.shared.limits.deadline_s);
        timeout(deadline, self.find_or_import(&app, user_id))
            .await
            .unwrap_or_else(|_| Err(Failure::timed_out(LIKE)))?;
        let info = entered.info.clone();
        let online = || core.tell_of_session(&app, &info, StateChange::Login);
        let confirmed = entered.confirm(online).await;
        match confirmed.map_err(|error| self.failed(&error))? {
            None => Ok(SignedIn { app, entered }),
            Some(why) => Err(ended(why, app.sdkappid, &call.identifier)),
        }
    }

    fn failed(&self, error: &StoreError) -> Failure {
        let request_id = self.request_id;
        error!(%request_id, %error, "the store failed at a sign-in");
        Failure::internal(LIKE)
    }

    /// Makes sure that the user has an account.
    async fn find_or_import(&self, app: &App, user_id: UserId) -> Result<(), Failure> {
        let core = &self.shared.core;
        let found = core.store.check(app.sdkappid, &[user_id]).await;
        if found.map_err(|error| self.failed(&error))?.first() == Some(&true) {
            return Ok(());
        }
        if !app.settings.import_at_sign_in {
            return Err(Failure::not_imported());
        }
        let entry = ImportEntry {
            position: 0,
            user_id,
            nick: None,
            face_url: None,
        };
        let request = ImportRequest::new(vec![entry]);
        let imported = core.store.import(app.sdkappid, request, core.clock.now());
        match imported.await {
            Ok(_) => Ok(()),
            Err(OpError::Refused(refusal)) => Err(account_import::refused(&refusal)),
            Err(OpError::Store(error)) => Err(self.failed(&error)),
        }
    }

    /// Keeps a session until one of the many ways in which it can end.
    async fn stay(&self, socket: &mut Socket, signed_in: SignedIn) {
        let SignedIn { app, mut entered } = signed_in;
        let info = entered.info.clone();
        let core = &self.shared.core;
        core.metrics.sign_in(None);
        let log = |what: &str| {
            info!(
                target: "muster::session",
                request_id = %self.request_id,
                session_id = %info.key.id,
                sdkappid = app.sdkappid.0,
                user_id = %LogText(info.key.user_id.as_str()),
                platform = info.platform.name(),
                source = %info.source,
                "{what}"
            );
        };
        log("signed in");
        let timeout_s = self.shared.limits.session_timeout_s;
        let told = Told::SignedIn {
            session_id: info.key.id.to_string(),
            timeout_s,
        };
        let over = if tell(socket, &told).await {
            self.wait(socket, &mut entered, timeout_s).await
        } else {
            Over::LinkClosed
        };
        // The app may have got another receiver in the meantime.
        let found = core.store.app(app.sdkappid).await.ok().flatten();
        let app_now = found.as_ref().unwrap_or(&app);
        let mut over = over;
        if let Some(change) = over.change() {
            let tell = || core.tell_of_session(app_now, &info, change);
            if !entered.leave(tell).await {
                // It has been taken away in the meantime; that is the reason.
                over = Over::Ended(entered.ended().await);
            }
        }
        log(over.text());
        if let Some((code, reason)) = over.close() {
            close(socket, code, reason).await;
        }
    }

    async fn wait(&self, socket: &mut Socket, entered: &mut Entered, timeout_s: u64) -> Over {
        let mut stopping = self.shared.core.stopping.clone();
        let silence = Duration::from_secs(timeout_s);
        let period = PING_PERIOD.min(silence / 4);
        let mut gone_at = Instant::now() + silence;
        let mut ping_at = Instant::now() + period;
        loop {
            tokio::select! {
                why = entered.ended() => return Over::Ended(why),
                () = stopping.wait() => return Over::Stopping,
                message = socket.next() => match message {
                    Some(Ok(Message::Close(frame))) => {
                        // The library has the answer ready, with the client's own code.
                        let _ = timeout(CLOSE_TIMEOUT, socket.flush()).await;
                        return Over::by_client(frame.as_ref());
                    }
                    // Whatever it is, it is a sign of life.
                    Some(Ok(_)) => gone_at = Instant::now() + silence,
                    Some(Err(error)) => return Over::unreadable(&error),
                    None => return Over::LinkClosed,
                },
                () = sleep_until(gone_at) => return Over::TimedOut,
                // Every WebSocket library answers a ping by itself.
                () = sleep_until(ping_at) => {
                    ping_at = Instant::now() + period;
                    if !send(socket, Message::Ping(Bytes::new())).await {
                        return Over::LinkClosed;
                    }
                }
            }
        }
    }
}

/// The first message, or how the session ended without one. Pings may come before it.
async fn first_text(socket: &mut Socket) -> Result<String, Over> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            // No text, and so no sign-in either.
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => return Ok(String::new()),
            Some(Ok(Message::Close(frame))) => {
                let _ = timeout(CLOSE_TIMEOUT, socket.flush()).await;
                return Err(Over::by_client(frame.as_ref()));
            }
            Some(Err(error)) => return Err(Over::unreadable(&error)),
            None => return Err(Over::LinkClosed),
        }
    }
}

/// Says something, and whether it was taken.
async fn tell(socket: &mut Socket, told: &Told<'_>) -> bool {
    let text = serde_json::to_string(told).expect("it is made of strings and numbers");
    send(socket, Message::text(text)).await
}

/// Sends a message of a few bytes. Who cannot take it in two seconds does not read, and is not to
/// hold up what else happens to the session.
async fn send(socket: &mut Socket, message: Message) -> bool {
    let sent = timeout(CLOSE_TIMEOUT, socket.send(message)).await;
    matches!(sent, Ok(Ok(())))
}

/// Closes in good form: the client has a little time to answer, so that it gets to read the reason.
async fn close(socket: &mut Socket, code: CloseCode, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let closing = async {
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
        // With TLS this is its own end, without which a client takes the end for an accident.
        socket.get_mut().shutdown().await
    };
    // Who does not answer is left without.
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
}
