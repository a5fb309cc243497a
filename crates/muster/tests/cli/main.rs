//! The command line: what people read and what scripts rely on, from the real binary.
//!
//! Commands that end are run by [`run`]; servers are started by the testkit, on free ports and on a
//! data directory of their own. Nothing of the developer's counts: not the environment, not a
//! `muster.toml`, not the default ports.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod apps;
mod backup;
mod dev;
#[cfg(target_os = "linux")]
mod disk_faults;
mod export;
mod failed_write;
mod help;
mod run;
mod settings;
mod start;
mod stopping;
mod usersigs;
