//! What is no token, and which check says so (wire §6.2 steps 1 to 4, and the refusals of §6.5).

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use muster_usersig::{DecodeError, JSON_LIMIT_BYTES, TOKEN_LIMIT_BYTES, UserSig};

use crate::tokens::{
    ROW_1, ROW_2, ROW_3, bytes_of_token, row_3_json, token_of_bytes, token_of_json,
};

fn refusal(token: &str) -> DecodeError {
    match UserSig::decode(token) {
        Ok(usersig) => panic!("{token} is read as {usersig:?}"),
        Err(error) => error,
    }
}

#[test]
fn step_1_length() {
    for empty in ["", " ", "\r\n\t "] {
        assert_eq!(refusal(empty), DecodeError::Empty);
    }
    let at_limit = "A".repeat(TOKEN_LIMIT_BYTES);
    assert_eq!(refusal(&at_limit), DecodeError::NotZlib);
    assert_eq!(
        refusal(&format!("{at_limit} A")),
        DecodeError::TokenTooLong {
            len_bytes: TOKEN_LIMIT_BYTES + 1
        }
    );
}

#[test]
fn step_2_alphabet() {
    let cases = [
        ("eJ+r", 2, '+'),
        (" eJ/r", 3, '/'),
        ("eJw=", 3, '='),
        ("eJ%2A", 2, '%'),
        ("eJ\u{b}r", 2, '\u{b}'),
        ("eJ\u{a0}r", 2, '\u{a0}'),
        ("eJ\u{7528}\u{7528}", 2, '\u{7528}'),
        ("\u{212a}", 0, '\u{212a}'),
        ("eJ\0r", 2, '\0'),
    ];
    for (token, position, found) in cases {
        assert_eq!(
            refusal(token),
            DecodeError::Alphabet { position, found },
            "{token:?}"
        );
    }
}

#[test]
fn step_2_base64() {
    for token in [
        "e",
        "eJ",
        "eJw",
        "eJw__",
        "eJ_w",
        "____",
        "eJyr_",
        "not_a_usersig",
        "eJw_eJyr",
    ] {
        assert_eq!(
            refusal(token),
            DecodeError::Base64 {
                len_bytes: token.len()
            },
            "{token}"
        );
    }
    // Bits of the last digit that stand for nothing must not be set.
    assert_eq!(refusal("eJx_"), DecodeError::Base64 { len_bytes: 4 });
}

/// Standard and RFC 4648 text of a token with all the digits in which they differ, and unpadded.
#[test]
fn step_2_and_3_foreign_alphabets() {
    let mut differing = 0;
    for token in [ROW_1, ROW_2, ROW_3] {
        let stream = bytes_of_token(token);
        for text in [
            STANDARD.encode(&stream),
            URL_SAFE.encode(&stream),
            URL_SAFE_NO_PAD.encode(&stream),
        ] {
            if text != token {
                refusal(&text);
                differing += 1;
            }
        }
    }
    assert!(differing >= 6, "the samples hold digits that differ");
}

#[test]
fn step_3_what_is_not_compressed_with_zlib() {
    let json = row_3_json(("2.0", "2.0"));
    let not_zlib = [
        json.clone().into_bytes(),
        compress_to_vec(json.as_bytes(), 6),
        b"\x1f\x8b\x08\x00".to_vec(),
        b"\x78\x9d\x00".to_vec(),
        b"\x79\x9c\x00".to_vec(),
    ];
    for bytes in not_zlib {
        assert_eq!(refusal(&token_of_bytes(&bytes)), DecodeError::NotZlib);
    }
    // A preset dictionary (FDICT), block type 3, and a stored length that contradicts itself.
    for bytes in [
        &b"\x78\xbb\0\0\0\0"[..],
        b"\x78\x9c\x07",
        b"\x78\x01\x01\x05\x00\x00\x00",
    ] {
        assert_eq!(
            refusal(&token_of_bytes(bytes)),
            DecodeError::Deflate,
            "{bytes:?}"
        );
    }
}

#[test]
fn step_3_checksum_and_trailing_bytes() {
    let stream = bytes_of_token(ROW_3);
    for at in stream.len() - 4..stream.len() {
        let mut changed = stream.clone();
        changed[at] ^= 1;
        assert_eq!(refusal(&token_of_bytes(&changed)), DecodeError::Checksum);
    }
    for tail in [&b"\0"[..], b"\n", &stream] {
        assert_eq!(
            refusal(&token_of_bytes(&[&stream, tail].concat())),
            DecodeError::TrailingBytes {
                len_bytes: tail.len()
            }
        );
    }
}

