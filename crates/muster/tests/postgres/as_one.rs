//! Two muster over one database as one: limits, failed UserSigs, sessions.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use muster_client::{
    ApiFailure, CallError, Client, SecretKey,
    operator::{AppChange, NewApp},
};
use muster_testkit::{
    Launch, Muster, SAMPLE_KEY, SDKAPPID,
    http::{Connection, request},
    postgres::{self, Postgres},
    session::{Device, first_message_signed},
    usersig_signed_at,
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{operator, soon};

/// Until when a session that one node has ended is closed at another, however busy the machine is: long
/// before the nodes review all sessions, once a minute, which would end it in any case.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// Two nodes and their database.
struct Nodes {
    a: Muster,
    b: Muster,
}

fn start(dir: &Path, name: &str, url: &str) -> Muster {
    Launch::serve(env!("CARGO_BIN_EXE_muster"), &dir.join(name))
        .on_database(url)
        .start()
}

/// With the key by which the kit signs.
fn client(node: &Muster) -> Client {
    let key = SecretKey::parse(SAMPLE_KEY).unwrap();
    Client::new(node.accounts_url(), SDKAPPID, "administrator", key).unwrap()
}

impl Nodes {
    async fn start(dir: &Path, url: &str) -> Self {
        let (a, b) = (start(dir, "a", url), start(dir, "b", url));
        let key = SecretKey::parse(SAMPLE_KEY).unwrap();
        let new = NewApp::new(SDKAPPID).edition("developer").secret_key(&key);
        operator(&a).create_app(&new).await.unwrap();
        soon("b knows the app", async || {
            client(&b).account_check(&["x"]).await.is_ok()
        })
        .await;
        Self { a, b }
    }

    fn both(&self) -> [&Muster; 2] {
        [&self.a, &self.b]
    }
}

fn now_s() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed();
    now.unwrap().as_secs()
}

/// A call by `administrator`.
fn call(node: &Muster, command: &str, body: &Value) -> Value {
    call_with(
        node,
        command,
        body,
        &usersig_signed_at("administrator", now_s()),
    )
}

fn call_with(node: &Muster, command: &str, body: &Value, usersig: &str) -> Value {
    let mut connection = Connection::open(node.accounts_url());
    let target =
        format!("/v4/{command}?sdkappid={SDKAPPID}&identifier=administrator&usersig={usersig}");
    connection.send(request("POST", &target, &[], body.to_string().as_bytes()));
    serde_json::from_str(connection.answer().text()).unwrap()
}

/// Of each user the platforms on which they are online.
fn online(node: &Muster, users: &[&str]) -> Vec<Vec<String>> {
    let body = json!({"To_Account": users, "IsNeedDetail": 1});
    let answer = call(node, "openim/query_online_status", &body);
    let results = answer["QueryResult"].as_array();
    let results = results.unwrap_or_else(|| panic!("{answer}"));
    let platforms = |result: &Value| {
        let detail = result["Detail"].as_array().cloned().unwrap_or_default();
        let names = detail
            .iter()
            .map(|it| it["Platform"].as_str().unwrap().to_owned());
        let names: Vec<_> = names.collect();
        assert_eq!(result["State"] == "Online", !names.is_empty(), "{answer}");
        names
    };
    results.iter().map(platforms).collect()
}

