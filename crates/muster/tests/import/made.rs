//! Files of users as teams have them, and what has to come of them.

use std::fmt::Write as _;

use super::Users;

/// A file, and what an import of it is to end with.
pub(crate) struct Made {
    pub(crate) text: String,
    pub(crate) users: Users,
    pub(crate) records: usize,
    pub(crate) bad: usize,
    pub(crate) again: usize,
}

const NAMES: [&str; 9] = [
    "Алексей Смирнов",
    "王小明",
    "محمد علي",
    "José Núñez",
    "さくら",
    "김민준",
    "O'Brien, \\\"Bob\\\"",
    "नेहा शर्मा",
    "👩‍💻\\tdev",
];

/// So many records of NDJSON: one in a hundred is bad, of each kind in turn, and one in fifty names a user
/// again that was named up to three hundred records before, and says something else of them.
pub(crate) fn ndjson(records: usize, seed: u64) -> Made {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut made = Made {
        text: String::new(),
        users: Users::new(),
        records,
        bad: 0,
        again: 0,
    };
    for number in 0..records {
        if number % 100 == 99 {
            made.bad += 1;
            made.text.push_str(&bad(number));
            made.text.push('\n');
            continue;
        }
        let again = number % 50 == 20 && number > 400;
        let named = if again {
            let before = number - 1 - random.usize(..300);
            // Not a bad one, nor one that names somebody again.
            before - usize::from(matches!(before % 100, 20 | 70 | 99))
        } else {
            number
        };
        made.again += usize::from(again);
        let user_id = format!("user-{named:07}");
        let nick = format!("{} {number}", random.choice(NAMES).unwrap());
        let long = "y".repeat(if number % 40 == 0 { 400 } else { 0 });
        let face_url = format!("https://img.example.com/{number}.png?{long}");
        // A value that is left out leaves what is there.
        let has_url = !again || random.bool();
        write!(made.text, r#"{{"user_id":"{user_id}","nick":"{nick}""#).unwrap();
        if has_url {
            write!(made.text, r#","face_url":"{face_url}""#).unwrap();
        }
        made.text.push_str("}\n");
        let user = made.users.entry(user_id).or_default();
        user.0 = serde_json::from_str(&format!("\"{nick}\"")).unwrap();
        if has_url {
            user.1 = face_url;
        }
    }
    made
}

/// So many users, of whom nothing more is said.
pub(crate) fn plain(users: usize) -> String {
    let mut text = String::new();
    for number in 0..users {
        writeln!(text, "{{\"user_id\":\"u{number}\"}}").unwrap();
    }
    text
}

/// One of each kind in turn.
fn bad(number: usize) -> String {
    let long = "n".repeat(501);
    match number / 100 % 8 {
        0 => "{\"user_id\":\"cut off".to_owned(),
        1 => r#"{"user_id":""}"#.to_owned(),
        2 => format!(r#"{{"user_id":"{}"}}"#, "x".repeat(33)),
        3 => r#"{"user_id":"zoë"}"#.to_owned(),
        4 => format!(r#"{{"user_id":"a","nick":"{long}"}}"#),
        5 => r#"{"user_id":17}"#.to_owned(),
        6 => r#"["user_id"]"#.to_owned(),
        _ => r#"{"nick":"nobody"}"#.to_owned(),
    }
}
