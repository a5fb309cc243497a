//! Where a measurement takes place, and where its results go.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, ValueHint};
use serde::Serialize;
use tempfile::TempDir;

/// What every measurement can be told.
#[derive(Args)]
pub(crate) struct Places {
    /// A directory on the disk that is to be measured. Data is kept below it meanwhile.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,

    /// Where performance.md is, which gets the table, and where plots go
    /// [default: docs/ of this repository].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,

    /// Write the raw figures to this file, as JSON; names end in their unit.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    json: Option<PathBuf>,

    /// Measure this program rather than a release build of what is here.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) muster: Option<PathBuf>,
}

impl Places {
    pub(crate) fn out(&self) -> PathBuf {
        self.out
            .clone()
            .unwrap_or_else(|| repository().join("docs"))
    }

    /// A new directory below `--dir`, which goes away with what is returned. Other users can reach
    /// what is theirs in it, as PostgreSQL must, and see nothing else.
    pub(crate) fn new_dir(&self) -> anyhow::Result<TempDir> {
        let made = tempfile::Builder::new()
            .prefix("muster-xtask-")
            .tempdir_in(&self.dir)
            .and_then(|dir| {
                fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
                Ok(dir)
            });
        made.with_context(|| format!("cannot make a directory below {}", self.dir.display()))
    }

    /// Tells before the work whether the raw figures can be written.
    pub(crate) fn ensure_json(&self) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            let opened = File::options().append(true).create(true).open(path);
            opened.with_context(|| cannot_write(path))?;
        }
        Ok(())
    }

    pub(crate) fn write_json(&self, figures: &impl Serialize) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(figures).expect("figures are JSON");
            fs::write(path, format!("{json}\n")).with_context(|| cannot_write(path))?;
        }
        Ok(())
    }
}

/// The repository that this was built from.
pub(crate) fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = own.parent().and_then(Path::parent);
    crates.expect("this crate is in crates/").to_owned()
}

fn cannot_write(path: &Path) -> String {
    format!("--json: cannot write {}", path.display())
}
