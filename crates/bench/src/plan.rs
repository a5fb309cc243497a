//! Which calls a run makes. Each call is a function of the plan, the phase and its number.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    accounts::{Accounts, Scattered},
    command::Command,
};

/// Most accounts of a plan.
pub(crate) const ACCOUNTS_LIMIT: u64 = 10_000_000_000;

/// Greatest number that the accounts of a plan begin with.
const FIRST_LIMIT: u64 = 1_000_000_000_000;

/// Greatest distance between the numbers of a plan.
const EVERY_LIMIT: u64 = 1000;

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// New accounts with Nick and FaceUrl, in order, and perhaps the same ones once more.
    Import {
        /// The second time.
        again: Option<Again>,
    },
    /// Accounts that were imported before, each once more.
    Reimport {
        /// Which Nick: 0 is that of a first import, and any other number is another one.
        version: u64,
        /// So many of them, in a scattered order; without it all, in the order of their numbers.
        sample: Option<u64>,
    },
    /// Asks for each account once, in a scattered order.
    Check {
        /// Only for so many of them.
        sample: Option<u64>,
    },
    /// A mix of commands over accounts that were imported before.
    Mixed {
        /// How many calls.
        calls: u64,
        /// Calls of the mix that are left out before the first; a former run made them.
        skip_calls: u64,
    },
}

/// How accounts are imported a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// As they are.
    Unchanged,
    /// Each with another Nick.
    Changed,
}

/// The calls of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    workload: Workload,
    accounts: u64,
    batch: u64,
    warm_up_calls: u64,
    names: Accounts,
    scattered: Scattered,
    first: u64,
    every: u64,
}

/// One call, ready to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) command: Command,
    /// How many accounts it is about.
    pub(crate) accounts: u64,
    pub(crate) body: Bytes,
}

/// A part of a run that is measured by itself.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    kind: Kind,
    calls: Range<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Import { version: u64, scattered: bool },
    Check,
    Mixed,
}

impl Plan {
    /// `accounts` accounts of the set `seed`, up to `batch` of them a call. The first
    /// `warm_up_calls` are a phase of their own.
    ///
    /// # Panics
    ///
    /// If `accounts` is not in 1 to 10,000,000,000, or `batch` not in 1 to 100 (wire §3.3).
    pub fn new(
        workload: Workload,
        accounts: u64,
        batch: u64,
        seed: u32,
        warm_up_calls: u64,
    ) -> Plan {
        assert!(
            (1..=ACCOUNTS_LIMIT).contains(&accounts),
            "accounts: {accounts}"
        );
        assert!((1..=100).contains(&batch), "batch: {batch}");
        Plan {
            workload,
            accounts,
            batch,
            warm_up_calls,
            names: Accounts { seed },
            scattered: Scattered::new(accounts),
            first: 0,
            every: 1,
        }
    }

    /// The same calls about other accounts of the seed: number `first`, and from there on each
    /// `every`th.
    ///
    /// # Panics
    ///
    /// If `first` is above 1,000,000,000,000, or `every` not in 1 to 1000.
    #[must_use]
    pub fn numbered(self, first: u64, every: u64) -> Plan {
        assert!(first <= FIRST_LIMIT, "first: {first}");
        assert!((1..=EVERY_LIMIT).contains(&every), "every: {every}");
        Plan {
            first,
            every,
            ..self
        }
    }

    pub(crate) fn accounts(&self) -> u64 {
        self.accounts
    }

    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn every(&self) -> u64 {
        self.every
    }

    pub(crate) fn seed(&self) -> u32 {
        self.names.seed
    }

