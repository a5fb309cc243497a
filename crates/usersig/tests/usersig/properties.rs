//! What holds for any input.

use muster_usersig::private_map_key::{Rights, Room, Userbuf};
use muster_usersig::{
    Claims, DecodeError, Expected, JSON_LIMIT_BYTES, Rejection, SecretKey, UserSig, UserbufText,
    sign, verify,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::tokens::{bytes_of_token, token_of_bytes, token_of_json};

/// Any text: letters of every script, control characters, quotes, line feeds.
fn any_text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

prop_compose! {
    fn any_claims()(
        identifier in any_text(),
        sdkappid in any::<u64>(),
        time_s in any::<u64>(),
        share in any::<u64>(),
        userbuf in option::of(vec(any::<u8>(), 0..200)),
    ) -> Claims {
        Claims {
            identifier,
            sdkappid,
            time_s,
            expire_s: share.min(u64::MAX - time_s),
            userbuf: userbuf.map(|bytes| UserbufText::encode(&bytes)),
        }
    }
}

fn expected_of(claims: &Claims) -> Expected<'_> {
    Expected {
        sdkappid: claims.sdkappid,
        identifier: &claims.identifier,
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(claims in any_claims(), seed in any::<[u8; 32]>()) {
        let key = SecretKey::from_random(seed);
        let token = sign(&key, &claims);
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-_".contains(&byte)));

        let end_s = claims.time_s + claims.expire_s;
        let verified = verify(&token, &expected_of(&claims), std::slice::from_ref(&key), end_s);
        prop_assert_eq!(verified.map(|verified| verified.claims), Ok(claims.clone()));
        if let Some(later_s) = end_s.checked_add(1) {
            prop_assert_eq!(
                verify(&token, &expected_of(&claims), &[key], later_s),
                Err(Rejection::Expired { ended_at_s: end_s, now_s: later_s })
            );
        }

        let mut other = seed;
        other[0] ^= 1;
        prop_assert_eq!(
            verify(&token, &expected_of(&claims), &[SecretKey::from_random(other)], end_s),
            Err(Rejection::Signature)
        );
    }

    #[test]
    fn userbuf_bytes_come_back(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(UserbufText::encode(&bytes).decode(), Ok(bytes));
    }

    #[test]
    fn white_space_within_a_token_changes_nothing(
        claims in any_claims(),
        places in vec((any::<Index>(), "[ \t\r\n]{1,3}"), 0..20),
    ) {
        let mut token = sign(&SecretKey::from_random([7; 32]), &claims);
        for (place, space) in places {
            token.insert_str(place.index(token.len() + 1), &space);
        }
        prop_assert_eq!(UserSig::decode(&token).map(UserSig::into_claims), Ok(claims));
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(token in any::<String>()) {
        let _ = UserSig::decode(&token);
    }

    #[test]
    fn any_text_of_the_alphabet_is_read_or_refused(token in "(eJ|eN|eA)?[A-Za-z0-9*_-]{0,300}") {
        let _ = UserSig::decode(&token);
    }

    #[test]
    fn any_stream_is_read_or_refused(body in vec(any::<u8>(), 0..600)) {
        let _ = UserSig::decode(&token_of_bytes(&[&[0x78, 0x9c], &*body].concat()));
    }

    #[test]
    fn any_json_text_is_read_or_refused(json in vec(any::<u8>(), 0..100)) {
        let error = UserSig::decode(&token_of_json(json)).map(UserSig::into_claims).unwrap_err();
        let is_step_4 = matches!(
            error,
            DecodeError::NotJson { .. }
                | DecodeError::NotAnObject { .. }
                | DecodeError::FieldMissing { .. }
        );
        prop_assert!(is_step_4, "{}", error);
    }

    /// Some bits of a stream stand for nothing, so a changed token may still verify; but never as
    /// anything that was not signed.
    #[test]
    fn a_changed_token_never_says_something_else(
        claims in any_claims(),
        changes in vec((any::<Index>(), any::<char>()), 1..4),
        flips in vec((any::<Index>(), 0..8_u32), 1..4),
    ) {
        let key = SecretKey::from_random([7; 32]);
        let token = sign(&key, &claims);

        let mut characters: Vec<char> = token.chars().collect();
        for (place, character) in changes {
            *place.get_mut(&mut characters) = character;
        }
        let mut stream = bytes_of_token(&token);
        for (place, bit) in flips {
            *place.get_mut(&mut stream) ^= 1 << bit;
        }
        for changed in [String::from_iter(characters), token_of_bytes(&stream)] {
            let verified = verify(&changed, &expected_of(&claims), std::slice::from_ref(&key), 0);
            if let Ok(verified) = verified {
                prop_assert_eq!(verified.claims, claims.clone());
            }
        }
    }

    #[test]
    fn a_bomb_is_refused(byte in any::<u8>(), more_bytes in 1..2_000_000_usize) {
        let bomb = vec![byte; JSON_LIMIT_BYTES + more_bytes];
        let refused = UserSig::decode(&token_of_json(bomb)).map(UserSig::into_claims);
        prop_assert_eq!(refused, Err(DecodeError::JsonTooLong));
    }

    #[test]
    fn a_userbuf_comes_back(
        identifier in any_text(),
        numbers in any::<[u32; 5]>(),
        name in option::of(any_text()),
    ) {
        let [sdkappid, number, ended_at_s, rights, account_type] = numbers;
        let userbuf = Userbuf {
            identifier,
            sdkappid,
            room: name.map_or(Room::Number(number), Room::Name),
            ended_at_s,
            rights: Rights::from_bits(rights),
            account_type,
        };
        prop_assert_eq!(Userbuf::decode(&userbuf.encode().unwrap()), Ok(userbuf));
    }

    /// What can be read is written back the same, so no two byte strings mean one userbuf.
    #[test]
    fn any_bytes_are_a_userbuf_or_refused(
        version in 0..3_u8,
        len_bytes in 0..4_u8,
        body in vec(any::<u8>(), 0..60),
    ) {
        let bytes = [&[version, 0, len_bytes], &*body].concat();
        if let Ok(userbuf) = Userbuf::decode(&bytes) {
            prop_assert_eq!(userbuf.encode(), Ok(bytes));
        }
    }
}
