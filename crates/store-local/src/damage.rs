//! What is found wrong with a store's files before the engine reads them.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A file of the store that cannot be trusted, or not be read.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    #[error("{file}: {cause}")]
    Io { file: PathBuf, cause: io::Error },
    #[error("{file} is damaged ({what})")]
    Damaged { file: PathBuf, what: String },
}

impl FileError {
    pub(crate) fn io(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |cause| match cause.kind() {
            io::ErrorKind::NotFound => Self::damaged(&file, "it is missing"),
            _ => Self::Io { file, cause },
        }
    }

    pub(crate) fn damaged(file: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            what: what.into(),
        }
    }
}
