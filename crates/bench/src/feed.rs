//! Calls on their way from the thread that writes them to the connections that send them.
//!
//! Bodies are written ahead, so that no connection waits for one, and go over in chunks, so that
//! neither side is woken for each. With a schedule this thread is also the clock: it hands each call
//! over when it is due.

use std::{thread, time::Instant, vec};

use tokio::sync::{Mutex, mpsc};

use crate::{
    plan::{Call, Phase, Plan},
    schedule::{Schedule, sleep_until},
    stop::Stop,
};

/// Calls of a chunk, without a schedule.
const CHUNK_CALLS: usize = 16;

/// Chunks that wait at most. A body is at most about 20 kB, so some 5 MB wait.
const CHUNKS: usize = 16;

/// A call, and when it is due if that is not as soon as possible.
pub(crate) struct Due {
    pub(crate) call: Call,
    pub(crate) at: Option<Instant>,
}

/// The calls of a phase, for all connections.
pub(crate) struct Feed(Mutex<Waiting>);

struct Waiting {
    chunk: vec::IntoIter<Due>,
    chunks: mpsc::Receiver<Vec<Due>>,
}

impl Feed {
    /// Starts to write calls. The thread ends when all are written, when it is told to stop, or when
    /// nobody takes calls any more.
    pub(crate) fn start(
        plan: Plan,
        phase: Phase,
        schedule: Option<Schedule>,
        stop: Stop,
    ) -> std::io::Result<Feed> {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        thread::Builder::new()
            .name("bench-feed".to_owned())
            .spawn(move || write(&plan, &phase, schedule, &stop, &sender))?;
        Ok(Feed(Mutex::new(Waiting {
            chunk: Vec::new().into_iter(),
            chunks,
        })))
    }

    /// The next call; `None` after the last.
    pub(crate) async fn next(&self) -> Option<Due> {
        let mut waiting = self.0.lock().await;
        if let Some(due) = waiting.chunk.next() {
            return Some(due);
        }
        waiting.chunk = waiting.chunks.recv().await?.into_iter();
        waiting.chunk.next()
    }
}

fn write(
    plan: &Plan,
    phase: &Phase,
    schedule: Option<Schedule>,
    stop: &Stop,
    sender: &mpsc::Sender<Vec<Due>>,
) {
    let mut chunk = Vec::new();
    for (position, number) in (0..).zip(phase.calls()) {
        if stop.is_told() {
            return;
        }
        let call = plan.call(phase, number);
        let at = schedule.map(|schedule| schedule.due(position));
        if let Some(at) = at {
            sleep_until(at, stop);
        }
        chunk.push(Due { call, at });
        if (at.is_some() || chunk.len() == CHUNK_CALLS)
            && sender.blocking_send(std::mem::take(&mut chunk)).is_err()
        {
            return;
        }
    }
    if !chunk.is_empty() {
        // If nobody takes it any more, the phase is over.
        let _ = sender.blocking_send(chunk);
    }
}
