//! Whether there came of a file what must come of it.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{
    file::{Duplicate, Expected},
    record::{self, Values},
};
use crate::compare::phase::ensure_written;

/// The account that every app has without an import.
const ADMINISTRATOR: &str = "administrator";

/// What `muster import --json` says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Summary {
    end: String,
    pub(super) imported: u64,
    failed: u64,
    failed_by_code: BTreeMap<i64, u64>,
    /// Records that an import before this one had noted as done.
    pub(super) resumed: u64,
    identical_duplicates: u64,
    conflicting_duplicates: u64,
    pub(super) calls_made_again: u64,
}

/// A line of the report.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Failed {
        line: u64,
        code: i64,
    },
    Duplicate {
        line: u64,
        earlier_line: u64,
        duplicate: String,
    },
}

/// A line of the export.
#[derive(Deserialize)]
struct Exported {
    user_id: String,
    nick: String,
    face_url: String,
}

impl Expected {
    pub(super) fn check_summary(&self, summary: &Summary) -> anyhow::Result<()> {
        ensure!(
            summary.end == "complete",
            "the import ended as {}",
            summary.end
        );
        let said = &summary.failed_by_code;
        for (what, found, expected) in [
            ("records imported", summary.imported, self.imported),
            ("records failed", summary.failed, self.failed()),
            (
                "identical duplicates",
                summary.identical_duplicates,
                self.identical(),
            ),
            (
                "conflicting duplicates",
                summary.conflicting_duplicates,
                self.conflicting(),
            ),
        ] {
            ensure_written(what, found, expected)?;
        }
        ensure!(
            *said == self.failed_by_code,
            "records failed by code: {said:?} and not {:?}",
            self.failed_by_code
        );
        Ok(())
    }

    /// Each record that fails is to be told of once, with its line and code, and each that names a user again.
    pub(super) fn check_report(&self, path: &Path) -> anyhow::Result<()> {
        let (mut failed, mut duplicates) = (Vec::new(), Vec::new());
        for line in open(path)?.lines() {
            let line = line?;
            let told = serde_json::from_str(&line);
            match told.with_context(|| format!("the report has the line {line}"))? {
                Told::Failed { line, code } => failed.push((line, code)),
                Told::Duplicate {
                    line,
                    earlier_line,
                    duplicate,
                } => duplicates.push(Duplicate {
                    line,
                    earlier_line,
                    is_identical: duplicate == "identical",
                }),
            }
        }
        failed.sort_unstable();
        duplicates.sort_unstable();
        ensure_same("failed lines of the report", &failed, &self.failed)?;
        ensure_same("duplicates of the report", &duplicates, &self.duplicates)
    }

    /// Each record that fails is to be there once, with the cells that it has in the file.
    pub(super) fn check_rejects(&self, path: &Path) -> anyhow::Result<()> {
        let mut rows = csv::ReaderBuilder::new();
        let mut rows = rows
            .flexible(true)
            .from_path(path)
            .with_context(cannot_read(path))?;
        ensure!(
            *rows.headers()? == record::HEADER[..],
            "the rejects have another header than the file"
        );
        let mut rejects = Vec::new();
        for row in rows.byte_records() {
            rejects.push(row?.iter().map(<[u8]>::to_vec).collect());
        }
        rejects.sort_unstable();
        ensure_same("rejects", &rejects, &self.rejects)
    }

    /// The users that `export` has as NDJSON, in any order.
    pub(super) fn check_export(&self, export: impl BufRead) -> anyhow::Result<()> {
        let records = usize::try_from(self.records)?;
        let mut is_there = vec![false; records];
        let mut users = 0;
        for line in export.lines() {
            let line = line.context("cannot read the export")?;
            let Exported {
                user_id,
                nick,
                face_url,
            } = serde_json::from_str(&line).with_context(|| format!("the export has {line}"))?;
            if user_id == ADMINISTRATOR {
                continue;
            }
            let number = record::number_of(&user_id);
            let expected = number.and_then(|number| Some((number, self.stored(number)?)));
            let Some((number, expected)) = expected else {
                bail!("the export has {user_id:?}, whom no good record names");
            };
            let stored = Values { nick, face_url };
            ensure!(
                stored == expected,
                "the export has {user_id:?} with {stored:?} and not with {expected:?}"
            );
            let place = &mut is_there[usize::try_from(number)?];
            ensure!(!*place, "the export has {user_id:?} twice");
            *place = true;
            users += 1;
        }
        if users < self.users {
            let missing = (0..self.records).zip(is_there);
            let mut missing =
                missing.filter(|(number, is_there)| !is_there && self.stored(*number).is_some());
            let (first, _) = missing.next().expect("fewer are there than are to be");
            bail!(
                "the export lacks {} users, {:?} among them",
                self.users - users,
                record::user_id(first)
            );
        }
        Ok(())
    }
}

/// Both are in order.
fn ensure_same<T: PartialEq + Debug>(
    what: &str,
    found: &[T],
    expected: &[T],
) -> anyhow::Result<()> {
    let differing = found.iter().zip(expected).find(|(one, other)| one != other);
    if let Some((found, expected)) = differing {
        bail!("{what}: there is {found:?} where {expected:?} is to be");
    }
    ensure_written(what, found.len() as u64, expected.len() as u64)
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::new(
        File::open(path).with_context(cannot_read(path))?,
    ))
}