async fn soon_online(node: &Muster, user: &str, platforms: &[&str]) {
    soon(&format!("{user} is online on {platforms:?}"), async || {
        online(node, &[user]) == [platforms]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_online_is_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = Nodes::start(dir.path(), &url).await;
    let [a, b] = nodes.both();

    let mut web = Device::sign_in(a.accounts_url(), "alice", "Web");
    let mut mac = Device::sign_in(b.accounts_url(), "alice", "Mac");
    let bob = Device::sign_in(b.accounts_url(), "bob", "iOS");
    let mut carol = Device::sign_in(a.accounts_url(), "carol", "Web");
    let mut dave = Device::sign_in(a.accounts_url(), "dave", "Linux");
    for node in [a, b] {
        // In the order of sign-in, to the second; so those of one user may come in either order.
        let mut alice = online(node, &["alice"]).remove(0);
        alice.sort();
        assert_eq!(alice, ["Mac", "Web"]);
        assert_eq!(online(node, &["bob", "carol"]), [["IPhone"], ["Web"]]);
        let sessions = operator(node)
            .sessions(SDKAPPID, None, None, 100)
            .await
            .unwrap();
        assert_eq!(sessions.sessions.len(), 5);
    }

    // A kick at one node ends what is open at both, and takes the UserSig away at both.
    let kicked = call(b, "im_open_login_svc/kick", &json!({"UserID": "alice"}));
    assert_eq!(kicked["ErrorCode"], 0);
    assert_eq!(online(a, &["alice"]), [Vec::<String>::new()]);
    assert_eq!(web.wait_for_close_within(HEARD_WITHIN), Some(4001));
    assert_eq!(mac.wait_for_close_within(HEARD_WITHIN), Some(4001));
    let refused =
        Device::open(a.accounts_url()).say(&first_message_signed("alice", "Web", now_s() - 5));
    assert!(refused.contains("70052"), "{refused}");

    // So does a deletion.
    let gone = json!({"DeleteItem": [{"UserID": "carol"}]});
    assert_eq!(
        call(b, "im_open_login_svc/account_delete", &gone)["ErrorCode"],
        0
    );
    assert_eq!(carol.wait_for_close_within(HEARD_WITHIN), Some(4002));

    // An operator closes a session of another node.
    let of_dave = operator(b)
        .sessions(SDKAPPID, Some("dave"), None, 100)
        .await
        .unwrap();
    let id = &of_dave.sessions[0].session_id;
    operator(b).end_session(SDKAPPID, id).await.unwrap();
    assert_eq!(dave.wait_for_close_within(HEARD_WITHIN), Some(4004));
    assert!(operator(b).end_session(SDKAPPID, id).await.is_err());

    bob.sign_out();
    soon_online(a, "bob", &[]).await;
    soon("nothing is left of them", async || {
        postgres::shared().sql(&url, "SELECT count(*) FROM muster.session") == "0"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_app_has_no_sessions_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = Nodes::start(dir.path(), &url).await;
    let [a, b] = nodes.both();
    let mut devices = [a, b].map(|node| Device::sign_in(node.accounts_url(), "alice", "Web"));
    // An app of a later muster, one of whose sessions was ended, does not keep the nodes from it.
    let later = "INSERT INTO muster.app VALUES (7, 0, 99, '{}');
        INSERT INTO muster.session SELECT 7, 'x', 1, node, 'Web', '127.0.0.1', 1, true, 'kicked' FROM muster.node LIMIT 1";
    postgres::shared().sql(&url, later);
    disable(b, true).await;
    for device in &mut devices {
        assert_eq!(device.wait_for_close_within(HEARD_WITHIN), Some(4003));
    }
    soon("the other node refuses calls", async || {
        let check = json!({"CheckItem": [{"UserID": "alice"}]});
        call(a, "im_open_login_svc/account_check", &check)["ErrorCode"] == 60016
    })
    .await;
}

async fn disable(node: &Muster, disabled: bool) {
    let change = AppChange::default().disabled(disabled);
    operator(node).change_app(SDKAPPID, &change).await.unwrap();
}

/// Also where nobody saw that it was disabled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_was_disabled_for_a_moment_has_no_sessions_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = Nodes::start(dir.path(), &url).await;
    let [a, b] = nodes.both();
    let mut alice = Device::sign_in(a.accounts_url(), "alice", "Web");
    a.signal(Signal::STOP);
    disable(b, true).await;
    disable(b, false).await;
    a.signal(Signal::CONT);
    assert_eq!(alice.wait_for_close_within(HEARD_WITHIN), Some(4003));

    // Who signs in after that stays, also when the app changes otherwise.
    let bob = Device::sign_in(a.accounts_url(), "bob", "Web");
    operator(b).rotate_key(SDKAPPID, None).await.unwrap();
    soon("a knows of the change", async || {
        client(a).account_check(&["x"]).await.is_err()
    })
    .await;
    let shared = operator(a).sessions(SDKAPPID, None, None, 100).await;
    let users = shared.unwrap().sessions.into_iter().map(|it| it.user_id);
    assert_eq!(users.collect::<Vec<_>>(), ["bob"]);
    bob.sign_out();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_a_crash_of_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let mut database = Postgres::start();
    let url = database.new_database();
    let nodes = Nodes::start(dir.path(), &url).await;
    let [a, b] = nodes.both();
    let _alice = Device::sign_in(a.accounts_url(), "alice", "Web");
    let mut bob = Device::sign_in(a.accounts_url(), "bob", "Web");
    assert_eq!(online(b, &["alice", "bob"]), [["Web"], ["Web"]]);

    database.kill();
    database.start_again();
    // What ends a session while nobody knows of it does so when it is known again.
    let kick = "UPDATE muster.account SET kicked_at = 4000000000 WHERE user_id = 'bob'";
    database.sql(&url, kick);
    assert_eq!(bob.wait_for_close_within(HEARD_WITHIN), Some(4001));
    soon_online(b, "alice", &["Web"]).await;

    // Who is killed takes its sessions along, after a while.
    let Nodes { a, b } = nodes;
    a.kill();
    soon_online(&b, "alice", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_for_all_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = Nodes::start(dir.path(), &url).await;
    let limits = BTreeMap::from([("account_check".to_owned(), Some(40))]);
    let change = AppChange::default().rate_limits(limits);
    operator(&nodes.a)
        .change_app(SDKAPPID, &change)
        .await
        .unwrap();
    soon("the other has the limit", async || {
        !operator(&nodes.b)
            .app(SDKAPPID)
            .await
            .unwrap()
            .rate_limits
            .is_empty()
    })
    .await;

    // Both are asked as fast as they answer for some seconds.
    let mut callers = Vec::new();
    let begin_s = now_s();
    let end = Instant::now() + Duration::from_secs(4);
    for node in nodes.both() {
        for _ in 0..2 {
            let client = client(node);
            callers.push(tokio::spawn(async move {
                let mut passed = 0;
                while Instant::now() < end {
                    match client.account_check(&["x"]).await {
                        Ok(_) => passed += 1,
                        Err(CallError::Api(ApiFailure { code: 60_007, .. })) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                passed
            }));
        }
    }
    let mut passed = 0;
    for caller in callers {
        passed += caller.await.unwrap();
    }
    let seconds = now_s() - begin_s + 1;
    assert!(passed <= seconds * 40, "{passed} in {seconds} seconds");
    // Some of them are full.
    assert!(passed >= 80, "{passed} in {seconds} seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_usersigs_are_counted_by_all_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let nodes = Nodes::start(dir.path(), &url).await;
    let [a, b] = nodes.both();
    let check = json!({"CheckItem": [{"UserID": "alice"}]});
    let command = "im_open_login_svc/account_check";
    let mut failed = 0;
    while call_with(a, command, &check, "x")["ErrorCode"] == 70_003 {
        failed += 1;
        assert!(failed < 1000, "never too many");
    }
    soon("too many for the other node", async || {
        call(b, command, &check)["ErrorCode"] == 70_050
    })
    .await;
}
