//! How much the server takes on at a time.
//!
//! Two amounts have a bound: calls that are being carried out, and bytes of request bodies and of
//! answers. Who finds no room is refused at once: waiting for room would be one more queue, and the
//! caller at its end would be answered too late.
//!
//! How many calls the store gets to within the deadline depends on the calls, the disk and the
//! machine. If all that were let in waited longer than that, all would be carried out and none answered.
//! So the bound on calls moves: a call that took more than half the deadline lowers it by one, one that
//! took less raises it again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::Limits;

/// What is so small is not counted: a connection has buffers larger than this.
const SMALL_BYTES: usize = 4 * 1024;

/// The room that the first bytes of a larger body take at least, if so much is to come.
const FIRST_BYTES: usize = 16 * 1024;

/// However slow calls are, so many may be in progress: a part of a group of the store's.
const LEAST_CALLS: usize = 64;

/// Profiles of up to 500 users are read, and made an answer, for so many calls at a time; the others
/// wait. How large what is read will be, up to some megabytes, shows only when it is there.
const PROFILE_READS: usize = 32;

/// All that one server has taken on.
pub(crate) struct Load {
    calls: Amount,
    /// The bound on calls is between these.
    least_calls: usize,
    most_calls: usize,
    /// A call that takes longer is slow.
    slow: Duration,
    bytes: Arc<Amount>,
    profile_reads: Semaphore,
}

/// There is no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// So much of something, and how much of it there may be.
struct Amount {
    used: AtomicUsize,
    most: AtomicUsize,
}

/// A call that is being carried out as long as this lives.
pub(crate) struct InProgress<'a> {
    load: &'a Load,
    began: Instant,
}

/// Bytes that are counted as long as this lives.
struct Counted {
    of: Arc<Amount>,
    bytes: usize,
}

/// The owner of counted bytes: they are given back with the last slice of them, wherever that is.
struct Held<T> {
    bytes: T,
    _counted: Counted,
}

/// A body that comes in pieces.
pub(crate) struct Pieces {
    whole: Vec<u8>,
    counted: Counted,
}

impl Load {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            calls: Amount::new(limits.max_calls),
            least_calls: LEAST_CALLS.min(limits.max_calls),
            most_calls: limits.max_calls,
            slow: Duration::from_secs(limits.deadline_s) / 2,
            bytes: Arc::new(Amount::new(limits.body_memory_bytes)),
            profile_reads: Semaphore::new(PROFILE_READS),
        }
    }

    /// Begins a call, if not too many are in progress.
    pub(crate) fn begin(&self) -> Result<InProgress<'_>, Full> {
        self.calls.take(1)?;
        Ok(InProgress {
            load: self,
            began: Instant::now(),
        })
    }

    /// Moves the bound on calls by what one of them took. Two that end together may count as one.
    fn learn(&self, took: Duration) {
        let bound = self.calls.most.load(Ordering::Relaxed);
        let moved = if took > self.slow {
            bound.saturating_sub(1).max(self.least_calls)
        } else {
            (bound + 1).min(self.most_calls)
        };
        if moved != bound {
            self.calls.most.store(moved, Ordering::Relaxed);
        }
    }

    /// Counts these bytes until they are gone, if there is room for them.
    pub(crate) fn hold(&self, bytes: impl Into<Bytes>) -> Result<Bytes, Full> {
        let bytes = bytes.into();
        if bytes.len() <= SMALL_BYTES {
            return Ok(bytes);
        }
        self.bytes.take(bytes.len())?;
        Ok(self.held(bytes))
    }

    /// Likewise, also if there is no room: what has been done is answered.
    pub(crate) fn hold_anyway(&self, bytes: impl Into<Bytes>) -> Bytes {
        let bytes = bytes.into();
        if bytes.len() <= SMALL_BYTES {
            return bytes;
        }
        self.bytes.used.fetch_add(bytes.len(), Ordering::Relaxed);
        self.held(bytes)
    }

    /// The owner of bytes that are counted already.
    fn held(&self, bytes: Bytes) -> Bytes {
        let counted = Counted {
            of: self.bytes.clone(),
            bytes: bytes.len(),
        };
        Bytes::from_owner(Held {
            bytes,
            _counted: counted,
        })
    }

    /// A body of which nothing has come yet.
    pub(crate) fn pieces(&self) -> Pieces {
        Pieces {
            whole: Vec::new(),
            counted: Counted {
                of: self.bytes.clone(),
                bytes: 0,
            },
        }
    }

    /// Waits for the turn to read profiles, which lasts until what is given is dropped.
    pub(crate) async fn profile_read(&self) -> SemaphorePermit<'_> {
        let turn = self.profile_reads.acquire().await;
        turn.expect("it is never closed")
    }

    /// How many calls are being carried out.
    pub(crate) fn calls(&self) -> usize {
        self.calls.used.load(Ordering::Relaxed)
    }

    /// How many may be.
    pub(crate) fn calls_bound(&self) -> usize {
        self.calls.most.load(Ordering::Relaxed)
    }

    /// How many bytes are held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.used.load(Ordering::Relaxed)
    }
}

