//! Bytes on a disk.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context as _, ensure};

use crate::figures::{as_f64, mib, number};

/// The unit in which a file says how much it takes up.
const BLOCK_BYTES: u64 = 512;

/// What all files of a directory take up. A file that goes away meanwhile does not count.
pub(crate) fn used_bytes(dir: &Path) -> anyhow::Result<u64> {
    used(dir).with_context(|| format!("cannot read {}", dir.display()))
}

fn used(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        sum += if metadata.is_dir() {
            used(&entry.path())?
        } else {
            metadata.blocks() * BLOCK_BYTES
        };
    }
    Ok(sum)
}

/// Stops what would fill the disk of others.
pub(crate) fn ensure_room(dir: &Path, bytes: u64) -> anyhow::Result<()> {
    let shown = dir.display();
    let disk = rustix::fs::statvfs(dir).with_context(|| format!("cannot use {shown}"))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    ensure!(
        free >= bytes,
        "the disk of {shown} has {} MiB left and {} MiB may be needed; give a --dir on another disk, \
         or measure fewer accounts",
        number(mib(as_f64(free))),
        number(mib(as_f64(bytes)))
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        let empty = used_bytes(dir.path()).unwrap();
        for (name, bytes) in [("below/file", 100_000), ("file", 50_000)] {
            let path = dir.path().join(name);
            fs::write(&path, vec![1; bytes]).unwrap();
            // Some file systems choose blocks only then.
            fs::File::open(&path).unwrap().sync_all().unwrap();
        }
        let used = used_bytes(dir.path()).unwrap() - empty;
        assert!((150_000..200_000).contains(&used), "{used}");
        assert!(used_bytes(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn a_full_disk_is_told_before() {
        let dir = tempfile::tempdir().unwrap();
        ensure_room(dir.path(), 0).unwrap();
        let error = ensure_room(dir.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("MiB may be needed"), "{error}");
    }
}
