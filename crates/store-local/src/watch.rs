//! Notices when the engine's own threads have failed.
//!
//! fjall writes tables and merges them on threads of its own. When one of them fails, as on a full
//! disk, fjall takes no further commit, but it tells only the next; and a commit that waits for tables
//! to be written waits for ever. So somebody has to ask.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
    time::Duration,
};

use crate::{
    records::Records,
    writer::{GRACE, Shared},
};

/// How long a failure may go unnoticed.
const PERIOD: Duration = Duration::from_millis(250);

/// The thread that asks. Dropping this ends it, and waits until it has ended, unless it asks an engine
/// that waits for a disk that does not answer.
pub(crate) struct Watch {
    end: Option<mpsc::Sender<()>>,
    /// Closed when it has ended. Never locked: a receiver alone is not [`Sync`].
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Watch {
    pub(crate) fn start(records: &Arc<Records>, shared: Arc<Shared>) -> io::Result<Self> {
        let (end, until_end) = mpsc::channel();
        let (running, ended) = mpsc::channel();
        let records = Arc::downgrade(records);
        thread::Builder::new()
            .name("muster-watch".to_owned())
            .spawn(move || {
                let _running = running;
                watch(&records, &shared, &until_end);
            })?;
        Ok(Self {
            end: Some(end),
            ended: Mutex::new(ended),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        // It has no more to say, whether it ends or not.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(GRACE);
    }
}

fn watch(records: &Weak<Records>, shared: &Shared, ended: &mpsc::Receiver<()>) {
    while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(PERIOD) {
        let Some(records) = records.upgrade() else {
            return;
        };
        if shared.failure().is_some() {
            return;
        }
        if let Err(error) = records.engine.failure() {
            let cause = format!(
                "the storage engine failed at its work in the background ({error}); what failed \
                 stands in the log before this"
            );
            tracing::error!(cause, "the store has stopped; start muster again to go on");
            shared.stop(&cause);
            return;
        }
    }
}
