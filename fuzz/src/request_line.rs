//! Checks 1 to 7 (wire §2) against a second reading, and that no answer shows a UserSig.
//!
//! The input is a request line without its version: `POST /v4/x/y?a=b`.

use muster_wire::{Command, RefusedCall, parse_call, shown_path};

use crate::answer::{cut, failed};

/// Stands for a UserSig that nobody is to see. The inputs do not hold it.
const SECRET: &str = "eJwSECRETvgrxCdYr";

/// As much of it as would be too much. It begins with a letter with which no escape ends: U+001E and
/// what follows it, which is no secret, is `\u001e` and that in JSON.
const SECRET_START: &str = "JwSECRET";

/// One input.
pub fn check(data: &[u8]) {
    let Ok(line) = str::from_utf8(data) else {
        return;
    };
    let (method, target) = line.split_once(' ').unwrap_or((line, ""));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    against_plain_reading(method, path, query);
    if !line.contains(SECRET_START) {
        hides_the_usersig(method, path, query.unwrap_or_default());
    }
}

fn against_plain_reading(method: &str, path: &str, query: Option<&str>) {
    let call = parse_call(method, path, query);
    match plain_reading(method, path, query.unwrap_or_default()) {
        Ok((command, sdkappid, identifier, usersig)) => {
            let call = call.expect("passes checks 1 to 7");
            assert_eq!(call.command, command);
            assert_eq!(u64::from(call.sdkappid.0), sdkappid);
            assert_eq!(call.identifier, identifier);
            assert_eq!(call.usersig, usersig);
        }
        Err((code, info)) => {
            let RefusedCall { service, failure } = call.expect_err("fails a check");
            assert_eq!((failure.code.get(), &failure.info), (code, &info));
            assert_eq!(failure.fail_accounts, None);
            // Known from check 3 on.
            assert_eq!(service.is_none(), [60002, 60009].contains(&code));
            failed(service, &failure);
        }
    }
}

type PlainCall = (Command, u64, String, String);

/// The checks as plainly as they are written.
fn plain_reading(method: &str, path: &str, query: &str) -> Result<PlainCall, (u32, String)> {
    let unparsable = || (60002, "HTTP parse Error".to_owned());
    if method != "POST" || !path.starts_with('/') || path.matches('/').count() != 3 {
        return Err(unparsable());
    }
    let mut parameters = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let mut sides = piece.splitn(2, '=');
        let name = form_decoded(sides.next().unwrap_or_default()).ok_or_else(unparsable)?;
        let value = form_decoded(sides.next().unwrap_or_default()).ok_or_else(unparsable)?;
        parameters.push((name, value));
    }
    let first = |name: &str| {
        let found = parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };

    let known = |command: &Command| command.path() == path;
    let Some(command) = Command::ALL.into_iter().find(known) else {
        let info = format!("Unknown service or command \"{}\".", cut(shown(path)));
        return Err((60009, info));
    };
    let Some(sdkappid) = first("sdkappid") else {
        return Err((60012, "sdkappid is missing from the URL.".to_owned()));
    };
    let significant = sdkappid.trim_start_matches('0');
    let number = match significant.parse::<u64>() {
        Ok(number) => number,
        Err(_) if significant.is_empty() && !sdkappid.is_empty() => 0,
        Err(_) => u64::MAX,
    };
    if number > u32::MAX.into() || sdkappid.contains(|c: char| !c.is_ascii_digit()) {
        let info = format!(
            "sdkappid \"{}\" is not a number.",
            cut(shown_value(&sdkappid))
        );
        return Err((60006, info));
    }
    let identifier = first("identifier").unwrap_or_default();
    if identifier.is_empty() {
        return Err((60025, "identifier is missing from the URL.".to_owned()));
    }
    let usersig = first("usersig").unwrap_or_default();
    if usersig.is_empty() {
        return Err((70002, "usersig is missing from the URL.".to_owned()));
    }
    match first("contenttype") {
        Some(other) if other != "json" => {
            let info = format!("contenttype \"{}\" is not json.", cut(shown_value(&other)));
            Err((60025, info))
        }
        _ => Ok((command, number, identifier, usersig)),
    }
}

fn form_decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let hex = piece.get(..2)?;
        if hex.contains(|c: char| !c.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// What stands before a query that got into it.
fn shown(text: &str) -> &str {
    let mut shown = text;
    for mark in ["?", "&", "=", ";", "%3F", "%3f"] {
        shown = shown.split(mark).next().unwrap_or_default();
    }
    shown
}

/// The same with the mark.
fn shown_value(text: &str) -> &str {
    let before = shown(text);
    let after = &text[before.len()..];
    let mark_bytes = if after.starts_with('%') {
        3
    } else {
        after.len().min(1)
    };
    &text[..before.len() + mark_bytes]
}

/// A UserSig that is sent, in its place or where a client's mistake puts it, is in no answer.
fn hides_the_usersig(method: &str, path: &str, query: &str) {
    for query in [
        format!("usersig={SECRET}&{query}"),
        format!("{query}&usersig={SECRET}"),
    ] {
        match parse_call(method, path, Some(&query)) {
            Ok(call) => assert!(!format!("{call:?}").contains(SECRET_START)),
            Err(refused) => hidden_in(&refused),
        }
    }
    for mark in ["?", "&", "=", ";", "%3F", "%3f"] {
        let path = format!("{path}{mark}usersig={SECRET}");
        assert!(!shown_path(&path).contains(SECRET_START));
        if let Err(refused) = parse_call(method, &path, Some(query)) {
            hidden_in(&refused);
        }
    }
    for mark in ["", "?", "%3F", "%26", "%3D", "%3B", ";"] {
        let query = format!("{query}{mark}usersig={SECRET}");
        if let Err(refused) = parse_call(method, path, Some(&query)) {
            hidden_in(&refused);
        }
    }
}

fn hidden_in(refused: &RefusedCall) {
    assert!(!failed(refused.service, &refused.failure).contains(SECRET_START));
    assert!(!format!("{refused:?}").contains(SECRET_START));
}
