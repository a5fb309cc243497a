//! What a server must outlive: requests that stop in the middle, and bytes that mean nothing.

use muster_testkit::http::{Connection, chunked, request};

use crate::{
    connections::import,
    server::{Server, assert_protocol_headers, query, serving, serving_with},
    transcript::run,
};

/// Accounts with known values, and whether they still have them.
struct Known {
    answer: String,
}

impl Known {
    const CHECK: &str = r#"{"To_Account":["kept-1","kept-2","administrator"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image","Tag_Profile_IM_Level"]}"#;

    fn new(server: &Server) -> Self {
        run(
            server,
            r#"
POST /v4/im_open_login_svc/multiaccount_import?Q
{"AccountList":[{"UserID":"kept-1","Nick":"Alice","FaceUrl":"http://www.qq.com"},{"UserID":"kept-2","Nick":"小军"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}

POST /v4/profile/portrait_set?Q
{"From_Account":"kept-2","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":7}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}
"#,
        );
        let answer = server.call("profile/portrait_get", Self::CHECK);
        assert!(
            answer.contains("Alice") && answer.contains("小军"),
            "{answer}"
        );
        Self { answer }
    }

    fn are_kept(&self, server: &Server) {
        assert_eq!(
            server.call("profile/portrait_get", Self::CHECK),
            self.answer
        );
    }
}

/// A request cut off after each of its bytes is no request.
#[test]
fn cut_off() {
    serving(|server| {
        let known = Known::new(server);
        let body = r#"{"UserID":"kept-1","Nick":"changed"}"#;
        let with_length = import("HTTP/1.1", "Host: x\r\n", body).into_bytes();
        let head_end = with_length.len() - body.len();
        let mut in_chunks = String::from_utf8_lossy(&with_length[..head_end])
            .replace("Content-Length: 36", "Transfer-Encoding: chunked")
            .into_bytes();
        in_chunks.extend(chunked(body.as_bytes().chunks(10)));
        for whole in [with_length, in_chunks] {
            for end in 1..whole.len() {
                let mut peer = server.connect();
                peer.send(&whole[..end]);
                peer.finish_sending();
                for answer in peer.answers_to_the_end() {
                    // What is left of a query or a head may be wrong for itself, never right.
                    let is_ok = answer.body.starts_with(br#"{"ActionStatus":"OK""#);
                    assert!(!is_ok, "cut after {end} bytes: {answer:?}");
                }
            }
        }
        known.are_kept(server);
    });
}

/// Heads that no client sends.
#[test]
fn absurd_heads() {
    let target = format!("/v4/im_open_login_svc/account_check?{}", query());
    let body = r#"{"CheckItem":[{"UserID":"kept-1"}]}"#;
    let head = |line: &str, headers: &str| {
        format!("{line}\r\nHost: x\r\n{headers}\r\n{body}").into_bytes()
    };
    let length = format!("Content-Length: {}\r\n", body.len());
    let post = format!("POST {target} HTTP/1.1");
    let many: Vec<_> = (0..500).map(|i| format!("X-{i}: {i}\r\n")).collect();
    let many = many.concat();
    let too_long = "x".repeat(1024 * 1024);
    let too_long = [
        head(&format!("POST {target}&pad={too_long} HTTP/1.1"), &length),
        head(&post, &format!("X: {too_long}\r\n{length}")),
        head(&post, &format!("X-{too_long}: x\r\n{length}")),
    ];
    let rows: &[(&str, Vec<u8>, &[u16])] = &[
        // Each with the statuses that HTTP leaves to choose from, none if that is to end without an
        // answer; 200 is a processed call.
        (
            "nothing of HTTP",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            &[400],
        ),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[]),
        (
            "HTTP/3.0",
            head(&format!("POST {target} HTTP/3.0"), &length),
            &[400, 505],
        ),
        (
            "no version",
            head(&format!("POST {target}"), &length),
            &[400],
        ),
        ("no target", head("POST HTTP/1.1", &length), &[400]),
        (
            "a space in the target",
            head("POST /v4/a b HTTP/1.1", &length),
            &[400],
        ),
        (
            "a raw byte in the target",
            b"POST /v4/\xff HTTP/1.1\r\n\r\n".to_vec(),
            &[200, 400],
        ),
        ("a NUL in a header", head(&post, "X: a\0b\r\n"), &[400]),
        ("a header without a name", head(&post, ": x\r\n"), &[400]),
        ("a header without a colon", head(&post, "X\r\n"), &[400]),
        (
            "500 headers",
            head(&post, &format!("{many}{length}")),
            &[200, 431],
        ),
        (
            "a negative length",
            head(&post, "Content-Length: -1\r\n"),
            &[400],
        ),
        (
            "a length with a sign",
            head(&post, "Content-Length: +35\r\n"),
            &[400],
        ),
        (
            "a length beyond 64 bits",
            head(&post, "Content-Length: 99999999999999999999\r\n"),
            &[400],
        ),
        (
            "two lengths",
            head(&post, &format!("{length}Content-Length: 1\r\n")),
            &[400],
        ),
        (
            "a length and chunks",
            head(&post, &format!("{length}Transfer-Encoding: chunked\r\n")),
            &[200, 400],
        ),
        (
            "an unknown coding",
            head(&post, "Transfer-Encoding: gzip\r\n"),
            &[400, 501],
        ),
        (
            "no chunk size",
            head(&post, "Transfer-Encoding: chunked\r\n"),
            &[200, 400],
        ),
        (
            "an unknown expectation",
            head(&post, &format!("Expect: coffee\r\n{length}")),
            &[200, 417],
        ),
        (
            "an upgrade",
            head(
                &post,
                &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{length}"),
            ),
            &[200],
        ),
    ];
    serving(|server| {
        let known = Known::new(server);
        for (name, bytes, statuses) in rows {
            let mut peer = server.connect();
            peer.try_send(bytes);
            peer.finish_sending();
            let answers = peer.answers_to_the_end();
            if statuses.is_empty() {
                assert_eq!(answers, [], "{name}");
                continue;
            }
            let first = answers
                .first()
                .unwrap_or_else(|| panic!("{name}: no answer"));
            assert!(statuses.contains(&first.status), "{name}: {first:?}");
            if first.status == 200 {
                assert_protocol_headers(first);
            }
        }
        for bytes in &too_long {
            // The server may close the connection before all of it was sent, and then its answer can
            // get lost.
            let mut peer = server.connect();
            peer.try_send(bytes);
            peer.finish_sending();
            for answer in peer.answers_to_the_end() {
                assert!([400, 414, 431].contains(&answer.status), "{answer:?}");
            }
        }
        known.are_kept(server);
    });
}

/// Bytes at random, and good requests with something wrong in them.
#[test]
fn random_bytes() {
    const REQUESTS: usize = 10_000;
    let seed = std::env::var("MUSTER_RANDOM_SEED").map_or(20_260_220, |seed| seed.parse().unwrap());
    println!("MUSTER_RANDOM_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let good: Vec<Vec<u8>> = [
        ("im_open_login_svc/account_import", r#"{"UserID":"r-1","Nick":"\u5c0f","FaceUrl":"http:\/\/x"}"#),
        ("im_open_login_svc/multiaccount_import", r#"{"AccountList":[{"UserID":"r-2","Nick":"小"},{"UserID":"josé"}]}"#),
        ("im_open_login_svc/multiaccount_import", r#"{"Accounts":["r-3","r-4"]}"#),
        ("im_open_login_svc/account_check", r#"{"CheckItem":[{"UserID":"kept-1"},{"UserID":"r-1"}]}"#),
        ("profile/portrait_set", r#"{"From_Account":"r-1","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":3}]}"#),
        ("profile/portrait_get", r#"{"To_Account":["kept-1","r-1"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Level"]}"#),
    ]
    .iter()
    .flat_map(|(command, body)| {
        let target = format!("/v4/{command}?{}", query());
        let whole = request("POST", &target, &[], body.as_bytes());
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let in_chunks = [head.as_bytes(), &chunked(body.as_bytes().chunks(20))].concat();
        [whole, in_chunks]
    })
    .collect();

    serving_with(
        // At info the log shows unknown paths, where chance puts pieces of the UserSig.
        |launch| {
            launch
                .arg("--no-rate-limits")
                .arg("--log-level")
                .arg("warn")
                // Chance fails more often than a caller may.
                .arg("--set")
                .arg("limits.failed_usersigs_per_min=0")
        },
        |server| {
            let known = Known::new(server);
            for _ in 0..REQUESTS {
                let bytes = if random.u8(..4) == 0 {
                    let length = random.usize(1..400);
                    std::iter::repeat_with(|| random.u8(..))
                        .take(length)
                        .collect()
                } else {
                    let whole = random.choice(&good).unwrap();
                    spoiled(whole, &mut random)
                };
                // Answers show some of what was sent, so they are not looked through for secrets here.
                let mut connection = Connection::open(server.muster().accounts_url());
                // The server may have closed the connection before all was sent.
                let _ = connection.try_send(&bytes);
                connection.finish_sending();
                while let Ok(Some(answer)) = connection.try_answer() {
                    let is_known = [100, 200, 400, 414, 431].contains(&answer.status);
                    assert!(is_known, "{answer:?} to {}", bytes.escape_ascii());
                    if answer.status == 200 {
                        assert_protocol_headers(&answer);
                    }
                }
            }
            known.are_kept(server);
        },
    );
}

/// A request with one to four things wrong in it.
fn spoiled(whole: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..bytes.len());
        match random.u8(..7) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] ^= 1 << random.u8(..8),
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, random.u8(..)),
            4 => drop(bytes.remove(at)),
            5 => {
                let end = (at + random.usize(1..20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let digits = *random
                    .choice(&["0", "-1", "4294967296", "18446744073709551616", "1e999"])
                    .unwrap();
                let end = (at + digits.len()).min(bytes.len());
                bytes.splice(at..end, digits.bytes());
            }
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes
}
