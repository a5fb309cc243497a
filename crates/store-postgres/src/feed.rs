//! What other nodes have changed: asked for four times a second, and when one of them rings
//! ([`crate::bell`]).
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

use deadpool_postgres::Pool;
use muster_accounts::StoreError;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Shared, bell,
    connect::{self, Options},
    counts::keep_counting,
    retry::{self, Failure},
};

/// How often it is asked.
const PERIOD: Duration = Duration::from_millis(250);

/// Between two looks, at the least, however often somebody rings.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_millis(800);

const CHANGES: &str = "SELECT name, number FROM muster.counter WHERE name IN ('apps', 'kicks')";

/// The task that asks. Dropping this ends it.
pub(crate) struct Feed(JoinHandle<()>);

impl Feed {
    pub(crate) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
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

impl Seen {
    /// No counter is negative.
    const NOTHING: Self = Self {
        apps: -1,
        kicks: -1,
    };
}

impl Feed {
    /// Looks once, and then goes on looking.
    pub(crate) async fn start(shared: Arc<Shared>, options: Options) -> Result<Self, StoreError> {
        let pool = connect::pool(&options);
        let mut seen = Seen::NOTHING;
        let first = try_look(&shared, &pool, &mut seen).await;
        first.map_err(retry::unrefused)?;
        let of_task = shared.clone();
        let feed = Self(tokio::spawn(async move {
            tokio::join!(
                keep_looking(&of_task, &pool, seen),
                keep_counting(&of_task, &pool),
                bell::keep(&of_task, &options)
            );
        }));
        shared.counts.first().await;
        Ok(feed)
    }
}

async fn keep_looking(shared: &Shared, pool: &Pool, mut seen: Seen) {
    let mut times = interval(PERIOD);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sleep(PAUSE).await;
        tokio::select! {
            _ = times.tick() => {}
            () = shared.nudged.notified() => {}
        }
        let failure = look(shared, pool, &mut seen).await.err();
        if failure.is_some() {
            shared.kicks.fetch_add(1, Ordering::Release);
            // What answers next may be another server, which has not got all of the last changes.
            seen = Seen::NOTHING;
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

async fn look(shared: &Shared, pool: &Pool, seen: &mut Seen) -> Result<(), StoreError> {
    match timeout(PATIENCE, try_look(shared, pool, seen)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            pool.retain(|_, _| false);
            shared.let_go(&failure);
            Err(retry::unrefused(failure))
        }
        Err(_) => {
            // They may all lead to a server that is gone without a word.
            pool.retain(|_, _| false);
            shared.pool.retain(|_, _| false);
            Err(StoreError::Failed("the database is silent".into()))
        }
    }
}

async fn try_look(
    shared: &Shared,
    pool: &Pool,
    seen: &mut Seen,
) -> Result<(), Failure<Infallible>> {
    let client = pool.get().await?;
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
    if *seen == Seen::NOTHING {
        shared.apps.believe_nothing();
        shared.ids.forget().await;
    }
    if now.apps != seen.apps {
        shared.apps.refresh(&client).await?;
        shared.cluster.hear_of_apps();
    }
    *seen = now;
    shared.cluster.look(&client).await
}
