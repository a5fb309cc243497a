//! `muster import`, from the real binary into the real server.
//!
//! Whatever happens on the way (a killed tool, a killed server, calls that fail, connections that are cut),
//! the end is that of an import which nothing has disturbed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod direct;
mod disturbed;
mod made;
mod refused;
mod relay;
mod undisturbed;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use muster_client::operator::Operator;
use muster_testkit::{Launch, Muster, SDKAPPID};
use serde_json::Value;
use tempfile::TempDir;

const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// The public sample key.
const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// Nickname and avatar of each user.
type Users = BTreeMap<String, (String, String)>;

/// A server and a directory for files.
struct Scene {
    dir: TempDir,
    server: Muster,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let launch = Launch::dev(MUSTER, &dir.path().join("data"));
        let server = launch.arg("--no-rate-limits").start();
        Self { dir, server }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn operator(&self) -> Operator {
        operator(&self.server)
    }

    /// By the account API, as fast as can be.
    fn import(&self, file: &Path) -> Tool {
        let url = self.server.accounts_url();
        Tool::new(file)
            .args(["--endpoint", url, "--rate", "0"])
            .with_key()
    }

    /// To the operator API.
    fn direct(&self, file: &Path) -> Tool {
        let token = self.server.data_dir().join("operator.token");
        let url = self.server.operator_url();
        let token = token.to_str().unwrap();
        Tool::new(file).args([
            "--direct",
            "--operator-url",
            url,
            "--operator-token-file",
            token,
        ])
    }

    fn users(&self) -> Users {
        users(&self.server)
    }
}

fn operator(server: &Muster) -> Operator {
    Operator::new(server.operator_url(), &server.operator_token()).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// All that a server has, but for the admin.
fn users(server: &Muster) -> Users {
    let operator = operator(server);
    let mut users = Users::new();
    let mut after = None;
    loop {
        let page = block_on(operator.accounts(SDKAPPID, after.as_deref(), 10_000)).unwrap();
        for account in page.accounts {
            users.insert(account.user_id, (account.nick, account.face_url));
        }
        after = page.next_after;
        if after.is_none() {
            users.remove("administrator");
            return users;
        }
    }
}

/// Shows some of what differs, not all users.
#[track_caller]
fn assert_same(found: &Users, expected: &Users) {
    let differ = |user: &&String| found.get(*user) != expected.get(*user);
    let all: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differing: Vec<_> = all.into_iter().filter(differ).take(5).collect();
    let shown = differing
        .iter()
        .map(|user| (user, found.get(*user), expected.get(*user)));
    assert!(differing.is_empty(), "{:#?}", shown.collect::<Vec<_>>());
}

/// `muster import`.
struct Tool(Command);

impl Tool {
    fn new(file: &Path) -> Self {
        Self::of(file, file.parent().unwrap())
    }

    /// What comes from there.
    fn stdin(input: impl Into<Stdio>, dir: &Path) -> Self {
        let mut tool = Self::of(Path::new("-"), dir);
        tool.0.stdin(input);
        tool
    }

    fn of(file: &Path, dir: &Path) -> Self {
        let mut command = Command::new(MUSTER);
        command
            .arg("import")
            .arg(file)
            .args(["--sdkappid", &SDKAPPID.to_string()])
            .env_clear()
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command)
    }

    fn with_key(mut self) -> Self {
        self.0.env("MUSTER_SECRET_KEY", KEY);
        self
    }

    fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.args(args);
        self
    }

    fn spawn(mut self) -> Child {
        self.0.spawn().unwrap()
    }

    fn run(mut self) -> Done {
        Done(self.0.output().unwrap())
    }
}

/// What the tool said.
struct Done(Output);

impl Done {
    fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        let (stdout, stderr) = (self.stdout(), self.stderr());
        assert_eq!(self.code(), Some(code), "{stdout}\n{stderr}");
        assert!(!stdout.contains(KEY) && !stderr.contains(KEY));
        self
    }
}

/// The lines of a report, sorted: batches come to their ends in any order.
fn report(path: &Path) -> Vec<String> {
    let mut lines: Vec<_> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["line"].is_u64(), "{line}");
    }
    lines.sort();
    lines
}

/// The lines of a file, sorted.
fn sorted_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
