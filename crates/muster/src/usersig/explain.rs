//! What a UserSig says and what a server would say to it, as text for people.
//!
//! Every check is made and told, also those after the first that fails, where a server would stop
//! (wire §6.2). The signature itself is not shown: with the fields it makes the token again.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use muster_accounts::UnixSeconds;
use muster_usersig::{
    Rejection, SecretKey, UserSig, UserbufText,
    private_map_key::{Room, Userbuf},
};
use muster_wire::Failure;

/// What to check a token against; what is `None` is not checked.
pub(super) struct Compare {
    pub(super) sdkappid: Option<u64>,
    pub(super) identifier: Option<String>,
    pub(super) key: Option<SecretKey>,
    pub(super) now_s: u64,
}

pub(super) struct Explained {
    pub(super) text: String,
    /// Whether a check failed.
    pub(super) refused: bool,
}

pub(super) fn explain(token: &str, compare: &Compare) -> Explained {
    let mut text = String::new();
    let mut checks = Checks::default();
    match UserSig::decode(token) {
        Ok(usersig) => {
            describe(&mut text, &usersig, compare.now_s);
            checks.make(&usersig, compare);
        }
        Err(error) => {
            let why = error.to_string();
            checks.add("readable", Outcome::Refused(why, Rejection::Illegal(error)));
        }
    }
    checks.write(&mut text);
    let refused = !checks.refusals().is_empty();
    Explained { text, refused }
}

/// One line: a name, and what is to say to it.
fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<12} {value}").expect("writing to a String does not fail");
}

fn describe(text: &mut String, usersig: &UserSig, now_s: u64) {
    let claims = usersig.claims();
    text.push_str("What it says\n");
    line(text, "identifier", &format!("{:?}", claims.identifier));
    line(text, "SDKAppID", &claims.sdkappid.to_string());
    line(text, "signed", &moment(claims.time_s, now_s));
    let lifetime = format!("{} s ({})", claims.expire_s, length(claims.expire_s));
    line(text, "valid for", &lifetime);
    line(text, "ends", &moment(claims.ended_at_s(), now_s));
    match &claims.userbuf {
        Some(userbuf) => describe_userbuf(text, userbuf, usersig, now_s),
        None => line(text, "userbuf", "none"),
    }
    text.push('\n');
}

fn describe_userbuf(text: &mut String, userbuf: &UserbufText, usersig: &UserSig, now_s: u64) {
    let bytes = match userbuf.decode() {
        Ok(bytes) => bytes,
        Err(error) => return line(text, "userbuf", &format!("unreadable: {error}")),
    };
    let size = format!("{} bytes", bytes.len());
    let grant = match Userbuf::decode(&bytes) {
        Ok(grant) => grant,
        Err(error) => {
            line(text, "userbuf", &format!("{size}: {}", hex(&bytes)));
            return line(text, "", &format!("(not a PrivateMapKey: {error})"));
        }
    };
    line(text, "userbuf", &format!("{size}, a PrivateMapKey:"));
    let claims = usersig.claims();
    let beside = |same: bool| {
        if same {
            ""
        } else {
            " (differs from the token's)"
        }
    };
    let identifier = &grant.identifier;
    let same = *identifier == claims.identifier;
    line(
        text,
        "  identifier",
        &format!("{identifier:?}{}", beside(same)),
    );
    let same = u64::from(grant.sdkappid) == claims.sdkappid;
    line(
        text,
        "  SDKAppID",
        &format!("{}{}", grant.sdkappid, beside(same)),
    );
    let room = match &grant.room {
        Room::Number(number) => format!("number {number}"),
        Room::Name(name) => format!("named {name:?}"),
    };
    line(text, "  room", &room);
    let rights = format!("{}: {}", grant.rights.bits(), grant.rights);
    line(text, "  rights", &rights);
    let ended_at_s = u64::from(grant.ended_at_s);
    let same = ended_at_s == claims.ended_at_s();
    line(
        text,
        "  ends",
        &format!("{}{}", moment(ended_at_s, now_s), beside(same)),
    );
    line(
        text,
        "  type",
        &format!("{} (account type)", grant.account_type),
    );
}

