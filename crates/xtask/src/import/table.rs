//! The results as text: a table for each setting, what came of the file, and how it was disturbed.

use super::{
    LaneRow, Measured, Setting, StoreRow,
    disturbed::Disturbed,
    store::{self, BATCH},
    undisturbed,
};
use crate::figures::{Spread, as_f64, grouped, mib, number, ratio, write};

const HEAD: &str = "
| What | Records/s | Tool's CPU, µs a record | Tool's memory, MiB | Server's CPU, µs a record \
| Server's memory, MiB | to the store by itself |
|---|---|---|---|---|---|---|
";

const DISTURBED: &str = "
| By | Tool killed at, accounts | It had noted, records | Server killed at, accounts | Its start after that, s \
| Calls made again | Altogether, s | Undisturbed, s |
|---|---|---|---|---|---|---|---|
";

pub(super) fn text(measured: &Measured) -> String {
    let Measured {
        machine,
        muster,
        file,
        settings,
        disturbed,
        large,
    } = measured;
    let runs = settings.first().map_or(0, |setting| {
        setting.lanes.first().map_or(0, |row| row.runs.len())
    });
    let runs = match runs {
        1 => "one run".to_owned(),
        runs => format!("median of {runs} runs with the range"),
    };
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    let by_code = file.failed_by_code.iter();
    let by_code: Vec<_> = by_code
        .map(|(code, count)| format!("{} with code {code}", grouped(*count)))
        .collect();
    let mut text = format!(
        "{muster} at commit {commit}: a CSV file of {} records, {} MiB; {runs}, each into a fresh server. \
         {machine}.\n\n\
         Each import ended with {} records imported into {} accounts and with those failed that must fail \
         ({}); {} users were named again with the same values and {} with others, of whom the last values \
         counted. Summary, report, rejects and an export of all users were compared with what the file must \
         come to.\n",
        grouped(file.records),
        number(mib(as_f64(file.bytes))),
        grouped(file.imported),
        grouped(file.users),
        by_code.join(", "),
        grouped(file.identical_duplicates),
        grouped(file.conflicting_duplicates),
    );
    for setting in settings {
        write(&mut text, format_args!("\n**{}**\n{HEAD}", title(setting)));
        text.push_str(&rows(setting));
    }
    if settings.len() == 1 {
        text.push_str("\nThere is one core only, so server and tool could not have one each.\n");
    }
    text.push_str(
        "\nA record is one that is imported. The tool is measured from its start to its end, memory is the \
         most that each held, CPU is user and system time. The store by itself is that of this repository, \
         in one process without network and JSON, with the same accounts made before the time begins to \
         count.\n",
    );
    write(
        &mut text,
        format_args!("\n**Disturbed, both on all cores**\n{DISTURBED}"),
    );
    for row in disturbed {
        text.push_str(&disturbed_row(row, measured));
    }
    text.push_str(
        "\nOne run each. The tool was killed (`kill -9`) and went on by `--resume`; then the server was killed \
         likewise and started again on its data directory, while the tool waited. A call that the server took \
         and never answered may still be carried out for 30 s (`--timeout-s`), for all that the tool knows, so \
         records that name its users once more wait for that. The end was that of an import which nothing \
         has disturbed: the same users with the same values, the same counts, each reject once.\n",
    );
    if let Some(large) = large {
        write(
            &mut text,
            format_args!(
                "\nWith a file of {} records, {} MiB, by `--direct` the tool held {} MiB at the most.\n",
                grouped(large.records),
                number(mib(as_f64(large.file_bytes))),
                number(mib(as_f64(large.tool_bytes)))
            ),
        );
    }
    text
}

fn title(setting: &Setting) -> &'static str {
    match setting.cores.server {
        None => "Server and tool both on all cores",
        Some(_) => "Server and tool with a core each, the store by itself with one",
    }
}

fn rows(setting: &Setting) -> String {
    let mut text = String::new();
    let mut store_per_s = None;
    if let Some((row, rate)) = best(&setting.store) {
        store_per_s = Some(rate.median);
        let cpu = spread(&row.runs, |figures: &store::Figures| {
            figures.cpu_us_per_record
        });
        write(
            &mut text,
            format_args!(
                "| the store by itself, {} a request, {} under way | {} |  |  | {} |  |  |\n",
                grouped(BATCH as u64),
                row.under_way,
                rate.text(),
                cpu.map_or_else(String::new, Spread::text),
            ),
        );
    }
    for row in &setting.lanes {
        text.push_str(&lane_row(row, store_per_s));
    }
    text
}

/// The number of requests under way with which the store was fastest.
fn best(rows: &[StoreRow]) -> Option<(&StoreRow, Spread)> {
    let rated = rows.iter().filter_map(|row| {
        let rate = spread(&row.runs, |figures| figures.records_per_s)?;
        Some((row, rate))
    });
    rated.max_by(|(_, one), (_, other)| one.median.total_cmp(&other.median))
}

fn lane_row(row: &LaneRow, store_per_s: Option<f64>) -> String {
    let of = |figure: fn(&undisturbed::Figures) -> f64| {
        spread(&row.runs, figure).expect("there is a run")
    };
    let rate = of(|figures| figures.records_per_s);
    let share = store_per_s.and_then(|store_per_s| ratio(rate.median, store_per_s));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        row.lane.name(),
        rate.text(),
        of(|figures| figures.tool_cpu_us_per_record).text(),
        of(|figures| mib(as_f64(figures.tool_bytes))).text(),
        of(|figures| figures.server_cpu_us_per_record).text(),
        of(|figures| mib(as_f64(figures.server_bytes))).text(),
        share.map_or_else(String::new, |share| format!("{} ×", number(share))),
    )
}

