//! What signers vary in, all of it accepted (wire §6.3).

use miniz_oxide::deflate::compress_to_vec_zlib;
use muster_usersig::{
    Claims, Expected, JSON_LIMIT_BYTES, TOKEN_LIMIT_BYTES, UserSig, sign, verify,
};

use crate::tokens::{
    ROW_3, SDKAPPID, bytes_of_token, row_3_claims, row_3_json, sample_key, token_of_bytes,
    token_of_json,
};

fn accepts_as_row_3(token: &str) {
    let expected = Expected {
        sdkappid: SDKAPPID,
        identifier: "administrator",
    };
    match verify(token, &expected, &[sample_key()], 1_700_000_000) {
        Ok(verified) => assert_eq!(verified.claims, row_3_claims(), "{token}"),
        Err(rejection) => panic!("{token}: {rejection}"),
    }
}

#[test]
fn any_key_order_and_json_spelling() {
    let sig = "qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=";
    let texts = [
        format!(
            r#"{{"TLS.sig":"{sig}","TLS.time":1700000000,"TLS.expire":315360000,"TLS.sdkappid":1400000000,"TLS.identifier":"administrator","TLS.ver":"2.0"}}"#
        ),
        format!(
            "\n{{ \"TLS.identifier\" : \"administrator\",\r\n\t\"TLS.sdkappid\": 1400000000, \"TLS.expire\": 315360000, \"TLS.time\": 1700000000, \"TLS.sig\": \"{sig}\" }}\n"
        ),
        row_3_json(("administrator", r"\u0061dministr\u0061tor")),
        row_3_json(("TLS.identifier", r"TLS\u002eidentifier")),
        row_3_json((r#""2.0""#, r"[2, null, {}]")),
        row_3_json((r#""TLS.ver":"2.0","#, "")),
        row_3_json((
            r#""TLS.ver":"2.0""#,
            r#""TLS.unknown":-1.5,"":{"TLS.sig":0}"#,
        )),
    ];
    for text in texts {
        accepts_as_row_3(&token_of_json(text));
    }
}

#[test]
fn escapes_stand_for_what_they_escape() {
    let identifier = "a/b<c>&d\u{7528}\u{1f600}\"\\";
    let claims = Claims {
        identifier: identifier.to_owned(),
        ..row_3_claims()
    };
    let tls_sig = UserSig::decode(&sign(&sample_key(), &claims))
        .unwrap()
        .tls_sig()
        .to_owned();
    let spellings = [
        "a/b<c>&d\u{7528}\u{1f600}\\\"\\\\",
        r#"a\/b\u003cc\u003e\u0026d\u7528\ud83d\ude00\"\\"#,
        r"\u0061\u002f\u0062\u003C\u0063\u003E\u0026\u0064\u7528\uD83D\uDE00\u0022\u005C",
    ];
    for spelling in spellings {
        let json = row_3_json(("administrator", spelling)).replace(
            "qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=",
            &tls_sig.replace('/', r"\/"),
        );
        let expected = Expected {
            sdkappid: SDKAPPID,
            identifier,
        };
        let verified = verify(&token_of_json(json), &expected, &[sample_key()], 0).unwrap();
        assert_eq!(verified.claims, claims, "{spelling}");
    }
}

#[test]
fn of_a_repeated_key_the_last_counts() {
    for first in [r#""alice""#, "17", "null"] {
        let twice = format!(r#""TLS.identifier":{first},"TLS.identifier":"administrator""#);
        accepts_as_row_3(&token_of_json(row_3_json((
            r#""TLS.identifier":"administrator""#,
            &twice,
        ))));
    }
    let last = row_3_json(("}", r#","TLS.identifier":"alice"}"#));
    assert_eq!(
        UserSig::decode(&token_of_json(last))
            .unwrap()
            .claims()
            .identifier,
        "alice"
    );
}

#[test]
fn any_compression_level_and_header() {
    let json = row_3_json(("2.0", "2.0"));
    for level in 0..=10 {
        let stream = compress_to_vec_zlib(json.as_bytes(), level);
        accepts_as_row_3(&token_of_bytes(&stream));
        // The header tells the level for information only, and the checksum leaves it out.
        for header in [[0x78, 0x01], [0x78, 0x5e], [0x78, 0x9c], [0x78, 0xda]] {
            let token = token_of_bytes(&[&header, &stream[2..]].concat());
            accepts_as_row_3(&token);
        }
    }
}

#[test]
fn stored_blocks_in_any_number() {
    let json = row_3_json(("2.0", "2.0"));
    for block_bytes in [1, 7, 100, json.len()] {
        accepts_as_row_3(&token_of_bytes(&stored(json.as_bytes(), block_bytes)));
    }
}

/// A zlib stream of stored blocks, ended by an empty one as the Go library does.
fn stored(text: &[u8], block_bytes: usize) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut put = |last: u8, block: &[u8]| {
        let len = u16::try_from(block.len()).expect("short blocks");
        stream.push(last);
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend(block);
    };
    for block in text.chunks(block_bytes) {
        put(0, block);
    }
    put(1, &[]);
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in text {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    stream.extend((high << 16 | low).to_be_bytes());
    stream
}

#[test]
fn white_space_anywhere() {
    for wrap in [1, 4, 64, 76] {
        for line_end in ["\n", "\r\n", " ", "\t", " \t\r\n"] {
            let mut token = line_end.to_owned();
            for line in ROW_3.as_bytes().chunks(wrap) {
                token.push_str(str::from_utf8(line).unwrap());
                token.push_str(line_end);
            }
            accepts_as_row_3(&token);
        }
    }
    // It does not count against the bound.
    accepts_as_row_3(&format!("{}{ROW_3}", " ".repeat(TOKEN_LIMIT_BYTES + 1)));
}

#[test]
fn a_token_and_its_json_may_be_as_long_as_the_bounds() {
    let json = row_3_json(("2.0", "2.0"));
    let padded = format!("{json}{}", " ".repeat(JSON_LIMIT_BYTES - json.len()));
    accepts_as_row_3(&token_of_json(padded));

    // Empty stored blocks lengthen the stream and not the text.
    let stream = bytes_of_token(ROW_3);
    let room_bytes = TOKEN_LIMIT_BYTES / 4 * 3 - stream.len();
    let mut long = stream[..2].to_vec();
    for _ in 0..room_bytes / 5 {
        long.extend([0, 0, 0, 0xff, 0xff]);
    }
    long.extend(&stream[2..]);
    let token = token_of_bytes(&long);
    assert!((TOKEN_LIMIT_BYTES - 4..=TOKEN_LIMIT_BYTES).contains(&token.len()));
    accepts_as_row_3(&token);
}
