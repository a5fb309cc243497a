//! What can be wrong with a journal.

use std::io;

use thiserror::Error;

use crate::checkpoint::CheckpointError;

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
    /// A file of the journal is not as it was left.
    #[error(
        "{path} is not as the import left it that was broken off; put it back as it was to go on, and \
         correct rejects once all records are done, or begin anew by --restart"
    )]
    Altered {
        /// The file.
        path: String,
    },
    /// The import that was broken off wrote into another file.
    #[error(
        "the import that was broken off wrote into {there}, not into {here}; say the same again"
    )]
    OtherFile {
        /// Where it wrote.
        there: String,
        /// Where this one is to write.
        here: String,
    },
    /// Two files would be the same.
    #[error(
        "{path} cannot be two things at once: the file to be imported, rejects, report, checkpoint"
    )]
    SameFile {
        /// The file.
        path: String,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {cause}; --rejects and --report put files elsewhere")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
}
