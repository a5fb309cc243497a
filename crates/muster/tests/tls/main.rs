//! TLS on the public listener, from the real binary: certificates from files and how they are
//! replaced, the local CA of `muster dev --tls`, and HTTP over it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod authority;
mod client;
mod files;
mod http;
mod local_ca;
mod python;

use std::{
    thread,
    time::{Duration, Instant},
};

use muster_testkit::{Launch, Muster, PATIENCE};

const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// What a server that was expected to refuse its start said.
fn refuses_to_start(launch: Launch) -> String {
    match launch.try_start() {
        Ok(muster) => panic!("it started: {:?}", muster.printed()),
        Err(ended) => {
            assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
            ended.said
        }
    }
}

/// Ends it with SIGTERM, well.
fn stop(muster: Muster) {
    let ended = muster.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
}

/// Waits until something is so.
fn wait_until(muster: &Muster, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "waited in vain:\n{}",
            muster.log()
        );
        thread::sleep(Duration::from_millis(10));
    }
}
