//! The envelope of a token: a zlib stream in base64 with an alphabet of its own (wire §6.1 step 5),
//! and steps 1 to 3 of wire §6.2 to open it.
//!
//! Opening works on text nobody vouches for. Both sides are bounded: what is read, before it is
//! decoded; and what is inflated, by a buffer of fixed size that the stream cannot grow.

use base64::{
    Engine as _,
    alphabet::{Alphabet, Symbol},
    engine::general_purpose::{GeneralPurpose, PAD},
};
use miniz_oxide::{
    deflate::compress_to_vec_zlib,
    inflate::{
        TINFLStatus,
        core::{
            decompress,
            inflate_flags::{
                TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
            },
        },
    },
};

use crate::DecodeError;

/// Longest token that is looked at, in bytes, without the white space in it.
pub const TOKEN_LIMIT_BYTES: usize = 8 * 1024;

/// Longest JSON text a token may inflate to, in bytes.
pub const JSON_LIMIT_BYTES: usize = 16 * 1024;

/// Standard base64 with `*` for `+`, `-` for `/` and `_` for the padding `=`. It is none of the
/// alphabets of RFC 4648: there `-` is the 62nd digit, here the 63rd, and `_` is no digit at all.
const TOKEN_BASE64: GeneralPurpose = {
    let padding = Symbol::new(b'_').expect("`_` is printable ASCII");
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-";
    match Alphabet::new_with_padding(digits, padding) {
        Ok(alphabet) => GeneralPurpose::new(&alphabet, PAD),
        Err(_) => panic!("64 different digits without the padding"),
    }
};

/// zlib's own default level; every level is understood by every reader.
const LEVEL: u8 = 6;

pub(crate) fn seal(json: &[u8]) -> String {
    TOKEN_BASE64.encode(compress_to_vec_zlib(json, LEVEL))
}

pub(crate) fn open(token: &str) -> Result<Vec<u8>, DecodeError> {
    let text = strip(token)?;
    let stream = TOKEN_BASE64
        .decode(&text)
        .map_err(|_| DecodeError::Base64 {
            len_bytes: text.len(),
        })?;
    inflate(&stream)
}

/// Steps 1 and 2: what is left without white space, if it is short enough and all of the alphabet.
fn strip(token: &str) -> Result<Vec<u8>, DecodeError> {
    let len_bytes = token.bytes().filter(|byte| !is_dropped(*byte)).count();
    if len_bytes == 0 {
        return Err(DecodeError::Empty);
    }
    if len_bytes > TOKEN_LIMIT_BYTES {
        return Err(DecodeError::TokenTooLong { len_bytes });
    }
    let mut text = Vec::with_capacity(len_bytes);
    for (position, found) in token.char_indices() {
        match u8::try_from(found) {
            Ok(byte) if is_dropped(byte) => {}
            Ok(byte) if byte.is_ascii_alphanumeric() || b"*-_".contains(&byte) => text.push(byte),
            _ => return Err(DecodeError::Alphabet { position, found }),
        }
    }
    Ok(text)
}

fn is_dropped(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Step 3.
fn inflate(stream: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if !has_zlib_header(stream) {
        return Err(DecodeError::NotZlib);
    }
    // One byte more than allowed, so that a text of exactly the limit and a longer one differ.
    let mut json = vec![0; JSON_LIMIT_BYTES + 1];
    let (status, read_bytes, written_bytes) = decompress(
        &mut Box::default(),
        stream,
        &mut json,
        0,
        TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
    );
    if written_bytes > JSON_LIMIT_BYTES {
        return Err(DecodeError::JsonTooLong);
    }
    match status {
        TINFLStatus::Done => {}
        TINFLStatus::FailedCannotMakeProgress => return Err(DecodeError::Truncated),
        TINFLStatus::Adler32Mismatch => return Err(DecodeError::Checksum),
        _ => return Err(DecodeError::Deflate),
    }
    if read_bytes < stream.len() {
        return Err(DecodeError::TrailingBytes {
            len_bytes: stream.len() - read_bytes,
        });
    }
    json.truncate(written_bytes);
    Ok(json)
}

/// RFC 1950: method 8 (deflate), the two bytes a multiple of 31. A stream cut within them counts,
/// so that inflating it finds it cut.
fn has_zlib_header(stream: &[u8]) -> bool {
    match *stream {
        [] => true,
        [method] => method & 0xf == 8,
        [method, flags, ..] => {
            method & 0xf == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
        }
    }
}
