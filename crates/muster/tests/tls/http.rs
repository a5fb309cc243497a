//! HTTP over TLS: what holds for plain connections (wire §1.2) holds for these.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
};

use muster_testkit::{
    Launch, Muster,
    http::{Connection, request},
};
use rustls::version::{TLS12, TLS13};

use crate::{
    MUSTER,
    client::{ALICE, check, code, config, connect, tcp, trusting, try_connect},
    stop, wait_until,
};

/// `muster dev --tls`, and its CA.
fn start(settings: &[&str]) -> (tempfile::TempDir, Muster, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut launch = Launch::dev(MUSTER, &dir.path().join("data")).arg("--tls");
    for setting in settings {
        launch = launch.arg("--set").arg(setting);
    }
    let muster = launch.start();
    let ca = std::fs::read_to_string(muster.data_dir().join("tls/ca.pem")).unwrap();
    (dir, muster, ca)
}

/// The number of handshakes that failed.
fn failed_handshakes(muster: &Muster) -> u64 {
    let mut connection = Connection::open(muster.operator_url());
    connection.send(request("GET", "/metrics", &[], b""));
    let answer = connection.answer();
    let mut lines = answer.text().lines();
    lines
        .find_map(|line| line.strip_prefix("muster_tls_handshakes_failed_total "))
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn connections_persist_unless_the_caller_says_otherwise() {
    let (_dir, muster, ca) = start(&[]);
    for version in [&TLS12, &TLS13] {
        let mut connection = connect(&muster, config(&ca, &[version]));
        for _ in 0..2 {
            connection.send(check(&[], ALICE));
            assert_eq!(code(&mut connection), 0);
        }
        // In one packet.
        connection.send(check(&[], ALICE).repeat(3));
        for _ in 0..3 {
            assert_eq!(code(&mut connection), 0);
        }
        connection.send(check(&[("Connection", "close")], ALICE));
        assert_eq!(code(&mut connection), 0);
        // Said in TLS as well: a mere end of the stream would be an error.
        connection.wait_for_close();
    }
    assert_eq!(failed_handshakes(&muster), 0);
    stop(muster);
}

/// Whether it says so in TLS, in TCP, or both.
#[test]
fn who_has_sent_all_may_close_that_direction() {
    let (_dir, muster, ca) = start(&[]);
    for (in_tls, in_tcp) in [(true, false), (false, true), (true, true)] {
        let mut stream = try_connect(&muster, trusting(&ca), "127.0.0.1").unwrap();
        stream.write_all(&check(&[], ALICE)).unwrap();
        if in_tls {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
        if in_tcp {
            stream.sock.shutdown(Shutdown::Write).unwrap();
        }
        let mut connection = Connection::over(stream);
        assert_eq!(code(&mut connection), 0, "{in_tls} {in_tcp}");
    }
    stop(muster);
}

#[test]
fn large_bodies() {
    let (_dir, muster, ca) = start(&[]);
    let body = |bytes: usize| {
        let mut body = ALICE.to_vec();
        body.resize(bytes, b' ');
        body
    };
    let mut connection = connect(&muster, trusting(&ca));
    for _ in 0..2 {
        connection.send(check(&[], &body(1024 * 1024)));
        assert_eq!(code(&mut connection), 0);
    }
    // It answers without waiting for the rest, and takes enough of it in for the answer to arrive.
    connection.send(check(&[], &body(4 * 1024 * 1024)));
    assert_eq!(code(&mut connection), 60008);
    connection.wait_for_close();
    stop(muster);
}

#[test]
fn stopping_closes_connections_in_order() {
    let (_dir, muster, ca) = start(&[]);
    let mut used = connect(&muster, trusting(&ca));
    used.send(check(&[], ALICE));
    assert_eq!(code(&mut used), 0);
    let mut fresh = connect(&muster, trusting(&ca));
    // In the middle of a handshake there is nothing to wait for.
    let mut silent = tcp(&muster);
    stop(muster);
    used.wait_for_close();
    fresh.wait_for_close();
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
}

/// The time of a request's head is that of a handshake, from the first byte on or without one, and
/// not that of the wait for a request after it.
#[test]
fn a_slow_handshake_is_not_waited_for() {
    let (_dir, muster, ca) = start(&["limits.header_timeout_s=1"]);
    let mut idle = connect(&muster, trusting(&ca));
    let mut silent = tcp(&muster);
    let mut slow = tcp(&muster);
    // The head of a handshake's record, of which 512 bytes are to follow.
    slow.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
        .unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        // An alert may come first; it ends, whether in order or not.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 100, "{rest:?}");
    }
    wait_until(&muster, || failed_handshakes(&muster) == 2);
    // It has been there longer than both.
    idle.send(check(&[], ALICE));
    assert_eq!(code(&mut idle), 0);

    // A head that has begun is not waited for either.
    let mut slow_head = connect(&muster, trusting(&ca));
    slow_head.send("POST /v4/im_op");
    assert!(slow_head.try_answer().is_err());
    stop(muster);
}

/// What is said in a session is no matter of TLS.
#[test]
fn sessions_are_opened() {
    let (_dir, muster, ca) = start(&[]);
    let mut connection = connect(&muster, trusting(&ca));
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    connection.send(request("GET", "/muster/v1/session", &upgrade, b""));
    let answer = connection.answer();
    assert_eq!(answer.status, 101);
    // The answer to this key, from RFC 6455.
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    drop(connection);
    stop(muster);
}

#[test]
fn plain_http_is_told_to_use_https() {
    let (_dir, muster, _) = start(&[]);
    let plain = muster.accounts_url().replace("https://", "http://");
    let mut connection = Connection::open(&plain);
    connection.send(check(&[], ALICE));
    let answer = connection.answer();
    assert_eq!(answer.status, 400);
    assert!(answer.closes());
    assert_eq!(
        answer.text(),
        "This port speaks HTTPS: call it with https:// in place of http://.\n"
    );
    connection.wait_for_close();
    // The server waits a moment for who may still be sending.
    drop(connection);
    wait_until(&muster, || failed_handshakes(&muster) == 1);
    stop(muster);
}

#[test]
fn what_is_neither_tls_nor_http_is_closed() {
    let (_dir, muster, _) = start(&[]);
    let mut stream = tcp(&muster);
    stream.write_all(b"\x00nonsense").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    wait_until(&muster, || failed_handshakes(&muster) == 1);
    stop(muster);
}

#[test]
fn http_1_1_is_what_is_agreed_on() {
    let (_dir, muster, ca) = start(&[]);
    for (offered, agreed) in [
        (&[][..], Some(None)),
        (&["http/1.1"], Some(Some("http/1.1"))),
        (&["h2", "http/1.1"], Some(Some("http/1.1"))),
        // Nothing that both speak.
        (&["h2"], None),
    ] {
        let mut config = trusting(&ca);
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let found = try_connect(&muster, config, "127.0.0.1");
        let found = found.as_ref().map(|stream| stream.conn.alpn_protocol());
        assert_eq!(
            found.ok(),
            agreed.map(|name| name.map(str::as_bytes)),
            "{offered:?}"
        );
    }
    stop(muster);
}
