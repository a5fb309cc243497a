//! Records that cannot be imported, of every kind, and the codes with which they fail.

use super::record::{VALUE_LIMIT_BYTES, user_id};

/// A parameter is wrong (wire §7).
const BAD_PARAMETER: i64 = 70402;
/// A value is longer than it may be.
const VALUE_TOO_LONG: i64 = 40601;

/// A record that fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// As they stand in the file. No two records have the same.
    pub(super) cells: Vec<Vec<u8>>,
    pub(super) code: i64,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    IdNotAscii,
    IdWithTab,
    IdEmpty,
    IdTooLong,
    IdNotUtf8,
    NickTooLong,
    /// In bytes, not in characters.
    NickTooLongInChinese,
    NickNotUtf8,
    FaceUrlTooLong,
    FaceUrlNotUtf8,
    /// Sizes are judged first.
    IdNotAsciiAndNickTooLong,
    TooFewCells,
    TooManyCells,
}

const KINDS: [Kind; 13] = [
    Kind::IdNotAscii,
    Kind::IdWithTab,
    Kind::IdEmpty,
    Kind::IdTooLong,
    Kind::IdNotUtf8,
    Kind::NickTooLong,
    Kind::NickTooLongInChinese,
    Kind::NickNotUtf8,
    Kind::FaceUrlTooLong,
    Kind::FaceUrlNotUtf8,
    Kind::IdNotAsciiAndNickTooLong,
    Kind::TooFewCells,
    Kind::TooManyCells,
];

/// The bad record of this number, of each kind in turn.
pub(super) fn record(turn: u64, number: u64) -> Bad {
    let count = KINDS.len() as u64;
    let kind = KINDS[usize::try_from(turn % count).expect("there are few kinds")];
    // By turns nobody, and the user of the record before, whose values must stay.
    let user = number - turn / count % 2;
    let text = |text: &str| text.as_bytes().to_vec();
    let mut user_id = text(&user_id(user));
    let mut nick = text(&format!("bad {number}"));
    let mut face_url = text("https://img.example.com/bad.png");
    let width = VALUE_LIMIT_BYTES + 1;
    let too_long = |head: &str| format!("{head:z<width$}").into_bytes();
    match kind {
        Kind::IdNotAscii => user_id = text(&format!("zoë-{number}")),
        Kind::IdWithTab => user_id = text(&format!("tab\t{number}")),
        Kind::IdEmpty => user_id.clear(),
        Kind::IdTooLong => user_id = text(&format!("{number:033}")),
        Kind::IdNotUtf8 => user_id.push(0xff),
        Kind::NickTooLong => nick = too_long(&format!("bad {number}")),
        Kind::NickTooLongInChinese => nick = text(&"长".repeat(VALUE_LIMIT_BYTES / 3 + 1)),
        // "é" in Latin-1.
        Kind::NickNotUtf8 => nick.push(0xe9),
        Kind::FaceUrlTooLong => face_url = too_long("https://img.example.com/"),
        Kind::FaceUrlNotUtf8 => face_url.push(0xe9),
        Kind::IdNotAsciiAndNickTooLong => {
            user_id = text("zoë");
            nick = too_long(&format!("bad {number}"));
        }
        Kind::TooFewCells | Kind::TooManyCells => {}
    }
    let mut cells = vec![user_id, nick, face_url, text("DE")];
    match kind {
        Kind::TooFewCells => cells.truncate(2),
        Kind::TooManyCells => cells.push(text("more")),
        _ => {}
    }
    let code = match kind {
        Kind::NickTooLong
        | Kind::NickTooLongInChinese
        | Kind::FaceUrlTooLong
        | Kind::IdNotAsciiAndNickTooLong => VALUE_TOO_LONG,
        _ => BAD_PARAMETER,
    };
    Bad { cells, code }
}
