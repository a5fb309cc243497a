//! Bodies that nobody thought of, and the batch import against a second, plain reading.

use std::fmt::Write as _;

use bytes::Bytes;
use muster_accounts::{
    FaceUrl, Nick, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_wire::{Command, ErrorCode, Request};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value};

use crate::{decode, parsed};

const BODIES: [(Command, &str); 10] = [
    (
        Command::AccountImport,
        r#"{"UserID":"alice","Nick":"A\u006ce","FaceUrl":"u","Type":0}"#,
    ),
    (
        Command::AccountImport,
        r#"{"Identifier":"alice","Nick":null}"#,
    ),
    (
        Command::MultiaccountImport,
        r#"{"AccountList":[{"UserID":"a","Nick":"一"},{"UserID":"b","FaceUrl":"\ud83d\ude00"}]}"#,
    ),
    (
        Command::MultiaccountImport,
        r#"{"Accounts":["a","b",""],"x":[1.5e3,{"y":null}]}"#,
    ),
    (
        Command::AccountCheck,
        r#"{"CheckItem":[{"UserID":"a"},{"UserID":"é"}]}"#,
    ),
    (
        Command::AccountDelete,
        r#"{"DeleteItem":[{"UserID":"a"},{"UserID":"b"}]}"#,
    ),
    (Command::Kick, r#"{"Identifier":"a"}"#),
    (
        Command::QueryOnlineStatus,
        r#"{"To_Account":["a","é"],"IsNeedDetail":1}"#,
    ),
    (
        Command::PortraitSet,
        r#"{"From_Account":"a","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":4294967295}]}"#,
    ),
    (
        Command::PortraitGet,
        r#"{"To_Account":["a"],"TagList":["Tag_Profile_IM_Nick"]}"#,
    ),
];

/// Decodes; a body is refused as no JSON object exactly if `serde_json` says so too.
fn decode_against_serde_json(command: Command, body: Vec<u8>) {
    let is_object = serde_json::from_slice::<Map<String, Value>>(&body).is_ok();
    let decoded = Request::decode(command, &Bytes::from(body), &[].into());
    match decoded.map_err(|failure| failure.code) {
        Err(ErrorCode::BodyNotJson) => assert!(!is_object),
        // The code for parameters too.
        Err(ErrorCode::OpenImBadBody) => {}
        _ => assert!(is_object),
    }
}

/// One change to a text: some bytes from a place on give way to others.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let inserted = prop_oneof![
        vec(any::<u8>(), 0..3),
        select(vec![
            "\"",
            "\\",
            "\\u",
            "\\ud800",
            "\\udc00",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "null",
            "1e999",
            "-",
            "\"UserID\":",
            "\"\":",
            "\u{feff}",
            " ",
            "7",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0..4_usize, inserted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(command in select(&Command::ALL[..]), body in vec(any::<u8>(), 0..64)) {
        decode_against_serde_json(command, body);
    }

    #[test]
    fn mutated_bodies(
        (command, body) in select(&BODIES[..]),
        other_command in select(&Command::ALL[..]),
        mutations in vec(mutation(), 1..4),
    ) {
        let mut body = body.as_bytes().to_vec();
        for (place, length, inserted) in mutations {
            let start = place.index(body.len() + 1);
            let end = (start + length).min(body.len());
            body.splice(start..end, inserted);
        }
        decode_against_serde_json(command, body.clone());
        decode_against_serde_json(other_command, body);
    }

    #[test]
    fn batch_import_is_read_as_stated(body in batch_body()) {
        let decoded = decode(Command::MultiaccountImport, &body);
        match plain_reading(&body) {
            Ok((entries, invalid)) => {
                let Ok(Request::MultiaccountImport(request)) = decoded else {
                    panic!("{body} {decoded:?}");
                };
                prop_assert_eq!(&request.import, &ImportRequest::new(entries), "{}", body);
                let answer = parsed(&request.invalid.answer(&[]));
                prop_assert_eq!(&answer["FailAccounts"], &Value::from(invalid), "{}", body);
            }
            Err((code, info)) => {
                let failure = decoded.expect_err(&body);
                prop_assert_eq!((failure.code.get(), failure.info), (code, info), "{}", body);
                prop_assert_eq!(failure.fail_accounts, Some(Vec::new()), "{}", body);
            }
        }
    }
}

/// Bodies of which many are good and most of the rest nearly so. Keys can repeat.
fn batch_body() -> impl Strategy<Value = String> {
    let accounts = list(prop_oneof![40 => user_id(), 1 => any_value()]);
    let account_list = list(prop_oneof![40 => account(), 1 => any_value()]);
    let field = prop_oneof![
        6 => accounts.prop_map(|list| format!("\"Accounts\":{list}")),
        6 => account_list.prop_map(|list| format!("\"AccountList\":{list}")),
        1 => any_value().prop_map(|value| format!("\"Accounts\":{value}")),
        1 => any_value().prop_map(|value| format!("\"AccountList\":{value}")),
        1 => any_value().prop_map(|value| format!("\"x\":{value}")),
    ];
    vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(" , ")))
}

fn list(entry: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    let length = prop_oneof![1 => Just(0..1), 20 => Just(1..8), 2 => Just(98..103)];
    let entry = entry.boxed();
    length
        .prop_flat_map(move |length: std::ops::Range<usize>| vec(entry.clone(), length))
        .prop_map(|entries| format!("[{}]", entries.join(",")))
}

