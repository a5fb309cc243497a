//! `TLSSigAPIv2` tokens, the `UserSig` of Tencent Cloud Live and Chat: sign, verify, explain.
//!
//! A `UserSig` says "until then, the bearer is this identifier of this `SDKAppID`", signed with the
//! app's secret key. Making one: [`Claims`] are signed with a [`SecretKey`] ([`sign`]), written as
//! JSON, compressed and put into a base64 of its own alphabet. Checking one goes the other way, in
//! a fixed order, and the first check that fails names the [`Rejection`] ([`verify`]). Who wants to
//! see between the steps decodes first ([`UserSig::decode`]) and asks one check after the other.
//!
//! Everything here is a function of its arguments: the time, random bytes and keys are passed in,
//! nothing is read from the machine, and no account or app is known. A token comes from outside, so
//! its length and what it inflates to are bounded ([`TOKEN_LIMIT_BYTES`], [`JSON_LIMIT_BYTES`])
//! before anything is allocated for it. Errors and `Debug` output never show a key, a token or a
//! signature.
//!
//! A `PrivateMapKey` is a `UserSig` whose userbuf grants rights in a room; [`private_map_key`] reads
//! and writes that userbuf. Comments cite `docs/wire.md` as "wire §6.2".
//!
//! ```
//! use muster_usersig::{Claims, Expected, Rejection, SecretKey, sign, verify};
//!
//! // The public sample key of the official libraries, in use nowhere.
//! let key = SecretKey::parse("5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")?;
//! let claims = Claims {
//!     identifier: "administrator".to_owned(),
//!     sdkappid: 1_400_000_000,
//!     time_s: 1_700_000_000,
//!     expire_s: 180 * 86_400,
//!     userbuf: None,
//! };
//! let token = sign(&key, &claims);
//!
//! let expected = Expected { sdkappid: 1_400_000_000, identifier: "administrator" };
//! let verified = verify(&token, &expected, &[key], 1_700_000_060)?;
//! assert_eq!(verified.claims, claims);
//!
//! let other = SecretKey::from_random([7; 32]);
//! let refused = verify(&token, &expected, &[other], 1_700_000_060);
//! assert_eq!(refused, Err(Rejection::Signature));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
