//! The records of a file as a team exports them, each of which follows from its number alone.

use fastrand::Rng;

use super::bad::{self, Bad};

pub(super) const HEADER: [&str; 4] = ["user_id", "nick", "face_url", "country"];

/// One record in so many is bad, and one in so many names a user again.
const BAD_EVERY: u64 = 100;
const AGAIN_EVERY: u64 = 1000;

/// How far back a user is named again: within a call, within a large commit or the one before, anywhere.
const FAR_BACK: [u64; 3] = [90, 15_000, u64::MAX];

/// The longest nickname and the longest URL, in bytes.
pub(super) const VALUE_LIMIT_BYTES: usize = 500;

/// As people write them. What CSV, JSON or a spreadsheet could stumble over is among them.
const NAMES: [&str; 20] = [
    "José Núñez",
    "Zoë Łukasik",
    "E\u{301}tienne",
    "王小明",
    "欧阳，娜娜",
    "محمد علي",
    "سارة، بنت خالد",
    "さくら",
    "佐藤 ゆうき",
    "김민준",
    "नेहा शर्मा",
    "Алексей Смирнов",
    "👩‍💻🎉",
    "O'Brien, \"Bob\"",
    "\"quoted\"",
    "two\nlines",
    "two lines\r\nof Windows",
    "  spaces around  ",
    "back\\slash; {\"json\": [null]}",
    "=SUM(A1:A9)\t",
];

const COUNTRIES: [&str; 4] = ["DE", "中国", "", "Korea, Republic of"];

/// What a record says of a user; an empty text says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) nick: String,
    pub(super) face_url: String,
}

impl Values {
    /// As if `later` were imported after this.
    pub(super) fn overlay(&mut self, later: &Values) {
        if !later.nick.is_empty() {
            self.nick.clone_from(&later.nick);
        }
        if !later.face_url.is_empty() {
            self.face_url.clone_from(&later.face_url);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    Good(Good),
    Bad(Bad),
}

/// A record that can be imported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Good {
    /// The number of the record that names the user first.
    pub(super) user: u64,
    pub(super) values: Values,
    country: &'static str,
}

impl Good {
    pub(super) fn user_id(&self) -> String {
        user_id(self.user)
    }

    pub(super) fn cells(&self) -> [String; 4] {
        let Values { nick, face_url } = self.values.clone();
        [self.user_id(), nick, face_url, self.country.to_owned()]
    }
}

/// The record of this number.
pub(super) fn record(number: u64) -> Record {
    if is_bad(number) {
        return Record::Bad(bad::record(number / BAD_EVERY, number));
    }
    let (user, said_by) = match named_again(number) {
        // Every other one says what the record said that named the user first.
        Some(user) if (number / AGAIN_EVERY).is_multiple_of(2) => (user, user),
        Some(user) => (user, number),
        None => (number, number),
    };
    let mut random = Rng::with_seed((said_by << 32) ^ user);
    Record::Good(Good {
        user,
        values: Values {
            nick: nick(&mut random),
            face_url: face_url(&mut random),
        },
        country: COUNTRIES[random.usize(..COUNTRIES.len())],
    })
}

/// Whom the record of this number names again, as the number of the record that names them first.
pub(super) fn named_again(number: u64) -> Option<u64> {
    if !is_again(number) {
        return None;
    }
    let mut random = Rng::with_seed(number);
    let turn = usize::try_from(number / AGAIN_EVERY / 2).expect("a small number");
    let far = FAR_BACK[turn % FAR_BACK.len()].min(number);
    let mut user = number - random.u64(1..=far);
    while is_bad(user) || is_again(user) {
        user -= 1;
    }
    Some(user)
}

fn is_bad(number: u64) -> bool {
    number % BAD_EVERY == BAD_EVERY - 1
}

fn is_again(number: u64) -> bool {
    number % AGAIN_EVERY == AGAIN_EVERY / 2
}

/// The user whom the record of this number names first: at most 32 bytes, with the number at its end.
pub(super) fn user_id(number: u64) -> String {
    match number % 4 {
        0 => format!("u{number:08}"),
        1 => format!("Team Blue/{number}"),
        2 => format!("player,{number}"),
        _ => format!("~\"@\"#{number}"),
    }
}

/// The number of a user id; `None` if no record has it.
pub(super) fn number_of(text: &str) -> Option<u64> {
    let head = text.trim_end_matches(|last: char| last.is_ascii_digit());
    let number = text[head.len()..].parse().ok()?;
    (user_id(number) == text).then_some(number)
}

fn nick(random: &mut Rng) -> String {
    let name = NAMES[random.usize(..NAMES.len())];
    match random.u8(..100) {
        0..5 => String::new(),
        5..8 => {
            let mut long = name.repeat(VALUE_LIMIT_BYTES / name.len());
            fill(&mut long, 'x');
            long
        }
        _ => format!("{name} {}", random.u16(..)),
    }
}

fn face_url(random: &mut Rng) -> String {
    let url = format!(
        "https://img.example.com/avatars/{:016x}.png",
        random.u64(..)
    );
    match random.u8(..100) {
        0..10 => String::new(),
        10..13 => {
            let mut long = url + "?signature=";
            fill(&mut long, 'y');
            long
        }
        _ => url,
    }
}

fn fill(text: &mut String, with: char) {
    text.extend(std::iter::repeat_n(with, VALUE_LIMIT_BYTES - text.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_tells_its_number() {
        for number in (0..40).chain(99_999_990..100_000_010) {
            let user_id = user_id(number);
            assert!(user_id.len() <= 32, "{user_id}");
            assert_eq!(number_of(&user_id), Some(number));
        }
        for other in [
            "",
            "administrator",
            "u1",
            "Team Blue/2",
            "Team Blue/01",
            "7",
        ] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }

    #[test]
    fn users_are_named_again_close_and_far() {
        let mut far_back = Vec::new();
        for number in 0..1_000_000 {
            if let Some(user) = named_again(number) {
                assert!(user < number && named_again(user).is_none());
                let Record::Good(first) = record(user) else {
                    panic!("{user} is bad");
                };
                assert_eq!(first.user, user);
                far_back.push(number - user);
            }
        }
        assert_eq!(far_back.len(), 1000);
        assert!(far_back.iter().filter(|far| **far < 100).count() > 300);
        assert!(far_back.iter().any(|far| *far > 500_000));
    }

    #[test]
    fn values_are_as_long_as_they_may_be_and_no_longer() {
        let (mut nicks, mut face_urls) = (Vec::new(), Vec::new());
        for number in 0..5000 {
            if let Record::Good(good) = record(number) {
                nicks.push(good.values.nick.len());
                face_urls.push(good.values.face_url.len());
            }
        }
        for lengths in [nicks, face_urls] {
            assert_eq!(lengths.iter().min(), Some(&0));
            assert_eq!(lengths.iter().max(), Some(&VALUE_LIMIT_BYTES));
        }
    }
}
