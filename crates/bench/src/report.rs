//! What came of a run, for programs (as JSON) and for people (as text).
//!
//! The JSON is what `muster bench --json` writes; names end in their unit.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    Bench,
    command::Command,
    figures::ServerFigures,
    refusal, table,
    tally::{Counts, Occurrences, histogram},
};

/// Behind its schedule by more than this, a run says so.
const LAG_TOLD: Duration = Duration::from_millis(100);

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the generator.
    pub muster_version: &'static str,
    /// `import`, `reimport`, `check` or `mixed`.
    pub workload: &'static str,
    /// The server's base URL.
    pub endpoint: String,
    /// The app.
    pub sdkappid: u32,
    /// How many accounts the set has.
    pub accounts: u64,
    /// Most accounts of a call.
    pub batch: u64,
    /// Which set of accounts.
    pub seed: u32,
    /// The number of its first account.
    pub first: u64,
    /// How far apart the numbers of its accounts are.
    pub every: u64,
    /// How many connections.
    pub connections: usize,
    /// Calls per second that were asked for; null if each connection called as fast as it could.
    pub rate_per_s: Option<f64>,
    /// `done`, `interrupted` or `gave_up`.
    pub ended: &'static str,
    /// Why it gave up.
    pub gave_up_because: Option<String>,
    /// Calls that failed, over all phases.
    pub failed_calls: u64,
    /// In their order.
    pub phases: Vec<PhaseReport>,
    /// What is to be known to read the figures rightly, and what to do, in sentences.
    pub notes: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All calls were made.
    Done,
    /// It was told to stop.
    Interrupted,
    /// There was no sense in going on.
    GaveUp(String),
}

/// One phase.
#[derive(Debug, Serialize)]
pub struct PhaseReport {
    /// `warm-up`, `import`, `again, unchanged`, `again, changed`, `reimport`, `check` or `mixed`.
    pub name: &'static str,
    /// From the first call to the last answer.
    pub elapsed_s: f64,
    /// Calls that came to an end, also those that failed.
    pub calls: u64,
    /// Calls in `elapsed_s`.
    pub calls_per_s: f64,
    /// Accounts of the calls that did not fail, without those in FailAccounts.
    pub accounts: u64,
    /// Accounts in `elapsed_s`.
    pub accounts_per_s: f64,
    /// Of the calls that did not fail; null if there is none.
    pub latency: Option<Latency>,
    /// Calls with an `ErrorCode` other than 0 or without an answer.
    pub failed_calls: u64,
    /// Calls by the `ErrorCode` they were refused with.
    pub errors: Vec<ErrorReport>,
    /// Calls without an answer, or with one that is not of this protocol.
    pub http_failures: u64,
    /// What the first of them was.
    pub first_http_failure: Option<String>,
    /// Accounts that an import named in FailAccounts.
    pub fail_accounts: u64,
    /// Accounts that were asked for and are not there.
    pub not_imported: u64,
    /// How often a connection was opened again.
    pub reconnects: u64,
    /// How far behind its schedule a call began at most; null without a rate.
    pub max_lag_us: Option<u64>,
    /// CPU time of the generator.
    pub generator_cpu_s: f64,
    /// What the phase cost the server; null if its metrics cannot be read.
    pub server: Option<ServerReport>,
    /// The same by command, if there is more than one.
    pub commands: Vec<CommandReport>,
}

/// Latencies, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Of half of the calls at most.
    pub p50_us: u64,
    /// Of 99 in 100 calls at most.
    pub p99_us: u64,
    /// Of 999 in 1000 calls at most.
    pub p99_9_us: u64,
    /// The longest.
    pub max_us: u64,
    /// The mean.
    pub mean_us: f64,
}

/// Calls refused with one code.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorReport {
    /// The `ErrorCode`.
    pub code: u32,
    /// How many calls.
    pub calls: u64,
    /// The ErrorInfo of the first.
    pub first_error_info: String,
}

/// From the server's metrics before and after a phase.
#[derive(Clone, Debug, Serialize)]
pub struct ServerReport {
    /// Where they were read.
    pub operator_url: String,
    /// CPU time of the server.
    pub cpu_s: f64,
    /// The same for each account.
    pub cpu_us_per_account: Option<f64>,
    /// Memory in use before.
    pub resident_bytes_before: u64,
    /// Memory in use after.
    pub resident_bytes_after: u64,
}

/// One command of a phase.
#[derive(Debug, Serialize)]
pub struct CommandReport {
    /// Its name.
    pub command: &'static str,
    /// As of the phase.
    pub calls: u64,
    /// As of the phase.
    pub accounts: u64,
    /// As of the phase.
    pub failed_calls: u64,
    /// As of the phase.
    pub latency: Option<Latency>,
}

/// What was measured of a phase.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) elapsed: Duration,
    pub(crate) counts: Counts,
    pub(crate) scheduled: bool,
    pub(crate) own_cpu: Duration,
    pub(crate) server: Option<(String, ServerFigures, ServerFigures)>,
}

impl Report {
    pub(crate) fn new(bench: &Bench, phases: Vec<PhaseReport>, ended: Ended) -> Report {
        let plan = &bench.plan;
        let notes = notes(&phases);
        let (ended, gave_up_because) = match ended {
            Ended::Done => ("done", None),
            Ended::Interrupted => ("interrupted", None),
            Ended::GaveUp(because) => ("gave_up", Some(because)),
        };
        Report {
            muster_version: env!("CARGO_PKG_VERSION"),
            workload: plan.workload_name(),
            endpoint: bench.endpoint.to_string(),
            sdkappid: bench.caller.sdkappid(),
            accounts: plan.accounts(),
            batch: plan.batch(),
            seed: plan.seed(),
            first: plan.first(),
            every: plan.every(),
            connections: bench.load.connections,
            rate_per_s: bench.load.rate_per_s,
            ended,
            gave_up_because,
            failed_calls: phases.iter().map(|phase| phase.failed_calls).sum(),
            phases,
            notes,
        }
    }