enum Outcome {
    Passed(String),
    NotChecked(&'static str),
    /// In plain words, and as the check says it.
    Refused(String, Rejection),
}

#[derive(Default)]
struct Checks(Vec<(&'static str, Outcome)>);

impl Checks {
    fn add(&mut self, name: &'static str, outcome: Outcome) {
        self.0.push((name, outcome));
    }

    /// Steps 5 to 8 of wire §6.2, each on its own.
    fn make(&mut self, usersig: &UserSig, compare: &Compare) {
        let judged = |passed: &str, checked: Result<(), Rejection>| match checked {
            Ok(()) => Outcome::Passed(passed.to_owned()),
            Err(rejection) => Outcome::Refused(rejection.to_string(), rejection),
        };
        self.add("readable", Outcome::Passed("yes".to_owned()));
        self.add(
            "SDKAppID",
            match compare.sdkappid {
                Some(sdkappid) => judged("the one asked for", usersig.check_sdkappid(sdkappid)),
                None => Outcome::NotChecked("--sdkappid"),
            },
        );
        self.add(
            "identifier",
            match &compare.identifier {
                Some(identifier) => {
                    judged("the one asked for", usersig.check_identifier(identifier))
                }
                None => Outcome::NotChecked("--identifier"),
            },
        );
        self.add(
            "signature",
            match &compare.key {
                Some(key) => {
                    let verified = usersig.check_signature(std::slice::from_ref(key));
                    judged(
                        "verifies with this key",
                        verified.map(|_| ()).ok_or(Rejection::Signature),
                    )
                }
                None => Outcome::NotChecked("--secret-key-file"),
            },
        );
        self.add(
            "time",
            match usersig.check_time(compare.now_s) {
                Ok(()) => Outcome::Passed(time_left(usersig, compare.now_s)),
                refused => judged("", refused),
            },
        );
    }

    fn refusals(&self) -> Vec<&Rejection> {
        let mut refusals = Vec::new();
        for (_, outcome) in &self.0 {
            if let Outcome::Refused(_, rejection) = outcome {
                refusals.push(rejection);
            }
        }
        refusals
    }

    fn write(&self, text: &mut String) {
        text.push_str("What a server checks, in this order\n");
        let mut unchecked = Vec::new();
        for (name, outcome) in &self.0 {
            match outcome {
                Outcome::Passed(how) => line(text, name, how),
                Outcome::NotChecked(flag) => {
                    line(text, name, &format!("not checked, for want of {flag}"));
                    unchecked.push(*name);
                }
                Outcome::Refused(why, _) => line(text, name, &format!("FAILS: {why}")),
            }
        }
        text.push('\n');
        match self.refusals().as_slice() {
            [] if unchecked.is_empty() => text.push_str("It would be accepted.\n"),
            [] => {
                let unchecked = unchecked.join(", ");
                writeln!(text, "Nothing speaks against it; not checked: {unchecked}.")
                    .expect("writing to a String does not fail");
            }
            [first, others @ ..] => {
                text.push_str("It would be refused. The server's answer:\n");
                answer(text, first);
                if !others.is_empty() {
                    text.push_str("Once that is put right, it would be refused for:\n");
                }
                for rejection in others {
                    answer(text, rejection);
                }
            }
        }
    }
}

/// Code and text as they go over the wire.
fn answer(text: &mut String, rejection: &Rejection) {
    let failure = Failure::usersig(rejection);
    line(text, &failure.code.get().to_string(), &failure.info);
}

fn time_left(usersig: &UserSig, now_s: u64) -> String {
    let claims = usersig.claims();
    let left = length(claims.ended_at_s() - now_s);
    if claims.time_s > now_s {
        let ahead = length(claims.time_s - now_s);
        return format!("valid for another {left}; signed by a clock that is {ahead} ahead");
    }
    format!("valid for another {left}")
}

/// A time in UTC, from now on or ago, and as Unix seconds.
fn moment(time_s: u64, now_s: u64) -> String {
    let utc = UnixSeconds(time_s);
    let distance = length(time_s.abs_diff(now_s));
    match time_s.cmp(&now_s) {
        std::cmp::Ordering::Less => format!("{utc}, {distance} ago (Unix {time_s})"),
        std::cmp::Ordering::Equal => format!("{utc}, now (Unix {time_s})"),
        std::cmp::Ordering::Greater => format!("{utc}, in {distance} (Unix {time_s})"),
    }
}

/// A length of time in the largest unit of which there are at least two.
fn length(time_s: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (365 * 86_400, "years"),
        (86_400, "days"),
        (3600, "hours"),
        (60, "minutes"),
    ];
    for (unit_s, name) in UNITS {
        if time_s >= 2 * unit_s {
            return format!("{} {name}", time_s / unit_s);
        }
    }
    match time_s {
        1 => "1 second".to_owned(),
        _ => format!("{time_s} seconds"),
    }
}

fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 64;
    let mut text = String::new();
    for byte in bytes.iter().take(SHOWN) {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
    }
    if bytes.len() > SHOWN {
        text.push_str("...");
    }
    text
}
