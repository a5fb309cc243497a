//! Nodes that are gone, and nodes that were taken to be and come back.

use std::time::{Duration, Instant};

use muster_testkit::postgres::{self, Postgres};

use crate::Node;

#[tokio::test]
async fn who_was_forgotten_enters_anew() {
    let mut database = Postgres::start();
    let url = database.new_database();
    let a = Node::open(&url).await;
    assert!(
        a.hears("that it is new", |news| news.forgotten)
            .await
            .forgotten
    );
    let alice = a.online("alice").await;
    // What the nodes share is gone after a crash.
    database.kill();
    database.start_again();
    a.hears("that it was forgotten", |news| news.forgotten)
        .await;
    assert_eq!(a.sees(&["alice"]).await, []);
    let mut session = a.session("alice");
    session.key = alice;
    session.online = true;
    a.cluster
        .enter(&[session.clone(), session.clone()])
        .await
        .unwrap();
    assert_eq!(a.sees(&["alice"]).await, [alice]);
    // Its node is gone without a word.
    drop(a);
    database.sql(
        &url,
        "UPDATE muster.node SET seen_at = now() - interval '1 minute'",
    );
    let b = Node::open(&url).await;
    b.hears("that it is new", |news| news.forgotten).await;
    assert_eq!(b.sees(&["alice"]).await, []);
    for table in ["node", "session"] {
        let left = database.sql(&url, &format!("SELECT count(*) FROM muster.{table}"));
        assert_eq!(left, if table == "node" { "1" } else { "0" });
    }
}

/// What each statement takes away is written down, `node` or `session` with the number.
const WRITE_DOWN: &str = "
    CREATE TABLE removal (nth serial, what text, number bigint);
    CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO removal (what, number)
            SELECT TG_TABLE_NAME, count(*) FROM removed HAVING count(*) > 0;
        RETURN NULL;
    END $$;
    CREATE TRIGGER removed AFTER DELETE ON muster.session REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION write_down();
    CREATE TRIGGER removed AFTER DELETE ON muster.node REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION write_down()";

/// Node 1 was not seen for a while, node 2 has no row; each has 6000 sessions.
const GONE: &str = "
    INSERT INTO muster.node VALUES (1, -1, now() - interval '1 minute', '', 0);
    INSERT INTO muster.session
        SELECT 1, 'user ' || n, n, 1 + n % 2, 'Web', '127.0.0.1', 1, true, NULL
        FROM generate_series(1, 12000) AS n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gone_is_removed_a_few_thousand_sessions_at_a_time() {
    let url = postgres::shared().new_database();
    let sql = |statements: &str| postgres::shared().sql(&url, statements);
    let a = Node::open(&url).await;
    a.online("alice").await;
    sql(WRITE_DOWN);
    sql(GONE);
    // Whoever starts looks for both, and others help.
    let _b = Node::open(&url).await;
    let deadline = Instant::now() + Duration::from_mins(1);
    while sql("SELECT count(*) FROM muster.node WHERE node = 1") != "0"
        || sql("SELECT count(*) FROM muster.session") != "1"
    {
        assert!(Instant::now() < deadline, "{}", sql("TABLE removal"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = sql("SELECT sum(number), max(number) <= 5000 FROM removal WHERE what = 'session'");
    assert_eq!(told, "12000|t");
    // The node goes after the last of its sessions.
    let last_pieces = "SELECT count(*) FROM removal WHERE what = 'session' AND nth < \
        (SELECT nth FROM removal WHERE what = 'node')";
    assert!(sql(last_pieces).parse::<u32>().unwrap() >= 2);
    assert_eq!(a.sees(&["alice"]).await.len(), 1);
}

/// It comes back while others take its sessions away.
#[tokio::test]
async fn who_was_taken_for_gone_and_is_not_enters_anew() {
    let url = postgres::shared().new_database();
    let a = Node::open(&url).await;
    a.hears("that it is new", |news| news.forgotten).await;
    let mut sessions = [a.session("alice"), a.session("bob")];
    for session in &mut sessions {
        session.online = true;
    }
    a.cluster.enter(&sessions).await.unwrap();
    let some = "UPDATE muster.node SET seen_at = '-infinity'; \
        DELETE FROM muster.session WHERE user_id = 'alice'";
    postgres::shared().sql(&url, some);
    a.hears("that it was forgotten", |news| news.forgotten)
        .await;
    a.cluster.enter(&sessions).await.unwrap();
    let keys = sessions.map(|session| session.key);
    // Nobody takes anything away any more.
    let b = Node::open(&url).await;
    b.hears("that it is new", |news| news.forgotten).await;
    assert_eq!(b.sees(&["alice", "bob"]).await, keys);
}
