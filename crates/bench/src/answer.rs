//! What an answer says, found by looking for it: most answers are long and say that all is well.

use serde::Deserialize;

/// How far into an answer `ErrorCode` is looked for before the answer is parsed. In answers of
/// muster and of Tencent it stands in the first 64 bytes.
const ENVELOPE_BYTES: usize = 128;

/// Longest ErrorInfo that is kept, in characters.
const INFO_LIMIT_CHARS: usize = 200;

/// The `ErrorCode` of an answer (wire §1.3); `None` if it is no answer of this protocol.
pub(crate) fn error_code(body: &[u8]) -> Option<u32> {
    let envelope = &body[..body.len().min(ENVELOPE_BYTES)];
    scanned_code(envelope).or_else(|| parsed(body)?.error_code)
}

/// The ErrorInfo of an answer, fit for a terminal.
pub(crate) fn error_info(body: &[u8]) -> String {
    let info = parsed(body).and_then(|envelope| envelope.error_info);
    let shown = info.unwrap_or_default();
    let shown = shown.chars().filter(|char| !char.is_control());
    shown.take(INFO_LIMIT_CHARS).collect()
}

/// How many accounts an import could not take (wire §3.3).
pub(crate) fn fail_accounts(body: &[u8]) -> u64 {
    if is_empty_list(body, b"\"FailAccounts\"") {
        return 0;
    }
    parsed(body).map_or(0, |envelope| envelope.fail_accounts.len() as u64)
}

/// How many of the accounts checked are not there (wire §3.5).
pub(crate) fn not_imported(body: &[u8]) -> u64 {
    let mut count = 0;
    let mut rest = body;
    while let Some(found) = after(rest, b"\"NotImported\"") {
        count += 1;
        rest = found;
    }
    count
}

/// How many of the accounts whose profile was asked for are not there (wire §3.9).
pub(crate) fn without_profile(body: &[u8]) -> u64 {
    if is_empty_list(body, b"\"Fail_Account\"") {
        return 0;
    }
    parsed(body).map_or(0, |envelope| envelope.fail_account.len() as u64)
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "ErrorCode")]
    error_code: Option<u32>,
    #[serde(rename = "ErrorInfo")]
    error_info: Option<String>,
    #[serde(rename = "FailAccounts", default)]
    fail_accounts: Vec<serde::de::IgnoredAny>,
    #[serde(rename = "Fail_Account", default)]
    fail_account: Vec<serde::de::IgnoredAny>,
}

fn parsed(body: &[u8]) -> Option<Envelope> {
    serde_json::from_slice(body).ok()
}

fn scanned_code(envelope: &[u8]) -> Option<u32> {
    let rest = after(envelope, b"\"ErrorCode\"")?;
    let rest = rest
        .trim_ascii_start()
        .strip_prefix(b":")?
        .trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A number that goes on at the end may go on behind it.
    if digits == rest.len() {
        return None;
    }
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// Whether the list of this name is absent or empty.
fn is_empty_list(body: &[u8], name: &[u8]) -> bool {
    let Some(rest) = after(body, name) else {
        return true;
    };
    let list = || {
        let rest = rest.trim_ascii_start().strip_prefix(b":")?;
        let rest = rest.trim_ascii_start().strip_prefix(b"[")?;
        rest.trim_ascii_start().strip_prefix(b"]")
    };
    list().is_some()
}

/// What follows the first `needle`, of which the second byte is looked for first: it is rarer than
/// the quotation mark before it.
fn after<'b>(body: &'b [u8], needle: &[u8]) -> Option<&'b [u8]> {
    let rare = needle[1];
    let mut from = 1;
    loop {
        let found = from + body.get(from..)?.iter().position(|byte| *byte == rare)?;
        if let Some(rest) = body[found - 1..].strip_prefix(needle) {
            return Some(rest);
        }
        from = found + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (body, expected) in [
            (
                r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#,
                Some(0),
            ),
            (
                r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"x"}"#,
                Some(60007),
            ),
            (
                "{ \"ErrorCode\" : 70009 ,\n \"ErrorInfo\" : \"\" }",
                Some(70009),
            ),
            (r#"{"ErrorInfo":"\"ErrorCode\":1","ErrorCode":2}"#, Some(2)),
            (r#"{"ErrorCode":"0"}"#, None),
            (r#"{"ErrorCode":-1}"#, None),
            (r#"{"ActionStatus":"OK"}"#, None),
            ("<html>", None),
            ("", None),
            ("\"", None),
        ] {
            assert_eq!(error_code(body.as_bytes()), expected, "{body}");
        }
        // Behind other data, and across the end of what is scanned.
        for padding in 0..200 {
            let padding = "x".repeat(padding);
            let body = format!(r#"{{"Padding":"{padding}","ErrorCode":60007}}"#);
            assert_eq!(error_code(body.as_bytes()), Some(60007), "{body}");
        }
    }

    #[test]
    fn infos_are_fit_for_a_terminal() {
        let long = format!(r#"{{"ErrorCode":1,"ErrorInfo":"{}"}}"#, "é".repeat(1000));
        for (body, expected) in [
            (r#"{"ErrorCode":1,"ErrorInfo":"plain"}"#, "plain".to_owned()),
            (
                "{\"ErrorCode\":1,\"ErrorInfo\":\"\\u001b[31mred\\n\"}",
                "[31mred".to_owned(),
            ),
            (r#"{"ErrorCode":1}"#, String::new()),
            (&long, "é".repeat(200)),
        ] {
            assert_eq!(error_info(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn lists() {
        let ok = r#""ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"""#;
        for (rest, expected) in [
            ("", 0),
            (r#","FailAccounts":[]"#, 0),
            (r#","FailAccounts" : [ ]"#, 0),
            (r#","FailAccounts":["a"],"RequestId":"x""#, 1),
            (r#","FailAccounts":["a","]","c"]"#, 3),
        ] {
            let body = format!("{{{ok}{rest}}}");
            assert_eq!(fail_accounts(body.as_bytes()), expected, "{body}");
            let profiles = body.replace("FailAccounts", "Fail_Account");
            assert_eq!(without_profile(profiles.as_bytes()), expected, "{profiles}");
        }
    }

    #[test]
    fn accounts_that_are_not_there() {
        let item = |status| format!(r#"{{"UserID":"NN","AccountStatus":"{status}"}}"#);
        let (is, is_not) = (item("Imported"), item("NotImported"));
        for (items, expected) in [
            (vec![], 0),
            (vec![&is], 0),
            (vec![&is_not], 1),
            (vec![&is_not, &is, &is_not, &is_not], 3),
        ] {
            let items: Vec<_> = items.into_iter().map(String::as_str).collect();
            let body = format!(r#"{{"ErrorCode":0,"ResultItem":[{}]}}"#, items.join(","));
            assert_eq!(not_imported(body.as_bytes()), expected, "{body}");
        }
    }
}
