//! A thousand sessions at a time, which leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::float_cmp, reason = "the figures compared are counts")]

use std::thread;

use muster_testkit::{
    Launch, Muster, SDKAPPID,
    http::{Connection, request},
    session::Device,
    usersig,
};

const SESSIONS: usize = 1000;
const ROUNDS: usize = 4;

/// What a server has in use.
#[derive(Clone, Copy, Debug)]
struct InUse {
    sessions: f64,
    connections: f64,
    open_fds: f64,
    resident_bytes: f64,
}

fn in_use(muster: &Muster) -> InUse {
    let mut connection = Connection::open(muster.operator_url());
    connection.send(request("GET", "/metrics", &[], b""));
    let answer = connection.answer();
    let figure = |name: &str| -> f64 {
        let line = answer
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    InUse {
        sessions: figure("muster_sessions"),
        connections: figure(r#"muster_connections{listener="public"}"#),
        open_fds: figure("process_open_fds"),
        resident_bytes: figure("process_resident_memory_bytes"),
    }
}

/// Waits until no session and no connection is left; the server lets go a moment after its answer.
fn settled(muster: &Muster) -> InUse {
    for _ in 0..10_000 {
        let now = in_use(muster);
        if now.sessions == 0.0 && now.connections == 0.0 {
            return now;
        }
        thread::yield_now();
    }
    panic!("not everything is let go of: {:?}", in_use(muster));
}

/// Signs a thousand users in, kicks each, and sees each closed. Users who were kicked in a round
/// before need new UserSigs, so each round has its own.
fn round(muster: &Muster, number: usize) {
    let user = |i: usize| format!("user-{number}-{i}");
    let url = muster.accounts_url();
    let mut devices: Vec<_> = (0..SESSIONS)
        .map(|i| Device::sign_in(url, &user(i), "Web"))
        .collect();
    let full = in_use(muster);
    assert_eq!(full.sessions, 1000.0);
    assert!(full.open_fds >= 1000.0, "{full:?}");

    let mut admin = Connection::open(url);
    let target = format!(
        "/v4/im_open_login_svc/kick?sdkappid={SDKAPPID}&identifier=administrator&usersig={}",
        usersig("administrator")
    );
    for i in 0..SESSIONS {
        let body = format!(r#"{{"UserID":"{}"}}"#, user(i));
        admin.send(request("POST", &target, &[], body.as_bytes()));
        assert!(admin.answer().text().contains(r#""ErrorCode":0"#));
    }
    drop(admin);
    for device in &mut devices {
        assert_eq!(device.wait_for_close(), Some(4001));
    }
}

#[test]
fn a_thousand_sessions_are_kicked_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = Launch::dev(env!("CARGO_BIN_EXE_muster"), &data_dir)
        .arg("--no-rate-limits")
        .start();
    let before = settled(&muster);
    let mut after = Vec::new();
    for number in 0..ROUNDS {
        round(&muster, number);
        after.push(settled(&muster));
    }
    for figures in &after {
        assert_eq!(figures.open_fds, before.open_fds, "{before:?} {after:?}");
    }
    // The first round warms up; what later ones leave behind would add up. A tenth of what a
    // thousand sessions hold is far above the noise of an allocator, and far below a leak.
    let (first, last) = (after[0], after[ROUNDS - 1]);
    let grown_bytes = last.resident_bytes - first.resident_bytes;
    assert!(grown_bytes < 8.0 * 1024.0 * 1024.0, "{after:?}");
    assert!(muster.terminate().status.success());
}
