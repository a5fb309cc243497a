//! The disk under a process: what was written and synced, in order, and faults on order.
//!
//! [`Recorder`] loads a small library into a process to be started. It keeps a log of every change and
//! every sync below one directory, from which [`replay`] makes what a power cut could have left, and it
//! makes calls fail while a [`Fault`] is set.
//!
//! Linux only, on `x86_64` and aarch64. The process must be started directly, not by a shell or another
//! program that would become it.

mod log;
pub mod replay;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

pub use self::log::Event;

/// A recorder and its files: the library, the log, the fault.
pub struct Recorder {
    root: PathBuf,
    files: TempDir,
}

/// Calls that are to fail below the recorded directory.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Which calls.
    pub calls: Calls,
    /// With which error; [`Calls::Short`] and [`Calls::Hang`] have none.
    pub error: rustix::io::Errno,
    /// How many of these calls go well before.
    pub after: u32,
    /// Only on paths that contain this; `""` is in all.
    pub path_part: &'a str,
}

/// A kind of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Whatever needs room: writes, longer files, new files and directories.
    Write,
    /// Syncs of files and directories.
    Sync,
    /// Whatever a read-only file system refuses.
    Change,
    /// Writes, which do not fail but write half of what they are given.
    Short,
    /// Syncs, which neither fail nor return until this is mended.
    Hang,
}

impl Recorder {
    /// Makes a recorder for a directory, which need not be there yet.
    ///
    /// # Panics
    ///
    /// If `cc` cannot build the library.
    pub fn new(root: &Path) -> Self {
        let files = in_memory();
        let source = files.path().join("recorder.c");
        fs::write(&source, include_str!("recorder.c")).expect("a place for the recorder");
        let built = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(files.path().join("recorder.so"))
            .arg(&source)
            .output()
            .expect("cc can be started");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(
            built.status.success(),
            "cc cannot build the recorder:\n{said}"
        );
        let parent = root.parent().expect("the directory is not the root of all");
        let name = root.file_name().expect("the directory has a name");
        let parent = parent
            .canonicalize()
            .expect("the directory's parent is there");
        Self {
            root: parent.join(name),
            files,
        }
    }

    /// The environment of a process to be recorded.
    pub fn recording(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables = self.faulty();
        variables.push(("MUSTER_DISK_LOG", self.log()));
        variables
    }

    /// The environment of a process to meet faults, without a record.
    pub fn faulty(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.files.path().join("recorder.so")),
            ("MUSTER_DISK_ROOT", self.root.clone()),
            ("MUSTER_DISK_FAULTS", self.faults()),
        ]
    }

    /// From now on these calls fail.
    pub fn fail(&self, fault: Fault) {
        let Fault {
            calls,
            error,
            after,
            path_part,
        } = fault;
        let kind = match calls {
            Calls::Write => "write",
            Calls::Sync => "sync",
            Calls::Change => "change",
            Calls::Short => "short",
            Calls::Hang => "hang",
        };
        let error = error.raw_os_error();
        // It is read at every call, so it must never be there in part.
        let new = self.files.path().join("faults.new");
        fs::write(&new, format!("{kind} {error} {after} {path_part}\n"))
            .and_then(|()| fs::rename(&new, self.faults()))
            .expect("a fault can be set");
    }

    /// From now on no call fails.
    pub fn mend(&self) {
        fs::remove_file(self.faults()).expect("a fault was set");
    }

    /// What was recorded so far.
    pub fn events(&self) -> Vec<Event> {
        let bytes = match fs::read(self.log()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.expect("the log can be read"),
        };
        log::parse(&bytes)
    }

    fn log(&self) -> PathBuf {
        self.files.path().join("log")
    }

    fn faults(&self) -> PathBuf {
        self.files.path().join("faults")
    }
}

/// A new directory in memory, or on a disk where there is no such place.
pub fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a place for temporary files")
}
