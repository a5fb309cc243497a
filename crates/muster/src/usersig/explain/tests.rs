use muster_usersig::{Claims, private_map_key::Rights, sign};

use super::*;
use crate::sample;

const SIGNED_S: u64 = 1_700_000_000;

fn token(userbuf: Option<&[u8]>) -> String {
    let claims = Claims {
        identifier: "xiaojun".to_owned(),
        sdkappid: 1_400_000_000,
        time_s: SIGNED_S,
        expire_s: 15_552_000,
        userbuf: userbuf.map(UserbufText::encode),
    };
    sign(&sample::key(), &claims)
}

fn compare() -> Compare {
    Compare {
        sdkappid: Some(1_400_000_000),
        identifier: Some("xiaojun".to_owned()),
        key: Some(sample::key()),
        now_s: SIGNED_S + 86_400,
    }
}

#[test]
fn accepted() {
    let explained = explain(&token(None), &compare());
    assert!(!explained.refused);
    let expected = "\
What it says
  identifier   \"xiaojun\"
  SDKAppID     1400000000
  signed       2023-11-14T22:13:20Z, 24 hours ago (Unix 1700000000)
  valid for    15552000 s (180 days)
  ends         2024-05-12T22:13:20Z, in 179 days (Unix 1715552000)
  userbuf      none

What a server checks, in this order
  readable     yes
  SDKAppID     the one asked for
  identifier   the one asked for
  signature    verifies with this key
  time         valid for another 179 days

It would be accepted.
";
    assert_eq!(explained.text, expected);
}

#[test]
fn every_refusal_with_its_code_and_the_first_one_first() {
    let wrong = Compare {
        sdkappid: Some(1),
        identifier: Some("alice".to_owned()),
        key: Some(SecretKey::from_random([7; 32])),
        now_s: 1_715_552_001,
    };
    let explained = explain(&token(None), &wrong);
    assert!(explained.refused);
    let verdict = explained.text.split("It would be refused.").nth(1).unwrap();
    let codes = verdict
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let codes: Vec<&str> = codes.filter(|word| word.starts_with("700")).collect();
    assert_eq!(
        codes,
        ["70014", "70013", "70009", "70001"],
        "{}",
        explained.text
    );
    assert!(verdict.contains("it ended at 1715552000, the server time is 1715552001."));
}

#[test]
fn the_last_second_counts() {
    let at_end = Compare {
        now_s: 1_715_552_000,
        ..compare()
    };
    let explained = explain(&token(None), &at_end);
    assert!(
        explained.text.contains("valid for another 0 seconds"),
        "{}",
        explained.text
    );
    assert!(!explained.refused);
}

#[test]
fn not_a_token() {
    for text in ["not_a_usersig", "eJyr", " "] {
        let explained = explain(text, &compare());
        assert!(explained.refused);
        assert!(
            explained.text.contains("  readable     FAILS: the token"),
            "{text}"
        );
        assert!(
            explained
                .text
                .contains("  70003        The UserSig in use is illegal.")
        );
    }
}

#[test]
fn unchecked_is_said() {
    let nothing = Compare {
        sdkappid: None,
        identifier: None,
        key: None,
        ..compare()
    };
    let explained = explain(&token(None), &nothing);
    assert!(!explained.refused);
    let verdict = "Nothing speaks against it; not checked: SDKAppID, identifier, signature.\n";
    assert!(explained.text.ends_with(verdict), "{}", explained.text);
}

#[test]
fn the_rights_of_a_private_map_key() {
    let grant = Userbuf {
        identifier: "other".to_owned(),
        sdkappid: 1_400_000_000,
        room: Room::Name("1000000040".to_owned()),
        ended_at_s: 1_715_552_000,
        rights: Rights::from_bits(42),
        account_type: 0,
    };
    let explained = explain(&token(Some(&grant.encode().unwrap())), &compare());
    for expected in [
        "userbuf      40 bytes, a PrivateMapKey:",
        "  identifier \"other\" (differs from the token's)",
        "  SDKAppID   1400000000\n",
        "  room       named \"1000000040\"",
        "  rights     42: enter room, receive audio, receive video",
        "  ends       2024-05-12T22:13:20Z, in 179 days",
    ] {
        assert!(
            explained.text.contains(expected),
            "{expected}\n{}",
            explained.text
        );
    }

    let explained = explain(&token(Some(b"abc")), &compare());
    assert!(
        explained.text.contains("userbuf      3 bytes: 616263\n"),
        "{}",
        explained.text
    );
}

#[test]
fn neither_key_nor_signature_is_shown() {
    let token = token(None);
    let signature = UserSig::decode(&token).unwrap().tls_sig().to_owned();
    let explained = explain(&token, &compare());
    for secret in [sample::KEY, &signature, &token] {
        assert!(!explained.text.contains(secret));
    }
}
