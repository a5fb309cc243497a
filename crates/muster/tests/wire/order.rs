//! The order of wire §2: each request is wrong in two ways, and the earlier check decides.
//!
//! Check 14 is in [`crate::rates`]; the parameters of a command, check 17, are in their order in
//! [`crate::imports`] and [`crate::profiles`].

use muster_testkit::{SDKAPPID, http::request, sample_key, usersig};
use muster_usersig::{Claims, SecretKey, sign};

use crate::server::{assert_protocol_headers, serving};

/// A token by `key`, ended in 2023 if `expired`.
fn token(key: &SecretKey, sdkappid: u32, identifier: &str, expired: bool) -> String {
    let claims = Claims {
        identifier: identifier.to_owned(),
        sdkappid: sdkappid.into(),
        time_s: 1_600_000_000,
        expire_s: if expired { 86_400 } else { 1_000_000_000 },
        userbuf: None,
    };
    sign(key, &claims)
}

#[test]
fn the_earlier_check_decides() {
    const COMMAND: &str = "/v4/im_open_login_svc/account_import";
    const APP: u32 = SDKAPPID;
    const OTHER_APP: u32 = 1_400_000_009;
    let ours = sample_key();
    let theirs = SecretKey::from_random([7; 32]);
    let good = usersig("administrator");
    let call = |identifier: &str, usersig: &str| {
        format!("{COMMAND}?sdkappid={APP}&identifier={identifier}&usersig={usersig}")
    };
    let admin = |usersig: String| call("administrator", &usersig);
    let large = vec![b'x'; 1024 * 1024 + 1];
    let rows: &[(&str, &str, String, &[u8], &str)] = &[
        // The checks, the method, the target, the body, and what the answer holds.
        (
            "1 before 2: a method",
            "PUT",
            "/v4/no/command".to_owned(),
            b"{}",
            "60002",
        ),
        (
            "1 before 2: segments",
            "POST",
            "/v4/no/command/".to_owned(),
            b"{}",
            "60002",
        ),
        (
            "1 before 2: an escape",
            "POST",
            "/v4/no/command?x=%".to_owned(),
            b"{}",
            "60002",
        ),
        ("1 before 3", "GET", COMMAND.to_owned(), b"{}", "60002"),
        (
            "1 before 4",
            "POST",
            format!("{COMMAND}?sdkappid=x%"),
            b"{}",
            "60002",
        ),
        (
            "2 before 3",
            "POST",
            "/v4/no/command".to_owned(),
            b"{}",
            "60009",
        ),
        (
            "2 before 4",
            "POST",
            "/v4/no/command?sdkappid=x".to_owned(),
            b"{}",
            "60009",
        ),
        (
            "3 before 5",
            "POST",
            format!("{COMMAND}?usersig={good}"),
            b"{}",
            "60012",
        ),
        (
            "3 before 7",
            "POST",
            format!("{COMMAND}?contenttype=xml"),
            b"{}",
            "60012",
        ),
        (
            "4 before 5",
            "POST",
            format!("{COMMAND}?sdkappid=x"),
            b"{}",
            "60006",
        ),
        (
            "5 before 6",
            "POST",
            format!("{COMMAND}?sdkappid={APP}"),
            b"{}",
            "identifier is missing",
        ),
        (
            "5 before 7",
            "POST",
            format!("{COMMAND}?sdkappid={APP}&contenttype=xml&usersig={good}"),
            b"{}",
            "identifier is missing",
        ),
        (
            "6 before 7",
            "POST",
            format!("{}&contenttype=xml", admin(String::new())),
            b"{}",
            "70002",
        ),
        (
            "6 before 8",
            "POST",
            format!("{COMMAND}?sdkappid=9&identifier=a"),
            b"{}",
            "70002",
        ),
        (
            "7 before 8",
            "POST",
            format!("{COMMAND}?sdkappid=9&identifier=a&usersig=x&contenttype=xml"),
            b"{}",
            "contenttype",
        ),
        (
            "8 before 12a",
            "POST",
            format!("{COMMAND}?sdkappid=9&identifier=a&usersig=x"),
            b"{}",
            "70020",
        ),
        ("12a before 13", "POST", call("alice", "x"), b"{}", "70003"),
        (
            "12b before 12c",
            "POST",
            admin(token(&ours, OTHER_APP, "alice", false)),
            b"{}",
            "70014",
        ),
        (
            "12b before 12d",
            "POST",
            admin(token(&theirs, OTHER_APP, "administrator", false)),
            b"{}",
            "70014",
        ),
        (
            "12c before 12d",
            "POST",
            admin(token(&theirs, APP, "alice", false)),
            b"{}",
            "70013",
        ),
        (
            "12c before 12e",
            "POST",
            admin(token(&ours, APP, "alice", true)),
            b"{}",
            "70013",
        ),
        (
            "12d before 12e",
            "POST",
            admin(token(&theirs, APP, "administrator", true)),
            b"{}",
            "70009",
        ),
        (
            "12d before 13",
            "POST",
            call("alice", &token(&theirs, APP, "alice", false)),
            b"{}",
            "70009",
        ),
        (
            "12e before 13",
            "POST",
            call("alice", &token(&ours, APP, "alice", true)),
            b"{}",
            "70001",
        ),
        (
            "12e before 15",
            "POST",
            admin(token(&ours, APP, "administrator", true)),
            &large,
            "70001",
        ),
        (
            "13 before 15",
            "POST",
            call("alice", &usersig("alice")),
            &large,
            "70403",
        ),
        (
            "13 before 16",
            "POST",
            call("alice", &usersig("alice")),
            b"no JSON",
            "70403",
        ),
        ("15 before 16", "POST", admin(good.clone()), &large, "60008"),
        (
            "16 before 17",
            "POST",
            admin(good.clone()),
            b"[{}]",
            "60003",
        ),
        ("none: 17 decides", "POST", admin(good), b"{}", "70402"),
    ];
    serving(|server| {
        for (name, method, target, body, expected) in rows {
            let mut peer = server.connect();
            peer.try_send(request(method, target, &[], body));
            let answer = peer.answer();
            assert_protocol_headers(&answer);
            assert!(
                answer.text().contains(expected),
                "{name}: {}",
                answer.text()
            );
        }
    });
}
