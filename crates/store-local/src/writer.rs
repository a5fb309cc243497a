//! The one thread that changes anything.
//!
//! It takes what is waiting, plans each request in order, writes one batch, syncs once, publishes,
//! and answers everybody. While it syncs, the next requests gather: the slower the disk, the larger
//! the group.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc as std_mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use muster_accounts::{
    App, AppChange, NewApp, ProfileField, Record, SdkAppId, StoreError, StoreStats, UnixSeconds,
    UserId,
    rules::{
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use crate::{Planned, Reply, Tenant, group::Group, records::Records};

/// The most requests in one commit: at 100 accounts each, some megabytes.
const GROUP_LIMIT: usize = 256;

/// How long a thread may take to end after a failure.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A commit that takes longer waits for a disk that may never answer. One that is only slow, for it
/// writes tables first, takes a second or two.
const STALL: Duration = Duration::from_secs(5);

/// How long to wait for room in a full queue.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What stands in the queue.
pub(crate) enum Queued {
    Work(Work),
    /// Take no more; end when the queue is empty.
    Close,
}

/// A request that may write, with the place for its answer.
pub(crate) enum Work {
    Import {
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
        reply: Reply<ImportOutcome, ImportRefusal>,
    },
    SetProfile {
        app: SdkAppId,
        user_id: UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
        reply: Reply<(), ProfileRefusal>,
    },
    Delete {
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
        reply: Reply<Vec<Deletion>, DeleteRefusal>,
    },
    Kick {
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
        reply: Reply<(), KickRefusal>,
    },
    CreateApp {
        new: NewApp,
        now: UnixSeconds,
        reply: Reply<Arc<App>, AppRefusal>,
    },
    ChangeApp {
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
        reply: Reply<Arc<App>, AppRefusal>,
    },
    /// [`muster_accounts::Transfer::put_app`].
    PutApp {
        app: Box<App>,
        reply: Reply<(), Infallible>,
    },
    /// [`muster_accounts::Transfer::put_records`].
    PutRecords {
        app: SdkAppId,
        records: Vec<Record>,
        reply: Reply<(), Infallible>,
    },
}

/// What the writer shares with the callers: only what is durable.
pub(crate) struct Shared {
    apps: RwLock<BTreeMap<SdkAppId, Durable>>,
    failure: watch::Sender<Option<Arc<str>>>,
    accounts: AtomicU64,
    kicks: AtomicU64,
    commits: AtomicU64,
    committed_requests: AtomicU64,
    committed_records: AtomicU64,
    commit_time_us: AtomicU64,
    opened: Instant,
    /// When the commit under way began, in milliseconds after `opened`; [`IDLE`] between commits.
    commit_began_ms: AtomicU64,
}

const IDLE: u64 = u64::MAX;

struct Durable {
    app: Arc<App>,
    accounts: u64,
}

impl Shared {
    pub(crate) fn new(tenants: &BTreeMap<SdkAppId, Tenant>) -> Self {
        let shared = Self {
            apps: RwLock::default(),
            failure: watch::Sender::new(None),
            accounts: AtomicU64::new(0),
            kicks: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            committed_requests: AtomicU64::new(0),
            committed_records: AtomicU64::new(0),
            commit_time_us: AtomicU64::new(0),
            opened: Instant::now(),
            commit_began_ms: AtomicU64::new(IDLE),
        };
        shared.publish(tenants.iter().map(|(app, tenant)| (*app, tenant)));
        shared
    }

    /// Shows callers the apps as they are now on disk.
    fn publish<'a>(&self, tenants: impl Iterator<Item = (SdkAppId, &'a Tenant)>) {
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        for (app, tenant) in tenants {
            let durable = Durable {
                app: tenant.app.clone(),
                accounts: tenant.accounts,
            };
            let before = apps
                .insert(app, durable)
                .map_or(0, |durable| durable.accounts);
            self.accounts.fetch_add(tenant.accounts, Ordering::Relaxed);
            self.accounts.fetch_sub(before, Ordering::Relaxed);
        }
    }

    pub(crate) fn app(&self, app: SdkAppId) -> Option<Arc<App>> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(&app).map(|durable| durable.app.clone())
    }

    pub(crate) fn apps(&self) -> Vec<Arc<App>> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.values().map(|durable| durable.app.clone()).collect()
    }

    pub(crate) fn accounts_of(&self, app: SdkAppId) -> Option<u64> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(&app).map(|durable| durable.accounts)
    }

    /// A number that each kick changes.
    pub(crate) fn kicks(&self) -> u64 {
        self.kicks.load(Ordering::Acquire)
    }

    /// Takes no more writes, ever. The first cause stays.
    pub(crate) fn stop(&self, cause: &str) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert_with(|| cause.into());
            first
        });
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.failure.borrow().clone()
    }

    pub(crate) async fn until_failure(&self) -> Arc<str> {
        let mut failure = self.failure.subscribe();
        let stopped = failure.wait_for(Option::is_some).await;
        let cause = stopped.expect("self holds the sender").clone();
        cause.expect("waited for it")
    }

    pub(crate) fn stopped_error(&self) -> StoreError {
        StoreError::Stopped(self.failure().unwrap_or_else(|| "it was closed".into()))
    }

    fn ms_open(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(IDLE - 1)
    }

    /// What is wrong with the disk if a commit has been under way for too long.
    pub(crate) fn stall(&self) -> Option<String> {
        let began_ms = self.commit_began_ms.load(Ordering::Relaxed);
        let age = Duration::from_millis(self.ms_open().saturating_sub(began_ms));
        let seconds = age.as_secs();
        (age >= STALL).then(|| format!("the disk has not finished a commit for {seconds} s"))
    }

    /// Whether there is nothing more to wait for. At a stop, a disk that does not answer is a failure.
    fn is_over(&self) -> bool {
        if let Some(stall) = self.stall() {
            self.stop(&stall);
        }
        self.failure().is_some()
    }

    fn committed(&self, requests: usize, records: usize, began: Instant) {
        let time_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.committed_requests
            .fetch_add(requests as u64, Ordering::Relaxed);
        self.committed_records
            .fetch_add(records as u64, Ordering::Relaxed);
        self.commit_time_us.fetch_add(time_us, Ordering::Relaxed);
    }

    /// All but how many requests wait, which the queue knows.
    pub(crate) fn stats(&self) -> StoreStats {
        StoreStats {
            waiting: 0,
            accounts: self.accounts.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            committed_requests: self.committed_requests.load(Ordering::Relaxed),
            committed_records: self.committed_records.load(Ordering::Relaxed),
            commit_time_us: self.commit_time_us.load(Ordering::Relaxed),
        }
    }
}

