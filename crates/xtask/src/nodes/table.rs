//! The results as text: a table for each part, and how it was run.

use std::fmt::Write as _;

use super::{Figures, Measured, Row, System, Work};
use crate::{
    cluster,
    figures::{Spread, grouped, number, ratio},
};

const HEAD: &str = "
| System | Accounts/s | PostgreSQL's CPU, µs an account | muster's CPU, µs an account \
| Generator's CPU, µs an account | speed, to that of the bare client |
|---|---|---|---|---|---|
";

pub(super) fn text(measured: &Measured) -> String {
    let Measured {
        machine,
        postgres,
        muster,
        accounts,
        connections,
        database_core,
        rows,
    } = measured;
    let runs = match rows.first().map_or(0, |row| row.runs.len()) {
        1 => "one run".to_owned(),
        runs => format!("median of {runs} runs with the range"),
    };
    let share = match database_core {
        None => "Nodes, database and generator share the machine.",
        Some(_) => "The database had a core for itself, nodes and generator the other one.",
    };
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "{muster} on {postgres}: {} accounts (those of `muster bench`), 100 a call, {connections} \
         connections to each node with one call in flight each, {runs}, each on a new cluster; commit \
         {commit}. {machine}. {share}\n",
        grouped(*accounts),
    );
    for (position, work) in Work::ALL.into_iter().enumerate() {
        write!(text, "\n**{}**\n{HEAD}", work.title()).expect("a String takes all");
        for row in rows {
            text.push_str(&line(row, rows, position));
        }
    }
    write!(
        text,
        "\nThe bare client sends the statements of muster's store, prepared, over as many connections as \
         the nodes beside it make for calls: a batch that is new, unchanged or asked for is one, a \
         changed one is two. It has no HTTP, no JSON and no rules. PostgreSQL: {}\n",
        cluster::HOW
    )
    .expect("a String takes all");
    text
}

fn line(row: &Row, rows: &[Row], position: usize) -> String {
    let of = |row: &Row, figure: fn(&Figures) -> f64| {
        let runs: Vec<_> = row.runs.iter().map(|run| figure(&run[position])).collect();
        Spread::of(&runs).expect("there is a run")
    };
    let rate = of(row, |figures| figures.accounts_per_s);
    let (of_muster, speed) = match row.system {
        System::Bare(_) => (String::new(), String::new()),
        System::Nodes(nodes) => {
            let beside = rows.iter().find(|row| row.system == System::Bare(nodes));
            let beside = beside.map(|row| of(row, |figures| figures.accounts_per_s).median);
            let speed = beside.and_then(|beside| ratio(rate.median, beside));
            (
                of(row, |figures| figures.muster_cpu_us_per_account).text(),
                speed.map_or(String::new(), |times| format!("{} ×", number(times))),
            )
        }
    };
    format!(
        "| {} | {} | {} | {of_muster} | {} | {speed} |\n",
        row.system.name(),
        rate.text(),
        of(row, |figures| figures.database_cpu_us_per_account).text(),
        number(of(row, |figures| figures.generator_cpu_us_per_account).median),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    #[test]
    fn each_beside_the_client_with_as_many_connections() {
        let row = |system, rate: f64| Row {
            system,
            runs: vec![[1.0, 2.0, 3.0, 4.0].map(|of_work| Figures {
                accounts_per_s: rate * of_work,
                database_cpu_us_per_account: 5.0,
                muster_cpu_us_per_account: 2.0,
                generator_cpu_us_per_account: 0.5,
            })],
        };
        let measured = Measured {
            machine: Machine::for_tests(),
            postgres: "PostgreSQL 15.18".to_owned(),
            muster: "muster 0.1.0".to_owned(),
            accounts: 500_000,
            connections: 32,
            database_core: None,
            rows: vec![
                row(System::Bare(1), 1e5),
                row(System::Nodes(1), 9e4),
                row(System::Bare(2), 2e5),
                row(System::Nodes(2), 1e5),
            ],
        };
        let text = text(&measured);
        for expected in [
            "muster 0.1.0 on PostgreSQL 15.18: 500,000 accounts",
            "| bare client, 16 connections | 100,000 | 5.00 |  | 0.50 |  |",
            "| muster, 1 node | 90,000 | 5.00 | 2.00 | 0.50 | 0.90 × |",
            "| muster, 2 nodes | 100,000 | 5.00 | 2.00 | 0.50 | 0.50 × |",
            // Of another part.
            "| muster, 2 nodes | 400,000 | 5.00 | 2.00 | 0.50 | 0.50 × |",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert_eq!(text.matches("| System |").count(), 4);
    }
}
