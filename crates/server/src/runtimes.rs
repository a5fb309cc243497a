//! A runtime of one thread for each core, over which the connections are spread.
//!
//! A call then runs on one core from its first byte to its last, and no core looks for work of another.
//! Against one runtime that all threads share, that saves some of what a call costs, and most of the
//! time that a call waits while the store's own threads have a core (docs/performance.md, "Tried").

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    sync::oneshot,
};

/// The runtimes. Dropping this ends them; by then their tasks must have ended, or they end with them.
pub(crate) struct Runtimes(Vec<OneThread>);

struct OneThread {
    handle: Handle,
    /// Each place holds a clone.
    places: Arc<()>,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

/// Where a task is to run; counts as one there until it is dropped.
pub(crate) struct Place {
    pub(crate) handle: Handle,
    _taken: Arc<()>,
}

impl Runtimes {
    /// As many as the current runtime has threads. A runtime of one thread is what this would make, so
    /// then everything runs on that.
    pub(crate) fn start() -> io::Result<Self> {
        let current = Handle::current();
        let threads = match current.runtime_flavor() {
            RuntimeFlavor::CurrentThread => 0,
            _ => current.metrics().num_workers(),
        };
        (0..threads)
            .map(|_| OneThread::start())
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// None: everything runs on the current runtime.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// A place on the one that has the fewest taken.
    pub(crate) fn place(&self) -> Place {
        let emptiest = self
            .0
            .iter()
            .min_by_key(|one| Arc::strong_count(&one.places));
        match emptiest {
            Some(one) => Place {
                handle: one.handle.clone(),
                _taken: one.places.clone(),
            },
            None => Place {
                handle: Handle::current(),
                _taken: Arc::default(),
            },
        }
    }
}

impl OneThread {
    fn start() -> io::Result<Self> {
        let (end, ended) = oneshot::channel::<()>();
        let (send_handle, handle) = mpsc::channel();
        thread::Builder::new()
            .name("muster-core".to_owned())
            .spawn(move || {
                // Here, for a runtime may not be dropped within another, should there be no thread.
                let built = Builder::new_current_thread()
                    .enable_all()
                    .thread_name("muster-blocking")
                    .build();
                let runtime = match built {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        // The receiver waits for it.
                        let _ = send_handle.send(Err(error));
                        return;
                    }
                };
                let _ = send_handle.send(Ok(runtime.handle().clone()));
                // It never comes; the sender goes.
                let _ = runtime.block_on(ended);
                // Reads that wait for a disk that hangs are not waited for.
                runtime.shutdown_background();
            })?;
        let handle = handle.recv().expect("the thread sends one of them")?;
        Ok(Self {
            handle,
            places: Arc::default(),
            _end: end,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn places_are_spread_and_given_back() {
        let runtimes = Runtimes::start().unwrap();
        let thread_of = async |place: &Place| {
            let task = place.handle.spawn(async { thread::current().id() });
            task.await.unwrap()
        };
        let places = [runtimes.place(), runtimes.place(), runtimes.place()];
        let mut threads = HashSet::new();
        for place in &places {
            threads.insert(thread_of(place).await);
        }
        assert_eq!(threads.len(), 3);
        assert!(!threads.contains(&thread::current().id()));
        let [first, second, third] = places;
        let left = thread_of(&second).await;
        drop(second);
        let again = runtimes.place();
        assert_eq!(thread_of(&again).await, left);
        drop((first, third));
    }

    #[tokio::test]
    async fn one_thread_is_not_spread() {
        let runtimes = Runtimes::start().unwrap();
        let place = runtimes.place();
        let task = place.handle.spawn(async { thread::current().id() });
        assert_eq!(task.await.unwrap(), thread::current().id());
    }
}
