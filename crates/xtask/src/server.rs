//! Processes that are started, watched and ended.
//!
//! Each is started by `setpriv --pdeathsig`, which gives its place to the program: the kernel kills the
//! program when the thread that started it is gone, so not even `kill -9` leaves a server behind.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::sleep;

/// How long a server may take to end in order.
const END_PATIENCE: Duration = Duration::from_mins(5);

/// How long one may take that is to end at once, before it is killed.
const ABRUPT_PATIENCE: Duration = Duration::from_secs(30);

/// How often that is said again: PostgreSQL does not hear it while it starts.
const ABRUPT_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether something has happened.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How much of a log is shown.
const LOG_LIMIT_BYTES: usize = 2000;

/// How a server is ended when nobody minds what it has not written yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Abrupt {
    Kill,
    /// As PostgreSQL is, which has processes and shared memory of its own to clear away.
    Quit,
}

impl Abrupt {
    fn signal(self) -> Signal {
        match self {
            Abrupt::Kill => Signal::KILL,
            Abrupt::Quit => Signal::QUIT,
        }
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    child: Child,
    name: &'static str,
    log: PathBuf,
    abrupt: Abrupt,
    ended: bool,
}

/// A program to be started as a server, or run to its end.
pub(crate) struct Program {
    command: Command,
    name: &'static str,
    abrupt: Abrupt,
}

impl Program {
    /// `user` is who runs it, if not who runs this; only root can choose.
    pub(crate) fn new(
        name: &'static str,
        path: &Path,
        user: Option<&str>,
        abrupt: Abrupt,
    ) -> Program {
        Program::on_core(name, path, user, abrupt, None)
    }

    /// Likewise; it and all that it starts use this core alone, if there is one.
    pub(crate) fn on_core(
        name: &'static str,
        path: &Path,
        user: Option<&str>,
        abrupt: Abrupt,
        core: Option<u16>,
    ) -> Program {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = user {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.arg("--");
        if let Some(core) = core {
            command.args(["taskset", "--cpu-list", &core.to_string()]);
        }
        // Settings of whoever measures must not decide what is measured.
        command.arg(path).env_clear();
        command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.stdin(Stdio::null());
        Program {
            command,
            name,
            abrupt,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Program {
        self.command.args(args);
        self
    }

    /// Starts it. What it says on its standard error goes to the file `log`.
    pub(crate) fn start(mut self, log: &Path) -> anyhow::Result<Server> {
        let name = self.name;
        let file = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let child = self
            .command
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| cannot_start(name, &error))?;
        Ok(Server {
            child,
            name,
            log: log.to_owned(),
            abrupt: self.abrupt,
            ended: false,
        })
    }

    /// Runs it to its end, which is to be a good one.
    pub(crate) async fn finish(self, log: &Path) -> anyhow::Result<()> {
        let mut server = self.start(log)?;
        let status = loop {
            match server.child.try_wait().context("cannot wait")? {
                Some(status) => break status,
                None => sleep(LOOK_EVERY).await,
            }
        };
        server.ended = true;
        if !status.success() {
            return Err(server.failed(&format!("failed ({status})")));
        }
        Ok(())
    }
}

fn cannot_start(name: &str, error: &std::io::Error) -> anyhow::Error {
    anyhow!("cannot start {name} by setpriv ({error}); is the package util-linux there?")
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// # Errors
    ///
    /// If it has ended, with the end of what it said.
    pub(crate) fn ensure_running(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait().context("cannot wait")? else {
            return Ok(());
        };
        self.ended = true;
        Err(self.failed(&format!("ended ({status})")))
    }

    /// Whether it has ended. Until its end is taken, `/proc` still says what it used.
    pub(crate) fn has_ended(&self) -> anyhow::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(Pid::from_child(&self.child)), options);
        Ok(ended.context("cannot wait")?.is_some())
    }

    /// Waits until it has ended, and takes its end.
    pub(crate) fn take_end(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait().context("cannot wait")?;
        self.ended = true;
        Ok(status)
    }

    /// Tells it to end as `kill -9` does.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// What is wrong with it, with the end of what it said.
    pub(crate) fn failed(&self, what: &str) -> anyhow::Error {
        let said = fs::read(&self.log).unwrap_or_default();
        anyhow!("{} {what}; it said:\n{}", self.name, tail(&said))
    }

    /// Asks it to end in order, and says how long that took.
    pub(crate) fn terminate(mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.signal(Signal::TERM);
        match self.wait(END_PATIENCE) {
            Some(status) if status.success() => Ok(begun.elapsed()),
            Some(status) => Err(self.failed(&format!("ended badly ({status})"))),
            None => Err(self.failed("does not end")),
        }
    }

