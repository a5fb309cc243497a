//! The samples of `docs/wire.md`, sent and answered as printed there.

use muster_testkit::{
    SDKAPPID,
    http::request,
    session::{Device, first_message_signed},
};

use crate::server::{assert_protocol_headers, query_of, serving};

const SPECIFICATION: &str = include_str!("../../../../docs/wire.md");

/// Request line, body and answer of each sample.
fn samples() -> Vec<[String; 3]> {
    let mut lines = SPECIFICATION.lines().peekable();
    let mut samples = Vec::new();
    while let Some(line) = lines.next() {
        if !line.starts_with("POST /v4/") {
            continue;
        }
        let mut sample = [line.to_owned(), String::new(), String::new()];
        for part in &mut sample[1..] {
            lines.next().unwrap().clone_into(part);
            while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
                part.push_str(&more[1..]);
            }
        }
        samples.push(sample);
    }
    samples
}

/// When a UserSig is signed that no kick of today ends; nothing is said of those of the future.
const AFTER_EVERY_KICK_S: u64 = 4_000_000_000;

/// The third token of wire §6.5, which the samples are sent with.
fn third_token() -> &'static str {
    SPECIFICATION
        .split_once("Whole tokens of rows 1, 2 and 3")
        .and_then(|(_, rest)| rest.lines().find(|line| line.starts_with("eNqr")))
        .unwrap()
}

#[test]
fn samples_of_the_specification() {
    let query = query_of(SDKAPPID, "administrator", third_token());
    serving(|server| {
        let mut answered = 0;
        for [line, body, expected] in samples() {
            let target = line.strip_prefix("POST ").unwrap();
            let path = target.strip_suffix("?Q").unwrap();
            // The sample has alice online, whom the one before it has kicked.
            let _device = path.ends_with("query_online_status").then(|| {
                let message = first_message_signed("alice", "Web", AFTER_EVERY_KICK_S);
                let mut device = Device::open(server.muster().accounts_url());
                let said = device.say(&message);
                assert!(said.contains("signed_in"), "{said}");
                device
            });
            let mut peer = server.connect();
            let target = format!("{path}?{query}");
            peer.send(request("POST", &target, &[], body.as_bytes()));
            let answer = peer.answer();
            assert_protocol_headers(&answer);
            assert_eq!(answer.text(), expected, "{line}\n{body}");
            answered += 1;
            if path.ends_with("account_delete") {
                // The samples after it speak of the user whom this one deletes.
                let target = format!("/v4/im_open_login_svc/account_import?{query}");
                peer.send(request("POST", &target, &[], br#"{"UserID":"alice"}"#));
                assert!(peer.answer().text().contains("OK"));
            }
        }
        assert_eq!(answered, 10);
    });
}
