//! The checks after reading, their order, and what their errors say (wire §6.2 steps 5 to 8).

use muster_usersig::{
    Claims, DecodeError, Expected, Rejection, SecretKey, SecretKeyError, UserSig, UserbufText,
    UserbufTextError, Verified, sign, verify,
};

use crate::tokens::{ROW_3, SDKAPPID, row_3_claims, row_3_json, sample_key, token_of_json};

const ADMIN: Expected<'_> = Expected {
    sdkappid: SDKAPPID,
    identifier: "administrator",
};
/// End of row 3: 2033-11-11T22:13:20Z.
const ENDED_AT_S: u64 = 2_015_360_000;

#[test]
fn a_token_is_valid_up_to_and_including_its_end() {
    let keys = [sample_key()];
    for now_s in [0, 1_699_999_999, 1_700_000_000, ENDED_AT_S - 1, ENDED_AT_S] {
        let verified = Verified {
            claims: row_3_claims(),
            key_index: 0,
        };
        assert_eq!(
            verify(ROW_3, &ADMIN, &keys, now_s),
            Ok(verified),
            "at {now_s}"
        );
    }
    for now_s in [ENDED_AT_S + 1, u64::MAX] {
        let expired = Rejection::Expired {
            ended_at_s: ENDED_AT_S,
            now_s,
        };
        assert_eq!(
            verify(ROW_3, &ADMIN, &keys, now_s),
            Err(expired.clone()),
            "at {now_s}"
        );
        // The same from cached claims.
        assert_eq!(row_3_claims().check_time(now_s), Err(expired), "at {now_s}");
    }
}

#[test]
fn the_largest_end_is_no_overflow() {
    let claims = Claims {
        time_s: 1,
        expire_s: u64::MAX - 1,
        ..row_3_claims()
    };
    let token = sign(&sample_key(), &claims);
    assert_eq!(claims.ended_at_s(), u64::MAX);
    assert!(verify(&token, &ADMIN, &[sample_key()], u64::MAX).is_ok());
}

#[test]
fn any_of_several_keys_verifies() {
    let [first, second] = [[1; 32], [2; 32]].map(SecretKey::from_random);
    let usersig = UserSig::decode(ROW_3).unwrap();
    let cases = [
        (vec![], None),
        (vec![first.clone()], None),
        (vec![sample_key()], Some(0)),
        (vec![first.clone(), second.clone(), sample_key()], Some(2)),
        (vec![first, sample_key(), second, sample_key()], Some(1)),
    ];
    for (keys, key_index) in cases {
        assert_eq!(usersig.check_signature(&keys), key_index);
        match verify(ROW_3, &ADMIN, &keys, 0) {
            Ok(verified) => assert_eq!(Some(verified.key_index), key_index),
            Err(rejection) => {
                assert_eq!((rejection, key_index), (Rejection::Signature, None));
            }
        }
    }
}

#[test]
fn the_first_check_that_fails_decides() {
    let keys = [SecretKey::from_random([7; 32])];
    let now_s = ENDED_AT_S + 1;
    let other_app = Expected {
        sdkappid: 1_400_000_001,
        identifier: "alice",
    };
    let other_user = Expected {
        sdkappid: SDKAPPID,
        identifier: "Administrator",
    };
    let cases = [
        (
            &other_app,
            Rejection::SdkAppId {
                requested: 1_400_000_001,
                signed: SDKAPPID,
            },
        ),
        (
            &other_user,
            Rejection::Identifier {
                requested: "Administrator".to_owned(),
                signed: "administrator".to_owned(),
            },
        ),
        (&ADMIN, Rejection::Signature),
    ];
    for (expected, rejection) in cases {
        let refused = verify(ROW_3, expected, &keys, now_s);
        assert_eq!(refused, Err(rejection));
        let illegal = verify("not_a_usersig", expected, &keys, now_s);
        assert!(matches!(illegal, Err(Rejection::Illegal(_))));
    }
}

