//! What is said of `muster import`, shown: how fast it is beside the store that the accounts go into, how much
//! memory it needs, and that whatever is in the file or happens on the way, the end is as it must be.
//!
//! - `record`, `bad`, `file`: a file as a team exports it, and what must come of it;
//! - `check`: whether that has come of it;
//! - `tool`: the import and the export as processes;
//! - `store`: the store by itself;
//! - `undisturbed`, `disturbed`: what is done;
//! - `table`: the results for people.

mod bad;
mod check;
mod disturbed;
mod file;
mod record;
mod store;
mod table;
mod tool;
mod undisturbed;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use tempfile::TempDir;

use self::{
    disturbed::Disturbed,
    file::Expected,
    tool::{Cores, Lane},
};
use crate::{
    disk,
    document::Section,
    figures::{as_f64, grouped, mib, number},
    machine::{self, Machine},
    muster as program,
    places::Places,
    tell,
};

/// More than a record takes in the file, in the store and in what is noted of it.
const ROOM_BYTES_A_RECORD: u64 = 1500;
const ROOM_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Measure `muster import`, and look whether the end is as it must be.
///
/// A file is made that looks like a team's export: names in many scripts, records that are bad in every way,
/// users who are named again. It is imported by the account API and by --direct, on all cores and with a core
/// for each of server and tool, beside the store by itself; then once more while the tool is killed, and then
/// the server. Each time the summary, the report, the rejects and an export of all users are compared with
/// what must come of the file. The results go into performance.md.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// How many records the file has. For the store by itself all are held in memory.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(10_000..=10_000_000))]
    records: u64,

    /// How often each is measured undisturbed; the table has medians and ranges.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=99))]
    runs: u16,

    /// How many records a larger file has, of whose import only the memory is measured; 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    large: u64,

    #[command(flatten)]
    places: Places,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask import
  cargo xtask import --records 20000 --runs 1 --large 0 --out trial    tries it out
  cargo xtask import --dir /mnt/disk --json import.json

With --out trial, a copy of docs/performance.md is to be in the directory trial.
A file of few records may be imported before anything can be killed; 200000 are enough.";

/// A file of users, and what must come of it.
struct Source {
    path: PathBuf,
    bytes: u64,
    expected: Arc<Expected>,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Measured {
    machine: Machine,
    muster: String,
    file: Counts,
    settings: Vec<Setting>,
    disturbed: Vec<Disturbed>,
    large: Option<Large>,
}

/// What must come of the file, and came of it each time.
#[derive(Serialize)]
struct Counts {
    bytes: u64,
    records: u64,
    imported: u64,
    users: u64,
    failed_by_code: std::collections::BTreeMap<i64, u64>,
    identical_duplicates: u64,
    conflicting_duplicates: u64,
}

/// All that was measured on these cores.
#[derive(Serialize)]
struct Setting {
    cores: Cores,
    store: Vec<StoreRow>,
    lanes: Vec<LaneRow>,
}

#[derive(Serialize)]
struct StoreRow {
    under_way: usize,
    runs: Vec<store::Figures>,
}

#[derive(Serialize)]
struct LaneRow {
    lane: Lane,
    runs: Vec<undisturbed::Figures>,
}

/// The memory that a larger file takes.
#[derive(Serialize)]
struct Large {
    records: u64,
    file_bytes: u64,
    tool_bytes: u64,
}

impl Import {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let section = Section::find(&self.places.out(), "import")?;
        self.places.ensure_json()?;
        let dir = self.places.new_dir()?;
        let most = self.records.max(self.large);
        disk::ensure_room(dir.path(), ROOM_BYTES + ROOM_BYTES_A_RECORD * most)?;
        let machine = Machine::describe(dir.path())?;
        tell(&machine);
        if cfg!(debug_assertions) {
            tell("this is a debug build: what the store does by itself says nothing");
        }
        let binary = match &self.places.muster {
            Some(binary) => binary.canonicalize().context("--muster")?,
            None => program::build()?,
        };
        let source = Source::make(dir.path().join("users.csv"), self.records)?;
        let mut settings = settings()?;
        for run in 1..=self.runs {
            for setting in &mut settings {
                let on = setting.cores.name();
                tell(format_args!("run {run} of {}: {on}", self.runs));
                setting.measure(&source, &binary, dir.path()).await?;
            }
        }
        tell("tool and server killed");
        let mut disturbed = Vec::new();
        for lane in Lane::ALL {
            let place = place(dir.path())?;
            disturbed.push(disturbed::measure(&source, &binary, lane, place.path()).await?);
        }
        let large = match self.large {
            0 => None,
            records => Some(measure_large(records, &binary, dir.path()).await?),
        };
        let measured = Measured {
            machine,
            muster: program::version(&binary)?,
            file: source.counts(),
            settings,
            disturbed,
            large,
        };
        self.places.write_json(&measured)?;
        let text = table::text(&measured);
        section.write(&text)?;
        tell(text);
        Ok(())
    }
}

