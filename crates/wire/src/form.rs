//! Form-decoding of a query (wire §1.1).
//!
//! The usual libraries take a broken `%` escape as plain text and replace invalid UTF-8, as browsers
//! do. Here both make the URL unparsable, hence a decoder of our own.

use std::borrow::Cow;

/// A query holds a broken `%` escape, or one that yields invalid UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// The pairs of a query in their order, decoded. A piece without `=` is a name with an empty value;
/// empty pieces are skipped.
pub(crate) fn pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Broken>> {
    query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Ok((decode(name)?, decode(value)?))
        })
}

fn decode(text: &str) -> Result<Cow<'_, str>, Broken> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(bytes.next())? << 4 | hex_digit(bytes.next())?,
            plain => plain,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| Broken)
}

fn hex_digit(byte: Option<u8>) -> Result<u8, Broken> {
    match byte.ok_or(Broken)? {
        digit @ b'0'..=b'9' => Ok(digit - b'0'),
        digit @ b'a'..=b'f' => Ok(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Broken),
    }
}
