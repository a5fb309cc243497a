//! The userbuf of a `PrivateMapKey` (wire §6.4), against bytes made by others.

use muster_usersig::UserbufText;
use muster_usersig::private_map_key::{
    Rights, Room, TEXT_LIMIT_BYTES, Userbuf, UserbufDecodeError, UserbufEncodeError,
};

use crate::tokens::unhex;

fn xiaojun(room: Room, ended_at_s: u32, rights: Rights) -> Userbuf {
    Userbuf {
        identifier: "xiaojun".to_owned(),
        sdkappid: 1_400_000_000,
        room,
        ended_at_s,
        rights,
        account_type: 0,
    }
}

#[test]
fn layouts_of_the_specification_and_of_other_libraries() {
    let from_text = |text: &str| UserbufText::from_text(text.to_owned()).decode().unwrap();
    let cases = [
        (
            unhex("0000077869616f6a756e53724e000000271066413f00000000ff00000000"),
            xiaojun(Room::Number(10_000), 1_715_552_000, Rights::ALL),
        ),
        (
            unhex(
                "0100077869616f6a756e53724e000000000066413f00000000ff00000000000a31303030303030303430",
            ),
            xiaojun(
                Room::Name("1000000040".to_owned()),
                1_715_552_000,
                Rights::ALL,
            ),
        ),
        (
            from_text("AAAHeGlhb2p1blNyTgAAACcQeB/0AAAAAP8AAAAA"),
            xiaojun(Room::Number(10_000), 2_015_360_000, Rights::ALL),
        ),
        (
            from_text("AQAHeGlhb2p1blNyTgAAAAAAeB/0AAAAACoAAAAAAAZyb29tXzE="),
            xiaojun(
                Room::Name("room_1".to_owned()),
                2_015_360_000,
                Rights::ENTER_ROOM | Rights::RECEIVE_AUDIO | Rights::RECEIVE_VIDEO,
            ),
        ),
    ];
    for (bytes, userbuf) in cases {
        assert_eq!(Userbuf::decode(&bytes).as_ref(), Ok(&userbuf));
        assert_eq!(userbuf.encode(), Ok(bytes));
    }
}

#[test]
fn what_is_no_userbuf_says_why() {
    let bytes = xiaojun(Room::Name("r".to_owned()), 7, Rights::NONE)
        .encode()
        .unwrap();
    let changed = |at: usize, byte: u8| {
        let mut copy = bytes.clone();
        copy[at] = byte;
        Userbuf::decode(&copy).unwrap_err()
    };
    assert_eq!(changed(0, 2), UserbufDecodeError::Version { found: 2 });
    assert_eq!(
        changed(1, 1),
        UserbufDecodeError::Truncated {
            field: "identifier"
        }
    );
    assert_eq!(
        changed(3, 0xff),
        UserbufDecodeError::NotUtf8 {
            field: "identifier"
        }
    );
    assert_eq!(
        changed(17, 1),
        UserbufDecodeError::NumberOfNamedRoom { number: 1 }
    );
    assert_eq!(
        changed(0, 0),
        UserbufDecodeError::TrailingBytes { len_bytes: 3 }
    );
    assert_eq!(
        changed(bytes.len() - 1, 0x80),
        UserbufDecodeError::NotUtf8 { field: "room name" }
    );

    let fields = [
        (0, "version"),
        (1, "identifier"),
        (10, "sdkappid"),
        (14, "room number"),
        (18, "end"),
        (22, "rights"),
        (26, "account type"),
        (30, "room name"),
    ];
    for len in 0..bytes.len() {
        let (_, field) = fields.iter().rfind(|(start, _)| *start <= len).unwrap();
        let error = Userbuf::decode(&bytes[..len]).unwrap_err();
        assert_eq!(
            error,
            UserbufDecodeError::Truncated { field },
            "cut to {len}"
        );
        assert_eq!(
            error.to_string(),
            format!("the userbuf ends within its {field}")
        );
    }
}

#[test]
fn texts_are_as_long_as_their_length_field_can_say() {
    let long = "x".repeat(TEXT_LIMIT_BYTES);
    let fits = Userbuf {
        identifier: long.clone(),
        ..xiaojun(Room::Name(long.clone()), 0, Rights::ALL)
    };
    assert_eq!(Userbuf::decode(&fits.encode().unwrap()), Ok(fits.clone()));

    let longer = format!("{long}x");
    let too_long = |field| {
        Err(UserbufEncodeError {
            field,
            len_bytes: TEXT_LIMIT_BYTES + 1,
        })
    };
    let identifier = Userbuf {
        identifier: longer.clone(),
        ..fits.clone()
    };
    assert_eq!(identifier.encode(), too_long("identifier"));
    assert_eq!(
        Userbuf {
            room: Room::Name(longer),
            ..fits
        }
        .encode(),
        too_long("room name")
    );
}

#[test]
fn rights_read_as_words() {
    let cases = [
        (0, "none"),
        (1, "create room"),
        (42, "enter room, receive audio, receive video"),
        (
            255,
            "create room, enter room, send audio, receive audio, send video, receive video, \
             send sub-stream, receive sub-stream",
        ),
        (0x102, "enter room, unknown bits 0x100"),
    ];
    for (bits, words) in cases {
        assert_eq!(Rights::from_bits(bits).to_string(), words);
        assert_eq!(Rights::from_bits(bits).bits(), bits);
    }
    assert!(Rights::ALL.contains(Rights::SEND_VIDEO | Rights::SEND_SUB_STREAM));
    assert!(!Rights::from_bits(42).contains(Rights::ENTER_ROOM | Rights::SEND_AUDIO));
}
