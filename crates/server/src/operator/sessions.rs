//! Sessions: who is signed in, and an end to it.

use axum::{Json, extract::State, http::StatusCode};
use muster_accounts::{Ended, SessionId, UserId};
use muster_wire::{platform::Platform, webhook::StateChange};
use serde::{Deserialize, Serialize};
use utoipa::{ToSchema, openapi::Object};

use super::{
    Shared, document,
    error::{ApiError, ErrorBody},
    input::{AppNumber, AppPath, Parameters, PathPair, parse_limit, parse_number},
};
use crate::presence::SessionInfo;

/// Which page of sessions.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParameters {
    /// Only those of this user.
    user_id: Option<String>,
    /// The session after which the page begins, from `next_after` of the page before.
    #[param(example = "17")]
    after: Option<String>,
    /// How many sessions, 1 to 10000; 1000 if left out.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 10_000, example = 100)]
    limit: Option<String>,
}

/// Describes the second part of a session's path.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) struct SessionNumber {
    /// The session, as the list names it.
    #[param(example = "17")]
    session_id: String,
}

/// An open session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionBody {
    /// Its number, unique as long as any server runs.
    #[schema(example = "17")]
    session_id: String,
    /// Whose it is.
    #[schema(example = "alice")]
    user_id: String,
    /// What the client runs on.
    #[schema(schema_with = platform)]
    platform: &'static str,
    /// The address it comes from.
    #[schema(example = "192.0.2.1")]
    source: String,
    /// When it was signed in, in UTC.
    #[schema(example = "2026-02-20T08:00:00Z")]
    since: String,
}

/// Some sessions of an app.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionsBody {
    /// In order of sign-in; with several servers, to the second.
    sessions: Vec<SessionBody>,
    /// `after` of the next page; `null` on the last.
    #[schema(example = "17")]
    #[schema(required = true)]
    next_after: Option<String>,
}

fn platform() -> Object {
    document::words_of(
        Platform::ALL.map(Platform::name),
        Platform::Web.name(),
        "What the client runs on.",
    )
}

/// List an app's sessions, page by page
#[utoipa::path(
    get, path = "/muster/v1/apps/{sdkappid}/sessions", operation_id = "sessions",
    tag = "sessions", params(AppNumber, PageParameters),
    responses(
        (status = 200, description = "Some sessions", body = SessionsBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody)
    )
)]
pub(super) async fn page(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
    Parameters(parameters): Parameters<PageParameters>,
) -> Result<Json<SessionsBody>, ApiError> {
    let user_id = parameters.user_id.as_deref().map(parse_user_id);
    let user_id = user_id.transpose()?;
    let after = parameters.after.as_deref().map(parse_after).transpose()?;
    let limit = parse_limit(parameters.limit.as_deref())?;
    shared.existing_app(sdkappid).await?;
    // One more than shown tells whether there is a next page.
    let presence = &shared.core.presence;
    let page = presence.page(sdkappid, user_id, after, limit + 1);
    let mut sessions = shared.ask(page).await?;
    let has_next = sessions.len() > limit;
    sessions.truncate(limit);
    let last = sessions.last().filter(|_| has_next);
    Ok(Json(SessionsBody {
        next_after: last.map(|session| session.key.id.to_string()),
        sessions: sessions.iter().map(session_body).collect(),
    }))
}

