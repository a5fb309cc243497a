use std::{fmt::Write as _, io::Cursor};

use muster_bulk::{
    Raw,
    file::{Columns, Format, ReadOptions, Reader},
};

use super::{Trickle, faults, good, options, read, read_all, records};

#[test]
fn objects_are_read_line_by_line() {
    let file = "\u{feff}{\"user_id\":\"alice\",\"nick\":\"Alice\",\"face_url\":\"https://a/1.png\"}\r\n\
        \n \t\r\n\
        {\"nick\":\"\\u4e2d\\n\\\"x\\\"\",\"user_id\":\"b\\u006fb\",\"face_url\":null}\n\
        {\"user_id\":\"carol\",\"nick\":\"\"}\n\
        {\"user_id\":\"x\",\"nick\":1,\"profile\":{\"user_id\":[1e999,{}]},\"user_id\":\"dora\",\"nick\":\"D\"}";
    let all = records(file.as_bytes(), Format::Ndjson);
    assert_eq!(
        good(&all),
        [
            (1, ("alice", Some("Alice"), Some("https://a/1.png"))),
            (4, ("bob", Some("中\n\"x\""), None)),
            (5, ("carol", Some(""), None)),
            // Of a field that stands there twice the last counts.
            (6, ("dora", Some("D"), None)),
        ]
    );
    let expected = "{\"user_id\":\"carol\",\"nick\":\"\"}".into();
    assert_eq!(all[2].raw, Raw::Line(expected));
}

#[test]
fn fields_may_have_other_names_and_others_are_told() {
    let file = br#"{"uid":"alice","user_id":"no","nick":"A","b":1}
        {"uid":"bob","a":{},"b":[]}"#;
    let options = ReadOptions {
        columns: Columns {
            user_id: "uid".to_owned(),
            ..Columns::default()
        },
        ..options(Format::Ndjson)
    };
    let mut reader = Reader::new(Cursor::new(file), &options).unwrap();
    let (all, error) = read_all(&mut reader);
    assert!(error.is_none());
    assert_eq!(
        good(&all),
        [(1, ("alice", Some("A"), None)), (2, ("bob", None, None))]
    );
    assert_eq!(reader.ignored_columns().names(), ["user_id", "b", "a"]);
    assert_eq!((reader.header(), reader.delimiter()), (None, None));
}

#[test]
fn names_that_are_not_taken_are_told_up_to_a_number() {
    let mut file = String::from("{\"user_id\":\"a\"");
    for number in 0..1000 {
        write!(file, ",\"{number}\":0").unwrap();
    }
    file.push('}');
    let mut reader = Reader::new(Cursor::new(file), &options(Format::Ndjson)).unwrap();
    assert!(reader.next_record().unwrap().unwrap().entry.is_ok());
    assert_eq!(reader.ignored_columns().names().len(), 20);
}

/// The line is refused so, and those around it are not.
fn assert_fault(line: &[u8], user_id: Option<&str>, code: i64, reason: &str) {
    let file = [
        b"{\"user_id\":\"before\"}\n",
        line,
        b"\n{\"user_id\":\"after\"}\n",
    ]
    .concat();
    let all = records(&file, Format::Ndjson);
    assert_eq!(all.len(), 3, "{reason}");
    assert_eq!(faults(&all), [(2, user_id, code, reason)]);
    assert_eq!(all[1].raw, Raw::Line(line.to_vec().into()));
}

#[test]
fn a_line_that_names_nobody_says_why() {
    let no_object = "The line is not a JSON object.";
    let list =
        "The line begins a JSON list; write one object a line, not a list, as with jq -c '.[]'.";
    for (line, code, reason) in [
        (
            "{\"user_id\":\"a\"",
            70402,
            "The line is not JSON: EOF while parsing an object, at character 14 of it.",
        ),
        (
            "{\"user_id\":\"a\"}{}",
            70402,
            "The line is not JSON: trailing characters, at character 16 of it.",
        ),
        ("[", 70402, list),
        (" [{\"user_id\":\"a\"},", 70402, list),
        ("[{}]", 70402, list),
        ("null", 70402, no_object),
        ("\"a\"", 70402, no_object),
        ("17", 70402, no_object),
        ("{}", 70402, "user_id is missing."),
        ("{\"user_id\":17}", 60015, "user_id is not a string."),
        ("{\"user_id\":null}", 60015, "user_id is not a string."),
    ] {
        assert_fault(line.as_bytes(), None, code, reason);
    }
}

