//! Notices when the engine's own threads have failed.
//!
//! fjall writes tables and merges them on threads of its own. When one of them fails, as on a full
//! disk, fjall takes no further commit, but it tells only the next; and a commit that waits for tables
//! to be written waits for ever. So somebody has to ask.

use std::{
    io,
    sync::{Arc, Weak, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{records::Records, writer::Shared};

/// How long a failure may go unnoticed.
const PERIOD: Duration = Duration::from_millis(250);

/// The thread that asks. Dropping this ends it, and waits until it has ended.
pub(crate) struct Watch {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(records: &Arc<Records>, shared: Arc<Shared>) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let records = Arc::downgrade(records);
        let thread = thread::Builder::new()
            .name("muster-watch".to_owned())
            .spawn(move || watch(&records, &shared, &ended))?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It has no more to say.
            let _ = thread.join();
        }
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
