//! The embedded store: accounts on one machine's disk, in fjall, with an index in memory.
//!
//! - `layout`, `block`, `record`, `app_record`: what lies on disk.
//! - `index`: where a user's record stands, and whether it is an account; memory only.
//! - `digests`: what tells that an import changes nothing; memory only.
//! - `backup`: all of it as a stream, and a data directory made of that.
//! - `open`: the data directory, made whole or not at all, and locked.
//! - `read_in`: what is in memory, rebuilt from all records when the store is opened.
//! - `records`: reading records and asking the index, and what of both is visible.
//! - `scan`: the records of an app in the order of their ids.
//! - `journal`, `manifest`, `damage`: the engine's files, looked over before it opens them.
//! - `writer`: the one thread that changes anything, with group commit.
//! - `watch`: notices when the engine's own threads have failed.
//! - `group`: the requests of one commit: planned in order, written and synced as one.
//! - `pending`: the records that they will write.
//! - `transfer`: all records as they stand, for a copy into another store or from one.
//! - `fuzzing`: the records as bytes, for `fuzz/`; no part of the API.
//! - this file: [`LocalStore`], the door.
//!
//! The invariants, and where they are kept:
//!
//! 1. Nothing is acknowledged before it is durable: `writer` answers after the sync.
//! 2. Nothing is visible before it is durable: readers see what was published last, which is a
//!    snapshot of the records and the last internal id in it, both taken after the sync. A read sees
//!    each request whole or not at all.
//! 3. A request is atomic: its records are in one fjall batch, which recovery takes whole or not.
//! 4. An internal id is given once: the next one follows the greatest that is stored, and an id that was
//!    given always has a record.
//! 5. After a failed write or sync nothing is acknowledged any more; the store says so and waits to
//!    be opened again, because what reached the disk is not known.

mod app_record;
mod backup;
mod block;
mod damage;
mod digests;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod index;
mod journal;
mod layout;
mod manifest;
mod open;
mod pending;
mod read_in;
mod record;
mod records;
mod scan;
mod transfer;
mod watch;
mod writer;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use muster_accounts::{
    Account, AccountStore, App, AppChange, InternalId, NewApp, OpError, ProfileField, SdkAppId,
    StoreError, StoreStats, UnixSeconds, UserId,
    rules::{
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use tokio::sync::{Semaphore, mpsc};

pub use crate::{
    backup::{RestoreError, restore},
    open::OpenError,
};
use crate::{
    digests::Digests,
    open::Engine,
    records::Records,
    watch::Watch,
    writer::{Queued, Shared, Work, Writer},
};

/// Requests that wait for the writer. One more waits at the door, until its caller gives up.
const QUEUE_LIMIT: usize = 4096;

/// Reads under way at a time, each on a thread of its own, for it may wait for the disk.
const READS_LIMIT: usize = 64;

/// The embedded [`AccountStore`].
///
/// Dropping it carries out what was accepted and lets go of the data directory, once the reads that
/// are still under way have ended.
pub struct LocalStore {
    records: Arc<Records>,
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Queued>,
    reads: Arc<Semaphore>,
    writer: Mutex<Option<Writer>>,
    _watch: Watch,
}

impl LocalStore {
    /// Opens the store in `dir`, making both if they are not there, and reads the index in, on all
    /// cores: with two, about a quarter of a microsecond an account. Blocks until that is done.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_masked(dir, u64::MAX)
    }

    /// Likewise with an index whose tables see only `bucket_mask` of each hash, so that tests can make
    /// many users meet in the same places.
    #[doc(hidden)]
    pub fn open_masked(dir: &Path, bucket_mask: u64) -> Result<Self, OpenError> {
        let engine = Engine::open(dir)?;
        let (records, planned) =
            Records::open(engine, bucket_mask).map_err(|cause| OpenError::Record {
                dir: dir.to_owned(),
                cause: cause.to_string(),
            })?;
        let records = Arc::new(records);
        let shared = Arc::new(Shared::new(&planned.apps));
        let (jobs, queue) = mpsc::channel(QUEUE_LIMIT);
        let writer = Writer::start(records.clone(), shared.clone(), planned, queue)
            .map_err(OpenError::Thread)?;
        let watch = Watch::start(&records, shared.clone()).map_err(OpenError::Thread)?;
        Ok(Self {
            records,
            shared,
            jobs,
            reads: Arc::new(Semaphore::new(READS_LIMIT)),
            writer: Mutex::new(Some(writer)),
            _watch: watch,
        })
    }

    /// Hands work to the writer and waits for its answer.
    async fn write<T, R>(&self, work: impl FnOnce(Reply<T, R>) -> Work) -> Result<T, OpError<R>> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let work = Queued::Work(work(reply));
        let answered = async {
            self.jobs.send(work).await.ok()?;
            // The writer drops a reply only when it has failed.
            answer.await.ok()
        };
        let answered = tokio::select! {
            biased;
            answered = answered => answered,
            // The writer may hold the reply and wait for an engine that has failed.
            _ = self.shared.until_failure() => None,
        };
        answered.unwrap_or_else(|| Err(self.shared.stopped_error().into()))
    }

    /// Reads on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Records) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Held by the thread: a caller who gives up makes no room for another on a disk that hangs.
        let permit = self
            .reads
            .clone()
            .acquire_owned()
            .await
            .expect("it is never closed");
        let records = self.records.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&records)
        });
        reading
            .await
            .unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string().into())))
    }

    fn known_app(&self, app: SdkAppId) -> Result<(), StoreError> {
        self.shared
            .app(app)
            .map(|_| ())
            .ok_or(StoreError::UnknownApp(app))
    }
}

