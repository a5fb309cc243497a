//! What became of each record, on disk.
//!
//! - rejects: the failed records as they stood in the file, to be corrected and imported;
//! - report: a line of JSON for each of them that says why, and one for each record that names a user again;
//! - checkpoint ([`crate::checkpoint`]).
//!
//! Files are made when there is something to be said. What a checkpoint says of them is on disk before it, and
//! nothing is written any more once something could not be.

mod error;
mod kept_file;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use serde::Serialize;

use crate::{
    batches::Batch,
    checkpoint::{Checkpoint, Counts, Kept},
    duplicates::Duplicate,
    ranges::Ranges,
    record::{Fault, Raw},
};

pub use self::error::JournalError;
use self::kept_file::{KeptFile, check_places};

/// How often a checkpoint is written, about.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Where the journal of an import lies.
#[derive(Clone, Debug)]
pub struct JournalPaths {
    /// What is imported, if it is a file: none of the others may be it.
    pub input: Option<PathBuf>,
    /// The failed records, if they are to be kept.
    pub rejects: Option<PathBuf>,
    /// Why they have failed, likewise.
    pub report: Option<PathBuf>,
    /// How far the import is; without it, it cannot go on after an end.
    pub checkpoint: Option<PathBuf>,
}

impl JournalPaths {
    /// Beside the input: of `users.csv.gz` these are `users.rejects.csv`, `users.report.ndjson` and
    /// `users.csv.gz.muster-import`.
    pub fn beside(input: &Path, extension: &str) -> Self {
        let name = input.file_name().unwrap_or_default().to_string_lossy();
        let stem = ["gz", "zst", extension]
            .iter()
            .fold(&*name, |stem, ending| {
                let cut = stem
                    .strip_suffix(ending)
                    .and_then(|stem| stem.strip_suffix('.'));
                cut.filter(|stem| !stem.is_empty()).unwrap_or(stem)
            });
        Self {
            input: Some(input.to_owned()),
            rejects: Some(input.with_file_name(format!("{stem}.rejects.{extension}"))),
            report: Some(input.with_file_name(format!("{stem}.report.ndjson"))),
            checkpoint: Some(input.with_file_name(format!("{name}.muster-import"))),
        }
    }
}

/// What is done about an import of the same input that was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// There is to be none.
    Refuse,
    /// Go on with it.
    Resume,
    /// Forget it, and what is left of its rejects.
    Restart,
}

/// Keeps the journal of one import.
pub(crate) struct Journal {
    paths: JournalPaths,
    state: Checkpoint,
    rejects: Option<KeptFile>,
    report: Option<KeptFile>,
    rows: Rows,
    saved: Instant,
    saved_counts: Counts,
    /// What is on disk is that of the last time that it was saved, and stays so.
    is_broken: bool,
    /// The report has more than a checkpoint may say: duplicates are told anew by an import that goes on.
    has_duplicates: bool,
}

/// How the records of the input are written.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The row that comes before all others.
    pub(crate) header: Option<Raw>,
    /// Between the fields of a row.
    pub(crate) delimiter: u8,
}

/// Which entries of a batch are refused, by their places, and why.
pub(crate) type Refused = HashMap<u32, Fault>;

/// A line of the report.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'t> {
    Failed {
        line: u64,
        user_id: Option<&'t str>,
        code: i64,
        reason: &'t str,
    },
    Duplicate {
        line: u64,
        earlier_line: u64,
        duplicate: &'static str,
    },
}

impl Journal {
    /// Calls of this import may be carried out for as long as `doubt` after they are lost. Comes with how long
    /// that may happen to calls of an import before this.
    pub(crate) fn begin(
        paths: JournalPaths,
        target: String,
        rows: Rows,
        earlier: Earlier,
        doubt: Duration,
    ) -> Result<(Self, Duration), JournalError> {
        check_places(&paths)?;
        let found = match &paths.checkpoint {
            Some(path) => Checkpoint::read(path),
            None => Ok(None),
        };
        let before = found.as_ref().ok().and_then(Option::as_ref);
        let in_doubt = Duration::from_secs(before.map_or(0, |before| before.doubt_s));
        let state = match (earlier, found) {
            (Earlier::Restart, _) => None,
            (Earlier::Refuse, Ok(Some(found))) => {
                let done = found.counts.all();
                return Err(JournalError::BrokenOff { done });
            }
            (Earlier::Resume, Ok(None)) => {
                let path = paths.checkpoint.unwrap_or_default().display().to_string();
                return Err(JournalError::NothingToResume { path });
            }
            (Earlier::Refuse | Earlier::Resume, found) => found?,
        };
        if let Some(state) = &state
            && state.target != target
        {
            return Err(JournalError::OtherTarget {
                there: state.target.clone(),
                here: target,
            });
        }
        let state = state.unwrap_or_else(|| Checkpoint {
            target,
            done: Ranges::default(),
            counts: Counts::default(),
            rejects: Kept::default(),
            report: Kept::default(),
            doubt_s: 0,
        });
        let is_written_over = earlier == Earlier::Restart;
        let open = |path: &Option<PathBuf>, kept: &Kept| match path {
            Some(path) => KeptFile::open(path, kept, is_written_over).map(Some),
            None => Ok(None),
        };
        let rejects = open(&paths.rejects, &state.rejects)?;
        let report = open(&paths.report, &state.report)?;
        let mut journal = Self {
            saved_counts: state.counts.clone(),
            paths,
            state,
            rejects,
            report,
            rows,
            saved: Instant::now(),
            is_broken: false,
            has_duplicates: false,
        };
        journal.state.doubt_s = seconds(in_doubt.max(doubt));
        // Told before the work rather than after it.
        journal.save()?;
        Ok((journal, in_doubt))
    }

