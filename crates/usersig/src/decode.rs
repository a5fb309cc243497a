//! Reading a token without trusting it: steps 1 to 4 of wire §6.2.

use std::fmt;

use crate::{
    Claims, UserbufText,
    envelope::{self, JSON_LIMIT_BYTES, TOKEN_LIMIT_BYTES},
    json::{self, EXPIRE, Fields, IDENTIFIER, SDKAPPID, SIG, TIME, USERBUF, Value},
};

/// A token that could be read. Nothing is known yet about its truth: the checks are methods, and
/// [`verify`](crate::verify()) asks them all.
#[derive(Clone)]
pub struct UserSig {
    claims: Claims,
    tls_sig: String,
}

impl UserSig {
    /// Reads a token.
    ///
    /// Accepted is all that signers vary in: white space from line wrapping, any key
    /// order and JSON spelling, any compression level. Unknown keys and `TLS.ver` are not looked at,
    /// and of a repeated key the last counts. A number must be written as a plain integer of at
    /// most 64 bits.
    ///
    /// A token whose `time + expire` does not fit into 64 bits is refused here
    /// ([`DecodeError::EndOverflow`]); what comes after can rely on the sum.
    pub fn decode(token: &str) -> Result<UserSig, DecodeError> {
        let json = envelope::open(token)?;
        let read = json::read(&json).map_err(|error| DecodeError::NotJson {
            reason: error.to_string(),
        })?;
        let Fields {
            identifier,
            sdkappid,
            time,
            expire,
            userbuf,
            sig,
        } = read.map_err(|found| DecodeError::NotAnObject { found })?;
        let claims = Claims {
            identifier: text(IDENTIFIER, identifier)?,
            sdkappid: integer(SDKAPPID, sdkappid)?,
            time_s: integer(TIME, time)?,
            expire_s: integer(EXPIRE, expire)?,
            userbuf: match userbuf {
                Some(value) => Some(UserbufText::from_text(text(USERBUF, Some(value))?)),
                None => None,
            },
        };
        let tls_sig = text(SIG, sig)?;
        // The signed text escapes nothing: with a line feed here, the lines of a token that was
        // signed for one identifier could be regrouped into a token for another.
        if claims
            .userbuf
            .as_ref()
            .is_some_and(|userbuf| userbuf.as_str().contains('\n'))
        {
            return Err(DecodeError::UserbufLineFeed);
        }
        if claims.time_s.checked_add(claims.expire_s).is_none() {
            return Err(DecodeError::EndOverflow);
        }
        Ok(UserSig { claims, tls_sig })
    }

    /// What the token says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the token says, without the signature.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// `TLS.sig` as sent: base64 of the HMAC if the signer did right. Claims and signature together
    /// are as good as the token, so this is a secret too.
    pub fn tls_sig(&self) -> &str {
        &self.tls_sig
    }
}

impl fmt::Debug for UserSig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSig")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

fn text(field: &'static str, value: Option<Value>) -> Result<String, DecodeError> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(DecodeError::FieldType {
            field,
            wanted: "a string",
            found: other.kind(),
        }),
        None => Err(DecodeError::FieldMissing { field }),
    }
}

fn integer(field: &'static str, value: Option<Value>) -> Result<u64, DecodeError> {
    match value {
        Some(Value::Integer(number)) => Ok(number),
        Some(other) => Err(DecodeError::FieldType {
            field,
            wanted: "a non-negative integer",
            found: other.kind(),
        }),
        None => Err(DecodeError::FieldMissing { field }),
    }
}

/// Why a text is no token. Every variant names the check that failed, in the order they are made;
/// on this API each of them is the code 70003. None shows the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Step 1: nothing but white space.
    #[error("the token is empty")]
    Empty,
    /// Step 1: more than [`TOKEN_LIMIT_BYTES`].
    #[error("the token has {len_bytes} bytes, more than {TOKEN_LIMIT_BYTES}")]
    TokenTooLong {
        /// Its length without white space.
        len_bytes: usize,
    },
    /// Step 2: a character that is no letter, digit, `*`, `-` or `_`.
    #[error("the token holds {found:?} at byte {position}, counted from 0{}", alphabet_hint(*found))]
    Alphabet {
        /// Byte offset in the token as given.
        position: usize,
        /// The first character that does not belong.
        found: char,
    },
    /// Step 2: the alphabet is right, the base64 is not.
    #[error(
        "the token is not whole base64: its {len_bytes} characters must be a multiple of 4, \
         with `_` only as padding at the very end (cut off, a `+` turned into a space, padding \
         removed, or the base64url alphabet?)"
    )]
    Base64 {
        /// Its length without white space.
        len_bytes: usize,
    },
    /// Step 3: what the base64 stands for does not begin like a zlib stream.
    #[error("the token's bytes are not a zlib stream (was the compression left out?)")]
    NotZlib,
    /// Step 3: the zlib stream stops before its end.
    #[error("the token's zlib stream is cut off")]
    Truncated,
    /// Step 3: the zlib stream contradicts itself.
    #[error("the token's zlib stream is damaged")]
    Deflate,
    /// Step 3: the zlib stream inflates to something other than what was deflated.
    #[error("the checksum of the token's zlib stream is wrong: some character was changed")]
    Checksum,
    /// Step 3: more than [`JSON_LIMIT_BYTES`]; inflating stopped there.
    #[error("the token inflates to more than {JSON_LIMIT_BYTES} bytes")]
    JsonTooLong,
    /// Step 3: the zlib stream is whole, but something follows it.
    #[error("{len_bytes} bytes follow the token's zlib stream")]
    TrailingBytes {
        /// How many.
        len_bytes: usize,
    },
    /// Step 4: the inflated text is not JSON in UTF-8.
    #[error("the token does not hold JSON: {reason}")]
    NotJson {
        /// What the parser stumbled over and where; it quotes nothing.
        reason: String,
    },
    /// Step 4: JSON, but not an object.
    #[error("the token's JSON is {found}, not an object")]
    NotAnObject {
        /// What it is instead.
        found: &'static str,
    },
    /// Step 4: a field that every token has is not there.
    #[error("the token has no {field}")]
    FieldMissing {
        /// Its JSON key.
        field: &'static str,
    },
    /// Step 4: a field has the wrong type.
    #[error("the token's {field} is {found}, not {wanted}")]
    FieldType {
        /// Its JSON key.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Step 4: `TLS.userbuf` holds a line feed, which would let one signature stand for two tokens.
    #[error("the token's TLS.userbuf holds a line feed")]
    UserbufLineFeed,
    /// Step 4: `TLS.time + TLS.expire` does not fit into 64 bits, so the token has no end.
    #[error("the token's TLS.time and TLS.expire add up to more than 64 bits")]
    EndOverflow,
}

fn alphabet_hint(found: char) -> &'static str {
    match found {
        '+' | '/' | '=' => {
            ", so it is standard base64: a UserSig has `*` for `+`, `-` for `/`, `_` for `=`"
        }
        '%' => ", so it is still percent-encoded",
        _ => "; only letters, digits, `*`, `-` and `_` are allowed",
    }
}
