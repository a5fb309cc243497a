//! What is measured: four parts over the same accounts, one after the other.

use muster_bench::Workload;
use serde::Serialize;

use crate::{
    figures::{as_f64, number},
    tell,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    New,
    Unchanged,
    Changed,
    Check,
}

impl Work {
    /// In the order in which they are measured.
    pub(super) const ALL: [Work; 4] = [Work::New, Work::Unchanged, Work::Changed, Work::Check];

    pub(super) fn title(self) -> &'static str {
        match self {
            Work::New => "New accounts",
            Work::Unchanged => "Imported again, nothing changed",
            Work::Changed => "Imported again, each with another nickname",
            Work::Check => "Asked whether they are there, scattered",
        }
    }

    /// Which nickname the accounts have in it.
    pub(super) fn version(self) -> u64 {
        u64::from(self == Work::Changed)
    }

    pub(super) fn workload(self) -> Workload {
        match self {
            Work::New => Workload::Import { again: None },
            Work::Unchanged | Work::Changed => Workload::Reimport {
                version: self.version(),
                sample: None,
            },
            Work::Check => Workload::Check { sample: None },
        }
    }
}

/// What a part came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// From the first request to the last answer.
    pub(super) accounts_per_s: f64,
    /// User and system time of all processes of PostgreSQL.
    pub(super) database_cpu_us_per_account: f64,
    /// Likewise of all nodes.
    pub(super) muster_cpu_us_per_account: f64,
    /// Likewise of this process, which makes the requests.
    pub(super) generator_cpu_us_per_account: f64,
}

impl Figures {
    /// From times in seconds.
    pub(super) fn new(
        accounts: u64,
        elapsed_s: f64,
        database_cpu_s: f64,
        muster_cpu_s: f64,
        generator_cpu_s: f64,
    ) -> Figures {
        let us_per_account = |cpu_s: f64| cpu_s * 1e6 / as_f64(accounts);
        Figures {
            accounts_per_s: as_f64(accounts) / elapsed_s,
            database_cpu_us_per_account: us_per_account(database_cpu_s),
            muster_cpu_us_per_account: us_per_account(muster_cpu_s),
            generator_cpu_us_per_account: us_per_account(generator_cpu_s),
        }
    }

    pub(super) fn tell(&self, work: Work) {
        tell(format_args!(
            "    {}: {} accounts/s",
            work.title(),
            number(self.accounts_per_s)
        ));
    }
}