/// Where the writer puts the answer of one request.
pub(crate) type Reply<T, R> = tokio::sync::oneshot::Sender<Result<T, OpError<R>>>;

#[async_trait]
impl AccountStore for LocalStore {
    async fn import(
        &self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        self.write(|reply| Work::Import {
            app,
            request,
            now,
            reply,
        })
        .await
    }

    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.known_app(app)?;
        Ok(self.records.have_accounts(app, users))
    }

    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        self.known_app(app)?;
        let users = users.to_vec();
        self.read(move |records| records.accounts(app, &users))
            .await
    }

    async fn set_profile(
        &self,
        app: SdkAppId,
        user_id: UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>> {
        self.write(|reply| Work::SetProfile {
            app,
            user_id,
            fields,
            now,
            reply,
        })
        .await
    }

    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        self.write(|reply| Work::Delete {
            app,
            users,
            now,
            reply,
        })
        .await
    }

    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        self.write(|reply| Work::Kick {
            app,
            user_id,
            now,
            reply,
        })
        .await
    }

    async fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        self.known_app(app)?;
        let user_id = *user_id;
        self.read(move |records| records.kicked_at(app, user_id))
            .await
    }

    fn kicks(&self) -> u64 {
        self.shared.kicks()
    }

    async fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.known_app(app)?;
        self.read(move |records| records.page(app, after, limit))
            .await
    }

    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError> {
        self.shared
            .accounts_of(app)
            .ok_or(StoreError::UnknownApp(app))
    }

    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        Ok(self.shared.app(app))
    }

    async fn apps(&self) -> Result<Vec<Arc<App>>, StoreError> {
        Ok(self.shared.apps())
    }

    async fn create_app(
        &self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        self.write(|reply| Work::CreateApp { new, now, reply })
            .await
    }

    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        self.write(|reply| Work::ChangeApp {
            app,
            change,
            now,
            reply,
        })
        .await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        match self.shared.failure() {
            Some(cause) => Err(StoreError::Stopped(cause)),
            None if self.jobs.is_closed() => Err(self.shared.stopped_error()),
            None => match self.shared.stall() {
                Some(stall) => Err(StoreError::Failed(stall.into())),
                None => Ok(()),
            },
        }
    }

    async fn stopped(&self) -> StoreError {
        StoreError::Stopped(self.shared.until_failure().await)
    }

    /// Returns when the writer has ended. For a disk that does not answer some seconds are waited; what
    /// was not acknowledged by then may or may not be there at the next start.
    async fn close(&self) -> Result<(), StoreError> {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            let (jobs, shared) = (self.jobs.clone(), self.shared.clone());
            let ended = tokio::task::spawn_blocking(move || writer.close(&jobs, &shared)).await;
            if !matches!(ended, Ok(Ok(()))) {
                self.shared.stop("the writer thread panicked");
            }
        }
        match self.shared.failure() {
            Some(cause) => Err(StoreError::Stopped(cause)),
            None => Ok(()),
        }
    }

    fn back_up(&self, out: &mut dyn io::Write) -> Result<(), StoreError> {
        self.records.back_up(out)
    }

    fn stats(&self) -> StoreStats {
        let waiting = self.jobs.max_capacity() - self.jobs.capacity();
        StoreStats {
            waiting: waiting as u64,
            ..self.shared.stats()
        }
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // If it panicked it has said so itself.
            let _ = writer.close(&self.jobs, &self.shared);
        }
    }
}

/// An app, and what is counted of it.
pub(crate) struct Tenant {
    pub(crate) app: Arc<App>,
    /// Accounts, `administrator` included.
    pub(crate) accounts: u64,
    /// Accounts that count against the cap (wire §5).
    pub(crate) counted: u64,
}

/// What the writer plans against besides the records: all that it has planned, durable or not yet.
pub(crate) struct Planned {
    pub(crate) apps: BTreeMap<SdkAppId, Tenant>,
    /// The last internal id that was given.
    pub(crate) last_id: Option<InternalId>,
    pub(crate) digests: Digests,
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc as std_mpsc, time::Duration};

    use fjall::AbstractTree as _;
    use muster_accounts::Edition;
    use muster_usersig::SecretKey;

    use super::*;

    /// Generous: no test waits for it.
    const PATIENCE: Duration = Duration::from_mins(2);

    /// The engine can keep the writer waiting for ever. Once it is known to have failed, nobody waits
    /// with the writer, whether it holds their reply or has not come to them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_writer_that_waits_for_ever_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::open(dir.path()).unwrap());
        let tree = store.records.engine.keyspace.tree.clone();
        let (locked, is_locked) = std_mpsc::channel();
        let (release, released) = std_mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            let _lock = tree.get_version_history_lock();
            locked.send(()).unwrap();
            let _closed = released.recv();
        });
        is_locked.recv().unwrap();

        let mut calls = Vec::new();
        for number in 1..=3 {
            let store = store.clone();
            let new = NewApp {
                sdkappid: SdkAppId(number),
                edition: Edition::Developer,
                key: SecretKey::from_random([1; 32]),
            };
            calls.push(tokio::spawn(async move {
                store.create_app(new, UnixSeconds(1)).await
            }));
        }
        assert!(store.ready().await.is_ok());
        store.shared.stop("the disk is full");
        for call in calls {
            let answered = tokio::time::timeout(PATIENCE, call).await;
            let error = answered.expect("nobody waits").unwrap().unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
        }
        let closed = tokio::time::timeout(PATIENCE, store.close()).await;
        let error = closed.expect("nor does who closes it").unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        drop(release);
        holder.join().unwrap();
    }
}