#[test]
fn cut_at_every_length() {
    for token in [ROW_1, ROW_2, ROW_3] {
        for len in 0..token.len() {
            let error = refusal(&token[..len]);
            let wanted = match len {
                0 => DecodeError::Empty,
                len if len.is_multiple_of(4) => DecodeError::Truncated,
                len => DecodeError::Base64 { len_bytes: len },
            };
            assert_eq!(error, wanted, "{token} cut to {len}");
        }
        let stream = bytes_of_token(token);
        for len in 0..stream.len() {
            let cut = token_of_bytes(&stream[..len]);
            assert!(matches!(
                refusal(&cut),
                DecodeError::Empty | DecodeError::Truncated
            ));
        }
    }
}

#[test]
fn step_3_bound_of_the_inflated_text() {
    let json = row_3_json(("2.0", "2.0"));
    for len_bytes in [
        JSON_LIMIT_BYTES + 1,
        JSON_LIMIT_BYTES + 2,
        2 * JSON_LIMIT_BYTES,
        1 << 20,
    ] {
        let padded = format!("{json}{}", " ".repeat(len_bytes - json.len()));
        assert_eq!(
            refusal(&token_of_json(padded)),
            DecodeError::JsonTooLong,
            "{len_bytes}"
        );
    }
    // The largest bomb that fits into a token, and the same without an end.
    let bomb = compress_to_vec_zlib(&vec![b' '; 6 << 20], 10);
    let token = token_of_bytes(&bomb);
    assert!(
        (TOKEN_LIMIT_BYTES * 9 / 10..=TOKEN_LIMIT_BYTES).contains(&token.len()),
        "{}",
        token.len()
    );
    assert_eq!(refusal(&token), DecodeError::JsonTooLong);
    assert_eq!(
        refusal(&token_of_bytes(&bomb[..3000])),
        DecodeError::JsonTooLong
    );
}

