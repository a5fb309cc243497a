//! The directory of a cluster, which goes when its owner goes.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::process::{USER, is_root, succeed};

/// What the keeper runs: once the owner's end of the pipe is closed, however that came about, it
/// removes the directory. PostgreSQL may still be ending then.
const KEEPER: &str =
    r#"read -r _; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$1" && exit; sleep 1; done"#;

/// A temporary directory of a cluster. It is removed when this is dropped, and also when the process
/// ends without dropping it, as one does that holds it in a static or is killed.
pub(super) struct Home {
    path: PathBuf,
    keeper: Child,
}

impl Home {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("muster-postgres-")
            .tempdir()
            .expect("a place for a cluster");
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(dir.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What ends a whole group, as Ctrl-C does, is not to end it.
            .process_group(0)
            .spawn()
            .expect("sh can be started");
        // From here on the keeper removes it.
        let path = dir.keep();
        Self { path, keeper }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where PostgreSQL keeps its data.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Opens the log of the server, which each start continues.
    pub(super) fn log_file(&self) -> File {
        let log = self.path.join("log");
        let file = File::options().append(true).create(true).open(&log);
        file.unwrap_or_else(|error| panic!("{}: {error}", log.display()))
    }

    /// What the server has said in all its starts.
    pub(super) fn log(&self) -> String {
        let bytes = fs::read(self.path.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Gives all that is in it to whoever runs PostgreSQL.
    pub(super) fn give_away(&self) {
        if !is_root() {
            return;
        }
        let mut chown = Command::new("chown");
        chown.arg("-R").arg(format!("{USER}:")).arg(&self.path);
        succeed("chown", &mut chown);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