fn disturbed_row(row: &Disturbed, measured: &Measured) -> String {
    let at =
        |accounts: Option<u64>| accounts.map_or_else(|| "it was over before".to_owned(), grouped);
    let undisturbed = measured.settings.first().and_then(|setting| {
        let beside = setting
            .lanes
            .iter()
            .find(|beside| beside.lane == row.lane)?;
        let rate = spread(&beside.runs, |figures| figures.records_per_s)?;
        Some(number(as_f64(measured.file.imported) / rate.median))
    });
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
        row.lane.name(),
        at(row.tool_killed_at_accounts),
        grouped(row.resumed_at_records),
        at(row.server_killed_at_accounts),
        number(row.server_start_s),
        grouped(row.calls_made_again),
        number(row.elapsed_s),
        undisturbed.unwrap_or_default(),
    )
}

/// A figure over all runs; `None` without a run.
fn spread<T>(runs: &[T], figure: fn(&T) -> f64) -> Option<Spread> {
    let runs: Vec<_> = runs.iter().map(figure).collect();
    Spread::of(&runs)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Counts, Large,
            tool::{Cores, Lane},
        },
        *,
    };
    use crate::machine::Machine;

    fn measured() -> Measured {
        let store = |under_way, rate: f64| StoreRow {
            under_way,
            runs: [1.0, 1.1, 0.9]
                .map(|factor| store::Figures {
                    records_per_s: rate * factor,
                    cpu_us_per_record: 0.9,
                })
                .into(),
        };
        let lane = |lane, rate: f64| LaneRow {
            lane,
            runs: [1.0, 1.2, 0.8]
                .map(|factor| undisturbed::Figures {
                    records_per_s: rate * factor,
                    tool_cpu_us_per_record: 1.5,
                    tool_bytes: 40 << 20,
                    server_cpu_us_per_record: 2.5,
                    server_bytes: 300 << 20,
                })
                .into(),
        };
        let setting = |server, factor: f64| Setting {
            cores: Cores {
                server,
                tool: server,
            },
            store: vec![store(1, 9e5 * factor), store(2, 1e6 * factor)],
            lanes: vec![
                lane(Lane::AccountApi, 2e5 * factor),
                lane(Lane::Direct, 5e5 * factor),
            ],
        };
        Measured {
            machine: Machine::for_tests(),
            muster: "muster 0.1.0".to_owned(),
            file: Counts {
                bytes: 150 << 20,
                records: 1_000_000,
                imported: 990_000,
                users: 989_000,
                failed_by_code: [(40601, 3000), (70402, 7000)].into(),
                identical_duplicates: 480,
                conflicting_duplicates: 520,
            },
            settings: vec![setting(None, 1.0), setting(Some(0), 0.5)],
            disturbed: vec![
                Disturbed {
                    lane: Lane::AccountApi,
                    tool_killed_at_accounts: Some(330_100),
                    resumed_at_records: 320_000,
                    server_killed_at_accounts: Some(660_200),
                    server_start_s: 0.75,
                    calls_made_again: 17,
                    elapsed_s: 6.5,
                },
                Disturbed {
                    lane: Lane::Direct,
                    tool_killed_at_accounts: None,
                    resumed_at_records: 0,
                    server_killed_at_accounts: None,
                    server_start_s: 0.0,
                    calls_made_again: 0,
                    elapsed_s: 2.5,
                },
            ],
            large: Some(Large {
                records: 5_000_000,
                file_bytes: 750 << 20,
                tool_bytes: 45 << 20,
            }),
        }
    }

    #[test]
    fn each_lane_beside_the_store_on_the_same_cores() {
        let text = text(&measured());
        for expected in [
            "muster 0.1.0 at commit abc1234: a CSV file of 1,000,000 records, 150 MiB; median of 3 runs",
            "(3,000 with code 40601, 7,000 with code 70402)",
            "480 users were named again with the same values and 520 with others",
            "| the store by itself, 10,000 a request, 2 under way \
             | 1,000,000 (900,000 to 1,100,000) |  |  | 0.90 |  |  |",
            "| account API, `--rate 0` | 200,000 (160,000 to 240,000) | 1.50 | 40.0 | 2.50 | 300 | 0.20 × |",
            "| `--direct` | 500,000 (400,000 to 600,000) | 1.50 | 40.0 | 2.50 | 300 | 0.50 × |",
            "with a core each",
            "| `--direct` | 250,000 (200,000 to 300,000) | 1.50 | 40.0 | 2.50 | 300 | 0.50 × |",
            "| account API, `--rate 0` | 330,100 | 320,000 | 660,200 | 0.75 | 17 | 6.50 | 4.95 |",
            "| `--direct` | it was over before | 0 | it was over before | 0.00 | 0 | 2.50 | 1.98 |",
            "With a file of 5,000,000 records, 750 MiB, by `--direct` the tool held 45.0 MiB",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(!text.contains("1 under way"), "{text}");
    }

    #[test]
    fn what_was_left_out_has_no_table() {
        let mut measured = measured();
        measured.large = None;
        measured.settings.pop();
        let text = text(&measured);
        for absent in ["With a file of", "with a core each"] {
            assert!(!text.contains(absent), "{text}");
        }
        assert!(text.contains("There is one core only"), "{text}");
    }
}
