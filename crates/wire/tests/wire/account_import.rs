//! wire §3.2.

use muster_accounts::{
    FaceUrl, Nick, UnixSeconds, UserId,
    rules::import::{Barred, ImportEntry, ImportRefusal},
};
use muster_wire::{Command, Request, account_import};

use crate::{decode, text};

fn imported(body: &str) -> ImportEntry {
    let Request::AccountImport(request) = decode(Command::AccountImport, body).expect(body) else {
        panic!("another command's request");
    };
    let [entry] = request.entries() else {
        panic!("not one entry");
    };
    entry.clone()
}

fn refused(body: &str) -> (u32, String) {
    crate::refused(Command::AccountImport, body)
}

#[test]
fn accepted() {
    let long = "é".repeat(250);
    let long_body = format!("{{\"UserID\":\"a\",\"Nick\":\"{long}\",\"FaceUrl\":\"{long}\"}}");
    for (body, user_id, nick, face_url) in [
        (r#"{"UserID":"alice"}"#, "alice", None, None),
        (
            r#" {"UserID":"a","Nick":null,"FaceUrl":null} "#,
            "a",
            None,
            None,
        ),
        (
            r#"{"Identifier":"a","Nick":"","FaceUrl":"","Type":0}"#,
            "a",
            Some(""),
            Some(""),
        ),
        (r#"{"UserID":"a","Identifier":"b"}"#, "a", None, None),
        (
            r#"{"UserID":"a","Identifier":7,"Type":"x"}"#,
            "a",
            None,
            None,
        ),
        (
            r#"{"UserID":"a","Nick":"\u4e00\ud83d\ude00","FaceUrl":"http:\/\/x"}"#,
            "a",
            Some("一😀"),
            Some("http://x"),
        ),
        (
            r#"{"UserID":"\u0061 ~","Nick":" 一 "}"#,
            "a ~",
            Some(" 一 "),
            None,
        ),
        // A key can be written with escapes; of a repeated one the last counts, in each type.
        (r#"{"User\u0049D":"a"}"#, "a", None, None),
        (
            r#"{"UserID":1,"UserID":"a","Nick":"x","Nick":null}"#,
            "a",
            None,
            None,
        ),
        (
            r#"{"UserID":"@TGS#1","userid":2,"nick":3}"#,
            "@TGS#1",
            None,
            None,
        ),
        (&long_body, "a", Some(&long), Some(&long)),
    ] {
        let entry = imported(body);
        assert_eq!(entry.position, 0, "{body}");
        assert_eq!(entry.user_id.as_str(), user_id, "{body}");
        assert_eq!(entry.nick.as_ref().map(Nick::as_str), nick, "{body}");
        assert_eq!(
            entry.face_url.as_ref().map(FaceUrl::as_str),
            face_url,
            "{body}"
        );
    }
}

fn bad(info: &str) -> (u32, String) {
    (70402, format!("Invaild parameters. {info}"))
}

/// Each body has a later mistake too where one can be had.
#[test]
fn types() {
    for body in ["{}", r#"{"Nick":1}"#, r#"{"userid":"a"}"#] {
        assert_eq!(refused(body), bad("UserID is missing."), "{body}");
    }
    for body in [
        r#"{"UserID":null,"Identifier":"a"}"#,
        r#"{"UserID":7,"Nick":1}"#,
        r#"{"UserID":["a"]}"#,
        r#"{"UserID":{"UserID":"a"}}"#,
        r#"{"UserID":"a","UserID":true}"#,
        r#"{"Identifier":null}"#,
        r#"{"Identifier":-1}"#,
    ] {
        assert_eq!(
            refused(body),
            (60015, "body account invalid".to_owned()),
            "{body}"
        );
    }
    let too_long = "x".repeat(501);
    let body = r#"{"UserID":"","Nick":5,"FaceUrl":[]}"#;
    assert_eq!(refused(body), bad("Nick is not a string."));
    let body = format!(r#"{{"UserID":"","Nick":"{too_long}","FaceUrl":false}}"#);
    assert_eq!(refused(&body), bad("FaceUrl is not a string."));
}

#[test]
fn sizes() {
    let too_long = "é".repeat(250) + "x";
    let nick = (
        40601,
        "Nick is 501 bytes long, the limit is 500.".to_owned(),
    );
    let face_url = (
        40601,
        "FaceUrl is 502 bytes long, the limit is 500.".to_owned(),
    );
    for (body, expected) in [
        (
            format!(r#"{{"UserID":"","Nick":"{too_long}","FaceUrl":"{too_long}x"}}"#),
            &nick,
        ),
        (
            format!(r#"{{"UserID":"é","Nick":"","FaceUrl":"{too_long}x"}}"#),
            &face_url,
        ),
        // Six bytes an escape in the body, one byte unescaped.
        (
            format!(r#"{{"UserID":"a","Nick":"{}"}}"#, "\\u0041".repeat(501)),
            &nick,
        ),
    ] {
        assert_eq!(refused(&body), *expected, "{body}");
    }
}

#[test]
fn user_ids() {
    let id_33 = "a".repeat(33);
    let id_65 = "é".repeat(65);
    let cut = "é".repeat(64);
    for (body, info) in [
        (
            r#"{"UserID":""}"#,
            "UserID \"\" is 0 bytes long, 1 to 32 are allowed.",
        ),
        (
            r#"{"UserID":"","Identifier":"a"}"#,
            "UserID \"\" is 0 bytes long, 1 to 32 are allowed.",
        ),
        (
            &format!(r#"{{"UserID":"{id_33}"}}"#),
            &format!("UserID \"{id_33}\" is 33 bytes long, 1 to 32 are allowed."),
        ),
        (
            &format!(r#"{{"Identifier":"{id_65}"}}"#),
            &format!("UserID \"{cut}...\" is 130 bytes long, 1 to 32 are allowed."),
        ),
        (
            r#"{"UserID":"josé"}"#,
            "UserID \"josé\" has a byte outside 0x20-0x7e.",
        ),
        (
            r#"{"UserID":"a\u0000"}"#,
            "UserID \"a\0\" has a byte outside 0x20-0x7e.",
        ),
    ] {
        assert_eq!(refused(body), bad(info), "{body}");
    }
}

/// A name or avatar without escapes is a slice of the body, one with escapes is not.
#[test]
fn unescaped_texts_are_not_copied() {
    let body =
        bytes::Bytes::from_static(br#"{"UserID":"a","Nick":"plain","FaceUrl":"es\u0063aped"}"#);
    let Ok(Request::AccountImport(request)) =
        Request::decode(Command::AccountImport, &body, &[].into())
    else {
        panic!("refused");
    };
    let entry = &request.entries()[0];
    let inside = |text: &str| body.as_ptr_range().contains(&text.as_ptr());
    assert!(inside(entry.nick.as_ref().unwrap().as_str()));
    assert!(!inside(entry.face_url.as_ref().unwrap().as_str()));
    assert_eq!(entry.face_url.as_ref().unwrap().as_str(), "escaped");
}

#[test]
fn answers() {
    assert_eq!(
        text(account_import::answer()),
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
    );
    let barred = |user: &str, until| Barred {
        position: 0,
        user_id: UserId::parse(user).unwrap(),
        until: UnixSeconds(until),
    };
    for (refusal, code, info) in [
        (
            ImportRefusal::AllBarred(vec![barred("alice", 1_771_574_400)]),
            70399,
            "UserID \"alice\" was deleted and cannot be imported again before 2026-02-20T08:00:00Z.",
        ),
        (
            ImportRefusal::OverCap { cap: 100 },
            70398,
            "Exceeded accunt number limit. To create more than 100 accunts, please upgrade to pro-version",
        ),
    ] {
        let failure = account_import::refused(&refusal);
        assert_eq!((failure.code.get(), &*failure.info), (code, info));
        assert_eq!(failure.fail_accounts, None);
    }
}
