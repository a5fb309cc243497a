//! The server of a test, and what can be seen of it from outside.

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use muster_client::operator::Operator;
use muster_testkit::{Launch, Muster, PATIENCE, SDKAPPID, http, usersig};
use tokio::time::sleep;

use crate::peer::{Outcome, Peer};

/// A running server with its data directory.
pub(crate) struct Server {
    muster: Muster,
    _dir: tempfile::TempDir,
}

pub(crate) const CONNECTIONS: &str = "muster_connections{listener=\"public\"}";
pub(crate) const BODY_MEMORY: &str = "muster_body_memory_bytes";

/// What a server may take besides what the settings bound: the program itself in a debug build, the
/// store, connections, and what the allocator does not give back.
pub(crate) const BESIDE_MIB: u64 = 200;

/// The target of a call by `administrator`.
pub(crate) fn target(command: &str) -> String {
    let usersig = usersig("administrator");
    format!(
        "/v4/{command}?sdkappid={SDKAPPID}&identifier=administrator&usersig={usersig}&random=1&contenttype=json"
    )
}

impl Server {
    /// `muster dev` with these settings, each as in `limits.deadline_s=3`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let launch = Launch::dev(env!("CARGO_BIN_EXE_muster"), &dir.path().join("data"))
            .arg("--no-rate-limits")
            .arg("--log-level")
            .arg("warn");
        let launch = settings
            .iter()
            .fold(launch, |launch, setting| launch.arg("--set").arg(setting));
        Self {
            muster: launch.start(),
            _dir: dir,
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.muster.accounts_url()
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::open(self.url()).await
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::new(self.muster.operator_url(), &self.muster.operator_token()).unwrap()
    }

    /// The value of a series of whole numbers in `/metrics`, named as it is written there.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let mut scrape = http::Connection::open(self.muster.operator_url());
        scrape.send(http::request("GET", "/metrics", &[], b""));
        let answer = scrape.answer();
        let found = answer
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found
            .unwrap_or_else(|| panic!("no {series}"))
            .parse()
            .unwrap()
    }

    /// Waits until a series has such a value.
    pub(crate) async fn until(&self, series: &str, fits: impl Fn(u64) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.metric(series);
            if fits(found) {
                return;
            }
            assert!(Instant::now() < end, "{series} stays {found}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asserts that the server is as it was before anyone came: no connection is left, nothing is
    /// held, and a call is answered.
    pub(crate) async fn is_as_before(&self) {
        for series in [CONNECTIONS, "muster_calls_in_progress", BODY_MEMORY] {
            self.until(series, |found| found == 0).await;
        }
        self.answers().await;
    }

    /// Asserts that a client of good will is answered.
    pub(crate) async fn answers(&self) {
        let mut peer = self.connect().await;
        let import = target("im_open_login_svc/account_import");
        let outcome = peer.call(&import, r#"{"UserID":"of-good-will"}"#).await;
        assert_eq!(outcome, Outcome::Code(0));
    }

    /// The most memory that the process has ever had, in MiB.
    pub(crate) fn peak_memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.muster.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("Linux tells the peak");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1024
    }
}

/// The body of a batch import of these many new accounts, whose names begin with `prefix`.
pub(crate) fn batch(prefix: &str, accounts: usize) -> String {
    let mut body = String::from(r#"{"AccountList":["#);
    for i in 0..accounts {
        let comma = if i == 0 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"UserID":"{prefix}-{i}","Nick":"Nick of {i}","FaceUrl":"https://img.example.com/{i}.png"}}"#
        )
        .unwrap();
    }
    body + "]}"
}