impl Source {
    fn make(path: PathBuf, records: u64) -> anyhow::Result<Source> {
        let shown = path.display().to_string();
        let expected = file::write(&path, records);
        let expected = expected.with_context(|| format!("cannot write {shown}"))?;
        let bytes = fs::metadata(&path)?.len();
        let size = number(mib(as_f64(bytes)));
        tell(format_args!("{} records, {size} MiB", grouped(records)));
        Ok(Source {
            path,
            bytes,
            expected: expected.into(),
        })
    }

    fn counts(&self) -> Counts {
        let expected = &self.expected;
        Counts {
            bytes: self.bytes,
            records: expected.records,
            imported: expected.imported,
            users: expected.users,
            failed_by_code: expected.failed_by_code.clone(),
            identical_duplicates: expected.identical(),
            conflicting_duplicates: expected.conflicting(),
        }
    }
}

/// All cores, and a core each if there are two.
fn settings() -> anyhow::Result<Vec<Setting>> {
    let mut all = vec![Cores::default()];
    match machine::cores()?[..] {
        [server, tool, ..] => all.push(Cores {
            server: Some(server),
            tool: Some(tool),
        }),
        _ => tell("there is one core only, so server and tool cannot have one each"),
    }
    let setting = |cores| Setting {
        cores,
        store: store::UNDER_WAY
            .map(|under_way| StoreRow {
                under_way,
                runs: Vec::new(),
            })
            .into(),
        lanes: Lane::ALL
            .map(|lane| LaneRow {
                lane,
                runs: Vec::new(),
            })
            .into(),
    };
    Ok(all.into_iter().map(setting).collect())
}

impl Cores {
    fn name(self) -> &'static str {
        match self.server {
            None => "both on all cores",
            Some(_) => "a core each",
        }
    }
}

impl Setting {
    /// Adds a run of each.
    async fn measure(&mut self, source: &Source, binary: &Path, dir: &Path) -> anyhow::Result<()> {
        for row in &mut self.store {
            let place = place(dir)?;
            let place = place.path().join("store");
            let core = self.cores.server;
            let figures = store::measure(&source.expected, row.under_way, core, &place)?;
            row.runs.push(figures);
        }
        for row in &mut self.lanes {
            let place = place(dir)?;
            let figures =
                undisturbed::measure(source, binary, row.lane, self.cores, place.path()).await;
            row.runs.push(figures.with_context(|| row.lane.name())?);
        }
        Ok(())
    }
}

async fn measure_large(records: u64, binary: &Path, dir: &Path) -> anyhow::Result<Large> {
    tell("a large file");
    let source = Source::make(dir.join("large.csv"), records)?;
    let place = place(dir)?;
    let tool_bytes = undisturbed::measure_memory(&source, binary, place.path()).await?;
    Ok(Large {
        records,
        file_bytes: source.bytes,
        tool_bytes,
    })
}

/// A fresh directory, gone once it is dropped.
fn place(dir: &Path) -> anyhow::Result<TempDir> {
    TempDir::new_in(dir).with_context(|| format!("cannot make a directory in {}", dir.display()))
}
