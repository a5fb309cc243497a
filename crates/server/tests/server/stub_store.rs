//! A store that misbehaves on demand, in front of the reference store.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use muster_accounts::{
    Account, AccountStore, App, AppChange, InternalId, NewApp, OpError, ProfileField,
    ReferenceStore, SdkAppId, StoreError, StoreStats, UnixSeconds, UserId,
    rules::{
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use tokio::sync::Semaphore;

/// What happens to calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Every call waits until it is let go.
    Blocks,
    Panics,
    Fails,
    /// The app is gone between the gate and the call.
    ForgetsTheApp,
    /// The look-up of the app fails, too.
    FailsAtOnce,
}

/// What a backup consists of; one that waits has it before, and after unless it fails.
pub(crate) const BACKUP: &[u8] = b"all that there is";

pub(crate) struct StubStore {
    inner: ReferenceStore,
    fault: Mutex<Fault>,
    waiting: AtomicUsize,
    releases: Semaphore,
}

impl StubStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: ReferenceStore::default(),
            fault: Mutex::new(Fault::None),
            waiting: AtomicUsize::new(0),
            releases: Semaphore::new(0),
        })
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Waits until a call waits here.
    pub(crate) async fn reached(&self) {
        crate::peer::soon(async {
            while self.waiting.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// How many calls wait here.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Lets one call go on.
    pub(crate) fn release(&self) {
        self.releases.add_permits(1);
    }

    async fn wait(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.releases.acquire().await.unwrap().forget();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    async fn meet(&self, app: SdkAppId) -> Result<(), StoreError> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => Ok(()),
            Fault::Blocks => {
                self.wait().await;
                Ok(())
            }
            Fault::Panics => panic!("the store panics"),
            Fault::Fails | Fault::FailsAtOnce => Err(StoreError::Failed("disk on fire".into())),
            Fault::ForgetsTheApp => Err(StoreError::UnknownApp(app)),
        }
    }
}

#[async_trait]
impl AccountStore for StubStore {
    async fn import(
        &self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        self.meet(app).await?;
        self.inner.import(app, request, now).await
    }

    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.meet(app).await?;
        self.inner.check(app, users).await
    }

    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        self.meet(app).await?;
        self.inner.accounts(app, users).await
    }

    async fn set_profile(
        &self,
        app: SdkAppId,
        user_id: UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>> {
        self.meet(app).await?;
        self.inner.set_profile(app, user_id, fields, now).await
    }

    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        self.meet(app).await?;
        self.inner.delete(app, users, now).await
    }

    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        self.meet(app).await?;
        self.inner.kick(app, user_id, now).await
    }

    async fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        self.inner.kicked_at(app, user_id).await
    }

    fn kicks(&self) -> u64 {
        self.inner.kicks()
    }

    async fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.meet(app).await?;
        self.inner.page(app, after, limit).await
    }

    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError> {
        self.inner.count(app).await
    }

    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        if *self.fault.lock().unwrap() == Fault::FailsAtOnce {
            self.meet(app).await?;
        }
        self.inner.app(app).await
    }

    async fn apps(&self) -> Result<Vec<Arc<App>>, StoreError> {
        self.inner.apps().await
    }

    async fn create_app(
        &self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        self.inner.create_app(new, now).await
    }

    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        self.meet(app).await?;
        self.inner.change_app(app, change, now).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.meet(SdkAppId(0)).await
    }

    async fn stopped(&self) -> StoreError {
        self.inner.stopped().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }

    fn back_up(&self, out: &mut dyn std::io::Write) -> Result<(), StoreError> {
        let write = |out: &mut dyn std::io::Write| {
            let written = out.write_all(BACKUP);
            written.map_err(|error| StoreError::Failed(error.to_string().into()))
        };
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::FailsAtOnce => return Err(StoreError::Failed("disk on fire".into())),
            // It waits, too: an answer that fails before its first bytes were sent is not begun.
            Fault::Fails | Fault::Blocks => {
                write(out)?;
                tokio::runtime::Handle::current().block_on(self.wait());
                if matches!(fault, Fault::Fails) {
                    return Err(StoreError::Failed("disk on fire".into()));
                }
            }
            Fault::None | Fault::Panics | Fault::ForgetsTheApp => {}
        }
        write(out)
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            waiting: 3,
            commits: 5,
            committed_requests: 7,
            committed_records: 11,
            commit_time_us: 1_500_000,
            ..self.inner.stats()
        }
    }
}
