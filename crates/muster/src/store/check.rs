//! `muster store check`: whether a database is fit for muster.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, error::ErrorKind};
use muster_store_postgres::{Finding, Options, Verdict, check};
use serde_json::json;

use crate::{
    Cli, config, out,
    settings_args::{ConfigArg, SettingsArgs},
};

/// Look whether a database is fit for muster, without changing anything in it.
///
/// The database is found as by `muster serve`: --store, MUSTER_STORE or the configuration file, the
/// password in MUSTER_STORE_PASSWORD or in the file that store_password_file names. Prints a line for
/// each thing looked at: ok; warning, if muster works, but less well or less safely; or wrong, if it
/// does not work, or if accounts that it has acknowledged could be lost. The schema need not be there
/// yet. Servers may go on working meanwhile.
///
/// The exit code is 0 unless something is wrong.
#[derive(Args)]
#[command(after_help = "Examples:
  muster store check --store postgres://muster@10.0.0.5/muster
  muster store check --config /etc/muster/muster.toml --json
  MUSTER_STORE_PASSWORD=… muster store check --store 'postgres://muster@db/muster?sslmode=require'")]
pub(crate) struct Check {
    /// Print one JSON document instead of text.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.config.file();
        let loaded = config::load(self.settings.flags(), std::env::vars_os(), &file)?;
        let Some(options) = loaded.config.store else {
            let message = "the settings name no database; give one as \
                --store postgres://muster@10.0.0.5/muster";
            Cli::command()
                .error(ErrorKind::MissingRequiredArgument, message)
                .exit();
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        let findings = runtime.block_on(check(&options));
        out::print(&if self.json {
            as_json(&options, &findings)
        } else {
            as_text(&findings)
        })?;
        Ok(match count(&findings, Verdict::Wrong) {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}

fn count(findings: &[Finding], verdict: Verdict) -> usize {
    let with = findings.iter().filter(|finding| finding.verdict == verdict);
    with.count()
}

fn as_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding {
            subject,
            verdict,
            text: found,
            advice,
        } = finding;
        write!(text, "{verdict:<9}{subject}: {found}").expect("a string can be written to");
        if let Some(advice) = advice {
            write!(text, "; {advice}").expect("a string can be written to");
        }
        text.push('\n');
    }
    let wrong = count(findings, Verdict::Wrong);
    let warnings = count(findings, Verdict::Warning);
    let plural = if warnings == 1 { "" } else { "s" };
    writeln!(text, "{wrong} wrong, {warnings} warning{plural}")
        .expect("a string can be written to");
    text
}

fn as_json(options: &Options, findings: &[Finding]) -> String {
    let shown: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "subject": finding.subject,
                "verdict": finding.verdict.as_str(),
                "text": finding.text,
                "advice": finding.advice,
            })
        })
        .collect();
    let document = json!({
        "database": options.to_string(),
        "wrong": count(findings, Verdict::Wrong),
        "warnings": count(findings, Verdict::Warning),
        "findings": shown,
    });
    format!("{document:#}\n")
}
