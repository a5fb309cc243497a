//! The comparison as text: a table for each phase, and how each system was run.

use super::{
    Comparison, Kind, Row, bare, muster,
    phase::{Figures, Phase},
    postgres, redis,
};
use crate::cluster;
use crate::figures::{Spread, as_f64, grouped, mib, number, ratio, write};

const HEAD: &str = "
| System | Accounts a request | Accounts/s | Server's CPU, µs an account | Generator's CPU, µs an account \
| Memory, MiB | On disk, MiB | speed, muster's to its | CPU, its to muster's |
|---|---|---|---|---|---|---|---|---|
";

pub(super) fn text(comparison: &Comparison) -> String {
    let Comparison {
        machine,
        accounts,
        connections,
        rows,
    } = comparison;
    let mut text = String::new();
    let runs = rows.iter().map(|row| row.runs.len()).max().unwrap_or(0);
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    write(
        &mut text,
        format_args!(
            "![Accounts a second and server's CPU of each system](performance-compare.svg)\n\n\
             {} accounts (those of `muster bench`), {connections} connections with one request in \
             flight each, {}, each on an empty directory; commit {commit}. {machine}.\n",
            grouped(*accounts),
            match runs {
                1 => "one run".to_owned(),
                runs => format!("median of {runs} runs with the range"),
            },
        ),
    );
    for phase in Phase::ALL {
        write(&mut text, format_args!("\n**{}**\n{HEAD}", phase.title()));
        for row in rows.iter().filter(|row| !row.outdone) {
            text.push_str(&line(row, rows, phase));
        }
    }
    text.push_str(
        "\nThe last two columns are of the same phase; above 1 muster is better. CPU is user and \
         system time of all processes of the server, memory is what they hold without the cache of \
         the file system, shared pages counted once, and both and the disk are read at the last \
         answer: what a server puts off until later is not in them.\n\n",
    );
    for (system, how) in [
        (Kind::BareLimit, [bare::HOW, ""]),
        (Kind::Muster, [muster::HOW, ""]),
        (Kind::Postgres, [cluster::HOW, postgres::HOW]),
        (Kind::Redis, [redis::HOW, ""]),
    ] {
        let measured = |row: &&Row| row.system == system && !row.runs.is_empty();
        if let Some(Row { name, .. }) = rows.iter().find(measured) {
            let chosen = chosen(system, rows);
            let how = how.concat();
            write(&mut text, format_args!("- **{name}**: {how}{chosen}\n"));
        }
    }
    text
}

/// Which batch was chosen, for those who could choose.
fn chosen(system: Kind, rows: &[Row]) -> String {
    let others = || {
        let others = rows.iter().filter(|row| row.system == system);
        others.filter(|row| row.batch != super::BATCH && !row.runs.is_empty())
    };
    let Some(best) = others().find(|row| !row.outdone) else {
        return String::new();
    };
    let tried: Vec<_> = others().map(|row| grouped(row.batch as u64)).collect();
    format!(
        " Of {} accounts a request, {} made the most new accounts a second in the first run.",
        tried.join(" and "),
        grouped(best.batch as u64)
    )
}

fn line(row: &Row, rows: &[Row], phase: Phase) -> String {
    let (name, batch) = (&row.name, grouped(row.batch as u64));
    let Some(rate) = spread(row, phase, |figures| figures.accounts_per_s) else {
        let trouble = row.trouble.as_deref().unwrap_or("no run");
        // What a system says must not end the cell.
        let trouble = trouble.replace('|', "/");
        return format!("| {name} | {batch} | not measured: {trouble} | | | | | | |\n");
    };
    let of = |figure: fn(&Figures) -> f64| spread(row, phase, figure).expect("there is a run");
    let cpu = of(|figures| figures.server_cpu_us_per_account);
    let muster = rows.iter().find(|row| row.system == Kind::Muster);
    let of_muster = |figure: fn(&Figures) -> f64| {
        let muster = muster.filter(|_| row.system != Kind::Muster)?;
        spread(muster, phase, figure).map(|spread| spread.median)
    };
    let times =
        |times: Option<f64>| times.map_or(String::new(), |times| format!("{} ×", number(times)));
    let speed = of_muster(|figures| figures.accounts_per_s)
        .and_then(|of_muster| ratio(of_muster, rate.median));
    let less_cpu = of_muster(|figures| figures.server_cpu_us_per_account)
        .and_then(|of_muster| ratio(cpu.median, of_muster));
    format!(
        "| {name} | {batch} | {} | {} | {} | {} | {} | {} | {} |\n",
        rate.text(),
        cpu.text(),
        number(of(|figures| figures.generator_cpu_us_per_account).median),
        number(of(|figures| mib(as_f64(figures.resident_bytes))).median),
        number(of(|figures| mib(as_f64(figures.disk_bytes))).median),
        times(speed),
        times(less_cpu),
    )
}

/// A figure over all runs; `None` without a run.
pub(super) fn spread(row: &Row, phase: Phase, figure: fn(&Figures) -> f64) -> Option<Spread> {
    let runs: Vec<_> = row.runs.iter().map(|run| figure(run.of(phase))).collect();
    Spread::of(&runs)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::comparison, *};

    #[test]
    fn a_table_for_each_phase_with_ratios_of_the_same_phase() {
        let text = text(&comparison());
        for expected in [
            "1,000,000 accounts",
            "32 connections",
            "median of 3 runs",
            "Some CPU, 2 cores, 8.00 GiB",
            "commit abc1234",
            "| bare limit | 100 | 5,000,000 (4,500,000 to 5,500,000) | 0.15 | 0.50 | 200 | 300 \
             | 0.14 × | 0.08 × |",
            "| muster 0.1.0 | 100 | 700,000 (630,000 to 770,000) | 1.80 | 0.50 | 200 | 300 |  |  |",
            "| PostgreSQL 15.18 | 100 | 70,000 (63,000 to 77,000) | 18.0 | 0.50 | 200 | 300 \
             | 10.0 × | 10.0 × |",
            "| PostgreSQL 15.18 | 1,000 | 90,000 (81,000 to 99,000) | 14.0 |",
            // Of another phase.
            "| PostgreSQL 15.18 | 100 | 140,000 (126,000 to 154,000) | 9.00 | 0.50 | 200 | 300 \
             | 10.0 × | 10.0 × |",
            "| Redis | 100 | not measured: it is not installed; apt-get install redis-server |",
            "Of 1,000 and 5,000 accounts a request, 1,000 made the most",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        // Nobody needs to know how it would have been run.
        assert!(!text.contains("**Redis**"), "{text}");
        // The batch that was outdone has no row.
        assert!(!text.contains("| 5,000 |"), "{text}");
        let tables = text.matches("| System |").count();
        assert_eq!(tables, 3);
        let cells = text.lines().filter(|line| line.starts_with('|'));
        for line in cells {
            assert_eq!(line.matches('|').count(), 10, "{line}");
        }
    }

    #[test]
    fn what_a_system_says_stays_in_its_cell() {
        let mut comparison = comparison();
        let redis = comparison.rows.last_mut().unwrap();
        redis.trouble = Some("a | b".to_owned());
        let text = text(&comparison);
        assert!(text.contains("| not measured: a / b | | |"), "{text}");
    }
}