fn cannot_read(path: &Path) -> impl Fn() -> String {
    move || format!("cannot read {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs};

    use serde_json::json;
    use tempfile::TempDir;

    use super::{super::file, *};

    const RECORDS: u64 = 10_000;

    fn made() -> (TempDir, Expected) {
        let dir = tempfile::tempdir().unwrap();
        let expected = file::write(&dir.path().join("users.csv"), RECORDS).unwrap();
        (dir, expected)
    }

    #[track_caller]
    fn assert_refused(checked: anyhow::Result<()>, told: &str) {
        let error = format!("{:#}", checked.unwrap_err());
        assert!(error.contains(told), "{error}");
    }

    /// As an import says it that went as it must.
    fn summary(expected: &Expected) -> serde_json::Value {
        json!({
            "end": "complete",
            "imported": expected.imported,
            "failed": expected.failed(),
            "failed_by_code": expected.failed_by_code,
            "resumed": 0,
            "identical_duplicates": expected.identical(),
            "conflicting_duplicates": expected.conflicting(),
            "calls_made_again": 3,
        })
    }

    #[test]
    fn a_summary_with_another_count_is_refused() {
        let (_dir, expected) = made();
        let check = |summary: serde_json::Value| {
            expected.check_summary(&serde_json::from_str(&summary.to_string())?)
        };
        check(summary(&expected)).unwrap();
        for (field, other, told) in [
            ("end", json!("stopped"), "ended as stopped"),
            (
                "imported",
                json!(9899),
                "records imported: 9,899 and not 9,900",
            ),
            ("failed", json!(101), "records failed"),
            ("failed_by_code", json!({"70402": 100}), "by code"),
            ("identical_duplicates", json!(0), "identical"),
            ("conflicting_duplicates", json!(0), "conflicting"),
        ] {
            let mut summary = summary(&expected);
            summary[field] = other;
            assert_refused(check(summary), told);
        }
    }

    #[test]
    fn a_report_with_a_line_too_many_or_too_few_is_refused() {
        let (dir, expected) = made();
        let path = dir.path().join("report");
        let mut lines = Vec::new();
        for Duplicate {
            line,
            earlier_line,
            is_identical,
        } in &expected.duplicates
        {
            let duplicate = if *is_identical {
                "identical"
            } else {
                "conflicting"
            };
            let told = json!({"line": line, "earlier_line": earlier_line, "duplicate": duplicate});
            lines.push(told.to_string());
        }
        for (line, code) in expected.failed.iter().rev() {
            let told = json!({"line": line, "user_id": null, "code": code, "reason": "bad"});
            lines.push(told.to_string());
        }
        let check = |lines: &[String]| {
            fs::write(&path, lines.join("\n")).unwrap();
            expected.check_report(&path)
        };
        check(&lines).unwrap();
        assert_refused(check(&lines[1..]), "duplicates of the report");
        let (last, most) = lines.split_last().unwrap();
        assert_refused(check(most), "failed lines of the report");
        let twice = [&lines[..], std::slice::from_ref(last)].concat();
        assert_refused(check(&twice), "failed lines of the report");
        let other = lines.join("\n").replacen("70402", "60007", 1);
        assert_refused(check(&[other]), "60007");
    }

    #[test]
    fn rejects_are_the_records_of_the_file() {
        let (dir, expected) = made();
        let path = dir.path().join("rejects.csv");
        let check = |rows: &[Vec<Vec<u8>>]| {
            let mut file = csv::WriterBuilder::new();
            let mut file = file.flexible(true).from_path(&path).unwrap();
            file.write_record(record::HEADER).unwrap();
            for row in rows.iter().rev() {
                file.write_record(row).unwrap();
            }
            file.flush().unwrap();
            expected.check_rejects(&path)
        };
        let mut rows = expected.rejects.clone();
        check(&rows).unwrap();
        assert_refused(check(&rows[1..]), "rejects");
        rows.push(rows[7].clone());
        assert_refused(check(&rows), "rejects");
        rows.pop();
        rows[7][1].push(b'!');
        assert_refused(check(&rows), "rejects");
    }

    #[test]
    fn an_export_with_another_user_or_value_is_refused() {
        let (_dir, expected) = made();
        let mut lines = Vec::new();
        for number in (0..RECORDS).rev() {
            if let Some(Values { nick, face_url }) = expected.stored(number) {
                let user_id = record::user_id(number);
                let line = json!({"user_id": user_id, "nick": nick, "face_url": face_url, "state": "active"});
                lines.push(line);
            }
        }
        lines.push(json!({"user_id": ADMINISTRATOR, "nick": "", "face_url": ""}));
        let check = |lines: &[serde_json::Value]| {
            let mut text = String::new();
            for line in lines {
                writeln!(text, "{line}").unwrap();
            }
            expected.check_export(text.as_bytes())
        };
        check(&lines).unwrap();
        assert_refused(check(&lines[3..]), "lacks 3 users");
        let twice = [&lines[..], &lines[5..6]].concat();
        assert_refused(check(&twice), "twice");
        for (field, value, told) in [
            ("user_id", "somebody", "no good record names"),
            // Only a bad record names it.
            ("user_id", &*record::user_id(99), "no good record names"),
            ("nick", "another", "and not with"),
            ("face_url", "another", "and not with"),
        ] {
            let mut lines = lines.clone();
            lines[2][field] = json!(value);
            assert_refused(check(&lines), told);
        }
    }
}
