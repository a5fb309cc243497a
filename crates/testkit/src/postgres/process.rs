//! The processes of PostgreSQL: how they are started, and how they end.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, kill_process, waitid};

use crate::PATIENCE;

/// Who runs PostgreSQL if this is root, whom it refuses.
pub(super) const USER: &str = "postgres";

/// How often it is looked whether something has happened.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often a server that is to end is told so: it does not hear everything while it starts.
const TELL_EVERY: Duration = Duration::from_secs(1);

pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// A program, to be run by someone whom PostgreSQL accepts. The kernel sends it `death_signal`, a name
/// without `SIG`, when the thread that started it ends.
pub(super) fn program(path: &Path, death_signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", death_signal]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--init-groups"]);
    }
    command.arg("--").arg(path);
    without_settings(&mut command);
    command
}

/// A developer's own settings must not decide a test.
pub(super) fn without_settings(command: &mut Command) {
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .stdin(Stdio::null());
}

/// Runs a program to its end and gives what it printed.
///
/// # Panics
///
/// If it fails, with what it said.
pub(super) fn succeed(name: &str, command: &mut Command) -> String {
    match run(command) {
        Ok(printed) => printed,
        Err(said) => panic!("{name} failed: {said}"),
    }
}

/// Runs a program to its end and gives what it printed, or what it said if it fails.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| {
        let program = command.get_program().display();
        format!("cannot start {program}: {error}")
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts a program that is to live as long as this process does.
///
/// The death signal comes when the *thread* that started it ends, and threads of tests end. So one
/// thread that never does starts them all.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, ordered) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in ordered {
                // Whoever ordered it waits for it.
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    // Ctrl-C is for the tests, whose end then ends it.
    command.process_group(0);
    let (reply, replied) = mpsc::channel();
    STARTER
        .send((command, reply))
        .expect("the starter never ends");
    replied.recv().expect("the starter never ends")
}

/// Asks the postmaster to end and waits until it has, which it does after all its children.
pub(super) fn end(postmaster: &mut Child, signal: Signal) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = postmaster.try_wait() {
            return Some(status);
        }
        // Not yet waited for, so that the number is still its own.
        let _ = kill_process(Pid::from_child(postmaster), signal);
        let again = Instant::now() + TELL_EVERY;
        while Instant::now() < again {
            if let Ok(Some(status)) = postmaster.try_wait() {
                return Some(status);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
    None
}

/// Kills the postmaster and all its children without giving any of them time for anything, and waits
/// until they are gone.
///
/// The children alone would go by themselves, but each only when it next looks whether the postmaster
/// is still there: one that is busy would first finish its statement.
pub(super) fn kill(postmaster: &mut Child) {
    if let Ok(Some(_)) = postmaster.try_wait() {
        return;
    }
    let pid = Pid::from_child(postmaster);
    // While it is stopped it starts no child, and waits for none, so that their numbers stay theirs.
    let _ = kill_process(pid, Signal::STOP);
    let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), stopped).expect("a child can be waited for");
    let children = children(pid);
    for child in &children {
        // It may have ended by itself.
        let _ = kill_process(*child, Signal::KILL);
    }
    wait_until("the children of PostgreSQL end", || {
        children.iter().all(|child| has_ended(*child))
    });
    let _ = postmaster.kill();
    let _ = postmaster.wait();
}

fn children(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("/proc can be read");
    entries
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent.as_raw_nonzero().get()))
        .collect()
}

/// Whether it has let go of all that it had. Its number may still be there, for its parent.
fn has_ended(pid: Pid) -> bool {
    stat(pid).is_none_or(|(state, _)| matches!(state, 'Z' | 'X'))
}

/// The state of a process and its parent, if it is there.
fn stat(pid: Pid) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `12 (a name) S 1 …`; the name may have anything in it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// # Panics
///
/// If it does not come about within two minutes.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        thread::sleep(LOOK_EVERY);
    }
}
