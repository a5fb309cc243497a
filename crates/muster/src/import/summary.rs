//! What an import came to, for people and as JSON.

use std::{fmt::Write as _, path::Path, process::ExitCode};

use anyhow::anyhow;
use indicatif::HumanCount;
use muster_bulk::{End, JournalPaths, Summary, file::IgnoredColumns};
use serde_json::json;

use super::advice;
use crate::out;

/// Every record was tried, and some have failed.
const SOME_FAILED: u8 = 3;

/// What was to be done.
pub(super) struct Told {
    pub(super) file: String,
    pub(super) target: String,
    pub(super) paths: JournalPaths,
    /// With which the rejects are imported, if they are kept.
    pub(super) rejects_options: Option<String>,
    pub(super) is_dry_run: bool,
    pub(super) is_json: bool,
    /// Columns or fields of the file that were not taken.
    pub(super) ignored: IgnoredColumns,
}

pub(super) fn exit_code(summary: &Summary) -> anyhow::Result<ExitCode> {
    match &summary.end {
        End::Complete if summary.counts.failed == 0 => Ok(ExitCode::SUCCESS),
        End::Complete => Ok(SOME_FAILED.into()),
        End::Stopped => Ok(ExitCode::FAILURE),
        End::BrokenOff(why) => Err(anyhow!(why.clone())),
    }
}

impl Told {
    pub(super) fn text(&self, summary: &Summary) -> String {
        if self.is_json {
            let json = serde_json::to_string_pretty(&self.json(summary));
            return json.expect("it is plain") + "\n";
        }
        let (file, target) = (out::visible(&self.file), out::visible(&self.target));
        let counts = &summary.counts;
        let is_complete = matches!(summary.end, End::Complete);
        let elapsed_s = summary.elapsed.as_secs_f64();
        let mut text = String::new();
        let mut line = |written: std::fmt::Arguments| {
            text.write_fmt(written).expect("a String takes all");
            text.push('\n');
        };
        if self.is_dry_run {
            let all = counts.all();
            line(format_args!(
                "{file}: {}, of which {} could be imported; nothing was sent",
                records(all),
                HumanCount(counts.imported)
            ));
        } else {
            let new = counts.all() - summary.resumed;
            let rate = u128::from(new) * 1000 / summary.elapsed.as_millis().max(1);
            let rate = u64::try_from(rate).unwrap_or(u64::MAX);
            line(format_args!(
                "imported {} of {file} into {target}; {} tried in {elapsed_s:.1} s ({}/s)",
                records(counts.imported),
                HumanCount(new),
                HumanCount(rate)
            ));
        }
        if is_complete && counts.all() == 0 {
            line(format_args!("there was no record in {file}"));
        }
        if counts.failed > 0 {
            let by_code = counts.failed_by_code.iter();
            let by_code: Vec<_> = by_code
                .map(|(code, count)| format!("{} with code {code}", HumanCount(*count)))
                .collect();
            line(format_args!(
                "failed: {} ({})",
                HumanCount(counts.failed),
                by_code.join(", ")
            ));
            if let Some(rejects) = shown(self.paths.rejects.as_deref()) {
                let rejects = out::visible(&rejects);
                let options = self.rejects_options.as_deref().unwrap_or_default();
                if !is_complete {
                    line(format_args!(
                        "  to be corrected and imported once all is tried: {rejects}"
                    ));
                } else if options.is_empty() {
                    line(format_args!("  correct and import them: {rejects}"));
                } else {
                    let options = out::visible(options);
                    line(format_args!(
                        "  correct and import them: {rejects}, with {options}"
                    ));
                }
            }
        }
        let (identical, conflicting) =
            (summary.identical_duplicates, summary.conflicting_duplicates);
        if identical + conflicting > 0 {
            line(format_args!(
                "records that name a user again: {} with the same values, {} with others (the last one \
                 counts)",
                HumanCount(identical),
                HumanCount(conflicting)
            ));
        }
        if counts.failed + identical + conflicting > 0
            && let Some(report) = shown(self.paths.report.as_deref())
        {
            line(format_args!("  line by line: {}", out::visible(&report)));
        }
        for example in &summary.examples {
            line(format_args!("  {}", out::visible(example)));
        }
        let ignored = self.ignored.names();
        if !ignored.is_empty() {
            line(format_args!(
                "columns that were not taken: {}",
                out::visible(&ignored.join(", "))
            ));
        }
        if summary.retries > 0 {
            line(format_args!(
                "calls made again: {}",
                HumanCount(summary.retries)
            ));
        }
        if !is_complete {
            let how = advice::go_on(&summary.end, self.paths.checkpoint.as_deref());
            line(format_args!(
                "not every record was tried: {} done; {how}",
                records(counts.all())
            ));
        }
        text
    }

    fn json(&self, summary: &Summary) -> serde_json::Value {
        let (end, error) = match &summary.end {
            End::Complete => ("complete", None),
            End::Stopped => ("stopped", None),
            End::BrokenOff(why) => ("broken_off", Some(why.to_string())),
        };
        json!({
            "file": self.file,
            "target": self.target,
            "dry_run": self.is_dry_run,
            "end": end,
            "error": error,
            "imported": summary.counts.imported,
            "failed": summary.counts.failed,
            "failed_by_code": summary.counts.failed_by_code,
            "resumed": summary.resumed,
            "identical_duplicates": summary.identical_duplicates,
            "conflicting_duplicates": summary.conflicting_duplicates,
            "ignored_columns": self.ignored.names(),
            "calls_made_again": summary.retries,
            "elapsed_s": summary.elapsed.as_secs_f64(),
            "rejects_file": shown(self.paths.rejects.as_deref()),
            "report_file": shown(self.paths.report.as_deref()),
        })
    }
}

fn records(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} record{plural}", HumanCount(count))
}

/// A file, if there was something to be said in it.
fn shown(path: Option<&Path>) -> Option<String> {
    let path = path.filter(|path| path.exists())?;
    Some(path.display().to_string())
}
