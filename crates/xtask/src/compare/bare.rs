//! The bare limit: what is left when a server does nothing but what it is for.
//!
//! One thread takes the requests that wait, as many as muster's writer does, looks each user up in a
//! hash map, appends the records of those that are new or have changed to a log, syncs the log once,
//! and answers. No network, no format of requests, no checksums, no reading by others.

use std::{
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    ops::Range,
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use anyhow::Context as _;
use hashbrown::{HashTable, hash_table::Entry as Slot};
use muster_bench::AccountValues;

use super::{
    Setup,
    phase::{Figures, Phase, Run, batches, ensure_written, now_s},
};
use crate::{disk, process};

/// Requests of one sync at most, as in the writer of muster's store.
const GROUP_LIMIT: usize = 256;

const APP: u32 = 1_400_000_000;

/// Of a record, before the user id: app, internal id, and what muster's records begin with.
const HEAD_BYTES: usize = 4 + 8 + 3;

/// Of a record, between the user id and the values: when it was imported and changed.
const TIMES_BYTES: usize = 8 + 8;

/// A slot of the hash map, with its byte of control.
const SLOT_BYTES: usize = size_of::<usize>() + 1;

/// How it is done, for the document.
pub(super) const HOW: &str = "In one process: a thread that takes the requests that wait, 256 at most, \
looks each user up in a hash map, appends records with the content of muster's to a log, makes one \
`fdatasync` and answers. No network, no JSON, no checksums, no readers. The CPU time is that thread's, \
and the memory that of the log's copy and the map.";

/// The accounts of one request: for each, its user id and its values, ready to be stored.
struct Request {
    bytes: Vec<u8>,
    accounts: Vec<Places>,
}

struct Places {
    user_id: Range<usize>,
    values: Range<usize>,
}

fn request(values: Vec<AccountValues>) -> Request {
    let (mut bytes, mut accounts) = (Vec::new(), Vec::with_capacity(values.len()));
    for account in values {
        let begin = bytes.len();
        bytes.extend_from_slice(account.user_id.as_bytes());
        let middle = bytes.len();
        for text in [&account.nick, &account.face_url] {
            let length = u16::try_from(text.len()).expect("a value has at most 500 bytes");
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        accounts.push(Places {
            user_id: begin..middle,
            values: middle..bytes.len(),
        });
    }
    Request { bytes, accounts }
}

/// The log, a copy of it in memory, and where in it the newest record of each user stands.
struct Store<W> {
    log: W,
    copy: Vec<u8>,
    index: HashTable<usize>,
    hasher: RandomState,
    last_id: u64,
}

impl<W: io::Write> Store<W> {
    fn new(log: W) -> Store<W> {
        Store {
            log,
            copy: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            last_id: 0,
        }
    }

    /// Appends what is new or has changed to the copy; returns how many records that were.
    fn take(&mut self, request: &Request, now_s: i64) -> u64 {
        let mut written = 0;
        for Places { user_id, values } in &request.accounts {
            let (user_id, values) = (
                &request.bytes[user_id.clone()],
                &request.bytes[values.clone()],
            );
            let hash = self.hasher.hash_one(user_id);
            let at = self.copy.len();
            let is_same = |place: &usize| user_id_at(&self.copy, *place) == user_id;
            let rehash = |place: &usize| self.hasher.hash_one(user_id_at(&self.copy, *place));
            let (internal_id, imported_s) = match self.index.entry(hash, is_same, rehash) {
                Slot::Occupied(mut slot) => {
                    let stored = Stored::at(&self.copy, *slot.get(), user_id.len());
                    // What follows the values is another record, so their lengths decide as well.
                    if stored.values.starts_with(values) {
                        continue;
                    }
                    *slot.get_mut() = at;
                    (stored.internal_id, stored.imported_s)
                }
                Slot::Vacant(slot) => {
                    slot.insert(at);
                    self.last_id += 1;
                    (self.last_id, now_s)
                }
            };
            let length = u8::try_from(user_id.len()).expect("a user id has at most 32 bytes");
            self.copy.extend_from_slice(&APP.to_le_bytes());
            self.copy.extend_from_slice(&internal_id.to_le_bytes());
            self.copy.extend_from_slice(&[1, 0, length]);
            self.copy.extend_from_slice(user_id);
            self.copy.extend_from_slice(&imported_s.to_le_bytes());
            self.copy.extend_from_slice(&now_s.to_le_bytes());
            self.copy.extend_from_slice(values);
            written += 1;
        }
        written
    }

    fn memory_bytes(&self) -> u64 {
        (self.copy.len() + self.index.capacity() * SLOT_BYTES) as u64
    }
}

impl Store<File> {
    /// Makes what was appended since `durable` durable.
    fn commit(&mut self, durable: usize) -> io::Result<()> {
        self.log.write_all(&self.copy[durable..])?;
        self.log.sync_data()
    }
}

fn user_id_at(copy: &[u8], place: usize) -> &[u8] {
    let length = usize::from(copy[place + HEAD_BYTES - 1]);
    &copy[place + HEAD_BYTES..][..length]
}

/// A record that was read.
struct Stored<'c> {
    internal_id: u64,
    imported_s: i64,
    /// From the values on.
    values: &'c [u8],
}

impl Stored<'_> {
    fn at(copy: &[u8], place: usize, user_id_length: usize) -> Stored<'_> {
        let eight = |from: usize| copy[from..][..8].try_into().expect("they are eight");
        let times = place + HEAD_BYTES + user_id_length;
        Stored {
            internal_id: u64::from_le_bytes(eight(place + 4)),
            imported_s: i64::from_le_bytes(eight(times)),
            values: &copy[times + TIMES_BYTES..],
        }
    }
}

