//! What an import of lines leaves behind: a line in the log, however it ends.

use muster_accounts::SdkAppId;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tracing::info;

use super::{Target, answer::ImportDoneBody};
use crate::request_id::RequestId;

/// Lives as long as its import, which ends wherever its caller goes away.
pub(super) struct Trace {
    app: SdkAppId,
    dry_run: bool,
    request_id: Option<RequestId>,
    started: Instant,
    under_way: Gauge,
    /// Of the commits that were told of.
    pub(super) total: ImportDoneBody,
    /// How it ended: `done`, or the code of what went wrong.
    pub(super) end: &'static str,
}

impl Trace {
    pub(super) fn begin(to: &Target, request_id: Option<RequestId>) -> Self {
        let under_way = to.shared.core.metrics.line_imports();
        under_way.inc();
        Self {
            app: to.app,
            dry_run: to.dry_run,
            request_id,
            started: Instant::now(),
            under_way,
            total: ImportDoneBody::empty(),
            // Unless it comes to another end.
            end: "caller_went_away",
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.under_way.dec();
        let total = &self.total;
        info!(
            target: "muster::operator",
            request_id = self.request_id.map(tracing::field::display),
            sdkappid = self.app.0,
            dry_run = self.dry_run,
            end = self.end,
            lines = total.lines,
            created = total.created,
            updated = total.updated,
            unchanged = total.unchanged,
            superseded = total.superseded,
            refused = total.refused,
            duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "an import of lines ended"
        );
    }
}
