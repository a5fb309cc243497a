//! SIGTERM and SIGINT: the first stops in order, the second at once.

use std::process;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

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

    /// Waits for the first signal, and sees to it that the second one ends the process at once.
    pub(crate) async fn first(mut self) {
        let name = self.next().await;
        info!(signal = name, "told to stop; a second signal stops at once");
        tokio::spawn(async move {
            let name = self.next().await;
            error!(
                signal = name,
                "stopping at once; calls in progress are cut off"
            );
            process::exit(1);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
