//! Check 16 of wire §2: what a body has to be, for every command alike.

use bytes::Bytes;
use muster_wire::{Command, Failure, Request, Service};

use crate::{decode, refused};

fn not_json(command: Command) -> (u32, String) {
    let (code, info) = match command.service() {
        Service::OpenIm => (90001, "Fail to Parse json data of body, Please check it"),
        _ => (60003, "The request body is not a JSON object."),
    };
    (code, info.to_owned())
}

/// A body that is fine but for one value under a key that nobody knows.
fn with_unknown(value: &str) -> String {
    format!(
        "{{\"UserID\":\"a\",\"Accounts\":[\"a\"],\"CheckItem\":[{{\"UserID\":\"a\",\"x\":{value}}}],\
         \"From_Account\":\"a\",\"ProfileItem\":[{{\"Tag\":\"Tag_Profile_IM_Nick\",\"Value\":\"\"}}],\
         \"To_Account\":[\"a\"],\"TagList\":[\"Tag_Profile_IM_Nick\"],\"x\":{value}}}"
    )
}

#[test]
fn not_a_json_object() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep_object = "{\"a\":".repeat(200_000);
    for body in [
        "",
        " \r\n\t",
        "null",
        "1",
        "\"{}\"",
        "[]",
        "[{}]",
        "{",
        "{}}",
        "{} x",
        "{}{}",
        "\u{feff}{}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":tru}",
        "{/**/}",
        &deep,
        &deep_object,
    ] {
        for command in Command::ALL {
            assert_eq!(
                refused(command, body),
                not_json(command),
                "{command:?} {body:.40}"
            );
        }
    }
}

#[test]
fn not_utf8() {
    for body in [
        &b"\xff"[..],
        b"{\"a\":\"\xc3\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{}\xff",
    ] {
        for command in Command::ALL {
            let Failure {
                code,
                info,
                fail_accounts,
            } = Request::decode(command, &Bytes::from_static(body), &[].into()).unwrap_err();
            assert_eq!((code.get(), info), not_json(command), "{command:?}");
            assert_eq!(fail_accounts, None);
        }
    }
}

/// Values that nobody looks at are read in full all the same.
#[test]
fn ignored_values() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for (value, is_json) in [
        ("null", true),
        ("{\"UserID\":1,\"a\":[1,-2,3.5e3,true,{}]}", true),
        ("\"\\ud83d\\ude00\\u0000\\/\"", true),
        ("1e308", true),
        ("18446744073709551616", true),
        ("1e309", false),
        ("\"\\ud83d\"", false),
        ("\"\\ude00\"", false),
        ("\"\\ud83dx\"", false),
        ("[{\"a\":[\"\\ud800\"]}]", false),
        ("{\"\\udc00\":1}", false),
        // The outer object, the list and the entry are three levels for account_check.
        (&nested(124), true),
        (&nested(127), false),
    ] {
        for command in Command::ALL {
            let body = with_unknown(value);
            let decoded = decode(command, &body);
            assert_eq!(decoded.is_ok(), is_json, "{command:?} {value} {decoded:?}");
            if !is_json {
                assert_eq!(
                    refused(command, &body),
                    not_json(command),
                    "{command:?} {value}"
                );
            }
        }
    }
}

#[test]
fn nesting_limit() {
    for (levels, is_json) in [(127, true), (128, false)] {
        let lists = levels - 1;
        let body = format!(
            "{{\"UserID\":\"a\",\"x\":{}{}}}",
            "[".repeat(lists),
            "]".repeat(lists)
        );
        assert_eq!(
            decode(Command::AccountImport, &body).is_ok(),
            is_json,
            "{levels}"
        );
    }
}

/// Malformed text after what a command would refuse: that it is not JSON comes first.
#[test]
fn json_before_parameters() {
    for command in Command::ALL {
        // A deletion keeps what is wrong with its parameters for after the switch of its app, and
        // openim has one code for both.
        if command != Command::AccountDelete && command.service() != Service::OpenIm {
            assert_ne!(refused_code(command, "{}"), 60003, "{command:?}");
        }
        for body in [
            "{\"UserID\":1,",
            "{\"Accounts\":[],\"a\":\"\\ud800\"}",
            "{\"To_Account\":[]}]",
        ] {
            assert_eq!(
                refused(command, body),
                not_json(command),
                "{command:?} {body}"
            );
        }
    }
}

fn refused_code(command: Command, body: &str) -> u32 {
    decode(command, body).unwrap_err().code.get()
}