#[test]
fn a_line_with_a_value_that_will_not_do_says_why() {
    let long = "n".repeat(501);
    for (line, user_id, code, reason) in [
        (
            "{\"user_id\":\"\"}".to_owned(),
            "",
            70402,
            "user_id cannot be a user id: it is 0 bytes long, 1 to 32 are allowed.",
        ),
        (
            format!("{{\"user_id\":\"{long}\"}}"),
            &long[..64],
            70402,
            "user_id cannot be a user id: it is 501 bytes long, 1 to 32 are allowed.",
        ),
        (
            "{\"user_id\":\"josé\"}".to_owned(),
            "josé",
            70402,
            "user_id cannot be a user id: it has a byte outside 0x20-0x7e.",
        ),
        (
            "{\"user_id\":\"a\",\"nick\":[]}".to_owned(),
            "a",
            70402,
            "nick is not a string.",
        ),
        (
            "{\"user_id\":\"a\",\"face_url\":{\"a\":1}}".to_owned(),
            "a",
            70402,
            "face_url is not a string.",
        ),
        (
            format!("{{\"user_id\":\"a\",\"nick\":\"{long}\"}}"),
            "a",
            40601,
            "nick is 501 bytes long, the limit is 500.",
        ),
        (
            format!("{{\"user_id\":\"josé\",\"face_url\":\"{long}\"}}"),
            "josé",
            40601,
            "face_url is 501 bytes long, the limit is 500.",
        ),
    ] {
        assert_fault(line.as_bytes(), Some(user_id), code, reason);
    }
}

#[test]
fn a_line_that_is_not_utf_8_says_where() {
    let encoding =
        "not UTF-8; convert a file in another encoding first, as with iconv -f GB18030 -t UTF-8.";
    let nick = b"{\"user_id\":\"a\",\"nick\":\"jos\xe9\"}";
    assert_fault(nick, Some("a"), 70402, &format!("nick is {encoding}"));
    let other = b"{\"user_id\":\"a\",\"city\":\"K\xf8benhavn\"}";
    assert_fault(other, None, 70402, &format!("The line is {encoding}"));
}

#[test]
fn a_line_that_is_too_long_is_skipped_alone() {
    let padded = |length: usize| {
        let mut line = b"{\"user_id\":\"a\"}".to_vec();
        line.resize(length, b' ');
        line
    };
    let limit = 64 * 1024;
    for (length, fits) in [
        (limit, true),
        (limit + 1, false),
        (limit + 2, false),
        (300_000, false),
        (5_000_000, false),
    ] {
        for end in ["\n", "\r\n"] {
            let lines = [
                b"{\"user_id\":\"before\"}",
                end.as_bytes(),
                &padded(length),
                end.as_bytes(),
                &padded(limit),
                end.as_bytes(),
                b"{\"user_id\":\"after\"}",
            ];
            let file = lines.concat();
            for piece in [999, usize::MAX] {
                let source = Trickle(Cursor::new(file.clone()), piece);
                let mut reader = Reader::new(source, &options(Format::Ndjson)).unwrap();
                let (all, error) = read_all(&mut reader);
                assert!(error.is_none());
                let found: Vec<_> = all.iter().map(|record| record.line).collect();
                assert_eq!(found, [1, 2, 3, 4], "{length} {piece}");
                let reason = "The line is longer than 65536 bytes, so only its first 1024 bytes \
                              are in the rejects; was the file written with one object a line?";
                let expected = [(2, None, 70402, reason)];
                let expected = if fits { &expected[..0] } else { &expected[..] };
                assert_eq!(faults(&all), expected, "{length} {piece}");
                let Raw::Line(kept) = &all[1].raw else {
                    panic!("{:?}", all[1].raw);
                };
                assert_eq!(kept.len(), if fits { length } else { 1024 });
            }
        }
    }
}

#[test]
fn a_last_line_that_is_too_long_is_told() {
    let (all, error) = read(&vec![b'x'; 200_000], &options(Format::Ndjson));
    assert!(error.is_none());
    assert_eq!(faults(&all).len(), 1);
}

#[test]
fn a_file_without_records_is_no_error() {
    for file in ["", "\u{feff}", "\n\r\n  ", "\n"] {
        assert!(
            records(file.as_bytes(), Format::Ndjson).is_empty(),
            "{file:?}"
        );
    }
}
