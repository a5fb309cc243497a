//! An import, from its file to its end.

mod reading;
mod run;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::sync::watch;

use crate::{
    checkpoint::Counts,
    file::{ReadError, Reader},
    journal::{Earlier, Journal, JournalError, JournalPaths, Rows},
    lane::{Lane, LaneError},
    pace::Trouble,
};

use self::{
    reading::{Read, Reading},
    run::Run,
};

/// What is to be imported, and how.
pub struct Import {
    /// The file, opened.
    pub reader: Reader,
    /// Where it goes.
    pub lane: Lane,
    /// What `lane` leads to, for a checkpoint to be told from one of another import.
    pub target: String,
    /// Where the journal is kept.
    pub paths: JournalPaths,
    /// What is done about an import that was broken off.
    pub earlier: Earlier,
    /// Where large files may have a file without a name, of 32 bytes a record.
    pub scratch_dir: PathBuf,
}

/// How far an import is. It is shared with whoever shows it.
#[derive(Clone, Default)]
pub struct Progress(Arc<Numbers>);

#[derive(Default)]
struct Numbers {
    read: AtomicU64,
    skipped: AtomicU64,
    imported: AtomicU64,
    failed: AtomicU64,
    lane: OnceLock<Lane>,
}

/// How far an import is at a moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Records that were read.
    pub read: u64,
    /// Of those, the ones that an import before this has done.
    pub skipped: u64,
    /// Records imported, by an import before this as well.
    pub imported: u64,
    /// Records failed, likewise.
    pub failed: u64,
    /// Calls that had to be made again.
    pub retries: u64,
    /// What goes wrong at the moment.
    pub trouble: Option<Trouble>,
}

/// What came of an import.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it ended.
    pub end: End,
    /// What became of the records, those of an import before this that it went on with included.
    pub counts: Counts,
    /// Of these, the ones that an import before this has done.
    pub resumed: u64,
    /// Records that name a user whom an earlier one names, and say the same; known if all were read.
    pub identical_duplicates: u64,
    /// Likewise, but say something else.
    pub conflicting_duplicates: u64,
    /// Calls that had to be made again.
    pub retries: u64,
    /// The first faults and duplicates, for people.
    pub examples: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// How an import ended.
#[derive(Clone, Debug)]
pub enum End {
    /// All records of the file are done.
    Complete,
    /// Somebody stopped it. Records after those that are done were not tried.
    Stopped,
    /// Likewise, because it could not go on.
    BrokenOff(Arc<BreakOff>),
}

/// Why an import could not go on. All that was done is in the journal.
#[derive(Debug, Error)]
pub enum BreakOff {
    /// The file cannot be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The server.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// The file is another than the one that the checkpoint is of.
    #[error(
        "the file has changed since the import was broken off, or is read in another way: its first \
         {records} records are not those that are done; --restart begins anew"
    )]
    Changed {
        /// How many records the checkpoint is about.
        records: u64,
    },
    /// The journal cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No file without a name, or no thread.
    #[error("cannot keep track of duplicates in {dir}: {cause}")]
    Scratch {
        /// The directory.
        dir: String,
        /// What the system says.
        cause: io::Error,
    },
    /// A part of the import ended by itself, which is a mistake in it.
    #[error("a part of the import broke off")]
    Task,
}

impl Progress {
    /// How far it is.
    pub fn seen(&self) -> Seen {
        let numbers = &*self.0;
        let (trouble, retries) = numbers
            .lane
            .get()
            .map_or((None, 0), |lane| lane.pace().trouble());
        Seen {
            read: numbers.read.load(Ordering::Relaxed),
            skipped: numbers.skipped.load(Ordering::Relaxed),
            imported: numbers.imported.load(Ordering::Relaxed),
            failed: numbers.failed.load(Ordering::Relaxed),
            retries,
            trouble,
        }
    }

    fn read(&self, records: u64) {
        self.0.read.store(records, Ordering::Relaxed);
    }

    fn skip_one(&self) {
        self.0.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, counts: &Counts) {
        self.0.imported.store(counts.imported, Ordering::Relaxed);
        self.0.failed.store(counts.failed, Ordering::Relaxed);
    }
}

impl Import {
    /// Imports, until all is done, `stop` says true, or it cannot go on. Call it within a runtime of several
    /// threads, outside of its workers: it waits for the disk.
    ///
    /// An error says why it has not begun.
    pub async fn run(
        self,
        progress: &Progress,
        stop: watch::Receiver<bool>,
    ) -> Result<Summary, JournalError> {
        let begun = Instant::now();
        let rows = Rows {
            header: self.reader.header().cloned(),
            delimiter: self.reader.delimiter().unwrap_or(b','),
        };
        let doubt = self.lane.doubt();
        let (journal, in_doubt) =
            Journal::begin(self.paths, self.target, rows, self.earlier, doubt)?;
        progress.count(journal.counts());
        let _ = progress.0.lane.set(self.lane.clone());
        let reading = Reading::start(
            self.reader,
            self.lane.limits(),
            journal.done().clone(),
            progress.clone(),
            &self.scratch_dir,
        );
        let mut run = Run::new(self.lane, journal, progress, in_doubt);
        let resumed = run.counts().all();
        let read = match reading {
            Ok(read) => run.import_all(read, stop).await,
            Err(error) => Err(error),
        };
        let end = match read {
            Ok(None) => Ok(End::Stopped),
            Ok(Some(sightings)) => run.tell_duplicates(sightings).map(|()| End::Complete),
            Err(error) => Err(error),
        };
        let is_complete = matches!(end, Ok(End::Complete));
        let (identical_duplicates, conflicting_duplicates) = (run.identical, run.conflicting);
        let (counts, examples, saved) = run.end(is_complete);
        let end = end.and_then(|end| Ok(saved.map(|()| end)?));
        Ok(Summary {
            end: end.unwrap_or_else(|error| End::BrokenOff(error.into())),
            counts,
            resumed,
            identical_duplicates,
            conflicting_duplicates,
            retries: progress.seen().retries,
            examples,
            elapsed: begun.elapsed(),
        })
    }
}