    fn signal(&self, signal: Signal) {
        // One that has ended needs no telling.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// `None` if it does not end.
    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.ended = true;
                return Some(status);
            }
            thread::sleep(LOOK_EVERY);
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let deadline = Instant::now() + ABRUPT_PATIENCE;
        while !self.ended && Instant::now() < deadline {
            self.signal(self.abrupt.signal());
            self.wait(ABRUPT_EVERY);
        }
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn tail(said: &[u8]) -> String {
    let from = said.len().saturating_sub(LOG_LIMIT_BYTES);
    String::from_utf8_lossy(&said[from..]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        os::unix::process::ExitStatusExt as _,
    };

    use super::*;

    fn shell(script: &str, log: &Path) -> Server {
        let program = Program::new("the shell", Path::new("sh"), None, Abrupt::Kill);
        program.args(&["-c", script]).start(log).unwrap()
    }

    /// Waits for its first line.
    fn up(server: &mut Server) {
        let mut stdout = BufReader::new(server.stdout().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
    }

    #[test]
    fn a_dropped_server_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = shell("sleep 600", &dir.path().join("log"));
        server.ensure_running().unwrap();
        let pid = server.pid();
        let is_there = || Path::new(&format!("/proc/{pid}")).exists();
        assert!(is_there());
        drop(server);
        assert!(!is_there());
    }

    #[test]
    fn a_server_is_told_to_end_until_it_hears_it() {
        let dir = tempfile::tempdir().unwrap();
        // The first time it does not listen.
        let script =
            "trap 'trap \"echo heard >&2; exit\" QUIT' QUIT; echo up; while :; do sleep 0.01; done";
        let program = Program::new("the shell", Path::new("sh"), None, Abrupt::Quit);
        let mut server = program
            .args(&["-c", script])
            .start(&dir.path().join("log"))
            .unwrap();
        up(&mut server);
        drop(server);
        let said = fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(said, "heard\n");
    }

    #[test]
    fn a_server_that_ends_is_told_with_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = shell("echo no luck >&2; exit 3", &dir.path().join("log"));
        let error = loop {
            match server.ensure_running() {
                Ok(()) => thread::sleep(LOOK_EVERY),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.contains("the shell ended (exit status: 3)"),
            "{error}"
        );
        assert!(error.contains("no luck"), "{error}");
    }

    #[test]
    fn one_that_has_ended_is_there_until_its_end_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = shell("sleep 600", &dir.path().join("log"));
        assert!(!server.has_ended().unwrap());
        server.kill();
        while !server.has_ended().unwrap() {
            thread::sleep(LOOK_EVERY);
        }
        let path = format!("/proc/{}", server.pid());
        assert!(Path::new(&path).exists());
        assert_eq!(server.take_end().unwrap().signal(), Some(9));
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn a_program_has_the_core_that_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let core = crate::machine::cores().unwrap()[0];
        let shell = Path::new("sh");
        let program = Program::on_core("the shell", shell, None, Abrupt::Kill, Some(core));
        let script = "grep Cpus_allowed_list: /proc/self/status";
        let mut server = program
            .args(&["-c", script])
            .start(&dir.path().join("log"))
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(server.stdout().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line.split_whitespace().last(), Some(&*core.to_string()));
    }

    #[test]
    fn an_orderly_end_is_told_from_another() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            |end: &str| format!("trap '{end}' TERM; echo up; while :; do sleep 0.01; done");
        for (end, ends_well) in [("exit 0", true), ("exit 1", false)] {
            let mut server = shell(&script(end), &dir.path().join("log"));
            // Now the trap is set.
            up(&mut server);
            assert_eq!(server.terminate().is_ok(), ends_well, "{end}");
        }
    }

    #[test]
    fn a_server_does_not_outlive_who_started_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        // The thread that started it ends once it runs, and nobody drops the server.
        let thread = thread::spawn(move || {
            let mut server = shell("echo up; sleep 600", &log);
            up(&mut server);
            server
        });
        let mut server = thread.join().unwrap();
        assert!(server.wait(END_PATIENCE).is_some());
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_with_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let run = |script| {
            let program = Program::new("the shell", Path::new("sh"), None, Abrupt::Kill);
            program.args(&["-c", script]).finish(&log)
        };
        run("true").await.unwrap();
        let failed = run("echo bad luck >&2; exit 1").await;
        let error = failed.unwrap_err().to_string();
        assert!(error.contains("bad luck"), "{error}");
    }
}
