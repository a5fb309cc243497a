//! A file of the journal.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Read as _, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::{JournalError, JournalPaths};
use crate::{checkpoint::Kept, record::Raw};

/// It is about users: nobody else's to read.
const MODE: u32 = 0o600;

/// A file that is made when something is written.
pub(super) struct KeptFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    bytes: u64,
    /// Of all that was written.
    digest: Xxh3,
    line: Vec<u8>,
}

impl KeptFile {
    /// Goes on behind what was `kept`. A file of which nothing was must not be there, unless it
    /// `is_written_over`.
    pub(super) fn open(
        path: &Path,
        kept: &Kept,
        is_written_over: bool,
    ) -> Result<Self, JournalError> {
        let mut opened = Self {
            path: path.to_owned(),
            file: None,
            bytes: kept.bytes,
            digest: Xxh3::new(),
            line: Vec::new(),
        };
        let shown = || opened.shown();
        if let Some(there) = kept.path.as_ref().filter(|there| **there != shown()) {
            let (there, here) = (there.clone(), shown());
            return Err(JournalError::OtherFile { there, here });
        }
        let is_ours = kept.path.is_some();
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && kept.bytes == 0 => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::Altered { path: shown() });
            }
            Err(error) => return Err(opened.failed(error)),
            Ok(_) if !is_ours && !is_written_over => {
                return Err(JournalError::IsThere { path: shown() });
            }
            Ok(_) if kept.bytes == 0 => {
                fs::remove_file(path).map_err(|error| opened.failed(error))?;
            }
            Ok(_) => {
                let digest = &mut opened.digest;
                let file = reopen(path, kept.bytes, digest);
                let file = file.map_err(|error| opened.failed(error))?;
                if opened.digest.digest() != kept.digest {
                    return Err(JournalError::Altered {
                        path: opened.shown(),
                    });
                }
                file.set_len(kept.bytes)
                    .map_err(|error| opened.failed(error))?;
                opened.file = Some(BufWriter::new(file));
            }
        }
        Ok(opened)
    }

    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// How many bytes were written, and their digest.
    pub(super) fn written(&self) -> (u64, u64) {
        (self.bytes, self.digest.digest())
    }

    pub(super) fn write_raw(&mut self, raw: &Raw, delimiter: u8) -> Result<(), JournalError> {
        self.line.clear();
        raw.write(delimiter, &mut self.line);
        self.write_line()
    }

    pub(super) fn write_json(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value).expect("plain structs, into memory");
        self.line.push(b'\n');
        self.write_line()
    }

    fn write_line(&mut self) -> Result<(), JournalError> {
        if self.file.is_none() {
            let mut options = File::options();
            let file = options.write(true).create_new(true).mode(MODE);
            let file = file.open(&self.path).map_err(|cause| self.failed(cause))?;
            self.file = Some(BufWriter::new(file));
        }
        if let Some(file) = &mut self.file {
            let written = file.write_all(&self.line);
            written.map_err(|cause| self.failed(cause))?;
        }
        self.digest.update(&self.line);
        self.bytes += self.line.len() as u64;
        Ok(())
    }

    /// Makes durable what was written.
    pub(super) fn sync(&mut self) -> Result<(), JournalError> {
        if let Some(file) = &mut self.file {
            let synced = file.flush().and_then(|()| file.get_ref().sync_data());
            synced.map_err(|cause| self.failed(cause))?;
        }
        Ok(())
    }

    fn failed(&self, cause: io::Error) -> JournalError {
        JournalError::Io {
            path: self.shown(),
            cause,
        }
    }
}

/// Opens a file behind its first bytes, which go into the digest; fewer if it has fewer.
fn reopen(path: &Path, bytes: u64, digest: &mut Xxh3) -> io::Result<File> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut piece = vec![0; 64 * 1024];
    let mut rest = (&mut file).take(bytes);
    loop {
        let count = rest.read(&mut piece)?;
        if count == 0 {
            break;
        }
        digest.update(&piece[..count]);
    }
    Ok(file)
}

/// That no two of the journal's files and the input are the same, and that there are directories for them.
pub(super) fn check_places(paths: &JournalPaths) -> Result<(), JournalError> {
    let JournalPaths {
        input,
        rejects,
        report,
        checkpoint,
    } = paths;
    let written = [rejects, report, checkpoint];
    let mut places = Vec::new();
    for path in written.into_iter().chain([input]).flatten() {
        let place = Place::of(path).map_err(|cause| JournalError::Io {
            path: path.display().to_string(),
            cause,
        })?;
        if places.contains(&place) {
            let path = path.display().to_string();
            return Err(JournalError::SameFile { path });
        }
        places.push(place);
    }
    Ok(())
}

/// Where a file is, or would be.
#[derive(PartialEq)]
enum Place {
    Known { device: u64, inode: u64 },
    InDirectory(PathBuf),
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) => Ok(Self::known(&found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                let dir = fs::canonicalize(dir.unwrap_or(Path::new(".")))?;
                Ok(Self::InDirectory(
                    dir.join(path.file_name().unwrap_or_default()),
                ))
            }
            Err(error) => Err(error),
        }
    }

    fn known(found: &Metadata) -> Self {
        Self::Known {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}
