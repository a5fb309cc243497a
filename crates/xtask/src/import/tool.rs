//! A `muster import` under way, and what it uses.

use std::{
    fs,
    io::{BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::ChildStdout,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use muster_client::operator::Operator;
use muster_testkit::{SAMPLE_KEY, SDKAPPID};
use rustix::process::Signal;
use serde::Serialize;
use tokio::time::sleep;

use super::check::Summary;
use crate::{
    muster::Muster,
    process,
    server::{Abrupt, LOOK_EVERY, Program, Server},
};

/// With records that fail, this is how a good import ends.
const SOME_FAILED: i32 = 3;

/// The way of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lane {
    AccountApi,
    Direct,
}

impl Lane {
    pub(super) const ALL: [Lane; 2] = [Lane::AccountApi, Lane::Direct];

    pub(super) fn name(self) -> &'static str {
        match self {
            Lane::AccountApi => "account API, `--rate 0`",
            Lane::Direct => "`--direct`",
        }
    }
}

/// The cores that server and tool have for themselves; without one, all that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Cores {
    pub(super) server: Option<u16>,
    pub(super) tool: Option<u16>,
}

/// A directory with a file of users and what imports leave beside it, and how muster's tools are run there.
pub(super) struct Bench<'b> {
    pub(super) binary: &'b Path,
    pub(super) dir: &'b Path,
    pub(super) cores: Cores,
}

impl Bench<'_> {
    /// Puts the file there; it is not copied.
    pub(super) fn prepare(&self, file: &Path) -> anyhow::Result<()> {
        fs::hard_link(file, self.dir.join("users.csv")).context("cannot link the file")?;
        fs::write(self.key(), SAMPLE_KEY).context("cannot write the key")
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn key(&self) -> PathBuf {
        self.dir.join("key")
    }

    pub(super) async fn start_server(&self) -> anyhow::Result<Muster> {
        Muster::start_on_core(self.binary, &self.data_dir(), self.cores.server).await
    }

    /// Starts an import into this server.
    pub(super) fn import(
        &self,
        server: &Muster,
        lane: Lane,
        is_resumed: bool,
    ) -> anyhow::Result<Tool> {
        let [accounts, operator] = server.urls();
        let mut program = self
            .tool("import")
            .arg(self.dir.join("users.csv"))
            .args(&["--json"]);
        program = match lane {
            Lane::AccountApi => program
                .args(&["--endpoint", &accounts, "--rate", "0", "--secret-key-file"])
                .arg(self.key()),
            Lane::Direct => program
                .args(&["--direct", "--operator-url", &operator, "--data-dir"])
                .arg(self.data_dir()),
        };
        if is_resumed {
            program = program.args(&["--resume"]);
        }
        let begun = Instant::now();
        let mut process = program.start(&self.dir.join("import.log"))?;
        Ok(Tool {
            stdout: process.stdout().context("it was not taken yet")?,
            process,
            begun,
            greatest_bytes: 0,
        })
    }

    /// Starts an export from this server, and gives what it writes as NDJSON.
    pub(super) fn export(
        &self,
        server: &Muster,
    ) -> anyhow::Result<(Server, BufReader<ChildStdout>)> {
        let [_, operator] = server.urls();
        let mut process = self
            .tool("export")
            .args(&["-", "--format", "ndjson", "--operator-url", &operator])
            .arg("--data-dir")
            .arg(self.data_dir())
            .start(&self.dir.join("export.log"))?;
        let stdout = process.stdout().context("it was not taken yet")?;
        Ok((process, BufReader::new(stdout)))
    }

    fn tool(&self, command: &str) -> Program {
        let name = "the tool";
        Program::on_core(name, self.binary, None, Abrupt::Kill, self.cores.tool).args(&[
            command,
            "--sdkappid",
            &SDKAPPID.to_string(),
        ])
    }

    /// Whether an import has noted that records are done.
    pub(super) fn has_noted(&self) -> bool {
        let noted = fs::read(self.dir.join("users.csv.muster-import")).unwrap_or_default();
        let noted: Option<serde_json::Value> = serde_json::from_slice(&noted).ok();
        noted.is_some_and(|noted| noted["counts"]["imported"].as_u64() > Some(0))
    }

    /// A client of this server's operator API.
    pub(super) fn operator(&self, server: &Muster) -> anyhow::Result<Operator> {
        let [_, url] = server.urls();
        let token = fs::read_to_string(self.data_dir().join("operator.token"));
        let token = token.context("cannot read the operator token")?;
        Ok(Operator::new(&url, token.trim())?)
    }
}

/// An import under way. Dropping it ends it as `kill -9` does.
pub(super) struct Tool {
    process: Server,
    stdout: ChildStdout,
    begun: Instant,
    greatest_bytes: u64,
}

/// What an import came to that ended by itself.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) summary: Summary,
    /// From the start of its process to the end of it.
    pub(super) elapsed: Duration,
    pub(super) cpu_s: f64,
    /// The most memory that it held.
    pub(super) greatest_bytes: u64,
}

impl Tool {
    /// Looks at its memory, and whether it has ended.
    pub(super) fn look(&mut self) -> anyhow::Result<bool> {
        if self.process.has_ended()? {
            return Ok(true);
        }
        // It may end in between.
        if let Some(bytes) = process::greatest_resident_bytes(self.process.pid())? {
            self.greatest_bytes = self.greatest_bytes.max(bytes);
        }
        Ok(false)
    }

    /// Tells it to end as `kill -9` does.
    pub(super) fn kill(&self) {
        self.process.kill();
    }

    /// Waits until it ends. `None` if it was killed.
    pub(super) async fn end(mut self) -> anyhow::Result<Option<Ended>> {
        while !self.look()? {
            sleep(LOOK_EVERY).await;
        }
        let elapsed = self.begun.elapsed();
        let cpu_s = process::cpu_s(self.process.pid())?;
        let status = self.process.take_end()?;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Ok(None);
        }
        ensure!(
            status.code() == Some(SOME_FAILED),
            self.process.failed(&format!("ended badly ({status})"))
        );
        let mut said = String::new();
        self.stdout.read_to_string(&mut said)?;
        Ok(Some(Ended {
            summary: serde_json::from_str(&said).context("the import's summary is none")?,
            elapsed,
            cpu_s,
            greatest_bytes: self.greatest_bytes,
        }))
    }
}