    pub(crate) fn done(&self) -> &Ranges {
        &self.state.done
    }

    /// What became of the records that are done; once it is broken, of those whose ends are on disk.
    pub(crate) fn counts(&self) -> &Counts {
        if self.is_broken {
            &self.saved_counts
        } else {
            &self.state.counts
        }
    }

    /// A batch is done: its entries are imported, but for `refused`.
    pub(crate) fn write(&mut self, batch: &Batch, refused: &Refused) -> Result<(), JournalError> {
        self.unless_broken(|journal| {
            journal.write_failed(batch, refused)?;
            if journal.saved.elapsed() >= SAVE_EVERY {
                journal.write_checkpoint()?;
            }
            Ok(())
        })
    }

    pub(crate) fn write_duplicate(&mut self, duplicate: Duplicate) -> Result<(), JournalError> {
        self.unless_broken(|journal| {
            if journal.report.is_none() {
                return Ok(());
            }
            journal.claim_files()?;
            journal.has_duplicates = true;
            let told = Told::Duplicate {
                line: duplicate.line,
                earlier_line: duplicate.earlier,
                duplicate: if duplicate.is_identical {
                    "identical"
                } else {
                    "conflicting"
                },
            };
            let report = journal.report.as_mut();
            report.map_or(Ok(()), |report| report.write_json(&told))
        })
    }

    /// Makes durable what was written.
    pub(crate) fn save(&mut self) -> Result<(), JournalError> {
        self.unless_broken(Self::write_checkpoint)
    }

    /// No call is under way any more. Those that were lost may still be carried out for so long.
    pub(crate) fn stop(&mut self, doubt: Duration) -> Result<(), JournalError> {
        self.state.doubt_s = seconds(doubt);
        if self.state.counts.all() > 0 || doubt > Duration::ZERO {
            return self.save();
        }
        // Nothing was done that another import would have to know of.
        self.unless_broken(Self::remove_checkpoint)
    }

    /// All records are done: nobody goes on from here.
    pub(crate) fn end(mut self) -> Result<(), JournalError> {
        self.unless_broken(|journal| {
            // The checkpoint knows of no duplicates, and is to be there until they are on disk.
            for file in [&mut journal.rejects, &mut journal.report] {
                file.as_mut().map_or(Ok(()), KeptFile::sync)?;
            }
            journal.remove_checkpoint()
        })
    }

    fn unless_broken(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        // The first error was told.
        if self.is_broken {
            return Ok(());
        }
        let written = write(self);
        self.is_broken = written.is_err();
        written
    }

    fn write_failed(&mut self, batch: &Batch, refused: &Refused) -> Result<(), JournalError> {
        let failed = batch.failed(refused);
        if !failed.is_empty() {
            self.claim_files()?;
        }
        let counts = &mut self.state.counts;
        counts.failed += failed.len() as u64;
        counts.imported += (batch.len() - failed.len()) as u64;
        for (record, fault) in failed {
            *counts.failed_by_code.entry(fault.code).or_default() += 1;
            if let Some(rejects) = &mut self.rejects {
                let Rows { header, delimiter } = &self.rows;
                if let Some(header) = header.as_ref().filter(|_| rejects.is_empty()) {
                    rejects.write_raw(header, *delimiter)?;
                }
                rejects.write_raw(&record.raw, *delimiter)?;
            }
            if let Some(report) = &mut self.report {
                report.write_json(&Told::Failed {
                    line: record.line,
                    user_id: fault.user_id.as_deref(),
                    code: fault.code,
                    reason: &fault.reason,
                })?;
            }
        }
        let numbers = batch.numbers();
        self.state
            .done
            .add(*numbers.start(), *numbers.end(), batch.digest);
        Ok(())
    }

    /// Notes that the files are this import's, before they are made: an import that goes on writes over what
    /// it finds of them, and over nothing else.
    fn claim_files(&mut self) -> Result<(), JournalError> {
        let (rejects, report) = (&mut self.state.rejects, &mut self.state.report);
        if rejects.path.is_some() || report.path.is_some() {
            return Ok(());
        }
        rejects.path = self.rejects.as_ref().map(KeptFile::shown);
        report.path = self.report.as_ref().map(KeptFile::shown);
        self.write_checkpoint()
    }

    fn write_checkpoint(&mut self) -> Result<(), JournalError> {
        for (file, kept) in [
            (&mut self.rejects, &mut self.state.rejects),
            (&mut self.report, &mut self.state.report),
        ] {
            if let Some(file) = file {
                file.sync()?;
                (kept.bytes, kept.digest) = file.written();
            }
        }
        if let Some(path) = &self.paths.checkpoint
            && !self.has_duplicates
        {
            self.state.write(path)?;
        }
        self.saved = Instant::now();
        self.saved_counts.clone_from(&self.state.counts);
        Ok(())
    }

    fn remove_checkpoint(&mut self) -> Result<(), JournalError> {
        match &self.paths.checkpoint {
            Some(path) => Ok(Checkpoint::remove(path)?),
            None => Ok(()),
        }
    }
}

/// Seconds, a part of one counted as one.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
