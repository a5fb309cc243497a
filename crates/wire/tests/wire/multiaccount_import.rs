//! wire §3.3, step by step.

use muster_accounts::{
    UnixSeconds, UserId,
    rules::import::{Barred, ImportEntry, ImportRefusal},
};
use muster_wire::{Command, Request, failure_body, multiaccount_import};

use crate::{decode, text};

fn request(body: &str) -> multiaccount_import::Request {
    let Request::MultiaccountImport(request) =
        decode(Command::MultiaccountImport, body).expect(body)
    else {
        panic!("another command's request");
    };
    request
}

/// Code and text; the failures of the command itself carry an empty `FailAccounts`.
fn refused(body: &str) -> (u32, String) {
    let failure = decode(Command::MultiaccountImport, body).expect_err(body);
    assert_eq!(failure.fail_accounts, Some(Vec::new()), "{body}");
    (failure.code.get(), failure.info)
}

/// The entries as (position, user id, nick, face URL), with `-` for a field to keep.
fn entries(request: &multiaccount_import::Request) -> Vec<(usize, &str, &str, &str)> {
    let mut entries = Vec::new();
    for ImportEntry {
        position,
        user_id,
        nick,
        face_url,
    } in request.import.entries()
    {
        let nick = nick.as_ref().map_or("-", |nick| nick.as_str());
        let face_url = face_url.as_ref().map_or("-", |url| url.as_str());
        entries.push((*position, user_id.as_str(), nick, face_url));
    }
    entries
}

fn fail_accounts(request: &multiaccount_import::Request, barred: &[Barred]) -> Vec<String> {
    let answer = crate::parsed(&request.invalid.answer(barred));
    assert_eq!(answer["ActionStatus"], "OK");
    serde_json::from_value(answer["FailAccounts"].clone()).unwrap()
}

fn barred(position: usize, user: &str) -> Barred {
    let user_id = UserId::parse(user).unwrap();
    Barred {
        position,
        user_id,
        until: UnixSeconds(1_771_574_400),
    }
}

fn list_of(entry: &str, count: usize) -> String {
    format!("[{}]", vec![entry; count].join(","))
}

/// Steps 1 and 2.
#[test]
fn lists() {
    let ids_100 = list_of("\"a\"", 100);
    let ids_101 = list_of("\"a\"", 101);
    let wrong_101 = list_of("7", 101);
    let objects_100 = list_of("{\"UserID\":\"a\"}", 100);
    let wrong_250 = list_of("{\"Nick\":7}", 250);
    for (body, info) in [
        ("{}".to_owned(), "AccountList is missing."),
        (
            r#"{"accounts":["a"]}"#.to_owned(),
            "AccountList is missing.",
        ),
        (
            r#"{"AccountList":null,"Accounts":null}"#.to_owned(),
            "AccountList is missing.",
        ),
        (
            r#"{"AccountList":{}}"#.to_owned(),
            "AccountList is not an array.",
        ),
        (
            r#"{"AccountList":"a","Accounts":["a"]}"#.to_owned(),
            "AccountList is not an array.",
        ),
        (
            r#"{"AccountList":0}"#.to_owned(),
            "AccountList is not an array.",
        ),
        (
            r#"{"AccountList":[],"Accounts":["a"]}"#.to_owned(),
            "AccountList is empty.",
        ),
        (
            r#"{"Accounts":"a"}"#.to_owned(),
            "Accounts is not an array.",
        ),
        (
            r#"{"AccountList":null,"Accounts":[]}"#.to_owned(),
            "Accounts is empty.",
        ),
        (
            format!("{{\"Accounts\":{ids_101}}}"),
            "Accounts has 101 entries, the limit is 100.",
        ),
        // The number of entries is judged before any entry.
        (
            format!("{{\"Accounts\":{wrong_101}}}"),
            "Accounts has 101 entries, the limit is 100.",
        ),
        (
            format!("{{\"AccountList\":{wrong_250}}}"),
            "AccountList has 250 entries, the limit is 100.",
        ),
        // Of a repeated key the last counts.
        (
            format!("{{\"Accounts\":{ids_100},\"Accounts\":[]}}"),
            "Accounts is empty.",
        ),
    ] {
        assert_eq!(
            refused(&body),
            (70402, format!("Invaild parameters. {info}")),
            "{body}"
        );
    }
    for body in [
        r#"{"Accounts":["a"]}"#.to_owned(),
        r#"{"AccountList":[{"UserID":"a"}],"Accounts":7}"#.to_owned(),
        r#"{"Accounts":[7],"AccountList":[{"UserID":"a"}]}"#.to_owned(),
        r#"{"AccountList":null,"Accounts":["a"]}"#.to_owned(),
        format!("{{\"Accounts\":{wrong_101},\"Accounts\":{ids_100}}}"),
        format!("{{\"AccountList\":{objects_100},\"Accounts\":{ids_101}}}"),
    ] {
        assert_eq!(entries(&request(&body)), [(0, "a", "-", "-")], "{body}");
    }
}

