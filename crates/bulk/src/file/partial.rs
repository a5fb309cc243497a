//! A file that has its name only once it is whole.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

/// The mode of a new file: users' data is for its owner.
const NEW_MODE: u32 = 0o600;

/// So many links one after the other are followed, as by the system.
const LINKS_MAX: usize = 40;

/// A file in the making, under its name with `.partial` behind it. Unless it is kept, it is removed when
/// this is dropped.
///
/// It is for its owner only; where a file is there already, it has the owner and the mode of that one.
pub struct PartialFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    is_kept: bool,
}

impl PartialFile {
    /// Makes the partial file, beside the file that `path` leads to if it is a link. A partial file that is there
    /// already belongs to somebody else, so that is an error; so is what is there and no regular file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = target(path)?;
        let mut name = path
            .file_name()
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it is not the name of a file"))?
            .to_owned();
        let before = match fs::metadata(&path) {
            Ok(before) if before.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            Ok(before) if !before.is_file() => {
                let text = "it is no regular file";
                return Err(io::Error::new(ErrorKind::InvalidInput, text));
            }
            Ok(before) => Some(before),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        name.push(".partial");
        let partial = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(NEW_MODE);
        let file = options.open(&partial).map_err(|error| {
            let (shown, kind) = (partial.display(), error.kind());
            let text = if kind == ErrorKind::AlreadyExists {
                format!(
                    "{shown} is there: either it is being written now, or a command was killed; in that \
                     case remove it"
                )
            } else {
                format!("cannot make {shown}: {error}")
            };
            io::Error::new(kind, text)
        })?;
        let made = Self {
            file,
            partial,
            path,
            is_kept: false,
        };
        if let Some(before) = before {
            made.permit_as(&before)?;
        }
        Ok(made)
    }

    /// Gives it the owner and the mode of another file.
    fn permit_as(&self, other: &Metadata) -> io::Result<()> {
        let own = self.file.metadata()?;
        let mut mode = other.mode() & 0o7777;
        if (own.uid(), own.gid()) != (other.uid(), other.gid())
            && fchown(&self.file, Some(other.uid()), Some(other.gid())).is_err()
        {
            // What a group may do was meant for another one.
            mode &= 0o700;
        }
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    /// Where it is until it is kept.
    pub fn partial(&self) -> &Path {
        &self.partial
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

/// What a path leads to, though nothing may be there yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else {
            return Ok(path);
        };
        path.pop();
        path.push(target);
    }
    Err(io::Error::other("it is a link that leads in a circle"))
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
