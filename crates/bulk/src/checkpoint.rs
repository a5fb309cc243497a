//! How far an import is, beside its input: so that it can go on after any kind of end.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ranges::Ranges;

/// The version that is written.
const VERSION: u32 = 2;

/// What became of the records that are done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that are imported.
    pub imported: u64,
    /// Records that have failed.
    pub failed: u64,
    /// Those that have failed, by code.
    pub failed_by_code: BTreeMap<i64, u64>,
}

impl Counts {
    /// All that are done.
    pub fn all(&self) -> u64 {
        self.imported + self.failed
    }
}

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Where the records go. An import somewhere else does not go on with it.
    pub(crate) target: String,
    pub(crate) done: Ranges,
    pub(crate) counts: Counts,
    pub(crate) rejects: Kept,
    pub(crate) report: Kept,
    /// For how many seconds calls may still be carried out that were under way.
    pub(crate) doubt_s: u64,
}

/// A file of the journal. What it has beyond this is written again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Where it is; `None` while it is not certain that the file there is this import's.
    pub(crate) path: Option<String>,
    pub(crate) bytes: u64,
    /// Of these bytes.
    pub(crate) digest: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    target: String,
    /// First and last record and the digest of the file up to that.
    done: Vec<(u64, u64, u64)>,
    counts: Counts,
    rejects: Kept,
    report: Kept,
    doubt_s: u64,
}

/// Why a checkpoint is of no use.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// It cannot be read or written.
    #[error("cannot {what} the checkpoint {path}: {cause}; --checkpoint puts it elsewhere")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where it is.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
    /// It is none.
    #[error("{path} is no checkpoint of this muster ({cause}); --restart begins anew")]
    Unreadable {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl Checkpoint {
    /// What is there, if anything is.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, CheckpointError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", path, error)),
        };
        let unreadable = |cause: String| CheckpointError::Unreadable {
            path: path.display().to_string(),
            cause,
        };
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if stored.version != VERSION {
            return Err(unreadable(format!("it has version {}", stored.version)));
        }
        let done = Ranges::of_runs(stored.done)
            .ok_or_else(|| unreadable("its list of what is done is damaged".to_owned()))?;
        Ok(Some(Self {
            target: stored.target,
            done,
            counts: stored.counts,
            rejects: stored.rejects,
            report: stored.report,
            doubt_s: stored.doubt_s,
        }))
    }

    /// Writes it in one step: whoever reads it finds the one before or this.
    pub(crate) fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let stored = Stored {
            version: VERSION,
            target: self.target.clone(),
            done: self.done.runs().collect(),
            counts: self.counts.clone(),
            rejects: self.rejects.clone(),
            report: self.report.clone(),
            doubt_s: self.doubt_s,
        };
        let json = serde_json::to_vec(&stored).expect("it is a plain struct");
        replace(path, &json).map_err(|error| failed("write", path, error))
    }

    pub(crate) fn remove(path: &Path) -> Result<(), CheckpointError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}

fn failed(what: &'static str, path: &Path, cause: io::Error) -> CheckpointError {
    CheckpointError::Io {
        what,
        path: path.display().to_string(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.csv.muster-import");
        assert_eq!(Checkpoint::read(&path).unwrap(), None);
        let mut done = Ranges::default();
        done.add(1, 100, u64::MAX);
        done.add(201, 300, 7);
        let checkpoint = Checkpoint {
            target: "app 1400000000 at http://127.0.0.1:7080".to_owned(),
            done,
            counts: Counts {
                imported: 150,
                failed: 50,
                failed_by_code: [(70402, 50)].into(),
            },
            rejects: Kept {
                path: Some("users.rejects.csv".to_owned()),
                bytes: 1234,
                digest: u64::MAX,
            },
            report: Kept::default(),
            doubt_s: 30,
        };
        checkpoint.write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), Some(checkpoint));
        Checkpoint::remove(&path).unwrap();
        Checkpoint::remove(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), None);
    }

    #[test]
    fn another_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        for (text, told) in [
            ("", "is no checkpoint"),
            (
                r#"{"version":9,"target":"","done":[],"counts":{"imported":0,"failed":0,"failed_by_code":{}},"rejects":{"path":null,"bytes":0,"digest":0},"report":{"path":null,"bytes":0,"digest":0},"doubt_s":0}"#,
                "it has version 9",
            ),
            (
                r#"{"version":2,"target":"","done":[[5,1,0]],"counts":{"imported":0,"failed":0,"failed_by_code":{}},"rejects":{"path":null,"bytes":0,"digest":0},"report":{"path":null,"bytes":0,"digest":0},"doubt_s":0}"#,
                "is damaged",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = Checkpoint::read(&path).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
