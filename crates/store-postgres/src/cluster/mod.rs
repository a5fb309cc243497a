//! What the nodes over one database share beside the accounts.
//!
//! All of it is in tables without a log ([`crate::schema`]), which cost no sync and are empty after a
//! crash of the database or a failover. A node sees by its own row that this has happened, and begins
//! anew. There are no triggers and no advisory locks here, and of several nodes' writing there are only the
//! counts of calls and the word by which one ends a session of another.
//!
//! - `nodes`: who is there, what each tells the others, and who is gone.
//! - `sessions`: who is online.
//! - `rates`: how many calls were made in this second.

mod nodes;
mod rates;
mod sessions;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use muster_accounts::{
    Cluster, Ended, EndedSession, News, SdkAppId, SessionId, SessionKey, SharedSession, StoreError,
    UnixSeconds, UserId,
};
use tokio::{sync::Notify, time::timeout};

use crate::{
    Shared,
    retry::{Failure, Repeat, tried},
    unrefused,
};

use nodes::{Node, Others};
pub(crate) use nodes::{has_others, remove_node};

/// How long a call waits to be counted before it passes without. The database is asked by
/// the call itself as well, so it is not worth a long wait.
const COUNT_PATIENCE: Duration = Duration::from_millis(500);

/// How many sessions are taken away by one statement of a look, which is to be short.
const REMOVED_AT_ONCE: usize = 5000;

/// How many may wait for that; beyond, all of this node are taken away.
const FORGOTTEN_LIMIT: usize = 100_000;

/// What this node knows of the others, and they of it.
pub(crate) struct State {
    node: Node,
    others: Mutex<Others>,
    last_session: AtomicU64,
    /// What this node tells, and whether the database has it.
    note: Mutex<Note>,
    /// Sessions to take away at the next looks.
    forgotten: Mutex<BTreeSet<SessionKey>>,
    news: Mutex<News>,
    is_news: Notify,
}

#[derive(Default)]
struct Note {
    text: Arc<str>,
    revision: i64,
    is_stored: bool,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            node: Node::new(),
            others: Mutex::default(),
            last_session: AtomicU64::new(0),
            note: Mutex::new(Note {
                // Another one than that of a run before, for those who remember it.
                revision: fastrand::i64(0..i64::MAX / 2),
                ..Note::default()
            }),
            forgotten: Mutex::default(),
            news: Mutex::default(),
            is_news: Notify::new(),
        }
    }

    /// Shows that this node is there, and reads what the others have done to it and tell.
    pub(crate) async fn look(
        &self,
        client: &impl GenericClient,
    ) -> Result<(), Failure<Infallible>> {
        self.take_forgotten_away(client).await?;
        let is_forgotten = self.node.show(client, &self.note).await?;
        lock(&self.news).forgotten |= is_forgotten;
        let ended = sessions::ended(client, self.node.id());
        let notes = self.node.others(client, &self.others);
        let (ended, notes) = tokio::try_join!(ended, notes)?;
        let mut news = lock(&self.news);
        news.ended = ended;
        news.notes = notes.or(news.notes.take());
        if *news != News::default() {
            self.is_news.notify_one();
        }
        Ok(())
    }

    /// An app has changed.
    pub(crate) fn hear_of_apps(&self) {
        lock(&self.news).apps = true;
        self.is_news.notify_one();
    }

    /// Takes some of them away. What is not done in one look, because it is cut off or because there are
    /// more, is done in a later one.
    async fn take_forgotten_away(
        &self,
        client: &impl GenericClient,
    ) -> Result<(), Failure<Infallible>> {
        let (all, some) = {
            let forgotten = lock(&self.forgotten);
            let some: Vec<_> = forgotten.iter().take(REMOVED_AT_ONCE).copied().collect();
            (forgotten.len(), some)
        };
        if some.is_empty() {
            return Ok(());
        }
        if all < FORGOTTEN_LIMIT {
            sessions::remove(client, &some).await?;
            let mut forgotten = lock(&self.forgotten);
            for key in some {
                forgotten.remove(&key);
            }
            return Ok(());
        }
        // The database was away for long. It is quicker to take all away, and enter again what is open; also
        // what enters in the meantime.
        let removed = sessions::remove_some(client, self.node.id(), REMOVED_AT_ONCE).await?;
        if removed < REMOVED_AT_ONCE {
            lock(&self.forgotten).clear();
            lock(&self.news).forgotten = true;
        }
        Ok(())
    }
}

