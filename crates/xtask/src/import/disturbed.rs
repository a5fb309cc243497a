//! An import in which the tool is killed, and then the server: the end is to be the same.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use muster_testkit::SDKAPPID;
use serde::Serialize;
use tokio::time::sleep;

use super::{
    Source,
    tool::{Bench, Cores, Lane, Tool},
    undisturbed::ensure_as_expected,
};
use crate::{
    figures::{grouped, number},
    muster::Muster,
    tell,
};

/// How often the server is asked how many accounts it has.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// How a disturbed import went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Disturbed {
    pub(super) lane: Lane,
    /// How many accounts there were when the tool was killed; `None` if it ended before.
    pub(super) tool_killed_at_accounts: Option<u64>,
    /// How many records it had noted as done.
    pub(super) resumed_at_records: u64,
    /// How many accounts there were when the server was killed; `None` if the import ended before.
    pub(super) server_killed_at_accounts: Option<u64>,
    /// How long the server took from its second start until it was ready.
    pub(super) server_start_s: f64,
    /// Calls that the tool made again for it.
    pub(super) calls_made_again: u64,
    /// From the first start of the tool to the last end.
    pub(super) elapsed_s: f64,
}

/// Kills the tool when a third of the accounts are there and it has noted some, or else two thirds; goes on by
/// `--resume`, and kills the server when half of the rest is there.
pub(super) async fn measure(
    source: &Source,
    binary: &Path,
    lane: Lane,
    dir: &Path,
) -> anyhow::Result<Disturbed> {
    let cores = Cores::default();
    let bench = Bench { binary, dir, cores };
    bench.prepare(&source.path)?;
    let mut server = bench.start_server().await?;
    let users = source.expected.users;
    let begun = Instant::now();
    let mut tool = bench.import(&server, lane, false)?;
    let enough = |there| there >= users / 3 && (bench.has_noted() || there >= users / 3 * 2);
    let reached = reach(&bench, &server, &mut tool, enough).await?;
    tool.kill();
    // It may have ended by itself in the last moment: then there is nothing to resume.
    let mut ended = tool.end().await?;
    let tool_killed_at_accounts = reached.filter(|_| ended.is_none());
    let (mut server_killed_at_accounts, mut server_start_s) = (None, 0.0);
    if let Some(before) = tool_killed_at_accounts {
        let mut tool = bench.import(&server, lane, true)?;
        let enough = |there| there >= before.midpoint(users);
        server_killed_at_accounts = reach(&bench, &server, &mut tool, enough).await?;
        if server_killed_at_accounts.is_some() {
            server = server.kill_and_restart(binary, &bench.data_dir()).await?;
            server_start_s = server.start.as_secs_f64();
        }
        ended = tool.end().await?;
    }
    let elapsed_s = begun.elapsed().as_secs_f64();
    let ended = ended.context("somebody killed the import")?;
    ensure_as_expected(source, &bench, &server, &ended).await?;
    let calls_made_again = ended.summary.calls_made_again;
    let disturbed = Disturbed {
        lane,
        tool_killed_at_accounts,
        resumed_at_records: ended.summary.resumed,
        // An import that did not notice was over before.
        server_killed_at_accounts: server_killed_at_accounts.filter(|_| calls_made_again > 0),
        server_start_s,
        calls_made_again,
        elapsed_s,
    };
    disturbed.tell();
    Ok(disturbed)
}

/// Waits until the server has enough accounts, and returns how many it has; `None` if the import ends before.
async fn reach(
    bench: &Bench<'_>,
    server: &Muster,
    tool: &mut Tool,
    enough: impl Fn(u64) -> bool,
) -> anyhow::Result<Option<u64>> {
    let operator = bench.operator(server)?;
    while !tool.look()? {
        // The administrator is no user of the file.
        let there = operator.app(SDKAPPID).await?.accounts.saturating_sub(1);
        if enough(there) {
            return Ok(Some(there));
        }
        sleep(ASK_EVERY).await;
    }
    Ok(None)
}

impl Disturbed {
    fn tell(&self) {
        let at = |accounts: Option<u64>| match accounts {
            Some(accounts) => format!("killed at {} accounts", grouped(accounts)),
            None => "not killed, for the import was over before".to_owned(),
        };
        tell(format_args!(
            "    {}: tool {}, server {}, {} s altogether, all as it must be",
            self.lane.name(),
            at(self.tool_killed_at_accounts),
            at(self.server_killed_at_accounts),
            number(self.elapsed_s)
        ));
    }
}
