#![doc = include_str!("../README.md")]

mod claims;
mod decode;
mod envelope;
mod json;
pub mod private_map_key;
mod secret_key;
mod sign;
mod verify;

pub use claims::{Claims, UserbufText, UserbufTextError};
pub use decode::{DecodeError, UserSig};
pub use envelope::{JSON_LIMIT_BYTES, TOKEN_LIMIT_BYTES};
pub use secret_key::{SECRET_KEY_LIMIT_BYTES, SecretKey, SecretKeyError};
pub use sign::sign;
pub use verify::{Expected, Rejection, Verified, verify};