/// The [`Cluster`] over a database.
pub(crate) struct PostgresCluster(pub(crate) Arc<Shared>);

impl PostgresCluster {
    fn state(&self) -> &State {
        &self.0.cluster
    }
}

#[async_trait]
impl Cluster for PostgresCluster {
    fn session_id(&self, since: UnixSeconds) -> SessionId {
        let state = self.state();
        let first = state.node.first_session_id(since);
        let next = |last: u64| Some(first.max(last + 1));
        let last = state
            .last_session
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let last = last.expect("there is always a next one");
        SessionId(first.max(last + 1))
    }

    async fn enter(&self, sessions: &[SharedSession]) -> Result<(), StoreError> {
        let shared = &self.0;
        let node = self.state().node.id();
        unrefused(tried!(shared, Repeat::Harmless, |client| sessions::enter(
            client, node, sessions
        )))
    }

    async fn confirm(&self, session: &SessionKey) -> Result<Option<Ended>, StoreError> {
        let shared = &self.0;
        unrefused(tried!(
            shared,
            Repeat::Harmless,
            |client| sessions::confirm(client, session)
        ))
    }

    async fn leave(&self, session: &SessionKey) -> Result<(), StoreError> {
        let shared = &self.0;
        unrefused(tried!(shared, Repeat::Harmless, |client| sessions::remove(
            client,
            std::slice::from_ref(session)
        )))
    }

    fn forget(&self, session: SessionKey) {
        let mut forgotten = lock(&self.state().forgotten);
        if forgotten.len() < FORGOTTEN_LIMIT {
            forgotten.insert(session);
        }
        drop(forgotten);
        self.0.look_soon();
    }

    async fn online(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<SharedSession>, StoreError> {
        let shared = &self.0;
        unrefused(tried!(shared, Repeat::Harmless, |client| sessions::online(
            client, app, users
        )))
    }

    async fn page(
        &self,
        app: SdkAppId,
        user_id: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SharedSession>, StoreError> {
        let shared = &self.0;
        unrefused(tried!(shared, Repeat::Harmless, |client| sessions::page(
            client, app, user_id, after, limit
        )))
    }

    async fn end_users(
        &self,
        app: SdkAppId,
        users: &[UserId],
        why: Ended,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let shared = &self.0;
        let node = self.state().node.id();
        let ended = unrefused(tried!(shared, Repeat::Tells, |client| {
            sessions::end_users(client, node, app, users, why)
        }));
        shared.ring();
        ended
    }

    async fn end_session(
        &self,
        app: SdkAppId,
        id: SessionId,
        why: Ended,
    ) -> Result<bool, StoreError> {
        let shared = &self.0;
        let ended = unrefused(tried!(shared, Repeat::Tells, |client| {
            sessions::end_session(client, app, id, why)
        }));
        shared.ring();
        ended
    }

    async fn count_calls(
        &self,
        app: SdkAppId,
        command: &'static str,
        calls: u32,
        now: UnixSeconds,
    ) -> Result<u64, StoreError> {
        let shared = &self.0;
        shared.health.ready()?;
        let counted = async {
            unrefused(tried!(shared, Repeat::Harmless, |client| {
                rates::count_calls(client, app, command, calls, now)
            }))
        };
        match timeout(COUNT_PATIENCE, counted).await {
            Ok(counted) => counted,
            Err(_) => Err(StoreError::Failed("the database is slow".into())),
        }
    }

    fn nodes(&self) -> usize {
        1 + lock(&self.state().others).count()
    }

    fn tell(&self, note: String) {
        let mut told = lock(&self.state().note);
        if *told.text == *note {
            return;
        }
        *told = Note {
            text: note.into(),
            revision: told.revision + 1,
            is_stored: false,
        };
    }

    async fn news(&self) -> News {
        let state = self.state();
        state.is_news.notified().await;
        std::mem::take(&mut *lock(&state.news))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
