//! Transcripts: exchanges as text, one after the other on one connection.
//!
//! ```text
//! # What this exchange shows; it names a failure.
//! POST /v4/im_open_login_svc/account_import?Q
//! {"UserID":"alice","Nick":"<x*501>"}
//! {"ActionStatus":"FAIL","ErrorCode":40601,"ErrorInfo":"Nick is 501 bytes long, the limit is 500."}
//! ```
//!
//! The first line is the request line without its version, the second the body, the third the body
//! of the answer, byte for byte; a line that begins with a space goes on with the one before it.
//! Status and headers are checked as well. `?Q` is the query of a good call, `(empty)` an empty
//! body, `<x*501>` 501 times `x`; a unit that ends in a comma is the entry of a list, `<"a",*100>`.
//! Other names in `<>` are the caller's, or characters that are hard to see.

use std::fmt::Write as _;

use muster_testkit::http::request;

use crate::server::{Server, assert_protocol_headers, query};

const HARD_TO_SEE: [(&str, &str); 2] = [("delete", "\u{7f}"), ("line separator", "\u{2028}")];

/// Runs a transcript.
pub(crate) fn run(server: &Server, script: &str) {
    run_with(server, &[], script);
}

/// Runs a transcript with names: `<alice>` stands for what `alice` is given here.
pub(crate) fn run_with(server: &Server, names: &[(&str, &str)], script: &str) {
    let names = [names, &HARD_TO_SEE].concat();
    let exchanges = parse(&names, script);
    assert!(!exchanges.is_empty(), "an empty transcript");
    let mut peer = server.connect();
    let mut wrong = String::new();
    for exchange in exchanges {
        let Exchange {
            name,
            method,
            target,
            body,
            answer: expected,
        } = exchange;
        peer.send(request(&method, &target, &[], body.as_bytes()));
        let answer = peer.answer();
        assert_protocol_headers(&answer);
        assert!(!answer.closes(), "{name}: the connection does not persist");
        let actual = answer.text();
        if actual != expected {
            write!(
                wrong,
                "\n{name}\n  expected {expected}\n  answered {actual}\n"
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

pub(crate) struct Exchange {
    /// The comment above, or the request itself.
    name: String,
    method: String,
    target: String,
    body: String,
    answer: String,
}

fn parse(names: &[(&str, &str)], script: &str) -> Vec<Exchange> {
    let mut lines: Vec<String> = Vec::new();
    for line in script.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix(' ') {
            Some(rest) => lines.last_mut().unwrap().push_str(rest),
            None => lines.push(line.to_owned()),
        }
    }
    let mut exchanges = Vec::new();
    let mut comment = None;
    let mut lines = lines.into_iter();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("# ") {
            comment = Some(text.to_owned());
            continue;
        }
        let written_body = lines.next().unwrap_or_else(|| panic!("no body: {line}"));
        let answer = lines.next().unwrap_or_else(|| panic!("no answer: {line}"));
        let name = comment
            .take()
            .unwrap_or_else(|| format!("{line}\n  {written_body}"));
        let (method, target) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("no request line: {line}"));
        let target = match target.strip_suffix("?Q") {
            Some(path) => format!("{path}?{}", query()),
            None => expand(names, target),
        };
        let body = match written_body.as_str() {
            "(empty)" => String::new(),
            text => expand(names, text),
        };
        exchanges.push(Exchange {
            name,
            method: method.to_owned(),
            target,
            body,
            answer: expand(names, &answer),
        });
    }
    exchanges
}

/// Writes out what stands in `<>`.
fn expand(names: &[(&str, &str)], text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after
            .split_once('>')
            .unwrap_or_else(|| panic!("no end of <: {text}"));
        expanded.push_str(before);
        if let Some((_, value)) = names.iter().find(|(name, _)| *name == inside) {
            expanded.push_str(value);
        } else {
            let (unit, count) = inside
                .rsplit_once('*')
                .unwrap_or_else(|| panic!("<{inside}> stands for nothing"));
            let repeated = unit.repeat(count.parse().unwrap());
            if unit.ends_with(',') {
                expanded.push_str(repeated.trim_end_matches(','));
            } else {
                expanded.push_str(&repeated);
            }
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}