/// End a session
///
/// The client is told that the server closed it, and may sign in again; a kick, which is a command
/// of the account protocol, takes its UserSig from it as well.
#[utoipa::path(
    delete, path = "/muster/v1/apps/{sdkappid}/sessions/{session_id}",
    operation_id = "end_session", tag = "sessions", params(AppNumber, SessionNumber),
    responses(
        (status = 204, description = "It has ended"),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (
            status = 404, body = ErrorBody,
            description = "`session_not_found`: it has ended before, or there is no such app"
        )
    )
)]
pub(super) async fn end(
    State(Shared(shared)): State<Shared>,
    PathPair(sdkappid, session_id): PathPair,
) -> Result<StatusCode, ApiError> {
    let id = parse_number(&session_id).map(SessionId).ok_or_else(|| {
        ApiError::invalid_request("The session in the path is no number; the list names them.")
    })?;
    let core = &shared.core;
    let app = shared.ask(core.store.app(sdkappid)).await?;
    let Some(app) = app else {
        return Err(ApiError::session_not_found(sdkappid));
    };
    let tell = |session: &SessionInfo| {
        core.tell_of_session(&app, session, StateChange::LinkClose);
    };
    let ended = core.presence.end_session(sdkappid, id, Ended::Closed, tell);
    if !shared.ask(ended).await? {
        return Err(ApiError::session_not_found(sdkappid));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn parse_user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::parse(text)
        .map_err(|error| ApiError::invalid_request(format!("user_id cannot be one: {error}.")))
}

fn parse_after(text: &str) -> Result<SessionId, ApiError> {
    let id = parse_number(text).map(SessionId);
    id.ok_or_else(|| ApiError::invalid_request("after is not the number of a session."))
}

fn session_body(session: &SessionInfo) -> SessionBody {
    SessionBody {
        session_id: session.key.id.to_string(),
        user_id: session.key.user_id.to_string(),
        platform: session.platform.name(),
        source: session.source.to_string(),
        since: session.since.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use http_body_util::BodyExt as _;
    use muster_accounts::{
        AccountStore as _, Edition, NewApp, ReferenceStore, SdkAppId, UnixSeconds,
    };
    use muster_usersig::SecretKey;
    use serde_json::{Value, json};
    use tower_service::Service as _;

    use super::*;
    use crate::{
        Clock, Limits, OperatorToken, Settings,
        core::Core,
        load::Load,
        metrics::Metrics,
        operator::Operator,
        presence::{Entered, NewSession, Presence},
        request_id::RequestIds,
        stopping::Stopping,
        webhooks::Webhooks,
    };

    const APP: SdkAppId = SdkAppId(7);
    const TOKEN: &str = "an-operator-token-for-tests";

    async fn operator(presence: Presence) -> Operator {
        let store = Arc::new(ReferenceStore::default());
        let new = NewApp {
            sdkappid: APP,
            edition: Edition::Developer,
            key: SecretKey::parse("0123456789abcdef").unwrap(),
        };
        store.create_app(new, UnixSeconds(1)).await.unwrap();
        let load = Arc::new(Load::new(&Limits::default()));
        let metrics = Arc::new(Metrics::new(store.clone(), presence.clone(), load));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings {
            listen: any_port,
            operator_listen: any_port,
            operator_token: OperatorToken::new(TOKEN.to_owned()).unwrap(),
            rate_limits: true,
            trusted_proxies: Vec::new(),
            test_controls: false,
            tls: None,
            limits: Limits::default(),
        };
        let core = Core {
            store,
            clock: Clock::system(),
            webhooks: Webhooks::new(metrics.clone(), Clock::system(), 1),
            metrics,
            request_ids: Arc::new(RequestIds::new(1)),
            stopping: Stopping::new().1,
            presence,
            faults: Arc::default(),
        };
        Operator::new(&settings, core)
    }

    async fn ask(operator: &Operator, method: Method, path: &str) -> (u16, Value) {
        let path = format!("/muster/v1/apps/7/sessions{path}");
        send(operator, method, &path, Value::Null).await
    }

    async fn send(operator: &Operator, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {TOKEN}"));
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = operator.router.clone().call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn enter(presence: &Presence, name: &str) -> Entered {
        let new = NewSession {
            app: APP,
            user_id: UserId::parse(name).unwrap(),
            platform: Platform::Web,
            source: [192, 0, 2, 1].into(),
            since: UnixSeconds(1_700_000_000),
            signed_at: UnixSeconds(1_700_000_000),
            times_disabled: 0,
        };
        let entered = presence.enter(new).await;
        let mut entered = entered.unwrap_or_else(|_| panic!("there is room"));
        assert_eq!(entered.confirm(|| ()).await.unwrap(), None);
        entered
    }

    #[tokio::test]
    async fn sessions_are_listed_and_ended() {
        let presence = Presence::new(10, None);
        let operator = operator(presence.clone()).await;
        let (status, page) = ask(&operator, Method::GET, "").await;
        assert_eq!(
            (status, page),
            (200, json!({"sessions": [], "next_after": null}))
        );

        let mut first = enter(&presence, "alice").await;
        let _second = enter(&presence, "bob").await;
        let _third = enter(&presence, "alice").await;
        let session = |id: &str, user_id: &str| {
            json!({"session_id": id, "user_id": user_id, "platform": "Web",
                "source": "192.0.2.1", "since": "2023-11-14T22:13:20Z"})
        };
        for (query, sessions, next_after) in [
            ("", vec![("1", "alice"), ("2", "bob"), ("3", "alice")], None),
            ("?limit=2", vec![("1", "alice"), ("2", "bob")], Some("2")),
            ("?limit=2&after=2", vec![("3", "alice")], None),
            ("?user_id=alice&limit=1", vec![("1", "alice")], Some("1")),
            ("?user_id=alice&after=1", vec![("3", "alice")], None),
            ("?user_id=carol", vec![], None),
        ] {
            let sessions: Vec<_> = sessions
                .iter()
                .map(|(id, user)| session(id, user))
                .collect();
            let expected = json!({"sessions": sessions, "next_after": next_after});
            let (status, page) = ask(&operator, Method::GET, query).await;
            assert_eq!((status, page), (200, expected), "{query}");
        }

        let (status, body) = ask(&operator, Method::DELETE, "/1").await;
        assert_eq!((status, body), (204, Value::Null));
        assert_eq!(first.ended().await, Ended::Closed);
        let (status, body) = ask(&operator, Method::DELETE, "/1").await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (404, &json!("session_not_found"))
        );
        let (_, page) = ask(&operator, Method::GET, "").await;
        assert_eq!(page["sessions"].as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn disabling_an_app_ends_its_sessions() {
        let presence = Presence::new(10, None);
        let operator = operator(presence.clone()).await;
        let mut alice = enter(&presence, "alice").await;
        let app = "/muster/v1/apps/7";
        for (change, open) in [
            (json!({"deletion": true}), 1),
            (json!({"disabled": false}), 1),
            // Refused, so nothing is done.
            (json!({"disabled": true, "edition": "gold"}), 1),
            (json!({"disabled": true}), 0),
        ] {
            send(&operator, Method::PATCH, app, change.clone()).await;
            assert_eq!(presence.open(), open, "{change}");
        }
        assert_eq!(alice.ended().await, Ended::AppDisabled);
    }
}
