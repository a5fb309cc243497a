//! A report as text: one row for each figure, one column for each phase or command.

use std::fmt::Write as _;

use crate::report::{CommandReport, Latency, PhaseReport, Report, as_f64};

/// Width of the names of figures.
const NAME_WIDTH: usize = 22;

/// Least width of a column.
const COLUMN_WIDTH: usize = 14;

/// The cells of one column below its title; `None` leaves a cell empty.
type Column = (String, Vec<Option<String>>);

/// The figures, in the order of the cells of a column.
const ROWS: [&str; 18] = [
    "accounts",
    "time",
    "accounts/s",
    "calls",
    "calls/s",
    "latency p50",
    "latency p99",
    "latency p99.9",
    "latency max",
    "failed calls",
    "accounts not there",
    "in FailAccounts",
    "reconnects",
    "behind schedule",
    "server CPU",
    "server CPU/account",
    "server memory",
    "generator CPU",
];

pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    heading(&mut text, report);
    let mut columns = Vec::new();
    for phase in &report.phases {
        columns.push(of_phase(phase));
        columns.extend(phase.commands.iter().map(of_command));
    }
    if !columns.is_empty() {
        text.push('\n');
        rows(&mut text, &columns);
    }
    failures(&mut text, report);
    if !report.notes.is_empty() {
        text.push_str("\nNotes\n");
    }
    for note in &report.notes {
        line(&mut text, &format!("  {note}"));
    }
    text
}

fn heading(text: &mut String, report: &Report) {
    let Report {
        workload, endpoint, ..
    } = report;
    let accounts = grouped(report.accounts);
    line(
        text,
        &format!(
            "{workload}: {accounts} accounts (seed {}) at {endpoint}",
            report.seed
        ),
    );
    let pace = match report.rate_per_s {
        Some(rate) => format!("{rate} calls a second"),
        None => "as fast as it answers".to_owned(),
    };
    line(
        text,
        &format!(
            "connections: {}, batch: {}, {pace}",
            report.connections, report.batch
        ),
    );
    match (report.ended, &report.gave_up_because) {
        ("interrupted", _) => line(text, "interrupted: these are the figures until then"),
        (_, Some(because)) => line(text, &format!("gave up: {because}")),
        _ => {}
    }
}

fn of_phase(phase: &PhaseReport) -> Column {
    let shown_if = |count: u64| (count > 0).then(|| grouped(count));
    let latency = |of: fn(&Latency) -> u64| phase.latency.as_ref().map(|all| milliseconds(of(all)));
    let server = phase.server.as_ref();
    let memory = server.map(|server| {
        let mib = |bytes: u64| format!("{:.0}", as_f64(bytes) / 1_048_576.0);
        let (before, after) = (server.resident_bytes_before, server.resident_bytes_after);
        format!("{} -> {} MiB", mib(before), mib(after))
    });
    let cells = vec![
        Some(grouped(phase.accounts)),
        Some(format!("{:.2} s", phase.elapsed_s)),
        Some(grouped_f64(phase.accounts_per_s)),
        Some(grouped(phase.calls)),
        Some(grouped_f64(phase.calls_per_s)),
        latency(|all| all.p50_us),
        latency(|all| all.p99_us),
        latency(|all| all.p99_9_us),
        latency(|all| all.max_us),
        Some(grouped(phase.failed_calls)),
        shown_if(phase.not_imported),
        shown_if(phase.fail_accounts),
        shown_if(phase.reconnects),
        phase.max_lag_us.map(milliseconds),
        server.map(|server| format!("{:.2} s", server.cpu_s)),
        server
            .and_then(|server| server.cpu_us_per_account)
            .map(|cpu_us| format!("{cpu_us:.2} us")),
        memory,
        Some(format!("{:.2} s", phase.generator_cpu_s)),
    ];
    (phase.name.to_owned(), cells)
}

fn of_command(command: &CommandReport) -> Column {
    let latency =
        |of: fn(&Latency) -> u64| command.latency.as_ref().map(|all| milliseconds(of(all)));
    let mut cells = vec![
        Some(grouped(command.accounts)),
        None,
        None,
        Some(grouped(command.calls)),
        None,
        latency(|all| all.p50_us),
        latency(|all| all.p99_us),
        latency(|all| all.p99_9_us),
        latency(|all| all.max_us),
        Some(grouped(command.failed_calls)),
    ];
    cells.resize(ROWS.len(), None);
    (command.command.to_owned(), cells)
}

fn rows(text: &mut String, columns: &[Column]) {
    let width = |column: &Column| {
        let cells = column.1.iter().flatten().map(|cell| cell.chars().count());
        cells.chain([column.0.chars().count(), COLUMN_WIDTH]).max()
    };
    let widths: Vec<usize> = columns.iter().filter_map(width).collect();
    let mut row = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let mut shown = format!("{name:<NAME_WIDTH$}");
        for (cell, width) in cells.zip(&widths) {
            write!(shown, "  {cell:>width$}").expect("writing to a String does not fail");
        }
        line(text, shown.trim_end());
    };
    row("", &mut columns.iter().map(|(title, _)| title.as_str()));
    for (position, name) in ROWS.iter().enumerate() {
        if columns.iter().any(|(_, cells)| cells[position].is_some()) {
            let cells = columns.iter().map(|(_, cells)| cells[position].as_deref());
            row(name, &mut cells.map(Option::unwrap_or_default));
        }
    }
}

fn failures(text: &mut String, report: &Report) {
    if report.failed_calls > 0 {
        text.push_str("\nErrors\n");
    }
    for phase in &report.phases {
        let name = phase.name;
        for error in &phase.errors {
            let (calls, info) = (grouped(error.calls), &error.first_error_info);
            line(
                text,
                &format!("  {name}: {} in {calls} calls: {info}", error.code),
            );
        }
        if let Some(first) = &phase.first_http_failure {
            let calls = grouped(phase.http_failures);
            line(
                text,
                &format!("  {name}: no answer to {calls} calls: {first}"),
            );
        }
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn milliseconds(us: u64) -> String {
    format!("{:.2} ms", as_f64(us) / 1000.0)
}

/// With a comma after every third digit from the right.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are neither negative nor beyond 2^52"
)]
fn grouped_f64(rate: f64) -> String {
    if rate < 100.0 {
        return format!("{rate:.1}");
    }
    grouped(rate.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(count), expected);
        }
        for (rate, expected) in [(0.0, "0.0"), (99.94, "99.9"), (1234.5, "1,235")] {
            assert_eq!(grouped_f64(rate), expected);
        }
        assert_eq!(milliseconds(12_345), "12.35 ms");
    }
}
