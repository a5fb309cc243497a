//! A muster under measurement: built, started, called by `muster-bench`, ended.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use muster_bench::{Bench, Caller, Endpoint, Load, PhaseReport, Plan, Progress, Stop};
use muster_testkit::{SDKAPPID, sample_key};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    figures::{as_f64, grouped},
    places, process,
    server::{Abrupt, Program, Server},
    tell,
};

/// How long a start may take. It grows with the accounts.
const START_PATIENCE: Duration = Duration::from_mins(30);

/// For one call.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// How often it is told how far a load is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Background work is over when the server has used less than a hundredth of a core for so long.
const IDLE_FOR: Duration = Duration::from_secs(1);
const IDLE_CPU_S: f64 = 0.02;

/// Background work that goes on for longer is a part of what is measured next.
const IDLE_PATIENCE: Duration = Duration::from_mins(5);

/// The release build of this repository, up to date.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    tell("building muster");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", "muster"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(places::repository())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "muster does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).context("cargo does not say where it has put muster")
}

/// The program among the messages of cargo.
fn executable(messages: &str) -> Option<PathBuf> {
    let of_message = |line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_bin = message["target"]["kind"] == serde_json::json!(["bin"]);
        let found = is_bin && message["target"]["name"] == "muster";
        found.then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    messages.lines().find_map(of_message)
}

