//! A data directory: made whole or not at all, locked against a second process, opened.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
};

use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, config::FilterPolicy,
};
use thiserror::Error;

use crate::{damage::FileError, journal, layout::KEYSPACE, manifest};

/// How much journal may lie behind the tables before fjall writes tables to catch up. Its smallest
/// setting: what is in the journal is replayed when the store is opened, some microseconds a record.
const JOURNAL_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Why a data directory cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made or reached.
    #[error("cannot use the data directory {dir}: {cause}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Another process has it open.
    #[error(
        "the data directory {dir} is in use by another muster process; stop that one, or choose \
         another directory"
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The storage engine cannot read what is there.
    #[error("cannot open the store in {dir}: {cause}")]
    Engine {
        /// The directory.
        dir: PathBuf,
        /// What fjall says.
        cause: String,
    },
    /// A file of the storage engine does not hold what was written to it. Nothing was changed.
    #[error(
        "cannot open the store in {dir}: {cause}. Nothing was changed. What the file held cannot be \
         trusted: put a copy of the whole data directory in its place, of a time before the damage, \
         and look to the disk"
    )]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// Which file, and what is wrong with it.
        cause: String,
    },
    /// A record cannot be read. Nothing was changed.
    #[error("cannot read the store in {dir}: {cause}")]
    Record {
        /// The directory.
        dir: PathBuf,
        /// Which record, and what is wrong with it.
        cause: String,
    },
    /// The system gives no thread to write with.
    #[error("cannot start the writer of the store: {0}")]
    Thread(io::Error),
}

/// An open engine. While this exists no other process opens the directory.
pub(crate) struct Engine {
    pub(crate) db: Database,
    pub(crate) keyspace: Keyspace,
    // Dropped last, when the engine has let go of its files.
    _lock: File,
}

impl Engine {
    /// Opens what is in `dir`, or makes it.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let io_error = |cause| OpenError::Directory {
            dir: dir.to_owned(),
            cause,
        };
        let engine_error = |cause: fjall::Error| match cause {
            fjall::Error::Locked => OpenError::InUse {
                dir: dir.to_owned(),
            },
            cause => OpenError::Engine {
                dir: dir.to_owned(),
                cause: cause.to_string(),
            },
        };
        make_directory(dir).map_err(io_error)?;
        let lock = lock(dir)?;
        let store = dir.join("store");
        if store.try_exists().map_err(io_error)? {
            look_over(dir, &store)?;
        } else {
            // A crash in the middle leaves a directory that does not count.
            let unfinished = dir.join("store.new");
            if unfinished.try_exists().map_err(io_error)? {
                fs::remove_dir_all(&unfinished).map_err(io_error)?;
            }
            make_directory(&unfinished).map_err(io_error)?;
            let db = open_database(&unfinished).map_err(engine_error)?;
            drop(open_keyspace(&db).map_err(engine_error)?);
            drop(db);
            sync_tree(&unfinished).map_err(io_error)?;
            fs::rename(&unfinished, &store).map_err(io_error)?;
            sync_with_ancestors(dir).map_err(io_error)?;
        }
        let db = open_database(&store).map_err(engine_error)?;
        if !db.keyspace_exists(KEYSPACE) {
            return Err(OpenError::Damaged {
                dir: dir.to_owned(),
                cause: format!("{} has lost its keyspace", store.display()),
            });
        }
        let keyspace = open_keyspace(&db).map_err(engine_error)?;
        Ok(Self {
            db,
            keyspace,
            _lock: lock,
        })
    }

    /// Why the engine takes no more commits, if it does not.
    pub(crate) fn failure(&self) -> fjall::Result<()> {
        // The door to what it knows of its own threads. A commit writes all it has before it ends, so
        // there is never anything for this to write.
        self.db.persist(PersistMode::Buffer)
    }
}

/// Looks over the files of a store before the engine does, which would lose what it cannot read.
fn look_over(dir: &Path, store: &Path) -> Result<(), OpenError> {
    let looked = manifest::check(store).and_then(|()| journal::mend(store));
    looked.map_err(|cause| {
        let dir = dir.to_owned();
        match cause {
            FileError::Io { .. } => OpenError::Engine {
                dir,
                cause: cause.to_string(),
            },
            FileError::Damaged { .. } => OpenError::Damaged {
                dir,
                cause: cause.to_string(),
            },
        }
    })
}

fn open_database(dir: &Path) -> fjall::Result<Database> {
    // fjall's own default is one thread for each core. With a single one, a thread that is compacting
    // while its queue fills waits for itself.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Database::builder(dir)
        .max_journaling_size(JOURNAL_LIMIT_BYTES)
        .worker_threads(cores.clamp(2, 4))
        .journal_compression(CompressionType::None)
        .open()
}

/// Opens the keyspace, or makes it. It has no filters: whoever looks a key up has it from the index, so
/// it is there.
fn open_keyspace(db: &Database) -> fjall::Result<Keyspace> {
    let options = || KeyspaceCreateOptions::default().filter_policy(FilterPolicy::disabled());
    db.keyspace(KEYSPACE, options)
}

/// Makes the directory, with what is missing above it, for its owner only.
fn make_directory(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Takes the lock, which the system gives back when the process is gone, however it went.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let io_error = |cause| OpenError::Directory {
        dir: dir.to_owned(),
        cause,
    };
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    let file = options.open(dir.join("lock")).map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(cause)) => Err(io_error(cause)),
    }
}

/// Makes all files and directories below durable.
pub(crate) fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

/// Makes the names in a directory durable, and the directory's own.
pub(crate) fn sync_with_ancestors(dir: &Path) -> io::Result<()> {
    for directory in dir.canonicalize()?.ancestors() {
        match File::open(directory).and_then(|directory| directory.sync_all()) {
            // One that is not ours to read was not made by us either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            outcome => outcome?,
        }
    }
    Ok(())
}