    /// Whether every call that was made did what it was to do.
    pub fn is_clean(&self) -> bool {
        let fail_accounts = self.phases.iter().any(|phase| phase.fail_accounts > 0);
        self.failed_calls == 0 && !fail_accounts && self.gave_up_because.is_none()
    }

    /// For people: a table with a column for each phase, then errors and notes.
    pub fn text(&self) -> String {
        table::text(self)
    }
}

impl PhaseReport {
    pub(crate) fn new(measured: Measured) -> PhaseReport {
        let Measured {
            name,
            elapsed,
            counts,
            scheduled,
            own_cpu,
            server,
        } = measured;
        let elapsed_s = elapsed.as_secs_f64();
        let mut all = histogram();
        let mut commands = Vec::new();
        for (command, counts) in Command::ALL.iter().zip(&counts.commands) {
            if counts.calls == 0 {
                continue;
            }
            if let Some(of_command) = &counts.latency {
                all.add(of_command)
                    .expect("all histograms have the same bounds");
            }
            commands.push(CommandReport {
                command: command.name(),
                calls: counts.calls,
                accounts: counts.accounts,
                failed_calls: counts.failed,
                latency: counts.latency.as_ref().and_then(latency),
            });
        }
        let sum = |of: fn(&CommandReport) -> u64| commands.iter().map(of).sum::<u64>();
        let (calls, accounts) = (
            sum(|command| command.calls),
            sum(|command| command.accounts),
        );
        let failed_calls = sum(|command| command.failed_calls);
        if commands.len() == 1 {
            commands.clear();
        }
        PhaseReport {
            name,
            elapsed_s,
            calls,
            calls_per_s: per(calls, elapsed_s),
            accounts,
            accounts_per_s: per(accounts, elapsed_s),
            latency: latency(&all),
            failed_calls,
            errors: errors(&counts.codes),
            http_failures: counts.http.as_ref().map_or(0, |http| http.calls),
            first_http_failure: counts.http.map(|http| http.first),
            fail_accounts: counts.fail_accounts,
            not_imported: counts.not_imported,
            reconnects: counts.reconnects,
            max_lag_us: scheduled.then_some(microseconds(counts.max_lag)),
            generator_cpu_s: own_cpu.as_secs_f64(),
            server: server.map(|(url, before, after)| server_report(url, before, after, accounts)),
            commands,
        }
    }
}

fn errors(codes: &BTreeMap<u32, Occurrences>) -> Vec<ErrorReport> {
    let error = |(code, of_code): (&u32, &Occurrences)| ErrorReport {
        code: *code,
        calls: of_code.calls,
        first_error_info: of_code.first.clone(),
    };
    codes.iter().map(error).collect()
}

fn latency(histogram: &Histogram<u64>) -> Option<Latency> {
    (!histogram.is_empty()).then(|| Latency {
        p50_us: histogram.value_at_quantile(0.5),
        p99_us: histogram.value_at_quantile(0.99),
        p99_9_us: histogram.value_at_quantile(0.999),
        max_us: histogram.max(),
        mean_us: histogram.mean(),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of memory are whole, not negative, and far below 2^52"
)]
fn server_report(
    operator_url: String,
    before: ServerFigures,
    after: ServerFigures,
    accounts: u64,
) -> ServerReport {
    // A server that was started anew began from zero.
    let cpu_s = (after.cpu_s - before.cpu_s).max(0.0);
    ServerReport {
        operator_url,
        cpu_s,
        cpu_us_per_account: (accounts > 0).then(|| cpu_s * 1e6 / as_f64(accounts)),
        resident_bytes_before: before.resident_bytes as u64,
        resident_bytes_after: after.resident_bytes as u64,
    }
}

fn notes(phases: &[PhaseReport]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut codes: Vec<u32> = Vec::new();
    for phase in phases {
        codes.extend(phase.errors.iter().map(|error| error.code));
        if phase.not_imported > 0 {
            notes.push(format!(
                "{} accounts that {} asked for are not there; import them first (muster bench \
                 import) with the same --seed and --accounts.",
                phase.not_imported, phase.name
            ));
        }
        if phase.fail_accounts > 0 {
            notes.push(format!(
                "{} accounts of {} came back in FailAccounts: deleted ones, which the app's edition \
                 does not take again yet. Import others, with another --seed.",
                phase.fail_accounts, phase.name
            ));
        }
        let lag = Duration::from_micros(phase.max_lag_us.unwrap_or(0));
        if lag > LAG_TOLD {
            notes.push(format!(
                "{} fell behind its schedule by up to {:.1} s; latencies count from when calls were \
                 due. Give more --connections, or a lower --rate.",
                phase.name,
                lag.as_secs_f64()
            ));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    for code in codes {
        if let Some(advice) = refusal::advice(code) {
            notes.push(format!("{code}: {advice}."));
        }
    }
    notes
}

fn per(count: u64, elapsed_s: f64) -> f64 {
    if elapsed_s > 0.0 {
        as_f64(count) / elapsed_s
    } else {
        0.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run does not count to 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
