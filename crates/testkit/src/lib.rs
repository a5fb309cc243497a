//! Starts the real `muster` for tests, and ends it kindly or not; likewise a [`postgres`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let muster = muster_testkit::Launch::dev("target/debug/muster", dir.path()).start();
//! println!("{}", muster.accounts_url());
//! muster.kill();
//! # Ok(())
//! # }
//! ```

mod captured;
#[cfg(target_os = "linux")]
pub mod disk;
pub mod http;
pub mod postgres;
pub mod session;

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use muster_usersig::{Claims, SecretKey, sign};

pub use captured::{Captured, captured};

/// The app that `muster dev` makes.
pub const SDKAPPID: u32 = 1_400_000_000;

/// The public sample key of the official UserSig libraries, which `muster dev` gives to its app.
pub const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// The variable that lets every muster of a test keep its accounts elsewhere than in its data directory:
/// `postgres`.
pub const TEST_STORE: &str = "MUSTER_TEST_STORE";

/// How long anything may take before a test gives up on it. Generous: no test waits for it.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A muster to be started, on ports that are free.
pub struct Launch {
    command: Command,
    data_dir: PathBuf,
}

impl Launch {
    /// `muster dev` on a data directory of its own.
    pub fn dev(binary: impl AsRef<Path>, data_dir: &Path) -> Self {
        Self::new(Command::new(binary.as_ref()), "dev", data_dir)
    }

    /// `muster serve` on a data directory of its own.
    pub fn serve(binary: impl AsRef<Path>, data_dir: &Path) -> Self {
        Self::new(Command::new(binary.as_ref()), "serve", data_dir)
    }

    /// `muster dev`, started by a line of `sh` that ends in `exec "$@"`.
    pub fn dev_in_shell(binary: impl AsRef<Path>, data_dir: &Path, script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(binary.as_ref());
        Self::new(command, "dev", data_dir)
    }

    fn new(mut command: Command, subcommand: &str, data_dir: &Path) -> Self {
        command
            .arg(subcommand)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--operator-listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data_dir)
            // A developer's own settings must not decide a test.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .current_dir(data_dir.parent().unwrap_or(data_dir));
        let launch = Self {
            command,
            data_dir: data_dir.to_owned(),
        };
        match std::env::var(TEST_STORE).as_deref() {
            Ok("postgres") => launch.on_database(&postgres::database_of(data_dir)),
            Ok(other) => panic!("{TEST_STORE} is {other:?}; it can be postgres"),
            Err(_) => launch,
        }
    }

    /// Keeps the accounts in the database of this URL, which has a password.
    #[must_use]
    pub fn on_database(self, url: &str) -> Self {
        let parts = url.split_once('@').and_then(|(head, place)| {
            let (user, password) = head.rsplit_once(':')?;
            Some((format!("{user}@{place}"), password))
        });
        let (url, password) = parts.expect("postgres://user:password@host/database");
        self.arg("--store")
            .arg(&url)
            .env("MUSTER_STORE_PASSWORD", password)
    }

    /// Adds a flag or its value.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets its calls on the data directory fail whenever the recorder is told so. Not for one that is
    /// started in a shell.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn faulty(mut self, recorder: &disk::Recorder) -> Self {
        self.command.envs(recorder.faulty());
        self
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    ///
    /// If it ends or stays silent instead, with all that it said.
    pub fn start(self) -> Muster {
        match self.try_start() {
            Ok(muster) => muster,
            Err(Ended { status, said }) => panic!("muster did not start ({status}):\n{said}"),
        }
    }

    /// Starts it and ends it with SIGKILL so much later, wherever it then is.
    pub fn kill_during_start(mut self, after: Duration) {
        let command = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("muster can be started");
        thread::sleep(after);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts it and waits until it is ready, or has ended.
    pub fn try_start(mut self) -> Result<Muster, Ended> {
        let log = tempfile::NamedTempFile::new().expect("a place for the log");
        let log_of_child = File::options()
            .append(true)
            .open(log.path())
            .expect("the log opens");
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_of_child)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.command));
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens once muster is ready, but its pipe must stay open.
                let _ = sender.send(line);
            }
        });

        let mut muster = Muster {
            child,
            log,
            printed: Vec::new(),
            accounts_url: String::new(),
            operator_url: String::new(),
            data_dir: self.data_dir,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    let ready = line == "muster is ready";
                    muster.printed.push(line);
                    if ready {
                        break;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = muster.child.wait().expect("a child can be waited for");
                    let said = format!("{}\n{}", muster.printed.join("\n"), muster.log());
                    return Err(Ended { status, said });
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!(
                        "muster is not ready: {:?}\n{}",
                        muster.printed,
                        muster.log()
                    )
                }
            }
        }
        muster.accounts_url = muster.printed_url("accounts API");
        muster.operator_url = muster.printed_url("operator API");
        Ok(muster)
    }
}

