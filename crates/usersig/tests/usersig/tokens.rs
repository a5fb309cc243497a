//! Tokens and keys the tests share, and a second, plain way to put a token together.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use miniz_oxide::{deflate::compress_to_vec_zlib, inflate::decompress_to_vec_zlib};
use muster_usersig::{Claims, SecretKey};

pub(crate) const SDKAPPID: u64 = 1_400_000_000;

/// The sample key of wire §6.5.
pub(crate) fn sample_key() -> SecretKey {
    SecretKey::parse("5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")
        .expect("the sample key is a key")
}

/// The whole tokens printed in wire §6.5.
pub(crate) const ROW_1: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwjDB4pTsxIKCzBQlK0MTAyiAyKRWFGQWpQLFTU1NjeCiJZm5YDEzS0tDAyOYaHFmOtBM54KsUqeUwGLLqPK8UndHryCL-Lx8-1RPy7Ty1AijMk9f30hLk0x-r3CvSFulWgAPYy*9";
pub(crate) const ROW_2: &str = "eJw9zEELwiAcBfDv4jmGs1lu0GkRUd0chMeWbv2zDdEZg*i7J5a92-s9eC-UnHj2VBZViGQYLWIHqcYJOoic0El9MQYkqvIC--Jd1GzAquCUUvLXCYZoq7LMMUnqnbKt78KvOB-u6Rr6AG299PTq3YP3bOvWR0HZcOO6sbMf7c5TLLXUtdgXwDbo-QEmHTZF";
pub(crate) const ROW_3: &str = "eNqrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJFJrSjILEpVsjI2NDU2QwiXZOYCBQ3NURUXZ6YDLSj0SE4zMg1P9HUxqjLOjyjMqop0DImszHcsi3JOzMw3cMz1iSx1C-IwNi22VaoFAHoRNRM_";

pub(crate) fn claims_of(
    identifier: &str,
    time_s: u64,
    expire_s: u64,
    userbuf: Option<muster_usersig::UserbufText>,
) -> Claims {
    Claims {
        identifier: identifier.to_owned(),
        sdkappid: SDKAPPID,
        time_s,
        expire_s,
        userbuf,
    }
}

/// The claims of row 3, valid up to 2033-11-11T22:13:20Z.
pub(crate) fn row_3_claims() -> Claims {
    claims_of("administrator", 1_700_000_000, 315_360_000, None)
}

/// JSON as row 3 holds it, with `change` replacing one text by another.
pub(crate) fn row_3_json(change: (&str, &str)) -> String {
    let json = concat!(
        r#"{"TLS.ver":"2.0","TLS.identifier":"administrator","TLS.sdkappid":1400000000,"#,
        r#""TLS.time":1700000000,"TLS.expire":315360000,"#,
        r#""TLS.sig":"qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s="}"#
    );
    let (from, to) = change;
    assert!(json.contains(from), "nothing to change: {from}");
    json.replacen(from, to, 1)
}

/// The token of a JSON text.
pub(crate) fn token_of_json(json: impl AsRef<[u8]>) -> String {
    token_of_bytes(&compress_to_vec_zlib(json.as_ref(), 6))
}

/// The token of what should be a zlib stream.
pub(crate) fn token_of_bytes(stream: &[u8]) -> String {
    STANDARD
        .encode(stream)
        .replace('+', "*")
        .replace('/', "-")
        .replace('=', "_")
}

/// The zlib stream in a token.
pub(crate) fn bytes_of_token(token: &str) -> Vec<u8> {
    let standard = token.replace('*', "+").replace('-', "/").replace('_', "=");
    STANDARD.decode(standard).expect("the token is whole")
}

/// The JSON text in a token.
pub(crate) fn json_of_token(token: &str) -> String {
    let json = decompress_to_vec_zlib(&bytes_of_token(token)).expect("the token inflates");
    String::from_utf8(json).expect("the token holds text")
}

/// The bytes of lower-case hex.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for at in (0..hex.len()).step_by(2) {
        bytes.push(u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
    }
    bytes
}
