//! Figures that others know and that are asked for at each scrape: the store's, the sessions', what
//! is in progress, the process's.

use std::{fmt, sync::Arc, time::Duration};

use muster_accounts::AccountStore;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::{load::Load, presence::Presence, process::ProcessFigures};

/// Writes figures that are read at the scrape.
struct Figures<'a>(DescriptorEncoder<'a>);

impl Figures<'_> {
    fn write(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        figure: &impl EncodeMetric,
    ) -> fmt::Result {
        figure.encode(
            self.0
                .encode_descriptor(name, help, unit, figure.metric_type())?,
        )
    }
}

/// What the store tells of itself.
pub(super) struct StoreCollector(pub(super) Arc<dyn AccountStore>);

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

impl Collector for StoreCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        let mut figures = Figures(encoder);
        figures.write(
            "muster_store_accounts",
            "Accounts in all apps.",
            None,
            &ConstGauge::new(stats.accounts),
        )?;
        figures.write(
            "muster_store_waiting",
            "Requests that wait to be committed.",
            None,
            &ConstGauge::new(stats.waiting),
        )?;
        figures.write(
            "muster_store_commits",
            "Group commits, each with one sync.",
            None,
            &ConstCounter::new(stats.commits),
        )?;
        figures.write(
            "muster_store_committed_requests",
            "Requests carried out in commits.",
            None,
            &ConstCounter::new(stats.committed_requests),
        )?;
        figures.write(
            "muster_store_committed_records",
            "Records written in commits.",
            None,
            &ConstCounter::new(stats.committed_records),
        )?;
        figures.write(
            "muster_store_commit_time",
            "Time spent in commits, sync included.",
            Some(&Unit::Seconds),
            &ConstCounter::new(Duration::from_micros(stats.commit_time_us).as_secs_f64()),
        )
    }
}

/// How many sessions there are.
pub(super) struct SessionCollector(pub(super) Presence);

impl fmt::Debug for SessionCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCollector")
    }
}

impl Collector for SessionCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let open = u64::try_from(self.0.open()).unwrap_or(u64::MAX);
        Figures(encoder).write(
            "muster_sessions",
            "Open sessions.",
            None,
            &ConstGauge::new(open),
        )
    }
}

/// How much the server has taken on.
pub(super) struct LoadCollector(pub(super) Arc<Load>);

impl fmt::Debug for LoadCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoadCollector")
    }
}

impl Collector for LoadCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figure = |amount| ConstGauge::new(u64::try_from(amount).unwrap_or(u64::MAX));
        let mut figures = Figures(encoder);
        figures.write(
            "muster_calls_in_progress",
            "Calls that are being carried out.",
            None,
            &figure(self.0.calls()),
        )?;
        figures.write(
            "muster_calls_bound",
            "How many calls may be carried out at a time: fewer than limits.max_calls while they are slow.",
            None,
            &figure(self.0.calls_bound()),
        )?;
        figures.write(
            "muster_body_memory",
            "Bodies of requests and answers that are held, those of up to 4 KiB not counted.",
            Some(&Unit::Bytes),
            &figure(self.0.bytes()),
        )
    }
}

/// What the operating system tells of the process, under the names that such figures have
/// everywhere.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    pub(super) started: Duration,
}

impl Collector for ProcessCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut figures = Figures(encoder);
        figures.write(
            "process_start_time",
            "When the server was made, in Unix time.",
            Some(&Unit::Seconds),
            &ConstGauge::new(self.started.as_secs_f64()),
        )?;
        let Some(process) = ProcessFigures::read() else {
            return Ok(());
        };
        figures.write(
            "process_cpu",
            "CPU time spent.",
            Some(&Unit::Seconds),
            &ConstCounter::new(process.cpu_s),
        )?;
        figures.write(
            "process_resident_memory",
            "Memory in use.",
            Some(&Unit::Bytes),
            &ConstGauge::new(process.resident_bytes),
        )?;
        figures.write(
            "process_open_fds",
            "Open file descriptors.",
            None,
            &ConstGauge::new(process.open_fds),
        )
    }
}
