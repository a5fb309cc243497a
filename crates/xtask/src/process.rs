//! What a server's processes use, from `/proc`.

use std::{collections::HashMap, fs, io};

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};

use crate::figures::as_f64;

/// The unit of times in `/proc/PID/stat`. Linux shows 100 a second to all programs, whatever the
/// kernel's own tick is.
const TICKS_PER_S: f64 = 100.0;

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// In user and in system mode, with that of children who have ended.
    ticks: u64,
}

/// CPU time of a process and of all below it so far, those that have ended included.
pub(crate) fn cpu_s(root: u32) -> anyhow::Result<f64> {
    let all = all().context("cannot read /proc")?;
    let ticks = below(root, &all).into_iter().map(|pid| all[&pid].ticks);
    Ok(as_f64(ticks.sum()) / TICKS_PER_S)
}

/// Memory of a process and of all below it. What several share counts once.
pub(crate) fn resident_bytes(root: u32) -> anyhow::Result<u64> {
    let all = all().context("cannot read /proc")?;
    let mut sum = 0;
    for pid in below(root, &all) {
        match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            Ok(rollup) => sum += bytes(&rollup, "Pss:").unwrap_or(0),
            Err(_) if pid != root => {} // It has ended.
            Err(error) => return Err(error).context("cannot read the server's memory"),
        }
    }
    Ok(sum)
}

/// The most memory that a process has held so far; `None` once it has ended.
pub(crate) fn greatest_resident_bytes(pid: u32) -> anyhow::Result<Option<u64>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.with_context(|| format!("cannot read the memory of process {pid}"))?;
    Ok(bytes(&status, "VmHWM:"))
}

/// CPU time of this process so far.
pub(crate) fn own_cpu_s() -> f64 {
    clock_s(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread so far.
pub(crate) fn own_thread_cpu_s() -> f64 {
    clock_s(ClockId::ThreadCPUTime)
}

fn clock_s(clock: ClockId) -> f64 {
    let spent = clock_gettime(clock);
    std::time::Duration::try_from(spent)
        .expect("CPU time is not negative")
        .as_secs_f64()
}

fn all() -> io::Result<HashMap<u32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end at any time.
        if let Ok(text) = fs::read(format!("/proc/{pid}/stat"))
            && let Some(stat) = stat(&String::from_utf8_lossy(&text))
        {
            all.insert(pid, stat);
        }
    }
    Ok(all)
}

/// The process itself and those it started, as far as they run.
fn below(root: u32, all: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut found: Vec<u32> = all.keys().copied().filter(|pid| *pid == root).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children = all.iter().filter(|(_, stat)| stat.parent == parent);
        found.extend(children.map(|(pid, _)| *pid));
    }
    found
}

/// The parent is field 4, and times are fields 14 to 17; the name, which may hold anything, is field
/// 2 in parentheses.
fn stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let mut ticks = 0;
    for time in fields.get(11..15)? {
        ticks += time.parse::<u64>().ok()?;
    }
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks,
    })
}

/// The value of the line that begins so.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let text = "4242 (post) 1)) S 17 1 1 0 -1 4194304 900 0 0 0 150 50 7 3 20 0 3 0 9 9 9";
        let expected = Stat {
            parent: 17,
            ticks: 210,
        };
        assert_eq!(stat(text), Some(expected));
        assert_eq!(stat("4242 (short) S 17"), None);
        let rollup = "55d0-7ffd ---p 00000000 00:00 0  [rollup]\nRss:  9000 kB\nPss:    2048 kB\n\
                      Pss_Dirty: 100 kB\n";
        assert_eq!(bytes(rollup, "Pss:"), Some(2_097_152));
        assert_eq!(bytes("Rss: 1 kB\n", "Pss:"), None);
    }

    #[test]
    fn a_process_with_all_below_it() {
        let stat = |parent| Stat { parent, ticks: 1 };
        let all = [(1, 0), (10, 1), (11, 10), (12, 10), (13, 12), (20, 1)];
        let all = all.map(|(pid, parent)| (pid, stat(parent))).into();
        let mut found = below(10, &all);
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12, 13]);
        assert!(below(99, &all).is_empty());
    }

    #[test]
    fn children_that_have_ended_count() {
        let me = std::process::id();
        let before = cpu_s(me).unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let status = Command::new("sh").args(["-c", script]).status();
        assert!(status.unwrap().success());
        assert!(cpu_s(me).unwrap() > before, "{before}");
        assert!(resident_bytes(me).unwrap() > 100_000);
    }

    #[test]
    fn the_most_memory_stays_after_it_was_given_back() {
        let me = std::process::id();
        drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        let greatest = greatest_resident_bytes(me).unwrap().unwrap();
        assert!(greatest >= 64 << 20, "{greatest}");
    }
}
