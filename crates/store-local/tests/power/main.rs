//! What a power cut leaves, at every moment of a run.
//!
//! A child process runs the store under the disk recorder. Its log says what was written and what was
//! synced, so it can be told what a power cut at any moment would have left; each such directory is
//! opened, and then:
//!
//! - every request that was acknowledged before the cut is there, with its values;
//! - a request that was under way is there whole or not at all;
//! - nobody is there who was never asked for;
//! - internal ids are unique, and the next one is greater than all that were given;
//! - the store takes an import, and is there with it when it is opened once more.
//!
//! `MUSTER_POWER_WRITES` is the number of requests in all (150), `MUSTER_POWER_SEED` repeats
//! a run's choices.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod check;
mod cuts;
mod damage;
mod expected;
mod torn;
mod workload;

use workload::{Kind, Run};

/// Requests of a run.
const RUN_LIMIT: usize = 500;

/// Requests where nothing else is asked for.
const SHORT: u64 = 150;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value:?}"))
    })
}

fn writes() -> u64 {
    setting("MUSTER_POWER_WRITES", SHORT)
}

fn run(kind: Kind, requests: u64) {
    let seed = setting("MUSTER_POWER_SEED", fastrand::u64(..));
    println!("MUSTER_POWER_SEED={seed}");
    cuts::try_all(&new_run(kind, requests, seed));
}

fn new_run(kind: Kind, requests: u64, seed: u64) -> Run {
    Run {
        kind,
        requests,
        seed,
        around_a_journal: if writes() > SHORT { 12 } else { 3 },
    }
}

/// From the very first call on a directory that is not there.
#[test]
fn a_first_start_survives_every_cut() {
    run(Kind::FirstStart, 12);
}

/// Small tables, so that the engine flushes and compacts all the time; opened again now and then.
#[test]
fn requests_survive_every_cut() {
    let seed = setting("MUSTER_POWER_SEED", fastrand::u64(..));
    println!("MUSTER_POWER_SEED={seed}");
    let mut all = cuts::Counts::new();
    // Each run begins on a new directory: the longer the journal, the longer it takes to open.
    for (nth, begin) in (0..writes()).step_by(RUN_LIMIT).enumerate() {
        let requests = (writes() - begin).min(RUN_LIMIT as u64);
        let run = new_run(Kind::Requests, requests, seed.wrapping_add(nth as u64));
        for (what, count) in cuts::try_all(&run) {
            *all.entry(what).or_default() += count;
        }
    }
    println!("in all: {all:?}");
    assert!(all["tables removed"] > 0, "the engine merged no tables");
}

/// The journal's change, which comes after 64 MB of it.
#[test]
fn a_change_of_journals_survives_every_cut() {
    run(Kind::Journals, 800);
}
