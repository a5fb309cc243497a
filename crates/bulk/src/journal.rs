//! What became of each record, on disk.
//!
//! - rejects: the failed records as they stood in the file, to be corrected and imported;
//! - report: a line of JSON for each of them that says why, and one for each record that names a user again;
//! - checkpoint ([`crate::checkpoint`]).
//!
//! Files are made when there is something to be said. What a checkpoint says of them is on disk before it.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use serde::Serialize;
use thiserror::Error;

use crate::{
    batches::Batch,
    checkpoint::{Checkpoint, CheckpointError, Counts},
    duplicates::Duplicate,
    ranges::Ranges,
    record::{Fault, Raw},
};

/// How often a checkpoint is written, about.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Where the journal of an import lies.
#[derive(Clone, Debug)]
pub struct JournalPaths {
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

/// Why the journal of an import cannot be begun or kept.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is one of an import that was broken off.
    #[error(
        "an import of this file was broken off after {done} records; go on with it by --resume, or \
         begin anew by --restart"
    )]
    BrokenOff {
        /// Records that are done.
        done: u64,
    },
    /// There is none.
    #[error("there is nothing to resume: no checkpoint {path}")]
    NothingToResume {
        /// Where it would be.
        path: String,
    },
    /// It is of an import to somewhere else.
    #[error(
        "the import that was broken off went to {there}, this one goes to {here}; say the same again, \
         or begin anew by --restart"
    )]
    OtherTarget {
        /// Where the earlier one went.
        there: String,
        /// Where this one goes.
        here: String,
    },
    /// A file that is to be made is there.
    #[error(
        "{path} is there already, from an earlier import perhaps; move it away, or write over it with \
         --restart"
    )]
    IsThere {
        /// The file.
        path: String,
    },
    /// A file of the journal is shorter than the checkpoint says.
    #[error("{path} has lost what the checkpoint says of it; begin anew by --restart")]
    Shortened {
        /// The file.
        path: String,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// Keeps the journal of one import.
#[derive(Debug)]
pub(crate) struct Journal {
    paths: JournalPaths,
    state: Checkpoint,
    rejects: Option<Lazy>,
    report: Option<Lazy>,
    rows: Rows,
    saved: Instant,
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
    pub(crate) fn begin(
        paths: JournalPaths,
        target: String,
        rows: Rows,
        earlier: Earlier,
    ) -> Result<Self, JournalError> {
        let found = match &paths.checkpoint {
            Some(path) => Checkpoint::read(path),
            None => Ok(None),
        };
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
        let is_resumed = state.is_some();
        let state = state.unwrap_or_else(|| Checkpoint {
            target,
            done: Ranges::default(),
            counts: Counts::default(),
            rejects_bytes: 0,
            report_bytes: 0,
        });
        let open = |path: &Option<PathBuf>, bytes| match path {
            Some(path) => Lazy::open(path, bytes, is_resumed, earlier).map(Some),
            None => Ok(None),
        };
        let rejects = open(&paths.rejects, state.rejects_bytes)?;
        let report = open(&paths.report, state.report_bytes)?;
        let mut journal = Self {
            paths,
            state,
            rejects,
            report,
            rows,
            saved: Instant::now(),
        };
        // Told before the work rather than after it.
        journal.save()?;
        Ok(journal)
    }

    pub(crate) fn done(&self) -> &Ranges {
        &self.state.done
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// A batch is done: its entries are imported, but for `refused`.
    pub(crate) fn write(&mut self, batch: &Batch, refused: &Refused) -> Result<(), JournalError> {
        let failed = batch.failed(refused);
        let counts = &mut self.state.counts;
        counts.failed += failed.len() as u64;
        counts.imported += (batch.len() - failed.len()) as u64;
        for (record, fault) in failed {
            *counts.failed_by_code.entry(fault.code).or_default() += 1;
            if let Some(rejects) = &mut self.rejects {
                let Rows { header, delimiter } = &self.rows;
                if let Some(header) = header.as_ref().filter(|_| rejects.bytes == 0) {
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
        if self.saved.elapsed() >= SAVE_EVERY {
            self.save()?;
        }
        Ok(())
    }

    pub(crate) fn write_duplicate(&mut self, duplicate: Duplicate) -> Result<(), JournalError> {
        let Some(report) = &mut self.report else {
            return Ok(());
        };
        report.write_json(&Told::Duplicate {
            line: duplicate.line,
            earlier_line: duplicate.earlier,
            duplicate: if duplicate.is_identical {
                "identical"
            } else {
                "conflicting"
            },
        })
    }

    /// Makes durable what was written.
    pub(crate) fn save(&mut self) -> Result<(), JournalError> {
        let sync = |file: &mut Option<Lazy>| file.as_mut().map_or(Ok(0), Lazy::sync);
        self.state.rejects_bytes = sync(&mut self.rejects)?;
        self.state.report_bytes = sync(&mut self.report)?;
        if let Some(path) = &self.paths.checkpoint {
            self.state.write(path)?;
        }
        self.saved = Instant::now();
        Ok(())
    }

    /// All records are done: nobody goes on from here.
    pub(crate) fn end(mut self) -> Result<(), JournalError> {
        self.save()?;
        if let Some(path) = &self.paths.checkpoint {
            Checkpoint::remove(path)?;
        }
        Ok(())
    }
}

/// A file that is made when something is written.
#[derive(Debug)]
struct Lazy {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    bytes: u64,
    line: Vec<u8>,
}

impl Lazy {
    fn open(
        path: &Path,
        bytes: u64,
        is_resumed: bool,
        earlier: Earlier,
    ) -> Result<Self, JournalError> {
        let failed = |cause| JournalError::Io {
            path: path.display().to_string(),
            cause,
        };
        let shown = || path.display().to_string();
        let file = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && bytes == 0 => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::Shortened { path: shown() });
            }
            Err(error) => return Err(failed(error)),
            Ok(_) if !is_resumed && earlier != Earlier::Restart => {
                return Err(JournalError::IsThere { path: shown() });
            }
            Ok(found) if found.len() < bytes => {
                return Err(JournalError::Shortened { path: shown() });
            }
            Ok(_) if bytes == 0 => {
                fs::remove_file(path).map_err(failed)?;
                None
            }
            Ok(_) => {
                let mut file = File::options().write(true).open(path).map_err(failed)?;
                file.set_len(bytes).map_err(failed)?;
                file.seek(SeekFrom::End(0)).map_err(failed)?;
                Some(BufWriter::new(file))
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            line: Vec::new(),
        })
    }

    fn write_raw(&mut self, raw: &Raw, delimiter: u8) -> Result<(), JournalError> {
        self.line.clear();
        raw.write(delimiter, &mut self.line);
        self.write_line()
    }

    fn write_json(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value).expect("plain structs, into memory");
        self.line.push(b'\n');
        self.write_line()
    }

    fn write_line(&mut self) -> Result<(), JournalError> {
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.line),
            None => File::create_new(&self.path)
                .and_then(|file| self.file.insert(BufWriter::new(file)).write_all(&self.line)),
        };
        written.map_err(|cause| self.failed(cause))?;
        self.bytes += self.line.len() as u64;
        Ok(())
    }

    /// How many bytes are on disk.
    fn sync(&mut self) -> Result<u64, JournalError> {
        if let Some(file) = &mut self.file {
            let synced = file.flush().and_then(|()| file.get_ref().sync_data());
            synced.map_err(|cause| self.failed(cause))?;
        }
        Ok(self.bytes)
    }

    fn failed(&self, cause: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.display().to_string(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests;