/// A muster that ended instead of becoming ready.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything on its standard output, then everything on its standard error.
    pub said: String,
}

/// A running muster. Dropping it kills it.
pub struct Muster {
    child: Child,
    log: tempfile::NamedTempFile,
    printed: Vec<String>,
    accounts_url: String,
    operator_url: String,
    data_dir: PathBuf,
}

impl Muster {
    /// Where the account API is, as in `http://127.0.0.1:40001`; `https` if it speaks TLS.
    pub fn accounts_url(&self) -> &str {
        &self.accounts_url
    }

    /// Where the operator API is.
    pub fn operator_url(&self) -> &str {
        &self.operator_url
    }

    /// What it keeps its data in.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines on its standard output up to `muster is ready`.
    pub fn printed(&self) -> &[String] {
        &self.printed
    }

    /// The token of the operator API, as stored at the first start.
    pub fn operator_token(&self) -> String {
        let path = self.data_dir.join("operator.token");
        let token = std::fs::read_to_string(&path);
        token
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .trim()
            .to_owned()
    }

    /// What it has written to its standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("the log can be read")
    }

    /// Ends it with SIGKILL, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) {
        self.kill_and_wait();
    }

    fn kill_and_wait(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal, as `kill -TERM` does.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.child_pid(), signal)
            .expect("an own child can be signalled");
    }

    /// Lets no file of it grow beyond this size from now on, as a full disk would. Writing more fails
    /// if it was started with SIGXFSZ ignored, and kills it otherwise.
    pub fn limit_file_size(&self, limit_bytes: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limit = Rlimit {
            current: Some(limit_bytes),
            maximum: None,
        };
        prlimit(Some(self.child_pid()), Resource::Fsize, limit)
            .expect("limits of an own child can be set");
    }

    /// Asks it to end with SIGTERM and waits until it has.
    pub fn terminate(self) -> Ended {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Waits until it ends.
    ///
    /// # Panics
    ///
    /// If it does not within two minutes.
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Ended {
                    status,
                    said: self.log(),
                };
            }
            assert!(
                Instant::now() < deadline,
                "muster does not end:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn child_pid(&self) -> rustix::process::Pid {
        i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .expect("a child has a process id")
    }

    fn printed_url(&self, label: &str) -> String {
        let url = self
            .printed
            .iter()
            .find_map(|line| line.trim().strip_prefix(label));
        url.unwrap_or_else(|| panic!("no {label} in {:?}", self.printed))
            .trim()
            .to_owned()
    }
}

impl Drop for Muster {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}

/// The sample key, ready to sign with.
pub fn sample_key() -> SecretKey {
    SecretKey::parse(SAMPLE_KEY).expect("the sample key is a key")
}

/// When [`usersig`] signs: 2023-11-14.
const SIGNED_AT_S: u64 = 1_700_000_000;

/// A UserSig of the app that `muster dev` makes, good for ten years from 2023-11-14.
pub fn usersig(identifier: &str) -> String {
    usersig_signed_at(identifier, SIGNED_AT_S)
}

/// A UserSig of the app that `muster dev` makes, signed at `time_s` for ten years.
pub fn usersig_signed_at(identifier: &str, time_s: u64) -> String {
    let claims = Claims {
        identifier: identifier.to_owned(),
        sdkappid: u64::from(SDKAPPID),
        time_s,
        expire_s: 315_360_000,
        userbuf: None,
    };
    sign(&sample_key(), &claims)
}
