//! The accounts of a run: a numbered set, in which everything about an account follows from the
//! set's seed and the account's number.

/// The accounts of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    pub(crate) seed: u32,
}

/// What an import says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountValues {
    /// At most 30 bytes.
    pub user_id: String,
    /// Its nickname.
    pub nick: String,
    /// The URL of its avatar.
    pub face_url: String,
}

/// Words for nicknames; some take more than one byte a letter, as real ones do.
const FIRST: [&str; 16] = [
    "Quiet",
    "Silver",
    "Early",
    "Northern",
    "Lucky",
    "Little",
    "Golden",
    "Sleepy",
    "Swift",
    "Clever",
    "晴天",
    "小小",
    "快乐的",
    "Grüne",
    "Вечерний",
    "Misty",
];
const SECOND: [&str; 16] = [
    "Heron", "Otter", "Maple", "Comet", "Lantern", "River", "Sparrow", "Harbour", "Meadow",
    "Walrus", "熊猫", "星星", "Füchse", "Кот", "Pine", "Dolphin",
];

impl Accounts {
    /// The set of this seed.
    pub fn new(seed: u32) -> Accounts {
        Accounts { seed }
    }

    /// The values of an account, for those who bring them somewhere else than to the account API.
    /// Another `version` is another nickname.
    pub fn values(self, number: u64, version: u64) -> AccountValues {
        let mut random = self.random(number);
        let text = |push: &mut dyn FnMut(&mut Vec<u8>)| {
            let mut out = Vec::new();
            push(&mut out);
            String::from_utf8(out).expect("what is pushed is text")
        };
        AccountValues {
            user_id: text(&mut |out| self.push_user_id(out, number)),
            nick: text(&mut |out| push_nick(out, &mut random, version)),
            face_url: text(&mut |out| push_face_url(out, &mut random)),
        }
    }

    /// At most 30 bytes (wire §4.1 allows 32), for numbers up to 10^14.
    pub(crate) fn push_user_id(self, out: &mut Vec<u8>, number: u64) {
        out.extend_from_slice(b"bench");
        push_decimal(out, u64::from(self.seed), 1);
        out.push(b'-');
        push_decimal(out, number, 8);
    }

    /// `"UserID":...,"Nick":...,"FaceUrl":...`, about 100 bytes of values. Another `version` is
    /// another nickname.
    pub(crate) fn push_record(self, out: &mut Vec<u8>, number: u64, version: u64) {
        let mut random = self.random(number);
        out.extend_from_slice(b"\"UserID\":\"");
        self.push_user_id(out, number);
        out.extend_from_slice(b"\",\"Nick\":\"");
        push_nick(out, &mut random, version);
        out.extend_from_slice(b"\",\"FaceUrl\":\"");
        push_face_url(out, &mut random);
        out.push(b'"');
    }

    /// The nickname that [`push_record`](Self::push_record) gives.
    pub(crate) fn push_nick(self, out: &mut Vec<u8>, number: u64, version: u64) {
        push_nick(out, &mut self.random(number), version);
    }

    fn random(self, number: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed((u64::from(self.seed) << 40) ^ number)
    }
}

fn push_nick(out: &mut Vec<u8>, random: &mut fastrand::Rng, version: u64) {
    let words = random.u8(..);
    out.extend_from_slice(FIRST[usize::from(words >> 4)].as_bytes());
    out.push(b' ');
    out.extend_from_slice(SECOND[usize::from(words & 0xf)].as_bytes());
    if version > 0 {
        out.push(b' ');
        push_decimal(out, version, 1);
    }
}

fn push_face_url(out: &mut Vec<u8>, random: &mut fastrand::Rng) {
    out.extend_from_slice(b"https://img.example.com/avatars/v2/");
    push_hex(out, random.u64(..));
    push_hex(out, random.u64(..));
    out.extend_from_slice(b".png");
}

