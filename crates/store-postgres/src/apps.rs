//! The apps, of which every node has all in memory: each call needs one.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use deadpool_postgres::GenericClient;
use muster_accounts::{App, SdkAppId, StoreError};
use tokio_postgres::Row;

use crate::retry::Failure;

pub(crate) const ALL: &str = "SELECT sdkappid, revision, version, record FROM muster.app";

const LOCKED: &str = "SELECT sdkappid, revision, version, record FROM muster.app \
    WHERE sdkappid = $1 FOR UPDATE";

const UNCHANGING: &str = "SELECT sdkappid, revision, version, record FROM muster.app \
    WHERE sdkappid = $1 FOR SHARE";

const INSERT: &str = "INSERT INTO muster.app (sdkappid, revision, version, record) \
    VALUES ($1, $2, $3, $4)";

const UPDATE: &str = "UPDATE muster.app SET revision = $2, version = $3, record = $4 \
    WHERE sdkappid = $1";

const COUNT: &str = "UPDATE muster.counter SET number = number + 1 WHERE name = 'apps'";

/// An app with the number of its changes.
#[derive(Clone)]
pub(crate) struct Revised {
    pub(crate) app: Arc<App>,
    pub(crate) revision: i64,
}

impl Revised {
    /// Reads a row of [`ALL`].
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let sdkappid: i64 = row.get(0);
        let damaged = |what: &str| {
            StoreError::Failed(format!("the app {sdkappid} in muster.app: {what}").into())
        };
        let number = u32::try_from(sdkappid).map_err(|_| damaged("this is no SDKAppID"))?;
        let version = u8::try_from(row.get::<_, i16>(2)).map_err(|_| damaged("no such version"))?;
        let record: &str = row.get(3);
        let app = muster_app_record::decode(SdkAppId(number), version, record.as_bytes());
        Ok(Self {
            app: Arc::new(app.map_err(|error| damaged(&error.to_string()))?),
            revision: row.get(1),
        })
    }
}

/// The apps as this node knows them.
#[derive(Default)]
pub(crate) struct Apps(RwLock<BTreeMap<SdkAppId, Remembered>>);

/// An app, or why it cannot be read: then its calls fail and those of others do not.
struct Remembered {
    app: Result<Arc<App>, StoreError>,
    revision: i64,
}

impl Apps {
    pub(crate) fn get(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        let apps = self.0.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(&app).map(|known| known.app.clone()).transpose()
    }

    /// All that can be read.
    pub(crate) fn all(&self) -> Vec<Arc<App>> {
        let apps = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let readable = apps.values().filter_map(|known| known.app.clone().ok());
        readable.collect()
    }

    /// Takes an app over unless a later change of it is known.
    pub(crate) fn put(&self, Revised { app, revision }: Revised) {
        let sdkappid = app.sdkappid;
        let app = Ok(app);
        self.remember(sdkappid, Remembered { app, revision });
    }

    fn remember(&self, sdkappid: SdkAppId, now: Remembered) {
        let mut apps = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = apps.get(&sdkappid);
        if known.is_some_and(|known| known.revision >= now.revision) {
            return;
        }
        if let Err(error) = &now.app {
            let error = error.to_string();
            let is_known = known.and_then(|known| known.app.as_ref().err());
            if is_known.is_none_or(|known| known.to_string() != error) {
                tracing::error!(%error, "an app cannot be read; its calls are answered with a failure");
            }
        }
        apps.insert(sdkappid, now);
    }

    /// Takes all apps over as they are in the database.
    pub(crate) async fn refresh<R>(&self, client: &impl GenericClient) -> Result<(), Failure<R>> {
        let statement = client.prepare_cached(ALL).await?;
        for row in client.query(&statement, &[]).await? {
            // No call can name a row that has no number of an app.
            let Ok(number) = u32::try_from(row.get::<_, i64>(0)) else {
                continue;
            };
            let app = Revised::read(&row).map(|revised| revised.app);
            let revision = row.get(1);
            self.remember(SdkAppId(number), Remembered { app, revision });
        }
        Ok(())
    }

    /// Takes any app over at the next [`Apps::refresh`], also one of an earlier revision, as it is
    /// there after a failover that lost some.
    pub(crate) fn believe_nothing(&self) {
        let mut apps = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for known in apps.values_mut() {
            known.revision = -1;
        }
    }
}

/// The app, which nobody else changes until the transaction ends.
pub(crate) async fn locked<R>(
    transaction: &impl GenericClient,
    app: SdkAppId,
) -> Result<Option<Revised>, Failure<R>> {
    one(transaction, LOCKED, app).await
}

/// The app, which nobody changes until the transaction ends.
pub(crate) async fn unchanging<R>(
    transaction: &impl GenericClient,
    app: SdkAppId,
) -> Result<Option<Revised>, Failure<R>> {
    one(transaction, UNCHANGING, app).await
}

async fn one<R>(
    transaction: &impl GenericClient,
    statement: &str,
    app: SdkAppId,
) -> Result<Option<Revised>, Failure<R>> {
    let statement = transaction.prepare_cached(statement).await?;
    let row = transaction
        .query_opt(&statement, &[&i64::from(app.0)])
        .await?;
    Ok(row.as_ref().map(Revised::read).transpose()?)
}

/// Writes an app: a new one if it has revision 0. The other nodes learn of it.
pub(crate) async fn write<R>(
    transaction: &impl GenericClient,
    revised: &Revised,
) -> Result<(), Failure<R>> {
    let Revised { app, revision } = revised;
    let statement = if *revision == 0 { INSERT } else { UPDATE };
    let statement = transaction.prepare_cached(statement).await?;
    let record = muster_app_record::encode(app);
    let version = i16::from(muster_app_record::VERSION);
    let sdkappid = i64::from(app.sdkappid.0);
    transaction
        .execute(&statement, &[&sdkappid, revision, &version, &record])
        .await?;
    let statement = transaction.prepare_cached(COUNT).await?;
    transaction.execute(&statement, &[]).await?;
    Ok(())
}
