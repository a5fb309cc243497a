//! `muster store`: the places where accounts are kept, from the real binary.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod check;
mod copy;

const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// A URL without its password, and the password.
fn parted(url: &str) -> (String, String) {
    let (head, place) = url.split_once('@').unwrap();
    let (user, password) = head.rsplit_once(':').unwrap();
    (format!("{user}@{place}"), password.to_owned())
}