#[test]
fn step_4_json() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"{", "EOF while parsing an object at line 1 column 1"),
        (b"{}x", "trailing characters at line 1 column 3"),
        (b"{'a':1}", "key must be a string at line 1 column 2"),
        (b"{\"a\":1,}", "trailing comma at line 1 column 8"),
        (
            b"{\"a\":\"\n\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
        ),
        (
            b"{\"a\":\"\\ud83d\"}",
            "unexpected end of hex escape at line 1 column 13",
        ),
        (
            b"{\"a\":\"\xff\"}",
            "invalid unicode code point at line 1 column 7",
        ),
        (b"\xef\xbb\xbf{}", "expected value at line 1 column 1"),
    ];
    for (json, reason) in cases {
        let wanted = DecodeError::NotJson {
            reason: reason.to_owned(),
        };
        assert_eq!(refusal(&token_of_json(json)), wanted, "{json:?}");
    }
    let others = [
        ("null", "null"),
        ("true", "a boolean"),
        ("17", "a number"),
        (r#""{}""#, "a string"),
        ("[{}]", "an array"),
    ];
    for (json, found) in others {
        assert_eq!(
            refusal(&token_of_json(json)),
            DecodeError::NotAnObject { found }
        );
    }
    // So are values that nobody looks at.
    for ignored in [r#""\ud83d""#, r#"{"\udc00":0}"#, "[1e400]", "[1,]"] {
        let json = row_3_json((r#""2.0""#, ignored));
        assert!(
            matches!(refusal(&token_of_json(json)), DecodeError::NotJson { .. }),
            "{ignored}"
        );
    }
    // Nesting is bounded before it can exhaust the stack.
    let deep = row_3_json((
        r#""2.0""#,
        &format!("{}{}", "[".repeat(4000), "]".repeat(4000)),
    ));
    assert!(matches!(
        refusal(&token_of_json(deep)),
        DecodeError::NotJson { .. }
    ));
}

/// With a feature of its that others of a build may switch on (here the tests do), `serde_json`
/// itself takes such an object for the JSON text in it, and counts the nesting of that anew.
#[test]
fn step_4_no_json_within_json() {
    let wrapped = |json: &str| {
        let text = serde_json::to_string(json).unwrap();
        format!(r#"{{"$serde_json::private::RawValue":{text}}}"#)
    };
    let token = row_3_json(("2.0", "2.0"));
    assert_eq!(
        refusal(&token_of_json(wrapped(&token))),
        DecodeError::FieldMissing {
            field: "TLS.identifier"
        }
    );
    for (field, value, wanted) in [
        ("TLS.identifier", r#""administrator""#, "a string"),
        ("TLS.time", "1700000000", "a non-negative integer"),
    ] {
        let json = row_3_json((
            &format!(r#""{field}":{value}"#),
            &format!(r#""{field}":{}"#, wrapped(value)),
        ));
        assert_eq!(
            refusal(&token_of_json(json)),
            DecodeError::FieldType {
                field,
                wanted,
                found: "an object"
            }
        );
    }
    // What is wrapped is a text that nobody reads.
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let ignored = row_3_json((
        r#""2.0""#,
        &format!("[{}]", wrapped(&wrapped(&format!("{nested}no JSON")))),
    ));
    UserSig::decode(&token_of_json(ignored)).unwrap();
}

#[test]
fn step_4_fields() {
    let fields = [
        ("TLS.identifier", r#""administrator""#),
        ("TLS.sdkappid", "1400000000"),
        ("TLS.time", "1700000000"),
        ("TLS.expire", "315360000"),
        (
            "TLS.sig",
            r#""qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=""#,
        ),
    ];
    for (field, value) in fields {
        let renamed = row_3_json((field, &field.to_lowercase()));
        assert_eq!(
            refusal(&token_of_json(renamed)),
            DecodeError::FieldMissing { field }
        );

        let is_text = value.starts_with('"');
        let wanted = if is_text {
            "a string"
        } else {
            "a non-negative integer"
        };
        let mut bad = vec![
            ("null", "null"),
            ("true", "a boolean"),
            ("[]", "an array"),
            ("{}", "an object"),
            ("-1", "a negative number"),
            (
                "1.0",
                "a number with a fraction or exponent, or of more than 64 bits",
            ),
            (
                "1e9",
                "a number with a fraction or exponent, or of more than 64 bits",
            ),
            (
                "18446744073709551616",
                "a number with a fraction or exponent, or of more than 64 bits",
            ),
        ];
        bad.push(if is_text {
            ("17", "a number")
        } else {
            (r#""17""#, "a string")
        });
        for (other, found) in bad {
            let json = row_3_json((
                &format!(r#""{field}":{value}"#),
                &format!(r#""{field}":{other}"#),
            ));
            assert_eq!(
                refusal(&token_of_json(json)),
                DecodeError::FieldType {
                    field,
                    wanted,
                    found
                }
            );
        }
    }
    for (other, found) in [("null", "null"), ("17", "a number"), ("[]", "an array")] {
        let json = row_3_json((r#""TLS.ver":"2.0""#, &format!(r#""TLS.userbuf":{other}"#)));
        assert_eq!(
            refusal(&token_of_json(json)),
            DecodeError::FieldType {
                field: "TLS.userbuf",
                wanted: "a string",
                found
            }
        );
    }
    let last_counts = row_3_json(("}", r#","TLS.time":"1700000000"}"#));
    assert!(matches!(
        refusal(&token_of_json(last_counts)),
        DecodeError::FieldType {
            field: "TLS.time",
            ..
        }
    ));
}

#[test]
fn step_4_an_end_beyond_64_bits() {
    for expire_s in [u64::MAX - 1_700_000_000 + 1, u64::MAX] {
        let json = row_3_json(("315360000", &expire_s.to_string()));
        assert_eq!(refusal(&token_of_json(json)), DecodeError::EndOverflow);
    }
}

#[test]
fn refusals_show_neither_token_nor_content() {
    let secret = "qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=";
    let mut tokens = vec![
        format!("{ROW_3}="),
        format!("{ROW_3}A"),
        format!("{ROW_3}\u{e9}"),
        ROW_3.replace('z', "y"),
        token_of_json(format!("\"{secret}\"")),
        token_of_json(row_3_json(("}", "]"))),
        token_of_json(row_3_json(("TLS.sig", secret))),
    ];
    for len in 0..ROW_3.len() {
        tokens.push(ROW_3[..len].to_owned());
    }
    for token in tokens {
        let error = refusal(&token);
        for shown in [error.to_string(), format!("{error:?}")] {
            for hidden in [&ROW_3[..8], &secret[..6], "administrator"] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
    }
}
