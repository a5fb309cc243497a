//! How many accounts there are. To count is to look at each, so an app's are counted while somebody waits
//! only as far as [`EXACT`]; beyond that the figure is that of the last count in the background, which is
//! one look over all apps.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use deadpool_postgres::Pool;
use muster_accounts::SdkAppId;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    Shared,
    retry::{Failure, unrefused},
};

/// Up to how many accounts an app's number is exact at the moment that it is asked for.
pub(crate) const EXACT: u64 = 100_000;

/// How often all accounts are counted at most, and how much of the time that may take.
const PERIOD: Duration = Duration::from_secs(30);
const SHARE: u32 = 50;

/// How long a start waits for the first count, so that the figures of a small database are there.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

const COUNT: &str =
    "SELECT sdkappid, count(*) FROM muster.account WHERE deleted_at IS NULL GROUP BY sdkappid";

/// The last count in the background, if there was one.
pub(crate) struct Counts(watch::Sender<Option<BTreeMap<SdkAppId, u64>>>);

impl Default for Counts {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Counts {
    /// All accounts.
    pub(crate) fn all(&self) -> u64 {
        self.0.borrow().iter().flat_map(BTreeMap::values).sum()
    }

    /// The number of an app's accounts, of which up to one more than [`EXACT`] were counted just now.
    pub(crate) fn of(&self, app: SdkAppId, counted: u64) -> u64 {
        if counted <= EXACT {
            return counted;
        }
        let all = self.0.borrow();
        let known = all.as_ref().and_then(|apps| apps.get(&app)).copied();
        known.unwrap_or(0).max(counted)
    }

    /// Waits for the first count, but not long.
    pub(crate) async fn first(&self) {
        let mut counts = self.0.subscribe();
        // One that takes longer is made all the same.
        let _ = timeout(FIRST_PATIENCE, counts.wait_for(Option::is_some)).await;
    }
}

/// For the figures alone, so a failure is of no account.
pub(crate) async fn keep_counting(shared: &Shared, pool: &Pool) {
    loop {
        let began = Instant::now();
        match count(pool).await {
            Ok(counts) => drop(shared.counts.0.send_replace(Some(counts))),
            Err(failure) => {
                let error = unrefused(failure);
                tracing::debug!(%error, "the accounts could not be counted");
            }
        }
        sleep(PERIOD.max(began.elapsed() * SHARE)).await;
    }
}

async fn count(pool: &Pool) -> Result<BTreeMap<SdkAppId, u64>, Failure<Infallible>> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    // It may take as long as it does, with many accounts longer than any call.
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0")
        .await?;
    let mut counts = BTreeMap::new();
    for row in transaction.query(COUNT, &[]).await? {
        let (app, count): (i64, i64) = (row.get(0), row.get(1));
        // Rows of no app are nobody's.
        if let (Ok(app), Ok(count)) = (u32::try_from(app), u64::try_from(count)) {
            counts.insert(SdkAppId(app), count);
        }
    }
    transaction.commit().await?;
    Ok(counts)
}
