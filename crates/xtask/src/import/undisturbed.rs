//! An import in which nothing goes wrong but what is in the file.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{
    Source,
    tool::{Bench, Cores, Ended, Lane},
};
use crate::{
    figures::{as_f64, number},
    muster::Muster,
    tell,
};

/// What an import came to. A record is one that is imported.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// From the start of the tool to its end.
    pub(super) records_per_s: f64,
    pub(super) tool_cpu_us_per_record: f64,
    /// The most that the tool held.
    pub(super) tool_bytes: u64,
    pub(super) server_cpu_us_per_record: f64,
    /// The most that the server held up to the tool's end.
    pub(super) server_bytes: u64,
}

/// Imports the file into a fresh server, and looks whether there came of it what must.
pub(super) async fn measure(
    source: &Source,
    binary: &Path,
    lane: Lane,
    cores: Cores,
    dir: &Path,
) -> anyhow::Result<Figures> {
    let bench = Bench { binary, dir, cores };
    bench.prepare(&source.path)?;
    let server = bench.start_server().await?;
    let (figures, ended) = import(source, &bench, &server, lane).await?;
    ensure_as_expected(source, &bench, &server, &ended).await?;
    tell(format_args!(
        "    {}: {} records/s, all as it must be",
        lane.name(),
        number(figures.records_per_s)
    ));
    Ok(figures)
}

/// Likewise, but of what must come of it only the counts are looked at. Returns the most memory that the tool
/// held.
pub(super) async fn measure_memory(
    source: &Source,
    binary: &Path,
    dir: &Path,
) -> anyhow::Result<u64> {
    let cores = Cores::default();
    let bench = Bench { binary, dir, cores };
    bench.prepare(&source.path)?;
    let server = bench.start_server().await?;
    let (_, ended) = import(source, &bench, &server, Lane::Direct).await?;
    source.expected.check_summary(&ended.summary)?;
    Ok(ended.greatest_bytes)
}

async fn import(
    source: &Source,
    bench: &Bench<'_>,
    server: &Muster,
    lane: Lane,
) -> anyhow::Result<(Figures, Ended)> {
    let cpu_before_s = server.cpu_s()?;
    let ended = bench.import(server, lane, false)?.end().await?;
    let ended = ended.context("somebody killed the import")?;
    let server_cpu_s = server.cpu_s()? - cpu_before_s;
    let imported = as_f64(source.expected.imported);
    let figures = Figures {
        records_per_s: imported / ended.elapsed.as_secs_f64(),
        tool_cpu_us_per_record: ended.cpu_s * 1e6 / imported,
        tool_bytes: ended.greatest_bytes,
        server_cpu_us_per_record: server_cpu_s * 1e6 / imported,
        server_bytes: server.greatest_resident_bytes()?,
    };
    Ok((figures, ended))
}

/// Summary, report, rejects and all users are to be as the file says, however the import went.
pub(super) async fn ensure_as_expected(
    source: &Source,
    bench: &Bench<'_>,
    server: &Muster,
    ended: &Ended,
) -> anyhow::Result<()> {
    let expected = source.expected.clone();
    expected.check_summary(&ended.summary)?;
    expected.check_report(&bench.dir.join("users.report.ndjson"))?;
    expected.check_rejects(&bench.dir.join("users.rejects.csv"))?;
    let (mut export, users) = bench.export(server)?;
    let checked = spawn_blocking(move || expected.check_export(users)).await;
    checked.context("the export broke off")??;
    let status = export.take_end()?;
    anyhow::ensure!(status.success(), export.failed("ended badly"));
    Ok(())
}
