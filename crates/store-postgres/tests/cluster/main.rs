//! What two nodes over one database share beside the accounts; `gone` is about nodes that are away, or
//! are taken to be.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod gone;

use std::{
    future::poll_fn,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use muster_accounts::{
    AccountStore, Cluster, Edition, Ended, EndedSession, NewApp, News, SdkAppId, SessionKey,
    SharedSession, UnixSeconds, UserId,
};
use muster_store_postgres::{Options, PostgresStore};
use muster_testkit::postgres;
use muster_usersig::SecretKey;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

struct Node {
    store: PostgresStore,
    cluster: Arc<dyn Cluster>,
}

impl Node {
    async fn open(url: &str) -> Self {
        let store = PostgresStore::open(&Options::parse(url).unwrap())
            .await
            .unwrap();
        let cluster = store.cluster().unwrap();
        Self { store, cluster }
    }

    /// A session that has entered, not online yet.
    async fn enter(&self, name: &str) -> SessionKey {
        let session = self.session(name);
        self.cluster
            .enter(std::slice::from_ref(&session))
            .await
            .unwrap();
        session.key
    }

    fn session(&self, name: &str) -> SharedSession {
        SharedSession {
            key: SessionKey {
                app: APP,
                user_id: user(name),
                id: self.cluster.session_id(NOW),
            },
            platform: "Web".to_owned(),
            source: Ipv4Addr::LOCALHOST.into(),
            since: NOW,
            online: false,
        }
    }

    async fn online(&self, name: &str) -> SessionKey {
        let key = self.enter(name).await;
        assert_eq!(self.cluster.confirm(&key).await.unwrap(), None);
        key
    }

    /// The numbers of what these users have online.
    async fn sees(&self, names: &[&str]) -> Vec<SessionKey> {
        let users: Vec<UserId> = names.iter().map(|name| user(name)).collect();
        let online = self.cluster.online(APP, &users).await.unwrap();
        online.into_iter().map(|session| session.key).collect()
    }

    async fn soon_sees(&self, names: &[&str], keys: &[SessionKey]) {
        let seen = async {
            while self.sees(names).await != keys {
                tokio::task::yield_now().await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(30), seen).await;
        seen.unwrap_or_else(|_| panic!("never seen: {keys:?}"));
    }

    /// Waits for news of a kind.
    async fn hears(&self, what: &str, is_it: impl Fn(&News) -> bool) -> News {
        let news = async {
            loop {
                let news = self.cluster.news().await;
                if is_it(&news) {
                    return news;
                }
            }
        };
        let news = tokio::time::timeout(Duration::from_secs(30), news).await;
        news.unwrap_or_else(|_| panic!("never heard: {what}"))
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

async fn two_nodes() -> [Node; 2] {
    let url = postgres::shared().new_database();
    [Node::open(&url).await, Node::open(&url).await]
}

#[tokio::test]
async fn who_is_online_all_know() {
    let [a, b] = two_nodes().await;
    let alice = a.online("alice").await;
    let bob = b.online("bob").await;
    let waiting = a.enter("carol").await;
    let all = ["alice", "bob", "carol", "dave"];
    for node in [&a, &b] {
        let mut seen = node.sees(&all).await;
        seen.sort();
        assert_eq!(seen, [alice, bob]);
    }
    let of_a = b.cluster.online(APP, &[alice.user_id]).await.unwrap();
    let expected = SharedSession {
        online: true,
        ..a.session("alice")
    };
    assert_eq!(
        of_a,
        [SharedSession {
            key: alice,
            ..expected
        }]
    );

    let page = |user_id, after, limit| b.cluster.page(APP, user_id, after, limit);
    let mut ids = [alice.id, bob.id];
    ids.sort();
    let first = page(None, None, 1).await.unwrap();
    assert_eq!(
        first.iter().map(|it| it.key.id).collect::<Vec<_>>(),
        ids[..1]
    );
    let second = page(None, Some(ids[0]), 9).await.unwrap();
    assert_eq!(
        second.iter().map(|it| it.key.id).collect::<Vec<_>>(),
        ids[1..]
    );
    assert_eq!(page(Some(user("bob")), None, 9).await.unwrap().len(), 1);
    assert_eq!(page(Some(user("carol")), None, 9).await.unwrap(), []);

    a.cluster.forget(alice);
    a.cluster.forget(waiting);
    b.soon_sees(&all, &[bob]).await;
    // A node that stops takes its sessions with it.
    b.store.close().await.unwrap();
    assert_eq!(a.sees(&all).await, []);
}

#[tokio::test]
async fn a_node_ends_sessions_of_another() {
    let [a, b] = two_nodes().await;
    let web = a.online("alice").await;
    let mac = b.online("alice").await;
    let waiting = a.enter("bob").await;
    let carol = a.online("carol").await;

    let users = [user("alice"), user("bob"), user("nobody")];
    let ended = b.cluster.end_users(APP, &users, Ended::Kicked).await;
    let mut ended = ended.unwrap();
    ended.sort_by_key(|session| session.key);
    let of = |key, is_here, was_online| EndedSession {
        key,
        is_here,
        was_online,
    };
    let mut expected = [
        of(web, false, true),
        of(mac, true, true),
        of(waiting, false, false),
    ];
    expected.sort_by_key(|session| session.key);
    assert_eq!(ended, expected);
    assert_eq!(a.sees(&["alice", "bob", "carol"]).await, [carol]);
    let again = b.cluster.end_users(APP, &users, Ended::Deleted).await;
    assert_eq!(again.unwrap(), []);
    let news = a.hears("two sessions ended", |news| news.ended.len() == 2);
    let mut ended = news.await.ended;
    ended.sort_by_key(|(key, _)| *key);
    assert_eq!(ended, [(web, Ended::Kicked), (waiting, Ended::Kicked)]);
    assert_eq!(
        a.cluster.confirm(&waiting).await.unwrap(),
        Some(Ended::Kicked)
    );
    a.cluster.forget(web);
    a.cluster.forget(waiting);
    let news = b.hears("its own session ended", |news| !news.ended.is_empty());
    assert_eq!(news.await.ended, [(mac, Ended::Kicked)]);

    assert!(
        !b.cluster
            .end_session(APP, waiting.id, Ended::Closed)
            .await
            .unwrap()
    );
    assert!(
        b.cluster
            .end_session(APP, carol.id, Ended::Closed)
            .await
            .unwrap()
    );
    assert!(
        !b.cluster
            .end_session(APP, carol.id, Ended::Closed)
            .await
            .unwrap()
    );
    let is_closed = |news: &News| news.ended == [(carol, Ended::Closed)];
    a.hears(
        "that it is closed, and nothing of what was forgotten",
        is_closed,
    )
    .await;
}

/// Longer than a look may take somebody else has the row.
#[tokio::test]
async fn what_was_forgotten_is_taken_away_in_the_end() {
    let url = postgres::shared().new_database();
    let a = Node::open(&url).await;
    let alice = a.online("alice").await;
    let bob = a.online("bob").await;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let hold = "BEGIN; SELECT FROM muster.session WHERE user_id = 'alice' FOR UPDATE";
    client.batch_execute(hold).await.unwrap();
    a.cluster.forget(alice);
    while a.store.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
    a.cluster.forget(bob);
    client.batch_execute("COMMIT").await.unwrap();
    a.soon_sees(&["alice", "bob"], &[]).await;
}

#[tokio::test]
async fn calls_are_counted_by_all() {
    let [a, b] = two_nodes().await;
    let count = async |node: &Node, command, calls, second| {
        let now = UnixSeconds(NOW.0 + second);
        node.cluster
            .count_calls(APP, command, calls, now)
            .await
            .unwrap()
    };
    for (node, command, calls, second, before) in [
        (&a, "kick", 10, 0, 0),
        (&b, "kick", 1, 0, 10),
        (&a, "account_check", 1, 0, 0),
        (&b, "kick", 5, 1, 0),
        // Its clock is a little late.
        (&a, "kick", 2, 0, 5),
        (&a, "kick", 2, 1, 7),
        (&b, "kick", 1, 6, 0),
        (&a, "kick", 1, 1, 1),
        // Its clock was set back.
        (&a, "kick", 2, 1_000, 0),
        (&a, "kick", 2, 2, 0),
    ] {
        let counted = count(node, command, calls, second).await;
        assert_eq!(counted, before, "{command} {second}");
    }
}

#[tokio::test]
async fn each_hears_what_the_others_tell() {
    let [a, b] = two_nodes().await;
    a.cluster.tell("from a".to_owned());
    let is_told = |note: &'static str| {
        move |news: &News| {
            news.notes
                .as_ref()
                .is_some_and(|notes| notes.iter().any(|it| **it == *note))
        }
    };
    b.hears("a note", is_told("from a")).await;
    assert_eq!(b.cluster.nodes(), 2);
    a.cluster.tell("from a again".to_owned());
    b.hears("another note", is_told("from a again")).await;
    a.store.close().await.unwrap();
    let is_gone = |news: &News| news.notes.as_ref().is_some_and(Vec::is_empty);
    b.hears("that a is gone", is_gone).await;
    assert_eq!(b.cluster.nodes(), 1);
}

#[tokio::test]
async fn who_changes_something_rings() {
    let url = postgres::shared().new_database();
    let node = Node::open(&url).await;
    let (client, mut connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let (rings, mut rung) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message {
                rings.send(()).unwrap();
            }
        }
    });
    client.batch_execute("LISTEN muster").await.unwrap();
    let new = NewApp {
        sdkappid: APP,
        edition: Edition::Pro,
        key: SecretKey::parse("0123456789abcdef").unwrap(),
    };
    node.store.create_app(new, NOW).await.unwrap();
    rung.recv().await.unwrap();
    let admin = user("administrator");
    node.store.kick(APP, admin, NOW).await.unwrap();
    rung.recv().await.unwrap();
    let users = [admin];
    let ended = node.cluster.end_users(APP, &users, Ended::Kicked);
    assert_eq!(ended.await.unwrap(), []);
    rung.recv().await.unwrap();
}

/// All look four times a second anyway: a ring is heard by who looks more often than that.
#[tokio::test]
async fn who_hears_a_ring_looks_at_once() {
    const LOOKS: u32 = 20;
    const LONGEST: Duration = Duration::from_millis(250 * LOOKS as u64 / 2);
    let url = postgres::shared().new_database();
    let node = Node::open(&url).await;
    // From now on each look has something to tell.
    let alice = node.online("alice").await;
    let users = [alice.user_id];
    let ended = node.cluster.end_users(APP, &users, Ended::Kicked);
    assert_eq!(ended.await.unwrap().len(), 1);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let deadline = Instant::now() + Duration::from_secs(30);
    // Again while the machine is too busy for it.
    loop {
        let began = Instant::now();
        for _ in 0..LOOKS {
            client.batch_execute("NOTIFY muster").await.unwrap();
            let looked = node.hears("a look", |news| !news.ended.is_empty());
            looked.await;
        }
        if began.elapsed() < LONGEST {
            break;
        }
        assert!(Instant::now() < deadline, "it does not hear the rings");
    }
}