/// Step 3: one pass over the types, before any size.
#[test]
fn types() {
    let too_long = "x".repeat(501);
    let not_a_string = (60015, "body account invalid".to_owned());
    let bad = |info: &str| (70402, format!("Invaild parameters. {info}"));
    for (list, expected) in [
        (
            r#"{"UserID":"a"},7"#.to_owned(),
            bad("AccountList[1] is not an object."),
        ),
        ("\"a\"".to_owned(), bad("AccountList[0] is not an object.")),
        ("null".to_owned(), bad("AccountList[0] is not an object.")),
        ("[]".to_owned(), bad("AccountList[0] is not an object.")),
        ("{}".to_owned(), bad("AccountList[0].UserID is missing.")),
        // No legacy key here.
        (
            r#"{"Identifier":"a"}"#.to_owned(),
            bad("AccountList[0].UserID is missing."),
        ),
        (r#"{"UserID":null}"#.to_owned(), not_a_string.clone()),
        (r#"{"UserID":1.5}"#.to_owned(), not_a_string.clone()),
        (
            r#"{"UserID":"a","Nick":1}"#.to_owned(),
            bad("AccountList[0].Nick is not a string."),
        ),
        (
            r#"{"UserID":"a","Nick":null,"FaceUrl":{}}"#.to_owned(),
            bad("AccountList[0].FaceUrl is not a string."),
        ),
        // Within an entry: UserID, Nick, FaceUrl.
        (
            r#"{"FaceUrl":1,"Nick":1,"UserID":1}"#.to_owned(),
            not_a_string.clone(),
        ),
        (
            r#"{"FaceUrl":1,"Nick":1,"UserID":"a"}"#.to_owned(),
            bad("AccountList[0].Nick is not a string."),
        ),
        // Among entries: the first.
        (
            r#"{"UserID":"a","Nick":1},{"UserID":1}"#.to_owned(),
            bad("AccountList[0].Nick is not a string."),
        ),
        (
            r#"{"UserID":1},{"UserID":"a","Nick":1}"#.to_owned(),
            not_a_string.clone(),
        ),
        (
            r#"{"UserID":""},{},7"#.to_owned(),
            bad("AccountList[1].UserID is missing."),
        ),
        // A wrong type after a value that is too long.
        (
            format!(r#"{{"UserID":"a","Nick":"{too_long}"}},{{"UserID":"b","FaceUrl":0}}"#),
            bad("AccountList[1].FaceUrl is not a string."),
        ),
    ] {
        assert_eq!(
            refused(&format!("{{\"AccountList\":[{list}]}}")),
            expected,
            "{list}"
        );
    }
    for list in ["7", "null", "\"a\",{\"UserID\":\"b\"}", "\"\",[],7"] {
        assert_eq!(
            refused(&format!("{{\"Accounts\":[{list}]}}")),
            not_a_string,
            "{list}"
        );
    }
}

/// Step 4: sizes over all entries, invalid and repeated ones too.
#[test]
fn sizes() {
    let fits = "é".repeat(250);
    let too_long = format!("{fits}x");
    for (list, info) in [
        (
            format!(r#"{{"UserID":"a","Nick":"{too_long}"}}"#),
            "AccountList[0].Nick is 501 bytes long, the limit is 500.",
        ),
        (
            format!(r#"{{"UserID":"a"}},{{"UserID":"b","FaceUrl":"{too_long}"}}"#),
            "AccountList[1].FaceUrl is 501 bytes long, the limit is 500.",
        ),
        (
            format!(r#"{{"UserID":"a","FaceUrl":"{too_long}x","Nick":"{too_long}"}}"#),
            "AccountList[0].Nick is 501 bytes long, the limit is 500.",
        ),
        (
            format!(r#"{{"UserID":"","Nick":"{too_long}"}},{{"UserID":"b"}}"#),
            "AccountList[0].Nick is 501 bytes long, the limit is 500.",
        ),
        (
            format!(r#"{{"UserID":"a","FaceUrl":"{too_long}"}},{{"UserID":"a"}}"#),
            "AccountList[0].FaceUrl is 501 bytes long, the limit is 500.",
        ),
    ] {
        let body = format!("{{\"AccountList\":[{list}]}}");
        assert_eq!(refused(&body), (40601, info.to_owned()), "{body}");
    }
    let body =
        format!(r#"{{"AccountList":[{{"UserID":"a","Nick":"{fits}","FaceUrl":"{fits}"}}]}}"#);
    assert_eq!(entries(&request(&body)), [(0, "a", &*fits, &*fits)]);
}

/// Step 5: invalid ids, each once, in order of first appearance.
#[test]
fn invalid_ids() {
    let id_32 = "x".repeat(32);
    let id_33 = "x".repeat(33);
    let long = "é".repeat(100);
    let body = format!(
        r#"{{"Accounts":["{id_33}","a","","jos\u00e9","","{id_32}","a\tb","{id_33}","{long}"]}}"#
    );
    let batch = request(&body);
    assert_eq!(
        entries(&batch),
        [(1, "a", "-", "-"), (5, &*id_32, "-", "-")]
    );
    // Whole, however long: the cut is for texts.
    assert_eq!(
        fail_accounts(&batch, &[]),
        [&*id_33, "", "josé", "a\tb", &*long]
    );

    let all_invalid = request(r#"{"AccountList":[{"UserID":"é"},{"UserID":""},{"UserID":"é"}]}"#);
    assert_eq!(entries(&all_invalid), []);
    assert_eq!(
        text(all_invalid.invalid.answer(&[])),
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":["é",""]}"#
    );
}

/// Step 6: the last entry wins as a whole.
#[test]
fn repeated_ids() {
    let batch = request(
        r#"{"AccountList":[{"UserID":"a","Nick":"1","FaceUrl":"u"},{"UserID":"b"},{"UserID":"A"},
            {"UserID":"a","Nick":"2"},{"UserID":"b","Nick":null,"FaceUrl":""}]}"#,
    );
    assert_eq!(
        entries(&batch),
        [(0, "a", "2", "-"), (1, "b", "-", ""), (2, "A", "-", "-")]
    );
    assert_eq!(fail_accounts(&batch, &[]), [""; 0]);
}

/// Step 7: the barred stand among the invalid where they first appeared.
#[test]
fn barred_ids() {
    let batch = request(r#"{"Accounts":["bob","é","alice","","alice","bob","carol","é"]}"#);
    let some = [barred(0, "bob"), barred(2, "alice")];
    assert_eq!(fail_accounts(&batch, &some), ["bob", "é", "alice", ""]);
    assert_eq!(
        fail_accounts(&batch, &[barred(6, "carol")]),
        ["é", "", "carol"]
    );

    let refusal = ImportRefusal::AllBarred(vec![barred(0, "bob"), barred(2, "alice")]);
    let failure = batch.invalid.refused(&refusal);
    assert_eq!(failure.code.get(), 70399);
    assert_eq!(
        text(failure_body(
            Some(Command::MultiaccountImport.service()),
            &failure
        )),
        "{\"ActionStatus\":\"FAIL\",\"ErrorCode\":70399,\"ErrorInfo\":\"UserID \\\"bob\\\" was deleted and cannot be imported again before 2026-02-20T08:00:00Z.\",\"FailAccounts\":[\"bob\",\"é\",\"alice\",\"\"]}"
    );
}

/// Step 8.
#[test]
fn over_cap() {
    let batch = request(r#"{"Accounts":["bob","é"]}"#);
    let failure = batch.invalid.refused(&ImportRefusal::OverCap { cap: 100 });
    assert_eq!(
        text(failure_body(
            Some(Command::MultiaccountImport.service()),
            &failure
        )),
        r#"{"ActionStatus":"FAIL","ErrorCode":70398,"ErrorInfo":"Exceeded accunt number limit. To create more than 100 accunts, please upgrade to pro-version","FailAccounts":[]}"#
    );
}