/// The running writer. It ends when the queue is closed and empty, or at the first failed commit.
pub(crate) struct Writer {
    thread: JoinHandle<()>,
    /// Closed when it has ended.
    ended: std_mpsc::Receiver<()>,
}

impl Writer {
    pub(crate) fn start(
        records: Arc<Records>,
        shared: Arc<Shared>,
        planned: Planned,
        queue: mpsc::Receiver<Queued>,
    ) -> io::Result<Self> {
        let (running, ended) = std_mpsc::channel();
        let thread = thread::Builder::new()
            .name("muster-writer".to_owned())
            .spawn(move || {
                let _running = running;
                let mut queue = StopOnPanic {
                    shared: &shared,
                    queue,
                };
                run(&records, &shared, planned, &mut queue.queue);
            })?;
        Ok(Self { thread, ended })
    }

    /// Has it take no more, and waits until it has ended. One that waits for an engine that has failed,
    /// or for a disk that does not answer, never ends: it is left to itself, and holds the data
    /// directory until the process ends.
    pub(crate) fn close(self, jobs: &mpsc::Sender<Queued>, shared: &Shared) -> thread::Result<()> {
        while let Err(TrySendError::Full(_)) = jobs.try_send(Queued::Close) {
            if shared.is_over() {
                break;
            }
            thread::sleep(FULL_PAUSE);
        }
        let mut over_before = false;
        while let Err(std_mpsc::RecvTimeoutError::Timeout) = self.ended.recv_timeout(GRACE) {
            if over_before {
                return Ok(());
            }
            over_before = shared.is_over();
        }
        self.thread.join()
    }
}

/// The queue, which tells the callers before it goes that a panic has ended the writer.
struct StopOnPanic<'a> {
    shared: &'a Shared,
    queue: mpsc::Receiver<Queued>,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.stop("the writer thread panicked");
        }
    }
}

fn run(
    records: &Records,
    shared: &Shared,
    mut planned: Planned,
    queue: &mut mpsc::Receiver<Queued>,
) {
    let mut waiting = Vec::with_capacity(GROUP_LIMIT);
    while queue.blocking_recv_many(&mut waiting, GROUP_LIMIT) > 0 {
        let began = Instant::now();
        // Planning reads from the disk, too.
        let began_ms = shared.ms_open();
        shared.commit_began_ms.store(began_ms, Ordering::Relaxed);
        let mut group = Group::new(records, &mut planned);
        let mut requests = 0;
        for queued in waiting.drain(..) {
            match queued {
                Queued::Close => queue.close(),
                Queued::Work(work) => {
                    requests += 1;
                    group.take(work);
                }
            }
        }
        let written = group.records();
        let committed = group.commit();
        shared.commit_began_ms.store(IDLE, Ordering::Relaxed);
        match committed {
            Ok(durable) => {
                if written > 0 {
                    shared.publish(durable.apps());
                    shared.kicks.fetch_add(durable.kicks(), Ordering::Release);
                    shared.committed(requests, written, began);
                }
                durable.answer();
            }
            Err(uncommitted) => {
                let cause = format!("a commit failed: {}", uncommitted.cause);
                tracing::error!(cause, "the store has stopped; start muster again to go on");
                shared.stop(&cause);
                // With the group and the queue, every reply goes, and that answers the callers.
                return;
            }
        }
    }
}