fn account() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        4 => prop_oneof![60 => user_id(), 1 => any_value()].prop_map(|id| format!("\"UserID\":{id}")),
        4 => profile_text().prop_map(|text| format!("\"Nick\":{text}")),
        4 => profile_text().prop_map(|text| format!("\"FaceUrl\":{text}")),
        1 => any_value().prop_map(|value| format!("\"Identifier\":{value}")),
    ];
    // Mostly with a UserID at one end, so that few lack one.
    (prop::option::weighted(0.97, user_id()), vec(field, 0..4)).prop_map(|(id, mut fields)| {
        fields.extend(id.map(|id| format!("\"UserID\":{id}")));
        format!("{{{}}}", fields.join(","))
    })
}

fn user_id() -> impl Strategy<Value = String> {
    let id_32 = "x".repeat(32);
    let id_33 = "x".repeat(33);
    let ids = [
        "a", "b", "A", "c d", "", "josé", "a\n", "\u{7f}", "😀", &id_32, &id_33,
    ];
    string(select(ids.map(str::to_owned).to_vec()))
}

fn profile_text() -> impl Strategy<Value = String> {
    let limit = "é".repeat(250);
    let over = "x".repeat(501);
    prop_oneof![
        60 => string(select(vec![String::new(), "Alice".to_owned(), "一\"\\😀".to_owned(), limit])),
        6 => Just("null".to_owned()),
        1 => Just(format!("\"{over}\"")),
        1 => any_value(),
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    let values = [
        "null",
        "true",
        "0",
        "7",
        "-1",
        "1.5",
        "18446744073709551616",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[\"a\"]",
        "[null]",
        "{\"UserID\":\"a\"}",
        "[{\"UserID\":\"a\"}]",
        "[{}]",
    ];
    select(values.map(str::to_owned).to_vec())
}

/// A JSON string, as it is or with every UTF-16 unit escaped.
fn string(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (text, any::<bool>()).prop_map(|(text, escape)| {
        if !escape {
            return Value::from(text).to_string();
        }
        let mut units = String::new();
        for unit in text.encode_utf16() {
            write!(units, "\\u{unit:04x}").unwrap();
        }
        format!("\"{units}\"")
    })
}

/// wire §3.3, steps 1 to 5, read off a [`Value`] as plainly as they are written.
fn plain_reading(body: &str) -> Result<(Vec<ImportEntry>, Vec<String>), (u32, String)> {
    let body: Map<String, Value> = serde_json::from_str(body).unwrap();
    let bad = |info: String| (70402, format!("Invaild parameters. {info}"));
    let present = |key: &str| body.get(key).filter(|value| !value.is_null());
    let (name, list) = match (present("AccountList"), present("Accounts")) {
        (Some(list), _) => ("AccountList", list),
        (None, Some(list)) => ("Accounts", list),
        (None, None) => return Err(bad("AccountList is missing.".to_owned())),
    };
    let Some(list) = list.as_array() else {
        return Err(bad(format!("{name} is not an array.")));
    };
    if list.is_empty() {
        return Err(bad(format!("{name} is empty.")));
    }
    if list.len() > 100 {
        return Err(bad(format!(
            "{name} has {} entries, the limit is 100.",
            list.len()
        )));
    }

    let not_a_string = || (60015, "body account invalid".to_owned());
    for (i, entry) in list.iter().enumerate() {
        if name == "Accounts" {
            entry.as_str().ok_or_else(not_a_string)?;
            continue;
        }
        let Some(entry) = entry.as_object() else {
            return Err(bad(format!("AccountList[{i}] is not an object.")));
        };
        let Some(user_id) = entry.get("UserID") else {
            return Err(bad(format!("AccountList[{i}].UserID is missing.")));
        };
        user_id.as_str().ok_or_else(not_a_string)?;
        for field in ["Nick", "FaceUrl"] {
            if entry
                .get(field)
                .is_some_and(|value| !value.is_null() && !value.is_string())
            {
                return Err(bad(format!("AccountList[{i}].{field} is not a string.")));
            }
        }
    }

    let field =
        |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
    for (i, entry) in list.iter().enumerate() {
        for name in ["Nick", "FaceUrl"] {
            let bytes = field(entry, name).map_or(0, |text| text.len());
            if bytes > 500 {
                let info =
                    format!("AccountList[{i}].{name} is {bytes} bytes long, the limit is 500.");
                return Err((40601, info));
            }
        }
    }

    let mut entries = Vec::new();
    let mut invalid = Vec::new();
    for (position, entry) in list.iter().enumerate() {
        let id = field(entry, "UserID")
            .or_else(|| entry.as_str().map(str::to_owned))
            .unwrap();
        match UserId::parse(&id) {
            Ok(user_id) => entries.push(ImportEntry {
                position,
                user_id,
                nick: field(entry, "Nick").map(|text| Nick::parse(text.into()).unwrap()),
                face_url: field(entry, "FaceUrl").map(|text| FaceUrl::parse(text.into()).unwrap()),
            }),
            Err(_) if invalid.contains(&id) => {}
            Err(_) => invalid.push(id),
        }
    }
    Ok((entries, invalid))
}
