//! What Linux tells of this process in `/proc`. Elsewhere there is nothing to read.

use std::fs;

/// Figures of the running process.
#[derive(Debug, PartialEq)]
pub(crate) struct ProcessFigures {
    /// CPU time spent in user and system mode.
    pub(crate) cpu_s: f64,
    /// Memory in use.
    pub(crate) resident_bytes: u64,
    /// Open file descriptors.
    pub(crate) open_fds: u64,
}

/// The unit of times in `/proc/self/stat`. Linux shows 100 a second to all programs, whatever the
/// kernel's own tick is.
const TICKS_PER_S: f64 = 100.0;

impl ProcessFigures {
    /// Reads the figures, or gives `None` where they cannot be read.
    pub(crate) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let open_fds = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Some(Self {
            cpu_s: cpu_s(&stat)?,
            resident_bytes: resident_bytes(&status)?,
            open_fds,
        })
    }
}

/// `utime` and `stime` are fields 14 and 15, and the name, which may hold anything, is field 2 in
/// parentheses.
#[expect(
    clippy::cast_precision_loss,
    reason = "a process does not live for 2^52 ticks"
)]
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_ascii_whitespace().skip(11);
    let utime: u64 = times.next()?.parse().ok()?;
    let stime: u64 = times.next()?.parse().ok()?;
    Some((utime + stime) as f64 / TICKS_PER_S)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "4242 (muster) 1)) S 1 1 1 0 -1 4194304 900 0 0 0 150 50 0 0 20 0 3 0 9 9 9";
        assert_eq!(cpu_s(stat), Some(2.0));
        assert_eq!(
            resident_bytes("Name:\tmuster\nVmRSS:\t    2048 kB\n"),
            Some(2_097_152)
        );
        assert_eq!(resident_bytes("Name:\tmuster\n"), None);
    }
}
