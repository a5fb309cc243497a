//! What other nodes have changed: asked for four times a second.
//!
//! Accounts are always read from the database. What a node remembers are the apps, and of kicks only
//! that there were some; so a change of an app, or a kick, made by another node counts here within
//! [`PERIOD`] and the time of two short statements. While the database does not answer, every look
//! counts as a kick, so that nothing remembered before is relied on.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use muster_accounts::StoreError;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::{
    Shared,
    retry::{self, Failure},
};

/// How often it is asked.
const PERIOD: Duration = Duration::from_millis(250);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often all accounts are counted at most, and how much of the time that may take.
const COUNT_PERIOD: Duration = Duration::from_secs(30);
const COUNT_SHARE: u32 = 50;

const CHANGES: &str = "SELECT name, number FROM muster.counter WHERE name IN ('apps', 'kicks')";

const COUNT: &str = "SELECT count(*) FROM muster.account WHERE deleted_at IS NULL";

/// The task that asks. Dropping this ends it.
pub(crate) struct Feed(JoinHandle<()>);

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How the last look went; the reason if it failed.
#[derive(Default)]
pub(crate) struct Health(Mutex<Option<Arc<str>>>);

impl Health {
    pub(crate) fn ready(&self) -> Result<(), StoreError> {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(cause) => Err(StoreError::Failed(cause.clone())),
            None => Ok(()),
        }
    }

    /// Whether this is another answer than before.
    fn set(&self, now: Option<Arc<str>>) -> bool {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = failure.is_some() != now.is_some();
        *failure = now;
        changed
    }
}

/// The counters as they were at the last look.
#[derive(Default, PartialEq, Eq)]
struct Seen {
    apps: i64,
    kicks: i64,
}

impl Feed {
    /// Looks once, and then goes on looking.
    pub(crate) async fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let mut seen = Seen { apps: -1, kicks: 0 };
        look(&shared, &mut seen).await?;
        count(&shared).await;
        Ok(Self(tokio::spawn(async move {
            let counting = shared.clone();
            tokio::join!(keep_looking(&shared, seen), keep_counting(&counting));
        })))
    }
}

async fn keep_looking(shared: &Shared, mut seen: Seen) {
    let mut times = interval(PERIOD);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let failure = look(shared, &mut seen).await.err();
        if failure.is_some() {
            shared.kicks.fetch_add(1, Ordering::Release);
        }
        let cause: Option<Arc<str>> = failure.map(|error| error.to_string().into());
        if shared.health.set(cause.clone()) {
            if let Some(cause) = cause {
                tracing::error!(%cause, "the database does not answer");
            } else {
                tracing::info!("the database answers again");
            }
        }
    }
}

async fn look(shared: &Shared, seen: &mut Seen) -> Result<(), StoreError> {
    match timeout(PATIENCE, try_look(shared, seen)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            shared.let_go(&failure);
            Err(retry::unrefused(failure))
        }
        Err(_) => Err(StoreError::Failed("it has been silent for 2 s".into())),
    }
}

async fn try_look(shared: &Shared, seen: &mut Seen) -> Result<(), Failure<Infallible>> {
    let client = shared.client().await?;
    let statement = client.prepare_cached(CHANGES).await?;
    let mut now = Seen::default();
    for row in client.query(&statement, &[]).await? {
        match row.get(0) {
            "apps" => now.apps = row.get(1),
            _ => now.kicks = row.get(1),
        }
    }
    if now.kicks != seen.kicks {
        shared.kicks.fetch_add(1, Ordering::Release);
    }
    if now.apps != seen.apps {
        shared.apps.refresh(&client).await?;
    }
    *seen = now;
    Ok(())
}

/// For the figures alone, so a failure is of no account.
async fn keep_counting(shared: &Shared) {
    loop {
        let took = count(shared).await;
        tokio::time::sleep(COUNT_PERIOD.max(took * COUNT_SHARE)).await;
    }
}

async fn count(shared: &Shared) -> Duration {
    let began = Instant::now();
    if let Ok(client) = shared.pool.get().await
        && let Ok(row) = client.query_one(COUNT, &[]).await
    {
        let accounts = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        shared.accounts.store(accounts, Ordering::Relaxed);
    }
    began.elapsed()
}
