//! Runs a command to its end, and asks running servers what a command has done.

use std::{
    future::Future,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use muster_client::{
    Client, SecretKey,
    operator::{Account, Operator},
};
use muster_testkit::{Launch, Muster, SDKAPPID, sample_key};

pub(crate) const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// A command to be run in a directory of its own, or in one that it is given.
pub(crate) struct Run {
    command: Command,
    stdin: String,
    shown: String,
}

/// How a command ended.
pub(crate) struct Done {
    shown: String,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn muster(args: &[&str]) -> Run {
    let mut command = Command::new(MUSTER);
    command
        .args(args)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
    Run {
        command,
        stdin: String::new(),
        shown: format!("muster {}", args.join(" ")),
    }
}

impl Run {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    pub(crate) fn within(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn done(mut self) -> Done {
        let empty = tempfile::tempdir().unwrap();
        if self.command.get_current_dir().is_none() {
            self.command.current_dir(empty.path());
        }
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read has closed it.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Done {
            shown: self.shown,
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It succeeds and complains of nothing. Returns what it printed.
    pub(crate) fn ok(self) -> String {
        let done = self.done();
        assert_eq!(done.code, Some(0), "{done}");
        assert_eq!(done.err, "", "{done}");
        done.out
    }

    /// It ends with this code and prints nothing. Returns its last words, without `error: `.
    pub(crate) fn refused(self, code: i32) -> String {
        let done = self.done();
        assert_eq!(done.code, Some(code), "{done}");
        assert_eq!(done.out, "", "{done}");
        let (_, error) = done
            .err
            .split_once("error: ")
            .unwrap_or_else(|| panic!("no error named: {done}"));
        error.trim_end().to_owned()
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Done {
            shown,
            code,
            out,
            err,
        } = self;
        write!(f, "{shown}: {code:?}\n{out}\n{err}")
    }
}

/// A shell command that `muster` printed, as a user would paste it.
pub(crate) fn sh(script: &str) -> Done {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    Done {
        shown: script.to_owned(),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Whether this program can be run here.
pub(crate) fn is_there(program: &str) -> bool {
    let ran = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_ok_and(|status| status.success())
}

pub(crate) fn dev(data_dir: &Path) -> Launch {
    Launch::dev(MUSTER, data_dir)
}

pub(crate) fn serve(data_dir: &Path) -> Launch {
    Launch::serve(MUSTER, data_dir)
}

/// What a server that was expected to refuse its start said.
pub(crate) fn refuses_to_start(launch: Launch) -> String {
    match launch.try_start() {
        Ok(muster) => panic!("it started: {:?}", muster.printed()),
        Err(ended) => {
            assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
            ended.said
        }
    }
}

/// Ends it with SIGTERM, well.
pub(crate) fn stop(muster: Muster) {
    let ended = muster.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
}

/// The value behind a name at the beginning of a line, as in `  data     ./muster-data`.
pub(crate) fn noted<'a>(lines: &[impl AsRef<str> + 'a], name: &str) -> String {
    let found = lines
        .iter()
        .find_map(|line| line.as_ref().trim().strip_prefix(name));
    let text: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    found
        .unwrap_or_else(|| panic!("no {name:?} in {text:#?}"))
        .trim()
        .to_owned()
}

pub(crate) fn wait<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(call)
}

pub(crate) fn operator(muster: &Muster) -> Operator {
    Operator::new(muster.operator_url(), &muster.operator_token()).unwrap()
}

pub(crate) fn client_of(muster: &Muster, sdkappid: u32, key: SecretKey) -> Client {
    Client::new(muster.accounts_url(), sdkappid, "administrator", key).unwrap()
}

/// A client of the app that `muster dev` makes.
pub(crate) fn client(muster: &Muster) -> Client {
    client_of(muster, SDKAPPID, sample_key())
}

/// An account of the app that `muster dev` makes.
pub(crate) fn account(muster: &Muster, user_id: &str) -> Account {
    wait(operator(muster).account(SDKAPPID, user_id)).unwrap()
}

/// All accounts of the app that `muster dev` makes, but for `administrator`.
pub(crate) async fn accounts(muster: &Muster) -> Vec<Account> {
    let operator = operator(muster);
    let mut accounts = Vec::new();
    let mut after = None;
    loop {
        let page = operator.accounts(SDKAPPID, after.as_deref(), 10_000).await;
        let page = page.unwrap();
        accounts.extend(page.accounts);
        after = page.next_after;
        if after.is_none() {
            accounts.retain(|account| account.user_id != "administrator");
            return accounts;
        }
    }
}
