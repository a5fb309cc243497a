//! wire §3.5.

use muster_accounts::UserId;
use muster_wire::{Command, Request, account_check};

use crate::{decode, refused, text};

fn request(body: &str) -> account_check::Request {
    let Request::AccountCheck(request) = decode(Command::AccountCheck, body).expect(body) else {
        panic!("another command's request");
    };
    request
}

#[test]
fn refusals_in_order() {
    let not_a_string = (60015, "body account invalid".to_owned());
    let bad = |info: &str| (70402, format!("Invaild parameters. {info}"));
    let items_101 = vec!["7"; 101].join(",");
    for (body, expected) in [
        ("{}".to_owned(), bad("CheckItem is missing.")),
        (
            r#"{"CheckItem":null}"#.to_owned(),
            bad("CheckItem is missing."),
        ),
        (
            r#"{"CheckItem":{"UserID":"a"}}"#.to_owned(),
            bad("CheckItem is not an array."),
        ),
        (
            r#"{"CheckItem":"a"}"#.to_owned(),
            bad("CheckItem is not an array."),
        ),
        (r#"{"CheckItem":[]}"#.to_owned(), bad("CheckItem is empty.")),
        (
            format!("{{\"CheckItem\":[{items_101}]}}"),
            bad("CheckItem has 101 entries, the limit is 100."),
        ),
        (
            r#"{"CheckItem":["a"]}"#.to_owned(),
            bad("CheckItem[0] is not an object."),
        ),
        (
            r#"{"CheckItem":[{"UserID":"a"},{}]}"#.to_owned(),
            bad("CheckItem[1].UserID is missing."),
        ),
        (
            r#"{"CheckItem":[{"Identifier":"a"}]}"#.to_owned(),
            bad("CheckItem[0].UserID is missing."),
        ),
        (
            r#"{"CheckItem":[{"UserID":null}]}"#.to_owned(),
            not_a_string.clone(),
        ),
        // The first wrong entry decides.
        (r#"{"CheckItem":[{"UserID":7},7]}"#.to_owned(), not_a_string),
        (
            r#"{"CheckItem":[7,{"UserID":7}]}"#.to_owned(),
            bad("CheckItem[0] is not an object."),
        ),
    ] {
        assert_eq!(refused(Command::AccountCheck, &body), expected, "{body}");
    }
}

/// In request order, repeated ones each time, what is no user id as not imported.
#[test]
fn answers() {
    let check = request(
        r#"{"CheckItem":[{"UserID":"bob"},{"UserID":"jos\u00e9"},{"UserID":"alice"},{"UserID":"bob"},{"UserID":""}]}"#,
    );
    let users: Vec<_> = check.users.iter().map(UserId::as_str).collect();
    assert_eq!(users, ["bob", "alice", "bob"]);
    assert_eq!(
        text(check.answer(&[true, false, true])),
        "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ResultItem\":[\
         {\"UserID\":\"bob\",\"ResultCode\":0,\"ResultInfo\":\"\",\"AccountStatus\":\"Imported\"},\
         {\"UserID\":\"josé\",\"ResultCode\":0,\"ResultInfo\":\"\",\"AccountStatus\":\"NotImported\"},\
         {\"UserID\":\"alice\",\"ResultCode\":0,\"ResultInfo\":\"\",\"AccountStatus\":\"NotImported\"},\
         {\"UserID\":\"bob\",\"ResultCode\":0,\"ResultInfo\":\"\",\"AccountStatus\":\"Imported\"},\
         {\"UserID\":\"\",\"ResultCode\":0,\"ResultInfo\":\"\",\"AccountStatus\":\"NotImported\"}]}"
    );
}

#[test]
fn a_hundred_are_accepted() {
    let items = vec!["{\"UserID\":\"a\"}"; 100].join(",");
    assert_eq!(
        request(&format!("{{\"CheckItem\":[{items}]}}")).users.len(),
        100
    );
}
