//! The growth as text: a row for each size.

use super::{
    Grown,
    step::{Cost, SINGLE_CONNECTIONS, SINGLE_RATE_PER_S, Step},
};
use crate::figures::{as_f64, grouped, mib, number, write};

const COSTS: &str = "
| Accounts | filled up to here | 200,000 new | `account_check` of 200,000, scattered \
| 100,000 again, scattered, unchanged | 100,000 again, scattered, changed |
|---|---|---|---|---|---|
";

const SPACE: &str = "
| Accounts | p50 / p99 / p99.9 of a single import, ms | Memory after that, MiB (bytes an account) \
| On disk, MiB (bytes an account) | Start after `kill -9`, s | End in order, s | Start after that, s \
| Memory after that, MiB (bytes an account) |
|---|---|---|---|---|---|---|---|
";

pub(super) fn text(grown: &Grown) -> String {
    let Grown {
        machine,
        muster,
        connections,
        empty,
        steps,
    } = grown;
    let mut text = String::new();
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    write(
        &mut text,
        format_args!(
            "![CPU and bytes an account by number of accounts](performance-growth.svg)\n\n\
             {muster} at commit {commit}, one run on one data directory, 100 accounts a call, \
             {connections} connections. {machine}.\n\n\
             Server's CPU, µs an account, and accounts/s:\n{COSTS}",
        ),
    );
    for step in steps {
        let costs = [
            step.fill,
            step.new,
            step.check,
            step.unchanged,
            step.changed,
        ];
        let costs = costs.map(|cost| {
            let Cost {
                accounts_per_s,
                server_cpu_us_per_account,
                ..
            } = cost;
            let cpu_us = number(server_cpu_us_per_account);
            format!("{cpu_us} µs, {}/s", number(accounts_per_s))
        });
        let accounts = grouped(step.accounts);
        write(
            &mut text,
            format_args!("| {accounts} | {} |\n", costs.join(" | ")),
        );
    }
    text.push_str(SPACE);
    for step in steps {
        text.push_str(&space(step, empty.resident_bytes, empty.disk_bytes));
    }
    write(
        &mut text,
        format_args!(
            "\nFilling counts the work in the background that it leaves behind; before each other \
             measurement the server has come to rest. Single imports are new accounts by \
             `account_import`, {} calls a second over {SINGLE_CONNECTIONS} connections, each counted \
             from when it was due. Those and the 200,000 new ones are there as well when memory, disk \
             and starts are measured; bytes an account are what a server without accounts does not \
             have ({} MiB of memory). CPU is read in steps of 10 ms. What was read lately is in the \
             cache of the file system.\n",
            number(SINGLE_RATE_PER_S),
            number(mib(as_f64(empty.resident_bytes)))
        ),
    );
    for step in steps {
        if !step.idle {
            write(
                &mut text,
                format_args!(
                    "\nAt {} accounts the server had not come to rest within five minutes before a \
                     measurement.\n",
                    grouped(step.accounts)
                ),
            );
        }
        let rate = step.single.calls_per_s;
        if rate < 0.99 * SINGLE_RATE_PER_S {
            write(
                &mut text,
                format_args!(
                    "\nAt {} accounts only {} single imports a second were made.\n",
                    grouped(step.accounts),
                    number(rate)
                ),
            );
        }
    }
    text
}

fn space(step: &Step, empty_resident_bytes: u64, empty_disk_bytes: u64) -> String {
    let with_share = |bytes: u64, empty_bytes: u64| {
        let share = bytes_per_account(step, bytes, empty_bytes);
        format!("{} ({})", number(mib(as_f64(bytes))), number(share))
    };
    let latencies = step.single.ms().map(number).join(" / ");
    format!(
        "| {} | {latencies} | {} | {} | {} | {} | {} | {} |\n",
        grouped(step.accounts),
        with_share(step.resident_bytes, empty_resident_bytes),
        with_share(step.disk_bytes, empty_disk_bytes),
        number(step.start_after_kill_s),
        number(step.end_s),
        number(step.start_s),
        with_share(step.resident_bytes_after_start, empty_resident_bytes),
    )
}

/// What each of the accounts takes beyond what a server without accounts takes.
pub(super) fn bytes_per_account(step: &Step, bytes: u64, empty_bytes: u64) -> f64 {
    as_f64(bytes.saturating_sub(empty_bytes)) / as_f64(step.measured_accounts.max(1))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::grown, *};

    #[test]
    fn a_row_for_each_size() {
        let text = text(&grown());
        for expected in [
            "muster 0.1.0 at commit abc1234",
            "Some CPU, 2 cores",
            "| 100,000 | 2.50 µs, 400,000/s | 1.80 µs, 555,556/s | 1.10 µs,",
            "| 1,000,000 | 3.00 µs, 333,333/s |",
            "| 1,000,000 | 0.40 / 4.00 / 9.00 | 124 (74.1) | 114 (88.9) | 1.80 | 0.20 | 0.96 |",
            "15,000 calls a second over 64 connections",
            "(28.6 MiB of memory)",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        for absent in ["come to rest within", "were made"] {
            assert!(!text.contains(absent), "{text}");
        }
    }

    #[test]
    fn what_did_not_go_as_it_should_is_told() {
        let mut grown = grown();
        grown.steps[1].idle = false;
        grown.steps[0].single.calls_per_s = 12_000.0;
        let text = text(&grown);
        for expected in [
            "At 1,000,000 accounts the server had not come to rest",
            "At 100,000 accounts only 12,000 single imports a second were made",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }
}
