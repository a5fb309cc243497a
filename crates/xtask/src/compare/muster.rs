//! muster over HTTP, by the calls of `muster bench`.

use std::path::Path;

use muster_bench::{Plan, Workload};

use super::{
    Setup,
    phase::{Figures, Phase, Run, SEED, ensure_written},
};
use crate::{disk, muster::Muster};

/// How it is run, for the document.
pub(super) const HOW: &str = "`muster dev --no-rate-limits --log-level warn`, over HTTP on TCP, by \
`multiaccount_import`, with nothing set; it checks the UserSig and the body of each call.";

pub(super) async fn measure(
    setup: &Setup,
    binary: &Path,
    batch: usize,
    dir: &Path,
) -> anyhow::Result<Run> {
    let data_dir = dir.join("data");
    let muster = Muster::start(binary, &data_dir).await?;
    let mut figures = Vec::with_capacity(Phase::ALL.len());
    for phase in Phase::ALL {
        let workload = match phase {
            Phase::New => Workload::Import { again: None },
            Phase::Unchanged | Phase::Changed => Workload::Reimport {
                version: phase.version(),
                sample: None,
            },
        };
        let plan = Plan::new(workload, setup.accounts, batch as u64, SEED, 0);
        // Its own measure begins when the connections are open, as that of the others does.
        let report = muster.load(plan, setup.connections, None).await?;
        ensure_written("accounts imported", report.accounts, setup.accounts)?;
        let server_cpu_s = report.server.map_or(0.0, |server| server.cpu_s);
        let of_phase = Figures::new(
            setup.accounts,
            report.elapsed_s,
            server_cpu_s,
            report.generator_cpu_s,
            muster.resident_bytes()?,
            disk::used_bytes(&data_dir)?,
        );
        of_phase.tell(phase);
        figures.push(of_phase);
    }
    Ok(Run::new(
        figures.try_into().expect("there are as many phases"),
    ))
}
