//! The machine that figures were taken on.

use std::{
    fmt,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Serialize;

use crate::{
    figures::{Spread, as_f64, number},
    places,
};

/// Small writes whose `fdatasync` is timed.
const SYNCS: usize = 200;
const SYNC_BYTES: usize = 4096;

/// File systems that lose what they hold with the power.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// What decides a figure besides the program.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// Type and options, as in `/proc/self/mountinfo`.
    pub(crate) file_system: String,
    /// Median time of a `fdatasync` after an append of 4 KiB.
    pub(crate) fdatasync_us: f64,
    /// The commit that is checked out, if git knows.
    pub(crate) commit: Option<String>,
}

impl Machine {
    /// # Errors
    ///
    /// If `dir` is in memory, where nothing is durable.
    pub(crate) fn describe(dir: &Path) -> anyhow::Result<Machine> {
        let read = |path| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let canonical = dir.canonicalize();
        let canonical = canonical.with_context(|| format!("there is no {}", dir.display()))?;
        let mount = mount_of(&read("/proc/self/mountinfo")?, &canonical)
            .with_context(|| format!("the file system of {} is not known", dir.display()))?;
        if IN_MEMORY.contains(&&*mount.kind) {
            bail!(
                "{} is in memory ({}), where nothing is durable; give --dir on a disk",
                dir.display(),
                mount.kind
            );
        }
        let cpuinfo = read("/proc/cpuinfo")?;
        let memory_kib = field(&read("/proc/meminfo")?, "MemTotal")
            .and_then(|value| value.strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .context("/proc/meminfo does not tell how much memory there is")?;
        Ok(Machine {
            cpu: field(&cpuinfo, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism()?.get(),
            memory_bytes: memory_kib * 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: format!("{} ({})", mount.kind, mount.options),
            fdatasync_us: fdatasync_us(dir)?,
            commit: commit(),
        })
    }
}

#[cfg(test)]
impl Machine {
    pub(crate) fn for_tests() -> Self {
        Self {
            cpu: "Some CPU".to_owned(),
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "6.1".to_owned(),
            file_system: "ext4 (rw)".to_owned(),
            fdatasync_us: 123.0,
            commit: Some("abc1234".to_owned()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores, {} GiB of memory, Linux {}, {}, a 4 KiB append with its fdatasync {} µs",
            self.cpu,
            self.cores,
            number(as_f64(self.memory_bytes) / 1_073_741_824.0),
            self.kernel,
            self.file_system,
            number(self.fdatasync_us)
        )
    }
}

/// The cores that this program may use.
pub(crate) fn cores() -> anyhow::Result<Vec<u16>> {
    let allowed = sched_getaffinity(None).context("cannot tell which cores there are")?;
    let cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let cores = cores.map(|core| u16::try_from(core).expect("Linux has no more than 1024 here"));
    Ok(cores.collect())
}

/// The value after the colon of the first line of this name.
fn field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    });
    value.filter(|value| !value.is_empty())
}

#[derive(Debug, PartialEq)]
struct Mount {
    kind: String,
    options: String,
}

/// The mount that a path is on: the one with the longest mount point above it, and of several there
/// the last, which hides the others.
fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<(PathBuf, Mount)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let (Some(point), Some(options), Some(kind)) =
            (left.get(4), left.get(5), right.split(' ').next())
        else {
            continue;
        };
        let point = PathBuf::from(point.replace("\\040", " "));
        let is_longer = |(before, _): &(PathBuf, Mount)| {
            point.components().count() >= before.components().count()
        };
        if path.starts_with(&point) && best.as_ref().is_none_or(is_longer) {
            let mount = Mount {
                kind: kind.to_owned(),
                options: (*options).to_owned(),
            };
            best = Some((point, mount));
        }
    }
    best.map(|(_, mount)| mount)
}

fn fdatasync_us(dir: &Path) -> anyhow::Result<f64> {
    let path = dir.join("syncs");
    let time = || -> std::io::Result<Vec<f64>> {
        let mut file = File::create(&path)?;
        let mut times_us = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let begun = Instant::now();
            file.write_all(&[1; SYNC_BYTES])?;
            file.sync_data()?;
            times_us.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        fs::remove_file(&path)?;
        Ok(times_us)
    };
    let times_us = time().with_context(|| format!("cannot write in {}", dir.display()))?;
    Ok(Spread::of(&times_us).expect("there are some").median)
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(places::repository())
        .output()
        .ok()?;
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!commit.is_empty()).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_path() {
        let mountinfo = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
23 22 0:20 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1000k
24 22 8:2 / /var rw - xfs /dev/sdb rw
25 24 8:3 / /var/with\\040space ro - btrfs /dev/sdc rw
26 22 8:4 / /twice rw - ext2 /dev/sdd rw
27 26 8:5 / /twice rw,noatime - ext3 /dev/sde rw
";
        for (path, kind, options) in [
            ("/home/me", "ext4", "rw,relatime"),
            ("/tmp/x", "tmpfs", "rw,nosuid"),
            ("/tmpfile", "ext4", "rw,relatime"),
            ("/var/lib", "xfs", "rw"),
            ("/var/with space/x", "btrfs", "ro"),
            ("/twice/x", "ext3", "rw,noatime"),
        ] {
            let expected = Mount {
                kind: kind.to_owned(),
                options: options.to_owned(),
            };
            assert_eq!(
                mount_of(mountinfo, Path::new(path)),
                Some(expected),
                "{path}"
            );
        }
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn fields_of_proc() {
        let text = "processor\t: 0\nmodel name\t: Some CPU: fast\nmodel name\t: Other\nempty:\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU: fast"));
        assert_eq!(field(text, "model"), None);
        assert_eq!(field(text, "empty"), None);
    }

    #[test]
    fn this_machine() {
        // Not the usual place of temporary files, which may be in memory.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let machine = Machine::describe(dir.path()).unwrap();
        assert!(machine.cores > 0 && machine.memory_bytes > 1_000_000);
        assert!(!cores().unwrap().is_empty());
        assert!(machine.fdatasync_us > 0.0);
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
        let error = Machine::describe(Path::new("/dev/shm")).unwrap_err();
        assert!(
            error.to_string().contains("/dev/shm is in memory"),
            "{error}"
        );
    }
}
