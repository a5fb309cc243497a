//! Several muster over one PostgreSQL database: what one acknowledges, all have, whatever ends.
//!
//! - `apps`: what one node does to an app, all honour.
//! - `as_one`: limits, failed UserSigs and sessions are those of all nodes.
//! - `kills`: a node or the database is killed, and the database comes back.
//! - `frozen`: connections to the database freeze.
//! - `failover`: the database is killed for good, and its standby takes over. `writers` make the load and
//!   know what was acknowledged, by `caller`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod apps;
mod as_one;
mod caller;
mod failover;
mod frozen;
mod kills;
mod writers;

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use muster_client::{
    AccountStatus, Client, SecretKey,
    operator::{NewApp, Operator},
};
use muster_testkit::{Launch, Muster, PATIENCE};

const SDKAPPID: u32 = 1_400_000_077;
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn node(dir: &Path, name: &str, url: &str) -> Muster {
    let data_dir = dir.join(name);
    Launch::serve(env!("CARGO_BIN_EXE_muster"), &data_dir)
        .arg("--set")
        .arg("rate_limits=false")
        .on_database(url)
        .start()
}

fn operator(muster: &Muster) -> Operator {
    Operator::new(muster.operator_url(), &muster.operator_token()).unwrap()
}

fn key() -> SecretKey {
    SecretKey::parse(KEY).unwrap()
}

fn client(muster: &Muster, sdkappid: u32) -> Client {
    Client::new(muster.accounts_url(), sdkappid, "administrator", key()).unwrap()
}

async fn make_app(muster: &Muster, sdkappid: u32, edition: &str) {
    let key = key();
    let new = NewApp::new(sdkappid).edition(edition).secret_key(&key);
    operator(muster).create_app(&new).await.unwrap();
}

/// Asks until the answer is yes.
async fn soon<F: Future<Output = bool>>(what: &str, asked: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !asked().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn are_there(client: &Client, users: &[String]) -> bool {
    for users in users.chunks(100) {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let checked = client.account_check(&users).await.unwrap();
        if !checked
            .iter()
            .all(|account| account.status == Ok(AccountStatus::Imported))
        {
            return false;
        }
    }
    true
}