pub(super) fn measure(setup: &Setup, batch: usize, dir: &Path) -> anyhow::Result<Run> {
    let log = File::create(dir.join("log")).context("cannot make the log")?;
    let mut store = Store::new(log);
    let mut figures = Vec::with_capacity(Phase::ALL.len());
    for phase in Phase::ALL {
        // Written before the time begins to count.
        let requests: Vec<_> = batches(phase, setup.accounts, batch).map(request).collect();
        let (begun, own_before) = (Instant::now(), process::own_cpu_s());
        let (written, server_cpu_s) = import(&mut store, &requests, setup.connections)?;
        let elapsed_s = begun.elapsed().as_secs_f64();
        let own_cpu_s = process::own_cpu_s() - own_before;
        let expected = if phase.writes() { setup.accounts } else { 0 };
        ensure_written("records written", written, expected)?;
        let of_phase = Figures::new(
            setup.accounts,
            elapsed_s,
            server_cpu_s,
            own_cpu_s - server_cpu_s,
            store.memory_bytes(),
            disk::used_bytes(dir)?,
        );
        of_phase.tell(phase);
        figures.push(of_phase);
    }
    Ok(Run::new(
        figures.try_into().expect("there are as many phases"),
    ))
}

/// As many callers as connections, each with one request in flight. Returns the records written and
/// the CPU time of the writer.
fn import(
    store: &mut Store<File>,
    requests: &[Request],
    callers: usize,
) -> anyhow::Result<(u64, f64)> {
    let next = AtomicUsize::new(0);
    let now_s = now_s();
    let (queue, waiting) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..callers {
            let (queue, next) = (queue.clone(), &next);
            scope.spawn(move || {
                let (reply, answer) = mpsc::channel();
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if queue.send((request, reply.clone())).is_err() || answer.recv().is_err() {
                        return; // The writer has failed, and says why.
                    }
                }
            });
        }
        // The callers have the others; with the last one of them the queue ends.
        drop(queue);
        let writer = scope.spawn(move || write(store, &waiting, now_s));
        writer.join().expect("the writer does not panic")
    })
    .context("cannot write the log")
}

type Waiting<'r> = mpsc::Receiver<(&'r Request, mpsc::Sender<()>)>;

fn write(store: &mut Store<File>, waiting: &Waiting<'_>, now_s: i64) -> io::Result<(u64, f64)> {
    let (mut written, mut answers) = (0, Vec::with_capacity(GROUP_LIMIT));
    while let Ok((request, reply)) = waiting.recv() {
        let durable = store.copy.len();
        written += store.take(request, now_s);
        answers.push(reply);
        while answers.len() < GROUP_LIMIT
            && let Ok((request, reply)) = waiting.try_recv()
        {
            written += store.take(request, now_s);
            answers.push(reply);
        }
        // With nothing to write there is nothing to sync.
        if store.copy.len() > durable {
            store.commit(durable)?;
        }
        for reply in answers.drain(..) {
            // A caller waits for its answer.
            let _ = reply.send(());
        }
    }
    Ok((written, process::own_thread_cpu_s()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(phase: Phase) -> Vec<Request> {
        batches(phase, 250, 100).map(request).collect()
    }

    #[test]
    fn only_what_is_new_or_changed_is_appended() {
        let mut store = Store::new(io::sink());
        let mut take = |phase, now_s| -> u64 {
            let requests = requests(phase);
            requests
                .iter()
                .map(|request| store.take(request, now_s))
                .sum()
        };
        assert_eq!(take(Phase::New, 10), 250);
        assert_eq!(take(Phase::Unchanged, 20), 0);
        assert_eq!(take(Phase::Changed, 30), 250);
        assert_eq!(take(Phase::Changed, 40), 0);
        assert_eq!(take(Phase::New, 50), 250);
        assert_eq!((store.last_id, store.index.len()), (250, 250));
        // The newest record of each user has the first id and time.
        for place in &store.index {
            let user_id = user_id_at(&store.copy, *place);
            let stored = Stored::at(&store.copy, *place, user_id.len());
            assert_eq!(stored.imported_s, 10);
            let number: u64 = str::from_utf8(user_id).unwrap()[7..].parse().unwrap();
            assert_eq!(stored.internal_id, number + 1);
        }
    }

    #[test]
    fn a_run_on_a_disk() {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup {
            accounts: 2000,
            connections: 4,
            memory_bytes: 0,
        };
        let run = measure(&setup, 100, dir.path()).unwrap();
        for phase in Phase::ALL {
            let figures = run.of(phase);
            assert!(figures.accounts_per_s > 0.0 && figures.server_cpu_us_per_account > 0.0);
            assert!(figures.disk_bytes > 200_000 && figures.resident_bytes > 200_000);
        }
        assert!(run.changed.disk_bytes > run.unchanged.disk_bytes);
        assert_eq!(run.new.disk_bytes, run.unchanged.disk_bytes);
    }
}
