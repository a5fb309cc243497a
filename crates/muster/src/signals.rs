//! SIGTERM and SIGINT: the first stops in order, a second one at once. SIGHUP: read files again.

use std::{
    future, process,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::log;

/// What one who stops a server sends once may come twice: `timeout` signals the process and then its
/// whole group, a terminal likewise. So soon after the first signal another one is the same.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Both signals. From its making on they no longer end the process by themselves.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> anyhow::Result<StopSignals> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(StopSignals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Watches from now on. What is returned ends with the first signal; the second one ends the
    /// process at once, also if nobody waits for the first any more.
    pub(crate) fn watch(mut self) -> oneshot::Receiver<()> {
        let (told, first) = oneshot::channel();
        tokio::spawn(async move {
            let name = self.next().await;
            info!(signal = name, "told to stop; a second signal stops at once");
            let _ = told.send(());
            let first_at = Instant::now();
            let mut name = self.next().await;
            while first_at.elapsed() < SAME_SIGNAL {
                name = self.next().await;
            }
            error!(
                signal = name,
                "stopping at once; calls in progress are cut off"
            );
            log::end();
            process::exit(1);
        });
        first
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP. From its making on it no longer ends the process.
pub(crate) struct ReloadSignal(Signal);

impl ReloadSignal {
    pub(crate) fn listen() -> anyhow::Result<ReloadSignal> {
        let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        Ok(ReloadSignal(hangup))
    }

    /// Waits for the next one.
    pub(crate) async fn told(&mut self) {
        if self.0.recv().await.is_none() {
            future::pending::<()>().await;
        }
    }
}