/// With zeros in front up to `width` digits.
fn push_decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while value > 0 || digits.len() - first < width {
        first -= 1;
        digits[first] = b'0' + u8::try_from(value % 10).expect("a digit is below 10");
        value /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

fn push_hex(out: &mut Vec<u8>, value: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in value.to_be_bytes() {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0xf)]);
    }
}

/// Every number below `count` once, in an order without a run in it: a cache that helps in a row
/// does not help here.
#[derive(Clone, Copy, Debug)]
pub struct Scattered {
    count: u64,
    step: u64,
}

impl Scattered {
    /// The numbers below `count`.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    pub fn new(count: u64) -> Scattered {
        // Near the golden section, so that neighbours lie far apart; without a common divisor, so
        // that no number comes twice.
        let mut step = (count / 1000 * 618).max(1);
        while greatest_common_divisor(step, count) != 1 {
            step += 1;
        }
        Scattered { count, step }
    }

    /// The number at a `position`, of which there are as many; after them they come again.
    pub fn at(self, position: u64) -> u64 {
        let product = u128::from(position) * u128::from(self.step);
        u64::try_from(product % u128::from(self.count)).expect("a remainder is below its divisor")
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_as_text() {
        for (value, width, expected) in [
            (0, 1, "0"),
            (7, 3, "007"),
            (1234, 3, "1234"),
            (u64::MAX, 1, "18446744073709551615"),
        ] {
            assert_eq!(text(|out| push_decimal(out, value, width)), expected);
        }
        assert_eq!(
            text(|out| push_hex(out, 0x0123_4567_89ab_cdef)),
            "0123456789abcdef"
        );
    }

    #[test]
    fn user_ids_are_valid_and_differ() {
        let mut ids = BTreeSet::new();
        for seed in [0, 1, u32::MAX] {
            for number in [0, 1, 99_999_999, 100_000_000, 99_999_999_999_999] {
                let id = text(|out| Accounts { seed }.push_user_id(out, number));
                assert!((1..=32).contains(&id.len()), "{id}");
                assert!(ids.insert(id));
            }
        }
    }

    #[test]
    fn a_record_is_repeatable_and_about_100_bytes() {
        let accounts = Accounts { seed: 1 };
        let (mut total, mut faces) = (0, BTreeSet::new());
        for number in 0..1000 {
            let record = text(|out| accounts.push_record(out, number, 0));
            assert_eq!(record, text(|out| accounts.push_record(out, number, 0)));
            let fields: serde_json::Value = serde_json::from_str(&format!("{{{record}}}")).unwrap();
            for field in ["UserID", "Nick", "FaceUrl"] {
                let value = fields[field].as_str().unwrap();
                assert!(!value.is_empty() && value.len() <= 500, "{record}");
                total += value.len();
            }
            let values = accounts.values(number, 0);
            assert_eq!(fields["UserID"], values.user_id);
            assert_eq!(fields["Nick"], values.nick);
            assert_eq!(fields["FaceUrl"], values.face_url);
            faces.insert(values.face_url);
            let nick = text(|out| accounts.push_nick(out, number, 0));
            assert_eq!(fields["Nick"], nick);
            let changed = text(|out| accounts.push_nick(out, number, 1));
            assert_ne!(nick, changed);
        }
        assert!((80..=130).contains(&(total / 1000)), "{total}");
        assert_eq!(faces.len(), 1000);
    }

    #[test]
    fn scattered_is_every_number_once() {
        for count in [1, 2, 3, 10, 100, 999, 1000, 4096, 30_030] {
            let scattered = Scattered::new(count);
            let all: BTreeSet<_> = (0..count).map(|i| scattered.at(i)).collect();
            assert_eq!(all, (0..count).collect(), "{count}");
        }
        let scattered = Scattered::new(1_000_000);
        assert!(scattered.at(1).abs_diff(scattered.at(0)) > 100_000);
    }
}
