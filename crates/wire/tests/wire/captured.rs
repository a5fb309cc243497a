//! Requests as real clients send them (wire §9.1).

use muster_wire::{Command, parse_call};
use serde_json::Value;

use crate::decode;

const REQUESTS: &str = include_str!("../../../testkit/vectors/requests.json");

#[test]
fn captured_requests_are_taken_in() {
    let requests: Value = serde_json::from_str(REQUESTS).unwrap();
    let mut seen: Vec<Command> = Vec::new();
    for sample in requests["samples"].as_array().unwrap() {
        let field = |name: &str| sample[name].as_str().unwrap();
        let names = sample["query_order"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap());
        let value = |name| match name {
            "sdkappid" => "1400000000",
            "identifier" => "administrator",
            "usersig" => "eJw*",
            "contenttype" => "json",
            _ => "x",
        };
        let query: Vec<_> = names
            .map(|name| format!("{name}={}", value(name)))
            .collect();
        let query = query.join("&");
        let call = parse_call(field("method"), field("path"), Some(&query));
        let call = call.unwrap_or_else(|refused| panic!("{sample} {refused:?}"));
        decode(call.command, field("body"))
            .unwrap_or_else(|failure| panic!("{sample} {failure:?}"));
        seen.push(call.command);
    }
    for command in Command::ALL {
        if command == Command::Querystate {
            continue; // No client is known that still calls it.
        }
        assert!(seen.contains(&command), "no sample of {command:?}");
    }
}
