//! Whether the server is stopping: for those who answer, and for those who wait for it.

use tokio::sync::watch;

/// Tells that the server is stopping, once it is. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<bool>);

/// Makes the server stop.
pub(crate) struct StopSwitch(watch::Sender<bool>);

impl Stopping {
    pub(crate) fn new() -> (StopSwitch, Self) {
        let (sender, receiver) = watch::channel(false);
        (StopSwitch(sender), Self(receiver))
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the server begins to stop; also if it was dropped without.
    pub(crate) async fn wait(&mut self) {
        // The error says that the switch is gone, which means the same.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl StopSwitch {
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}
