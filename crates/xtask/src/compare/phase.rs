//! What is measured of each system: three phases over the same accounts.

use std::{
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use muster_bench::{AccountValues, Accounts};
use serde::Serialize;

use crate::{
    disk,
    figures::{as_f64, grouped, number},
    process, tell,
};

/// The seed of `muster bench` unless told otherwise.
pub(crate) const SEED: u32 = 1;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    Unchanged,
    Changed,
}

impl Phase {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Phase; 3] = [Phase::New, Phase::Unchanged, Phase::Changed];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Phase::New => "New accounts",
            Phase::Unchanged => "Imported again, nothing changed",
            Phase::Changed => "Imported again, each with another nickname",
        }
    }

    /// Which nickname the accounts have in it.
    pub(crate) fn version(self) -> u64 {
        u64::from(self == Phase::Changed)
    }

    /// Whether a system that looks has something to write.
    pub(crate) fn writes(self) -> bool {
        self != Phase::Unchanged
    }
}

/// One run of a system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) new: Figures,
    pub(crate) unchanged: Figures,
    pub(crate) changed: Figures,
}

impl Run {
    pub(crate) fn of(&self, phase: Phase) -> &Figures {
        match phase {
            Phase::New => &self.new,
            Phase::Unchanged => &self.unchanged,
            Phase::Changed => &self.changed,
        }
    }

    /// From the figures of [`Phase::ALL`].
    pub(crate) fn new(figures: [Figures; 3]) -> Run {
        let [new, unchanged, changed] = figures;
        Run {
            new,
            unchanged,
            changed,
        }
    }
}

/// What a phase came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// From the first request to the last answer.
    pub(crate) accounts_per_s: f64,
    /// User and system time of all processes of the system, those that ended included.
    pub(crate) server_cpu_us_per_account: f64,
    /// Likewise of this process, which makes the requests.
    pub(crate) generator_cpu_us_per_account: f64,
    /// At the end, of all processes of the system; what they share counts once.
    pub(crate) resident_bytes: u64,
    /// At the end, in its directory.
    pub(crate) disk_bytes: u64,
}

impl Figures {
    /// From times in seconds.
    pub(crate) fn new(
        accounts: u64,
        elapsed_s: f64,
        server_cpu_s: f64,
        generator_cpu_s: f64,
        resident_bytes: u64,
        disk_bytes: u64,
    ) -> Figures {
        let us_per_account = |cpu_s: f64| cpu_s * 1e6 / as_f64(accounts);
        Figures {
            accounts_per_s: as_f64(accounts) / elapsed_s,
            server_cpu_us_per_account: us_per_account(server_cpu_s),
            generator_cpu_us_per_account: us_per_account(generator_cpu_s),
            resident_bytes,
            disk_bytes,
        }
    }

    pub(crate) fn tell(&self, phase: Phase) {
        tell(format_args!(
            "    {}: {} accounts/s, {} µs of server CPU an account",
            phase.title(),
            number(self.accounts_per_s),
            number(self.server_cpu_us_per_account)
        ));
    }
}

/// Measures a load on the server with this process id, which keeps its data in `dir`.
pub(crate) async fn measure(
    phase: Phase,
    accounts: u64,
    server: u32,
    dir: &Path,
    load: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Figures> {
    let (server_before, own_before) = (process::cpu_s(server)?, process::own_cpu_s());
    let begun = Instant::now();
    load.await?;
    let elapsed_s = begun.elapsed().as_secs_f64();
    let own_cpu_s = process::own_cpu_s() - own_before;
    let figures = Figures::new(
        accounts,
        elapsed_s,
        process::cpu_s(server)? - server_before,
        own_cpu_s,
        process::resident_bytes(server)?,
        disk::used_bytes(dir)?,
    );
    figures.tell(phase);
    Ok(figures)
}

/// The accounts of a phase in their order, up to `batch` at a time.
pub(crate) fn batches(
    phase: Phase,
    accounts: u64,
    batch: usize,
) -> impl Iterator<Item = Vec<AccountValues>> {
    let set = Accounts::new(SEED);
    (0..accounts).step_by(batch).map(move |first| {
        let numbers = first..(first + batch as u64).min(accounts);
        numbers
            .map(|number| set.values(number, phase.version()))
            .collect()
    })
}

/// Seconds since 1970, for the times that an account has.
pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// What a system answered, held against what it is to have done.
pub(crate) fn ensure_written(what: &str, written: u64, expected: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        written == expected,
        "{what}: {} and not {}",
        grouped(written),
        grouped(expected)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_once() {
        let sizes: Vec<_> = batches(Phase::New, 250, 100)
            .map(|batch| batch.len())
            .collect();
        assert_eq!(sizes, [100, 100, 50]);
        let all = |phase| batches(phase, 250, 100).flatten().collect::<Vec<_>>();
        assert_eq!(all(Phase::New), all(Phase::Unchanged));
        for (new, changed) in all(Phase::New).iter().zip(all(Phase::Changed)) {
            assert_eq!(
                (&new.user_id, &new.face_url),
                (&changed.user_id, &changed.face_url)
            );
            assert_ne!(new.nick, changed.nick);
        }
    }

    #[test]
    fn figures_for_each_account() {
        let figures = Figures::new(1_000_000, 2.0, 3.0, 1.0, 10, 20);
        assert!((figures.accounts_per_s - 500_000.0).abs() < 1e-6);
        assert!((figures.server_cpu_us_per_account - 3.0).abs() < 1e-9);
        assert!((figures.generator_cpu_us_per_account - 1.0).abs() < 1e-9);
    }
}