/// What `muster --version` says.
pub(crate) fn version(binary: &Path) -> anyhow::Result<String> {
    let output = Command::new(binary).arg("--version").output();
    let output = output.with_context(|| format!("cannot start {}", binary.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How a muster is started.
struct How<'h> {
    core: Option<u16>,
    listen: &'h str,
    operator_listen: &'h str,
    /// The database that has the accounts, if one has.
    store: Option<&'h str>,
}

impl Default for How<'_> {
    fn default() -> Self {
        How {
            core: None,
            listen: "127.0.0.1:0",
            operator_listen: "127.0.0.1:0",
            store: None,
        }
    }
}

/// A running muster.
pub(crate) struct Muster {
    server: Server,
    accounts: Endpoint,
    operator: Endpoint,
    /// How long it took from its start until it was ready.
    pub(crate) start: Duration,
}

impl Muster {
    /// Starts it on a data directory and free ports, and waits until it is ready.
    pub(crate) async fn start(binary: &Path, data_dir: &Path) -> anyhow::Result<Muster> {
        Muster::start_with(binary, data_dir, &How::default()).await
    }

    /// Likewise, on this core alone if there is one.
    pub(crate) async fn start_on_core(
        binary: &Path,
        data_dir: &Path,
        core: Option<u16>,
    ) -> anyhow::Result<Muster> {
        let how = How {
            core,
            ..How::default()
        };
        Muster::start_with(binary, data_dir, &how).await
    }

    /// Likewise, with the accounts in the database of this URL.
    pub(crate) async fn start_on_database(
        binary: &Path,
        data_dir: &Path,
        url: &str,
    ) -> anyhow::Result<Muster> {
        let how = How {
            store: Some(url),
            ..How::default()
        };
        Muster::start_with(binary, data_dir, &how).await
    }

    /// Ends it as `kill -9` does, and starts it again on its data directory. Who calls it finds it where it
    /// was.
    pub(crate) async fn kill_and_restart(
        self,
        binary: &Path,
        data_dir: &Path,
    ) -> anyhow::Result<Muster> {
        let address = |endpoint: &Endpoint| endpoint.to_string().replace("http://", "");
        let (accounts, operator) = (address(&self.accounts), address(&self.operator));
        self.kill();
        let how = How {
            listen: &accounts,
            operator_listen: &operator,
            ..How::default()
        };
        Muster::start_with(binary, data_dir, &how).await
    }

    async fn start_with(binary: &Path, data_dir: &Path, how: &How<'_>) -> anyhow::Result<Muster> {
        let begun = Instant::now();
        let mut program = Program::on_core("muster", binary, None, Abrupt::Kill, how.core)
            .args(&["dev", "--no-rate-limits", "--log-level", "warn"])
            .args(&["--listen", how.listen])
            .args(&["--operator-listen", how.operator_listen])
            .args(&["--data-dir"])
            .arg(data_dir);
        if let Some(url) = how.store {
            program = program.args(&["--store", url]);
        }
        let mut server = program.start(&data_dir.with_extension("log"))?;
        let stdout = server.stdout().expect("it was not taken yet");
        let (sender, mut lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens once it is ready, but its pipe must stay open.
                let _ = sender.send(line);
            }
        });
        let (mut accounts, mut operator) = (None, None);
        loop {
            let Ok(line) = timeout(START_PATIENCE, lines.recv()).await else {
                bail!("muster is not ready after {} s", START_PATIENCE.as_secs());
            };
            let Some(line) = line else {
                return Err(server.failed("ended before it was ready"));
            };
            let line = line.trim();
            if let Some(url) = line.strip_prefix("accounts API") {
                accounts = Some(Endpoint::parse(url.trim())?);
            } else if let Some(url) = line.strip_prefix("operator API") {
                operator = Some(Endpoint::parse(url.trim())?);
            } else if line == "muster is ready" {
                break;
            }
        }
        Ok(Muster {
            server,
            accounts: accounts.context("muster does not say where its account API is")?,
            operator: operator.context("muster does not say where its operator API is")?,
            start: begun.elapsed(),
        })
    }

    /// Makes the calls of a plan, which has one phase. All are to succeed.
    pub(crate) async fn load(
        &self,
        plan: Plan,
        connections: usize,
        rate_per_s: Option<f64>,
    ) -> anyhow::Result<PhaseReport> {
        let bench = Bench {
            endpoint: self.accounts.clone(),
            caller: Caller::new(SDKAPPID, "administrator", sample_key()),
            plan,
            load: Load {
                connections,
                rate_per_s,
                timeout: CALL_TIMEOUT,
            },
            operator: Some(self.operator.clone()),
        };
        let progress = Progress::default();
        let watched = progress.clone();
        // On the runtime's thread, like the connections, and as `muster bench` does.
        let mut running = tokio::spawn(async move { bench.run(&progress, &Stop::default()).await });
        let report = loop {
            match timeout(TELL_EVERY, &mut running).await {
                Ok(done) => break done.context("the calls broke off")??,
                Err(_) => tell_how_far(&watched),
            }
        };
        ensure!(report.is_clean(), "calls failed:\n{}", report.text());
        let mut phases = report.phases;
        let phase = phases.pop().context("nothing was measured")?;
        ensure!(phases.is_empty(), "a plan of one phase had more");
        ensure!(phase.server.is_some(), "muster's metrics cannot be read");
        ensure!(phase.not_imported == 0, "accounts are missing");
        Ok(phase)
    }

    /// Where its account API is, and where its operator API.
    pub(crate) fn urls(&self) -> [String; 2] {
        [self.accounts.to_string(), self.operator.to_string()]
    }

    /// The most memory that it has held so far.
    pub(crate) fn greatest_resident_bytes(&self) -> anyhow::Result<u64> {
        let bytes = process::greatest_resident_bytes(self.server.pid())?;
        bytes.context("muster has ended")
    }

    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        process::resident_bytes(self.server.pid())
    }

    /// CPU time so far.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        process::cpu_s(self.server.pid())
    }

    /// Waits until the work in the background is done that calls have left behind. Returns whether
    /// it is.
    pub(crate) async fn idle(&self) -> anyhow::Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < IDLE_PATIENCE {
            let before = self.cpu_s()?;
            sleep(IDLE_FOR).await;
            if self.cpu_s()? - before < IDLE_CPU_S {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends it in order, and says how long that took.
    pub(crate) fn terminate(self) -> anyhow::Result<Duration> {
        self.server.terminate()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(self) {
        drop(self.server);
    }
}

fn tell_how_far(progress: &Progress) {
    if let Some(seen) = progress.seen() {
        let share = 100.0 * as_f64(seen.calls) / as_f64(seen.total_calls.max(1));
        let accounts = grouped(seen.accounts);
        tell(format_args!("    {share:.0} %, {accounts} accounts"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"muster"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"xtask"},"executable":"/there/xtask"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"muster"},"executable":"/there/muster"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/there/muster")));
        assert_eq!(executable("not JSON"), None);
    }
}
