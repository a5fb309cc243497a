//! A server on free ports with one app, and calls to it.

use std::{net::SocketAddr, sync::Arc};

use muster_accounts::{
    AccountStore, Edition, IpNet, NewApp, ReferenceStore, SdkAppId, UnixSeconds,
};
use muster_server::{Clock, ClockHand, Limits, OperatorToken, Settings, Stopped, bind};
use muster_usersig::{Claims, SecretKey, sign};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    log,
    peer::{Answer, Peer, soon},
};

pub(crate) const APP: u32 = 1_400_000_000;
/// The public sample key of the official libraries (wire §6.5).
pub(crate) const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
/// When the tests take place.
pub(crate) const NOW_S: u64 = 1_700_000_000;
pub(crate) const TOKEN: &str = "an-operator-token-for-tests";

pub(crate) const IMPORT: &str = "/v4/im_open_login_svc/account_import";
pub(crate) const IMPORT_MANY: &str = "/v4/im_open_login_svc/multiaccount_import";
pub(crate) const CHECK: &str = "/v4/im_open_login_svc/account_check";
pub(crate) const DELETE: &str = "/v4/im_open_login_svc/account_delete";
pub(crate) const KICK: &str = "/v4/im_open_login_svc/kick";
pub(crate) const STATUS: &str = "/v4/openim/query_online_status";
pub(crate) const QUERYSTATE: &str = "/v4/openim/querystate";
pub(crate) const SET: &str = "/v4/profile/portrait_set";
pub(crate) const GET: &str = "/v4/profile/portrait_get";

pub(crate) const ALICE: &str = r#"{"UserID":"alice"}"#;

/// A server to be.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) rate_limits: bool,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) test_controls: bool,
    pub(crate) store: Arc<dyn AccountStore>,
}

/// A server that runs, until it is dropped or stopped.
pub(crate) struct Running {
    pub(crate) public: SocketAddr,
    pub(crate) operator: SocketAddr,
    pub(crate) hand: ClockHand,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Stopped>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            rate_limits: true,
            trusted_proxies: Vec::new(),
            test_controls: true,
            store: Arc::new(ReferenceStore::default()),
        }
    }
}

/// A server with the defaults.
pub(crate) async fn start() -> Running {
    Setup::default().start().await
}

impl Setup {
    /// Starts the server, with [`APP`] in its store.
    pub(crate) async fn start(self) -> Running {
        log::record();
        let now = UnixSeconds(NOW_S);
        let key = SecretKey::parse(KEY).unwrap();
        let new = NewApp {
            sdkappid: SdkAppId(APP),
            edition: Edition::Developer,
            key,
        };
        self.store.create_app(new, now).await.unwrap();
        let (clock, hand) = Clock::stopped_at(now);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings {
            listen: any_port,
            tls: None,
            operator_listen: any_port,
            operator_token: OperatorToken::new(TOKEN.to_owned()).unwrap(),
            rate_limits: self.rate_limits,
            trusted_proxies: self.trusted_proxies,
            test_controls: self.test_controls,
            limits: self.limits,
        };
        let server = bind(settings, self.store, clock).await.unwrap();
        let (public, operator) = (server.public_addr(), server.operator_addr());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Running {
            public,
            operator,
            hand,
            stop: Some(stop),
            task,
        }
    }
}

impl Running {
    /// Tells the server to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) -> Stopped {
        soon(self.task).await.unwrap()
    }

    /// One call by `administrator` on a connection of its own.
    pub(crate) async fn call(&self, path: &str, body: &str) -> Answer {
        let mut peer = Peer::connect(self.public).await;
        peer.send(post(path, &query("administrator"), body)).await;
        peer.answer().await
    }

    /// One request to the operator API, with the token.
    pub(crate) async fn operate(&self, method: &str, path: &str, body: &str) -> Answer {
        let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
        self.operate_with(&authorization, method, path, body).await
    }

    /// Likewise, with these header lines.
    pub(crate) async fn operate_with(
        &self,
        headers: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let mut peer = Peer::connect(self.operator).await;
        peer.send(request(method, path, headers, body)).await;
        peer.answer().await
    }

    /// The value of a series in `/metrics`, named as it is written there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.operate_with("", "GET", "/metrics", "").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in:\n{text}"))
            .parse()
            .unwrap()
    }
}

/// A UserSig of [`APP`], signed at `time_s` with `key`, for `expire_s`.
pub(crate) fn usersig(identifier: &str, key: &str, time_s: u64, expire_s: u64) -> String {
    let claims = Claims {
        identifier: identifier.to_owned(),
        sdkappid: APP.into(),
        time_s,
        expire_s,
        userbuf: None,
    };
    sign(&SecretKey::parse(key).unwrap(), &claims)
}

/// A UserSig of `administrator`, good but for its app: it is of another one with the same key.
pub(crate) fn usersig_of_another_app() -> String {
    let claims = Claims {
        identifier: "administrator".to_owned(),
        sdkappid: 7,
        time_s: NOW_S,
        expire_s: 86_400,
        userbuf: None,
    };
    sign(&SecretKey::parse(KEY).unwrap(), &claims)
}

/// The query of a caller with a good UserSig.
pub(crate) fn query(identifier: &str) -> String {
    query_with(identifier, &usersig(identifier, KEY, NOW_S, 86_400))
}

pub(crate) fn query_with(identifier: &str, usersig: &str) -> String {
    format!("sdkappid={APP}&identifier={identifier}&usersig={usersig}&random=1&contenttype=json")
}

/// The bytes of a call.
pub(crate) fn post(path: &str, query: &str, body: &str) -> String {
    request("POST", &format!("{path}?{query}"), "", body)
}

/// The bytes of a call with an announced length, up to the body.
pub(crate) fn post_head(path: &str, query: &str, length: usize) -> String {
    format!("POST {path}?{query} HTTP/1.1\r\nHost: muster\r\nContent-Length: {length}\r\n\r\n")
}

/// The bytes of a call with a chunked body, up to the first chunk.
pub(crate) fn post_chunked_head(path: &str, query: &str) -> String {
    format!("POST {path}?{query} HTTP/1.1\r\nHost: muster\r\nTransfer-Encoding: chunked\r\n\r\n")
}

pub(crate) fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: muster\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}
