//! The protocol, spoken with the real binary over real HTTP.
//!
//! Most of this is transcripts, written like the samples of the specification: the request line, the
//! body, the answer, each byte of which counts ([`transcript`]). What a transcript cannot hold, such
//! as a body that is no text or a connection that stalls, is sent by hand.
//!
//! Each test has a server of its own, and ends with what holds for all of them ([`server`]): it is
//! still well, it has logged no error, and neither an answer nor the log holds a UserSig or a key.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::too_many_lines,
    reason = "a transcript is as long as what it covers"
)]

mod admins;
mod app_settings;
mod apps;
mod bodies;
mod captured;
mod checks;
mod connections;
mod deletions;
mod full_disk;
mod imports;
mod kicks;
mod log;
mod online_status;
mod order;
mod profiles;
mod rates;
mod request_line;
mod robustness;
mod server;
mod specification;
mod transcript;
mod usersigs;
