//! A copy of the store, taken while it is in use, as a stream of bytes; and a data directory made of
//! it.
//!
//! ```text
//! "muster backup 1\n" · pair* · end
//! pair: u8 length of key (not 0) · key · u32 length of value · value
//! end:  u8 0 · u64 how many pairs there were · u64 xxh3 of all the bytes before it
//! ```
//!
//! Lengths are little-endian. The pairs are those of [`crate::layout`], in the order of their keys,
//! as they were at one moment. The end tells a stream that is whole from one that broke off.

use std::{
    fs,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use fjall::{Readable, Snapshot};
use muster_accounts::StoreError;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    layout::Key,
    open::{Engine, OpenError, sync_tree, sync_with_ancestors},
    records::failed,
};

const BEGINNING: &[u8; 16] = b"muster backup 1\n";
const BUFFER_BYTES: usize = 64 * 1024;

/// No value is near it: a block has 32 records.
const VALUE_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Writes all that a snapshot holds.
pub(crate) fn back_up(
    engine: &Engine,
    snapshot: &Snapshot,
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    let nobody_reads =
        |error: io::Error| StoreError::Failed(format!("the backup broke off: {error}").into());
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut hash = Xxh3::new();
    let mut write = |bytes: &[u8]| {
        hash.update(bytes);
        out.write_all(bytes).map_err(nobody_reads)
    };
    write(BEGINNING)?;
    let mut pairs = 0_u64;
    for item in snapshot.iter(&engine.keyspace) {
        let (key, value) = item.into_inner().map_err(failed)?;
        let key_length = u8::try_from(key.len()).expect("keys have 13 bytes at most");
        let value_length = u32::try_from(value.len()).expect("a block has 32 records");
        write(&[key_length])?;
        write(&key)?;
        write(&value_length.to_le_bytes())?;
        write(&value)?;
        pairs += 1;
    }
    write(&[0])?;
    write(&pairs.to_le_bytes())?;
    let checksum = hash.digest().to_le_bytes();
    out.write_all(&checksum).map_err(nobody_reads)?;
    out.flush().map_err(nobody_reads)
}

/// Why a backup does not become a data directory. Nothing in part is left under its name.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Something is there already.
    #[error("{0} exists already; a backup goes into a directory of its own, which it makes")]
    Exists(PathBuf),
    /// What an earlier backup left when it was cut off.
    #[error("{0} is left of a backup that was cut off; remove it")]
    Unfinished(PathBuf),
    /// The directory cannot be written.
    #[error("cannot write the backup to {dir}: {cause}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system or the storage engine says.
        cause: String,
    },
    /// The stream ended early.
    #[error("the backup broke off: {0}")]
    Source(io::Error),
    /// The stream is none of a backup, or is damaged.
    #[error("this is not a whole backup ({0})")]
    NotABackup(&'static str),
}

/// Makes a data directory of the backup that `source` yields, and answers how many bytes it read.
/// `progress` hears how many there are so far. Until all is there and durable the directory has
/// another name, which ends in `.partial`.
///
/// # Errors
///
/// See [`RestoreError`]. What was written is taken away again.
pub fn restore(
    source: &mut dyn Read,
    dir: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, RestoreError> {
    let directory_error = |cause: &dyn ToString| RestoreError::Directory {
        dir: dir.to_owned(),
        cause: cause.to_string(),
    };
    let name = dir.file_name();
    let mut partial = name
        .ok_or_else(|| directory_error(&"it has no name"))?
        .to_owned();
    partial.push(".partial");
    let partial = dir.with_file_name(partial);
    let exists = |path: &Path| path.try_exists().map_err(|e| directory_error(&e));
    if exists(dir)? {
        return Err(RestoreError::Exists(dir.to_owned()));
    }
    if exists(&partial)? {
        return Err(RestoreError::Unfinished(partial));
    }
    let written = write(source, &partial, progress).and_then(|bytes| {
        let named = sync_tree(&partial)
            .and_then(|()| fs::rename(&partial, dir))
            .and_then(|()| sync_with_ancestors(dir));
        named.map_err(|e| directory_error(&e)).map(|()| bytes)
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

fn write(
    source: &mut dyn Read,
    dir: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, RestoreError> {
    let engine_error = |error: fjall::Error| RestoreError::Directory {
        dir: dir.to_owned(),
        cause: error.to_string(),
    };
    let mut source = Source {
        bytes: source,
        hash: Xxh3::new(),
        read_bytes: 0,
    };
    if source.array()? != *BEGINNING {
        return Err(RestoreError::NotABackup("it does not begin as one"));
    }
    let engine = Engine::open(dir).map_err(|error| match error {
        OpenError::Directory { dir, cause } => RestoreError::Directory {
            dir,
            cause: cause.to_string(),
        },
        error => RestoreError::Directory {
            dir: dir.to_owned(),
            cause: error.to_string(),
        },
    })?;
    let mut ingestion = engine.keyspace.start_ingestion().map_err(engine_error)?;
    let (mut key, mut value, mut last_key) = (Vec::new(), Vec::new(), Vec::new());
    let mut pairs = 0_u64;
    loop {
        let [key_length] = source.array()?;
        if key_length == 0 {
            break;
        }
        source.read(usize::from(key_length), &mut key)?;
        let value_length = usize::try_from(u32::from_le_bytes(source.array()?));
        let value_length = value_length.unwrap_or(usize::MAX);
        if value_length > VALUE_LIMIT_BYTES {
            return Err(RestoreError::NotABackup("a record is too long"));
        }
        source.read(value_length, &mut value)?;
        if Key::parse(&key).is_none() || key <= last_key {
            return Err(RestoreError::NotABackup("a key is not in its place"));
        }
        ingestion
            .write(&key[..], &value[..])
            .map_err(engine_error)?;
        std::mem::swap(&mut key, &mut last_key);
        pairs += 1;
        progress(source.read_bytes);
    }
    if u64::from_le_bytes(source.array()?) != pairs {
        return Err(RestoreError::NotABackup("some of it is missing"));
    }
    let checksum = source.hash.digest();
    if u64::from_le_bytes(source.array()?) != checksum {
        return Err(RestoreError::NotABackup("its checksum is another"));
    }
    ingestion.finish().map_err(engine_error)?;
    Ok(source.read_bytes)
}

struct Source<'a> {
    bytes: &'a mut dyn Read,
    /// Of all that was read.
    hash: Xxh3,
    read_bytes: u64,
}

impl Source<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, length: usize, into: &mut Vec<u8>) -> Result<(), RestoreError> {
        into.resize(length, 0);
        self.fill(into)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RestoreError> {
        self.bytes.read_exact(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                RestoreError::NotABackup("it ends early")
            } else {
                RestoreError::Source(error)
            }
        })?;
        self.hash.update(bytes);
        self.read_bytes += bytes.len() as u64;
        Ok(())
    }
}