impl Amount {
    fn new(most: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
        }
    }

    fn take(&self, size: usize) -> Result<(), Full> {
        let most = self.most.load(Ordering::Relaxed);
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(size).filter(|used| *used <= most)
            });
        taken.map(|_| ()).map_err(|_| Full)
    }

    fn give_back(&self, size: usize) {
        self.used.fetch_sub(size, Ordering::Relaxed);
    }
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.load.calls.give_back(1);
        self.load.learn(self.began.elapsed());
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.of.give_back(self.bytes);
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Pieces {
    /// Adds a piece, if there is room. `announced_bytes` is the length of the whole, if the caller
    /// said it; room is taken as bytes come, for saying a length costs a caller nothing.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        announced_bytes: Option<usize>,
    ) -> Result<(), Full> {
        let before = self.whole.capacity();
        let length = self.whole.len() + piece.len();
        if length > before {
            let capacity = (2 * length)
                .max(FIRST_BYTES)
                .min(announced_bytes.unwrap_or(usize::MAX))
                .max(length);
            self.counted.of.take(capacity - before)?;
            self.counted.bytes += capacity - before;
            self.whole.reserve_exact(capacity - self.whole.len());
        }
        self.whole.extend_from_slice(piece);
        Ok(())
    }

    /// All that came, counted until it is gone.
    pub(crate) fn whole(self) -> Bytes {
        Bytes::from_owner(Held {
            bytes: self.whole,
            _counted: self.counted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 100_000;

    fn load() -> Load {
        Load::new(&Limits {
            max_calls: 2,
            body_memory_bytes: MOST,
            ..Limits::default()
        })
    }

    #[test]
    fn calls_are_counted_until_they_end() {
        let load = load();
        let (first, _second) = (load.begin().unwrap(), load.begin().unwrap());
        assert_eq!(load.begin().err(), Some(Full));
        assert_eq!(load.calls(), 2);
        drop(first);
        assert!(load.begin().is_ok());
        assert_eq!(load.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_calls_lower_the_bound() {
        let load = Load::new(&Limits {
            max_calls: LEAST_CALLS + 10,
            deadline_s: 3,
            ..Limits::default()
        });
        let begun = |count| {
            let calls = (0..count).map(|_| load.begin());
            calls.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let slow = begun(4);
        tokio::time::advance(Duration::from_millis(1501)).await;
        drop(slow);
        assert_eq!(load.calls_bound(), LEAST_CALLS + 6);
        let many = begun(LEAST_CALLS + 6);
        assert_eq!(load.begin().err(), Some(Full));
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(many);
        assert_eq!(load.calls_bound(), LEAST_CALLS);
        let fast = begun(8);
        tokio::time::advance(Duration::from_millis(1500)).await;
        drop(fast);
        assert_eq!(load.calls_bound(), LEAST_CALLS + 8);
        for _ in 0..8 {
            drop(load.begin());
        }
        assert_eq!(load.calls_bound(), LEAST_CALLS + 10);
    }

    #[test]
    fn bytes_are_counted_until_their_last_slice_is_gone() {
        let load = load();
        let held = load.hold(vec![7; MOST - 10_000]).unwrap();
        assert_eq!(load.hold(vec![7; 10_001]).err(), Some(Full));
        let slice = held.slice(5..6);
        drop(held);
        assert_eq!((&*slice, load.bytes()), (&[7][..], MOST - 10_000));
        let more = load.hold(vec![7; 10_000]).unwrap();
        // Nothing is too small or too urgent to be had.
        assert_eq!(load.hold(vec![7; SMALL_BYTES]).unwrap().len(), SMALL_BYTES);
        let urgent = load.hold_anyway(vec![7; 10_000]);
        assert_eq!(load.bytes(), MOST + 10_000);
        drop((slice, more, urgent));
        assert_eq!(load.bytes(), 0);
    }

    #[test]
    fn pieces_take_room_as_they_come() {
        let load = load();
        let mut announced = load.pieces();
        announced.push(&[1; 10], Some(MOST)).unwrap();
        assert_eq!(load.bytes(), FIRST_BYTES);
        let mut exact = load.pieces();
        exact.push(&[2; 10], Some(20)).unwrap();
        exact.push(&[3; 10], Some(20)).unwrap();
        assert_eq!(load.bytes(), FIRST_BYTES + 20);
        let whole = exact.whole();
        assert_eq!((&whole[..10], &whole[10..]), (&[2; 10][..], &[3; 10][..]));
        drop(whole);

        let mut unannounced = load.pieces();
        let mut came = 0;
        while unannounced.push(&[4; 1000], None).is_ok() {
            came += 1000;
        }
        // Room is doubled, so half of what is there is had in any case.
        assert!((MOST / 2 - FIRST_BYTES..MOST).contains(&came), "{came}");
        assert!(load.bytes() <= MOST);
        drop(announced);
        drop(unannounced);
        assert_eq!(load.bytes(), 0);
    }
}
