//! UserSigs (wire §6): any text can be read, what verifies is what was signed, and no error shows
//! token or signature.
//!
//! Behind base64, zlib and a checksum, chance finds nothing. So the first byte says what the rest
//! is: `0` a token, `1` a zlib stream, `2` the JSON text of a token, `3` claims to be signed. The
//! corpus is signed with the sample key of wire §6.5.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use miniz_oxide::deflate::compress_to_vec_zlib;
use muster_usersig::{
    Claims, DecodeError, Expected, Rejection, SecretKey, UserSig, UserbufText, sign, verify,
};

const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// One input.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    match first % 4 {
        0 => {
            if let Ok(token) = str::from_utf8(rest) {
                read(token);
            }
        }
        1 => read(&sealed(rest)),
        2 => read(&sealed(&compress_to_vec_zlib(rest, 6))),
        _ => {
            if let Some(claims) = claims(rest) {
                signed(&claims);
            }
        }
    }
}

/// A zlib stream as a token (wire §6.1 step 5).
fn sealed(stream: &[u8]) -> String {
    let text = STANDARD.encode(stream);
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

/// Time, expire and SDKAppID, then how many bytes of userbuf, the userbuf, and the identifier. From
/// 128 on the userbuf is taken for its text.
fn claims(data: &[u8]) -> Option<Claims> {
    let (numbers, rest) = data.split_first_chunk::<24>()?;
    let number = |i: usize| u64::from_le_bytes(numbers[8 * i..][..8].try_into().unwrap());
    let (length, rest) = rest.split_first()?;
    let (userbuf, identifier) = rest.split_at_checked(usize::from(length % 128))?;
    let userbuf = match length {
        0 => None,
        1..128 => Some(UserbufText::encode(userbuf)),
        128.. => Some(UserbufText::from_text(
            String::from_utf8_lossy(userbuf).into_owned(),
        )),
    };
    Some(Claims {
        identifier: String::from_utf8_lossy(identifier).into_owned(),
        sdkappid: number(2),
        time_s: number(0),
        expire_s: number(1),
        userbuf,
    })
}

fn key() -> SecretKey {
    SecretKey::parse(KEY).unwrap()
}

fn other_key() -> SecretKey {
    SecretKey::from_random([7; 32])
}

/// Whom a token is for by its own word.
fn expected(claims: &Claims) -> Expected<'_> {
    Expected {
        sdkappid: claims.sdkappid,
        identifier: &claims.identifier,
    }
}

/// A token of unknown origin.
fn read(token: &str) {
    let usersig = match UserSig::decode(token) {
        Ok(usersig) => usersig,
        Err(error) => {
            // White space would let a token read like the words of an error.
            let shown = format!("{error} {error:?}");
            let is_text = token.contains(char::is_whitespace);
            return assert!(is_text || token.len() < 24 || !shown.contains(token));
        }
    };
    let claims = usersig.claims();
    let anew = signed(claims);
    match verify(token, &expected(claims), &[key()], claims.time_s) {
        Ok(verified) => {
            assert_eq!(&verified.claims, claims);
            tampered(token, claims);
            if let Some(anew) = anew {
                assert_eq!(usersig.tls_sig(), anew.tls_sig());
            }
        }
        Err(rejection) => {
            assert_eq!(rejection, Rejection::Signature);
            assert!(anew.is_none_or(|anew| usersig.tls_sig() != anew.tls_sig()));
        }
    }
}

/// What is signed is what is read back, and nobody else's. `None` if no token can say it.
fn signed(claims: &Claims) -> Option<UserSig> {
    let token = sign(&key(), claims);
    let usersig = match UserSig::decode(&token) {
        Ok(usersig) => usersig,
        Err(error) => {
            let userbuf = claims.userbuf.as_ref().map_or("", UserbufText::as_str);
            let is_right = match error {
                DecodeError::UserbufLineFeed => userbuf.contains('\n'),
                DecodeError::EndOverflow => claims.time_s.checked_add(claims.expire_s).is_none(),
                // A byte of a claim takes at most six in JSON.
                DecodeError::TokenTooLong { .. } | DecodeError::JsonTooLong => {
                    claims.identifier.len() + userbuf.len() > 1024
                }
                _ => false,
            };
            assert!(is_right, "{error} {claims:?}");
            return None;
        }
    };
    assert_eq!(usersig.claims(), claims);
    let end_s = claims.ended_at_s();
    let verified = verify(&token, &expected(claims), &[other_key(), key()], end_s).unwrap();
    assert_eq!((&verified.claims, verified.key_index), (claims, 1));

    let mut rejections = vec![
        usersig.check_sdkappid(claims.sdkappid ^ 1).unwrap_err(),
        usersig
            .check_identifier(&(claims.identifier.clone() + " "))
            .unwrap_err(),
    ];
    assert_eq!(usersig.check_signature(&[other_key()]), None);
    match end_s.checked_add(1) {
        Some(late_s) => rejections.push(usersig.check_time(late_s).unwrap_err()),
        None => usersig.check_time(end_s).unwrap(),
    }
    let shown = format!("{usersig:?} {rejections:?} {}", rejections[1]);
    assert!(!shown.contains(usersig.tls_sig()) && !shown.contains(&token));
    tampered(&token, claims);
    Some(usersig)
}

/// Cut, a token never verifies. With another character it may: zlib has bits that mean nothing, such
/// as those before a stored block. But then it says what was signed.
fn tampered(token: &str, claims: &Claims) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-";
    let token: String = token.split_ascii_whitespace().collect();
    let (keys, expected, now_s) = ([key()], expected(claims), claims.time_s);
    // The same token is tampered with in the same way, so that a finding can be repeated.
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    let chance = hasher.finish();
    let place = |bits: u64| usize::try_from(bits & 0xffff).unwrap() % token.len();

    for length in [place(chance), token.len() - 4] {
        let refused = verify(&token[..length], &expected, &keys, now_s);
        assert!(matches!(refused, Err(Rejection::Illegal(_))), "{refused:?}");
    }
    let mut changed = token.clone().into_bytes();
    changed[place(chance >> 16)] = DIGITS[place(chance >> 32) % 64];
    let changed = String::from_utf8(changed).unwrap();
    if let Ok(verified) = verify(&changed, &expected, &keys, now_s) {
        assert_eq!(verified.claims, *claims);
    }
}