    pub(crate) fn workload_name(&self) -> &'static str {
        match self.workload {
            Workload::Import { .. } => "import",
            Workload::Reimport { .. } => "reimport",
            Workload::Check { .. } => "check",
            Workload::Mixed { .. } => "mixed",
        }
    }

    /// In the order in which they are run.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let over_all = 0..self.positions().div_ceil(self.batch);
        let in_order = |version| Kind::Import {
            version,
            scattered: false,
        };
        let (name, kind, calls) = match self.workload {
            Workload::Import { .. } => ("import", in_order(0), over_all.clone()),
            Workload::Reimport { version, sample } => {
                let scattered = sample.is_some();
                let kind = Kind::Import { version, scattered };
                ("reimport", kind, over_all.clone())
            }
            Workload::Check { .. } => ("check", Kind::Check, over_all.clone()),
            Workload::Mixed { calls, skip_calls } => {
                let end = skip_calls.saturating_add(calls);
                ("mixed", Kind::Mixed, skip_calls..end)
            }
        };
        let warm_until = calls
            .start
            .saturating_add(self.warm_up_calls)
            .min(calls.end);
        let mut phases = vec![
            Phase {
                name: "warm-up",
                kind,
                calls: calls.start..warm_until,
            },
            Phase {
                name,
                kind,
                calls: warm_until..calls.end,
            },
        ];
        if let Workload::Import { again: Some(again) } = self.workload {
            let (name, version) = match again {
                Again::Unchanged => ("again, unchanged", 0),
                Again::Changed => ("again, changed", 1),
            };
            phases.push(Phase {
                name,
                kind: in_order(version),
                calls: over_all,
            });
        }
        phases.retain(|phase| !phase.calls.is_empty());
        phases
    }

    /// The call of this number.
    pub(crate) fn call(&self, phase: &Phase, number: u64) -> Call {
        match phase.kind {
            Kind::Import { version, scattered } => {
                let place = |at| if scattered { self.scattered.at(at) } else { at };
                self.import(self.slice(number).map(place), version)
            }
            Kind::Check => self.check(self.slice(number).map(|at| self.scattered.at(at))),
            Kind::Mixed => self.mixed(number),
        }
    }

    /// The positions that a call has of those of a phase.
    fn slice(&self, number: u64) -> Range<u64> {
        let first = number * self.batch;
        first..(first + self.batch).min(self.positions())
    }

    /// How many accounts a phase is about that names each once.
    fn positions(&self) -> u64 {
        let sample = match self.workload {
            Workload::Reimport { sample, .. } | Workload::Check { sample } => sample,
            Workload::Import { .. } | Workload::Mixed { .. } => None,
        };
        sample.map_or(self.accounts, |sample| sample.min(self.accounts))
    }

    /// The number of the account at a place of the set.
    fn number(&self, place: u64) -> u64 {
        self.first + place * self.every
    }

    /// The shares are those that the help of `muster bench mixed` states.
    fn mixed(&self, number: u64) -> Call {
        let seed = u64::from(self.names.seed) << 40;
        // Not the sequence of the accounts' own random values.
        let mut random = fastrand::Rng::with_seed(!(seed ^ number));
        let any = |random: &mut fastrand::Rng| random.u64(..self.accounts);
        match random.u8(..100) {
            0..70 => self.check((0..self.batch).map(|_| any(&mut random))),
            70..90 => {
                let (change, first) = (random.u8(..3), any(&mut random));
                match change {
                    // Numbers behind those of the set, which no other call has.
                    0 => {
                        let first = self.accounts + number * self.batch;
                        self.import(first..first + self.batch, 0)
                    }
                    1 => self.import(self.of_parity(first, 0), 0),
                    _ => self.import(self.of_parity(first, 1), number + 1),
                }
            }
            90..98 => self.portrait_get((0..self.batch).map(|_| any(&mut random))),
            _ => {
                let account = self.of_parity(any(&mut random), 1).next();
                self.portrait_set(account.expect("a batch is not empty"), number + 1)
            }
        }
    }

    /// A batch of accounts from about `first` on. What changes accounts takes odd numbers, so that
    /// even ones stay as they were imported.
    fn of_parity(&self, first: u64, parity: u64) -> impl Iterator<Item = u64> + Clone {
        let accounts = self.accounts;
        let first = first / 2 * 2 + parity;
        // A set of one account has no odd number.
        (0..self.batch).map(move |i| (first + 2 * i) % accounts.next_multiple_of(2) % accounts)
    }

    fn import(&self, places: impl Iterator<Item = u64>, version: u64) -> Call {
        let numbers = places.map(|place| self.number(place));
        let mut body =
            Vec::with_capacity(50 + usize::try_from(self.batch).expect("up to 100") * 180);
        if self.batch == 1 {
            body.push(b'{');
            for number in numbers {
                self.names.push_record(&mut body, number, version);
            }
            body.push(b'}');
            return Call {
                command: Command::AccountImport,
                accounts: 1,
                body: body.into(),
            };
        }
        body.extend_from_slice(b"{\"AccountList\":[");
        let accounts = push_list(&mut body, numbers, |body, number| {
            body.push(b'{');
            self.names.push_record(body, number, version);
            body.push(b'}');
        });
        body.extend_from_slice(b"]}");
        Call {
            command: Command::MultiaccountImport,
            accounts,
            body: body.into(),
        }
    }

    fn check(&self, places: impl Iterator<Item = u64>) -> Call {
        let numbers = places.map(|place| self.number(place));
        let mut body = b"{\"CheckItem\":[".to_vec();
        let accounts = push_list(&mut body, numbers, |body, number| {
            body.extend_from_slice(b"{\"UserID\":\"");
            self.names.push_user_id(body, number);
            body.extend_from_slice(b"\"}");
        });
        body.extend_from_slice(b"]}");
        Call {
            command: Command::AccountCheck,
            accounts,
            body: body.into(),
        }
    }

    fn portrait_get(&self, places: impl Iterator<Item = u64>) -> Call {
        let numbers = places.map(|place| self.number(place));
        let mut body = b"{\"To_Account\":[".to_vec();
        let accounts = push_list(&mut body, numbers, |body, number| {
            body.push(b'"');
            self.names.push_user_id(body, number);
            body.push(b'"');
        });
        body.extend_from_slice(
            b"],\"TagList\":[\"Tag_Profile_IM_Nick\",\"Tag_Profile_IM_Image\",\
              \"Tag_Profile_IM_SelfSignature\"]}",
        );
        Call {
            command: Command::PortraitGet,
            accounts,
            body: body.into(),
        }
    }

    fn portrait_set(&self, place: u64, version: u64) -> Call {
        let number = self.number(place);
        let mut body = b"{\"From_Account\":\"".to_vec();
        self.names.push_user_id(&mut body, number);
        body.extend_from_slice(
            b"\",\"ProfileItem\":[{\"Tag\":\"Tag_Profile_IM_Nick\",\"Value\":\"",
        );
        self.names.push_nick(&mut body, number, version);
        body.extend_from_slice(
            b"\"},{\"Tag\":\"Tag_Profile_IM_SelfSignature\",\"Value\":\"Gone for a walk\"}]}",
        );
        Call {
            command: Command::PortraitSet,
            accounts: 1,
            body: body.into(),
        }
    }
}

impl Phase {
    pub(crate) fn calls(&self) -> Range<u64> {
        self.calls.clone()
    }
}

/// Returns how many there were.
fn push_list(
    body: &mut Vec<u8>,
    numbers: impl Iterator<Item = u64>,
    push: impl Fn(&mut Vec<u8>, u64),
) -> u64 {
    let mut count = 0;
    for number in numbers {
        if count > 0 {
            body.push(b',');
        }
        push(body, number);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests;