#[test]
fn every_claim_is_covered_by_the_signature() {
    let changes = [
        (
            r#""TLS.identifier":"administrator""#,
            r#""TLS.identifier":"alice""#,
        ),
        (
            r#""TLS.sdkappid":1400000000"#,
            r#""TLS.sdkappid":1400000001"#,
        ),
        (r#""TLS.time":1700000000"#, r#""TLS.time":1700000001"#),
        (r#""TLS.expire":315360000"#, r#""TLS.expire":315360001"#),
        (r#""TLS.ver":"2.0""#, r#""TLS.userbuf":"""#),
        (r#""TLS.ver":"2.0""#, r#""TLS.userbuf":"YWJj""#),
        // Signatures that are no signature: none, cut, unpadded, of other length.
        ("qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=", ""),
        (
            "qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=",
            "qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH",
        ),
        ("35s=", "35s"),
        ("qHcf", "qHcg"),
        ("qHcf", "*Hcf"),
        ("35s=", "35s=qHcf"),
    ];
    for change in changes {
        let usersig = UserSig::decode(&token_of_json(row_3_json(change))).unwrap();
        assert_eq!(usersig.check_signature(&[sample_key()]), None, "{change:?}");
    }
    let unchanged = UserSig::decode(&token_of_json(row_3_json(("2.0", "2.0")))).unwrap();
    assert_eq!(unchanged.check_signature(&[sample_key()]), Some(0));
}

#[test]
fn an_empty_userbuf_is_not_the_same_as_none() {
    let claims = Claims {
        userbuf: Some(UserbufText::encode(b"")),
        ..row_3_claims()
    };
    assert!(claims.signed_text().ends_with("\nTLS.userbuf:\n"));
    let verified = verify(&sign(&sample_key(), &claims), &ADMIN, &[sample_key()], 0).unwrap();
    assert_eq!(verified.claims, claims);
}

#[test]
fn a_userbuf_that_is_no_base64_verifies_as_sent_but_does_not_decode() {
    for text in ["YWJ", "*", "\u{e9}"] {
        let userbuf = UserbufText::from_text(text.to_owned());
        let claims = Claims {
            userbuf: Some(userbuf.clone()),
            ..row_3_claims()
        };
        let verified = verify(&sign(&sample_key(), &claims), &ADMIN, &[sample_key()], 0).unwrap();
        assert_eq!(verified.claims.userbuf, Some(userbuf.clone()));
        assert_eq!(userbuf.decode(), Err(UserbufTextError), "{text:?}");
    }
}

/// The signed text escapes nothing, so the signature of an identifier with line feeds is also that of
/// another token, in which those lines are fields and the real ones stand in the userbuf.
#[test]
fn one_signature_does_not_stand_for_two_tokens() {
    let sent = Claims {
        identifier: "bob\nTLS.sdkappid:1400000000\nTLS.time:5\nTLS.expire:999999\nTLS.userbuf:x"
            .into(),
        ..row_3_claims()
    };
    let tail = sent
        .signed_text()
        .split_once("TLS.userbuf:")
        .unwrap()
        .1
        .trim_end()
        .to_owned();
    let forged = Claims {
        identifier: "bob".into(),
        sdkappid: 1_400_000_000,
        time_s: 5,
        expire_s: 999_999,
        userbuf: Some(UserbufText::from_text(tail)),
    };
    assert_eq!(forged.signed_text(), sent.signed_text());
    let refused = UserSig::decode(&sign(&sample_key(), &forged)).unwrap_err();
    assert_eq!(refused, DecodeError::UserbufLineFeed);
}

#[test]
fn refusals_are_told_in_words() {
    let rejected = |token: &str, expected: &Expected<'_>, key: SecretKey, now_s: u64| {
        verify(token, expected, &[key], now_s)
            .unwrap_err()
            .to_string()
    };
    let long = "\u{e9}\n".repeat(40);
    let cases = [
        (
            rejected("", &ADMIN, sample_key(), 0),
            "the UserSig is illegal: the token is empty".to_owned(),
        ),
        (
            rejected(
                ROW_3,
                &Expected {
                    sdkappid: 1,
                    ..ADMIN
                },
                sample_key(),
                0,
            ),
            "the UserSig is for SDKAppID 1400000000, the request for 1".to_owned(),
        ),
        (
            rejected(
                ROW_3,
                &Expected {
                    identifier: &long,
                    ..ADMIN
                },
                sample_key(),
                0,
            ),
            format!(
                "the UserSig is for identifier \"administrator\", the request for \"{}\"...",
                "\u{e9}\\n".repeat(32)
            ),
        ),
        (
            rejected(ROW_3, &ADMIN, SecretKey::from_random([7; 32]), 0),
            "the signature of the UserSig does not verify: it was made with another key, or its \
             content was changed"
                .to_owned(),
        ),
        (
            rejected(ROW_3, &ADMIN, sample_key(), ENDED_AT_S + 1),
            "the UserSig expired: it ended at Unix second 2015360000, now is 2015360001".to_owned(),
        ),
    ];
    for (told, wanted) in cases {
        assert_eq!(told, wanted);
    }
}

#[test]
fn keys_are_printable_ascii_of_bounded_length() {
    for text in [
        "0",
        "!",
        "~",
        &"k".repeat(256),
        "not hex at all".replace(' ', "-").as_str(),
    ] {
        assert_eq!(
            SecretKey::parse(text).map(|key| key.as_str().to_owned()),
            Ok(text.to_owned())
        );
    }
    let forbidden = |position| Err(SecretKeyError::ForbiddenByte { position });
    let cases = [
        ("", Err(SecretKeyError::Empty)),
        (
            &*"k".repeat(257),
            Err(SecretKeyError::TooLong { len_bytes: 257 }),
        ),
        ("key\n", forbidden(3)),
        (" key", forbidden(0)),
        ("k\u{7f}", forbidden(1)),
        ("k\u{e9}y", forbidden(1)),
        ("\0", forbidden(0)),
    ];
    for (text, wanted) in cases {
        assert_eq!(SecretKey::parse(text), wanted, "{text:?}");
    }
}

#[test]
fn a_random_key_is_its_bytes_in_lower_case_hex() {
    let mut random = [0xa5; 32];
    random[0] = 0x0f;
    random[31] = 0xf0;
    let key = SecretKey::from_random(random);
    assert_eq!(key.as_str(), format!("0f{}f0", "a5".repeat(30)));
    assert_eq!(SecretKey::parse(key.as_str()), Ok(key));
}

#[test]
fn keys_are_equal_by_content() {
    let key = sample_key();
    assert_eq!(key, key.clone());
    assert_eq!(key, sample_key());
    for other in [
        "5bd2",
        &key.as_str().replace('e', "f"),
        &format!("{}0", key.as_str()),
    ] {
        assert_ne!(SecretKey::parse(other).unwrap(), key);
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let usersig = UserSig::decode(ROW_3).unwrap();
    let shown = format!("{:?} {usersig:?}", sample_key());
    assert!(shown.contains("administrator"), "{shown}");
    for secret in [sample_key().as_str(), "5bd2", usersig.tls_sig(), "qHcf"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
