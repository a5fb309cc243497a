//! The private PostgreSQL that other tests start: it keeps what is committed, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use muster_testkit::{
    PATIENCE,
    postgres::{self, Postgres, Replication},
};

const TABLE: &str = "CREATE TABLE account (user_id text PRIMARY KEY)";
const COUNT: &str = "SELECT count(*) FROM account";

fn insert(user_id: &str) -> String {
    format!("INSERT INTO account VALUES ('{user_id}')")
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_database_is_empty_and_durable() {
    let postgres = postgres::shared();
    let first = postgres.new_database();
    let second = postgres.new_database();
    assert_ne!(first, second);
    for url in [&first, &second] {
        assert!(url.starts_with("postgres://muster_test:"), "{url}");
        assert!(url.contains(&format!("@127.0.0.1:{}/", postgres.port())));
        postgres.sql(url, TABLE);
        assert_eq!(postgres.sql(url, COUNT), "0");
    }
    for (setting, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("max_connections", "200"),
        ("server_encoding", "UTF8"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ] {
        let shown = postgres.sql(&first, &format!("SHOW {setting}"));
        assert_eq!(shown, value, "{setting}");
    }
    let failed = postgres.try_sql(&first, "SELECT 1 / 0").unwrap_err();
    assert!(failed.contains("division by zero"), "{failed}");
}

#[test]
fn only_who_knows_the_password_gets_in() {
    let postgres = postgres::shared();
    let psql = postgres::newest().unwrap().join("psql");
    let tried = Command::new(psql)
        .args(["--no-password", "--host", "127.0.0.1", "--port"])
        .arg(postgres.port().to_string())
        .args(["--username", "muster_test", "postgres"])
        .env("PGPASSWORD", "guessed")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tried.stderr);
    assert!(said.contains("password authentication failed"), "{said}");
}

#[test]
fn what_is_committed_outlives_a_kill_and_a_stop() {
    let mut postgres = Postgres::start();
    let url = postgres.new_database();
    postgres.sql(&url, TABLE);
    let ends: [fn(&mut Postgres); 3] = [Postgres::kill, Postgres::stop, Postgres::restart];
    for (number, end) in ends.into_iter().enumerate() {
        postgres.sql(&url, &insert(&number.to_string()));
        let port = postgres.port();
        end(&mut postgres);
        if postgres.pid().is_none() {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
            postgres.start_again();
        }
        assert_eq!(postgres.port(), port);
        assert_eq!(postgres.sql(&url, COUNT), (number + 1).to_string());
    }
}

#[test]
fn a_kill_leaves_no_process_even_if_one_is_busy() {
    let mut postgres = Postgres::start();
    // It never looks whether the postmaster is still there.
    let busy = "SELECT count(*) AS busy FROM generate_series(1, 1000000000000)";
    let mut statement = Command::new(postgres::newest().unwrap().join("psql"))
        .arg(postgres.url("postgres"))
        .args(["--command", busy])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the statement runs", || {
        let running = "SELECT count(*) FROM pg_stat_activity \
            WHERE query LIKE '%AS busy%' AND pid <> pg_backend_pid()";
        postgres.sql("postgres", running) == "1"
    });
    let data_dir = postgres.data_dir();
    assert!(processes_in(&data_dir).len() > 2);
    postgres.kill();
    assert_eq!(processes_in(&data_dir), [0; 0]);
    assert!(!statement.wait().unwrap().success());
}

/// The processes whose current directory this is, as is that of all of PostgreSQL's.
fn processes_in(dir: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
        .collect()
}

#[test]
fn a_promoted_standby_has_what_was_committed() {
    let mut primary = Postgres::start();
    let url = primary.new_database();
    primary.sql(&url, TABLE);
    let mut standby = primary.standby(Replication::Asynchronous);
    assert_ne!(standby.port(), primary.port());
    primary.sql(&url, &insert("before"));
    let refused = standby.try_sql(&url, &insert("too_early")).unwrap_err();
    assert!(refused.contains("read-only"), "{refused}");
    standby.catch_up_with(&primary);
    assert_eq!(standby.sql(&url, COUNT), "1");

    primary.kill();
    standby.promote();
    standby.sql(&standby.url(&url), &insert("after"));
    assert_eq!(standby.sql(&url, COUNT), "2");
}

#[test]
fn commits_wait_for_a_synchronous_standby() {
    let mut primary = Postgres::start();
    let url = primary.new_database();
    primary.sql(&url, TABLE);
    let mut standby = primary.standby(Replication::Synchronous);
    standby.stop();
    thread::scope(|scope| {
        let commit = scope.spawn(|| primary.sql(&url, &insert("waits")));
        wait_until("the commit waits", || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            primary.sql(&url, waiting) == "1"
        });
        standby.start_again();
        commit.join().unwrap();
    });
    // What is made of a primary that waits is not itself to wait for a standby that it has not.
    let second = primary.standby(Replication::Asynchronous);
    let waits_for = second.sql(&url, "SHOW synchronous_standby_names");
    assert_eq!(waits_for, "");

    primary.kill();
    standby.promote();
    standby.sql(&url, &insert("after"));
    assert_eq!(standby.sql(&url, COUNT), "2");
}

#[test]
fn a_start_that_fails_says_why() {
    let mut postgres = Postgres::start();
    postgres.stop();
    let in_the_way = TcpListener::bind(("127.0.0.1", postgres.port())).unwrap();
    let started = panic::catch_unwind(AssertUnwindSafe(|| postgres.start_again()));
    let said = *started.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("does not start again"), "{said}");
    assert!(said.contains("Address already in use"), "{said}");
    drop(in_the_way);
    postgres.start_again();
}

#[test]
fn a_dropped_one_is_gone() {
    let postgres = Postgres::start();
    let (pid, data_dir) = (postgres.pid().unwrap(), postgres.data_dir());
    assert!(data_dir.exists());
    drop(postgres);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!data_dir.parent().unwrap().exists());
}

/// Says to `owner`, a test below, that it is to own a cluster.
const OWNER: &str = "MUSTER_TESTKIT_OWNER";

#[test]
fn it_ends_with_the_process_that_started_it_and_not_with_the_thread() {
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "owner", "--nocapture"])
        .env(OWNER, "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let its_cluster = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("owned: ")?.1.to_owned()))
        .unwrap();
    let (pid, data_dir) = its_cluster.split_once(' ').unwrap();
    let home = Path::new(data_dir).parent().unwrap();
    assert!(runs(pid) && home.exists());

    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("PostgreSQL ends", || !runs(pid));
    wait_until("its directory is removed", || !home.exists());
}

/// Whether a process has not ended. Its number may be there for longer, until its parent asks.
fn runs(pid: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn owner() {
    if env::var_os(OWNER).is_none() {
        return;
    }
    let postgres = thread::spawn(postgres::shared).join().unwrap();
    assert_eq!(postgres.sql("postgres", "SELECT 1"), "1");
    println!(
        "owned: {} {}",
        postgres.pid().unwrap(),
        postgres.data_dir().display()
    );
    // Until it is killed; with the pipe it ends too.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
