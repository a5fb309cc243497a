//! A file that has its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// A file in the making, under its name with `.partial` behind it. Unless it is kept, it is removed when
/// this is dropped.
pub struct PartialFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    is_kept: bool,
}

impl PartialFile {
    /// Makes the partial file. One that is there already belongs to somebody else, so that is an error.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut name = path
            .file_name()
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it is not the name of a file"))?
            .to_owned();
        if path.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = File::create_new(&partial).map_err(|error| {
            if error.kind() != ErrorKind::AlreadyExists {
                return error;
            }
            let text = format!(
                "{} is there: either it is being written now, or a command was killed; in that case \
                 remove it",
                partial.display()
            );
            io::Error::new(ErrorKind::AlreadyExists, text)
        })?;
        Ok(Self {
            file,
            partial,
            path: path.to_owned(),
            is_kept: false,
        })
    }

    /// Gives the file its name, in place of what had it before, once all is on disk.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        self.is_kept = true;
        let parent = self.path.parent();
        let dir = parent.filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nobody is left who could be told.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
