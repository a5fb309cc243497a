//! The store as source or target of a copy ([`Transfer`]).
//!
//! As a source it is locked against changes, which then fail at the nodes that want them, rather than
//! being left out of the copy. Records are read by a cursor: there is no index over all of them in the
//! order of their ids, so the database sorts them once for each app. A target says in `muster.counter`
//! that it is not whole yet, and no node opens it until it is. Whoever fills it makes this mark before it
//! looks for other nodes, and a node shows itself before it looks for the mark: of two that do so at once,
//! one sees the other.

use std::{convert::Infallible, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::{ClientWrapper, GenericClient, Object};
use muster_accounts::{
    App, InternalId, Record, SdkAppId, StoreError, Transfer,
    rules::{Known, Write},
    transfer::{Hold, RecordReader},
};

use tokio::time::{Instant, sleep};

use crate::{
    OpenError, Options, PostgresStore, apps,
    apps::Revised,
    cluster,
    retry::{self, Failure},
    row::{COLUMNS, StoredUser, number},
    schema::SchemaError,
    statements::{Also, StoredUsers, put},
};

/// Not for one call: neither statement nor transaction has a limit in time.
const UNLIMITED: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Waits for writers within the limit of all statements.
const LOCK: &str = "LOCK TABLE muster.app, muster.account, muster.counter IN SHARE MODE";

/// Changes a row if it was not noted before.
const BEGIN_FILLING: &str = "INSERT INTO muster.counter (name, number) VALUES ('filling', 1)
    ON CONFLICT (name) DO UPDATE SET number = 1 WHERE counter.number = 0";

const END_FILLING: &str = "UPDATE muster.counter SET number = 0 WHERE name = 'filling'";

pub(crate) const IS_FILLING: &str =
    "SELECT EXISTS (SELECT 1 FROM muster.counter WHERE name = 'filling' AND number = 1)";

/// Longer than a node counts as alive that says nothing.
const OTHERS_PATIENCE: Duration = Duration::from_secs(7);

/// By the index for paging.
const HAS_FROM: &str = "SELECT EXISTS (SELECT 1 FROM muster.account
    WHERE sdkappid = $1 AND internal_id >= $2 AND deleted_at IS NULL)";

const IDS_AFTER: &str = "UPDATE muster.counter SET number = greatest(number, $1)
    WHERE name = 'internal_id'";

#[async_trait]
impl Transfer for PostgresStore {
    async fn hold(&self) -> Result<Box<dyn Hold>, StoreError> {
        let client = self.alone().await?;
        let lock = format!("BEGIN; {LOCK}; {UNLIMITED}");
        if let Err(error) = client.batch_execute(&lock).await {
            let text = format!(
                "the database cannot be held still ({}); stop all muster that use it",
                retry::told(&error)
            );
            return Err(StoreError::Failed(text.into()));
        }
        // What was changed until then may not have come to this node yet.
        let reader = self.shared.pool.get().await.map_err(no_connection)?;
        let refreshed = self.shared.apps.refresh(&reader).await;
        refreshed.map_err(retry::unrefused)?;
        Ok(Box::new(Lock(client)))
    }

    async fn records(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
    ) -> Result<Box<dyn RecordReader>, StoreError> {
        self.known_app(app)?;
        let after = after.map_or(0, number);
        let client = self.alone().await?;
        let declare = format!(
            "BEGIN READ ONLY; {UNLIMITED};
             DECLARE records NO SCROLL CURSOR FOR SELECT {COLUMNS} FROM muster.account
             WHERE sdkappid = {app} AND internal_id > {after} ORDER BY internal_id"
        );
        client.batch_execute(&declare).await.map_err(failed)?;
        Ok(Box::new(Cursor(client)))
    }

    async fn begin_filling(&self) -> Result<(), StoreError> {
        self.wait_until_alone().await?;
        let client = self.shared.pool.get().await.map_err(no_connection)?;
        let noted = client.execute(BEGIN_FILLING, &[]).await.map_err(failed)?;
        // Who came since and did not see the note is there now.
        let alone = self.wait_until_alone().await;
        if alone.is_err() && noted > 0 {
            client.batch_execute(END_FILLING).await.map_err(failed)?;
        }
        alone
    }

    async fn put_app(&self, app: App) -> Result<(), StoreError> {
        let revised = Revised {
            app: app.into(),
            revision: 0,
        };
        let mut client = self.shared.pool.get().await.map_err(no_connection)?;
        let transaction = client.transaction().await.map_err(failed)?;
        let written = apps::write(&transaction, &revised).await;
        written.map_err(retry::unrefused)?;
        transaction.commit().await.map_err(failed)?;
        self.shared.apps.put(revised);
        Ok(())
    }

    async fn put_records(&self, app: SdkAppId, records: Vec<Record>) -> Result<(), StoreError> {
        self.known_app(app)?;
        let ids = || records.iter().map(Record::internal_id);
        let (Some(first), Some(last)) = (ids().min(), ids().max()) else {
            return Ok(());
        };
        let write = |record| match record {
            Record::Account(account) => Write::Create {
                account,
                replaces: None,
            },
            Record::Deleted(tombstone) => Write::Delete(tombstone),
        };
        let writes: Vec<Write> = records.into_iter().map(write).collect();
        self.try_put_records(app, &writes, first, last)
            .await
            .map_err(retry::unrefused)
    }

    async fn end_filling(&self) -> Result<(), StoreError> {
        let client = self.shared.pool.get().await.map_err(no_connection)?;
        client.batch_execute(END_FILLING).await.map_err(failed)
    }
}

impl PostgresStore {
    /// A database that is half filled opens for filling only. Asked when others see this node.
    pub(crate) async fn refuse_half_filled(&self, options: &Options) -> Result<(), OpenError> {
        if options.is_for_filling() {
            return Ok(());
        }
        let client = self.shared.pool.get().await;
        let client = client.map_err(|error| OpenError::Connect(retry::told(&error)))?;
        let row = client.query_one(IS_FILLING, &[]).await;
        if row.map_err(SchemaError::Database)?.get(0) {
            return Err(OpenError::HalfFilled);
        }
        Ok(())
    }

    /// Fails if others stay.
    async fn wait_until_alone(&self) -> Result<(), StoreError> {
        let client = self.shared.pool.get().await.map_err(no_connection)?;
        // One that was killed a moment ago is still taken to be there.
        let patience = Instant::now() + OTHERS_PATIENCE;
        loop {
            let others = cluster::has_others(&client, &self.shared.cluster).await;
            if !others.map_err(retry::unrefused)? {
                return Ok(());
            }
            if Instant::now() > patience {
                let text = "other muster use this database now; stop them first";
                return Err(StoreError::Failed(text.into()));
            }
            sleep(OTHERS_PATIENCE / 50).await;
        }
    }

    /// A connection that is not shared, and is closed when it is dropped.
    async fn alone(&self) -> Result<ClientWrapper, StoreError> {
        let client = self.shared.pool.get().await.map_err(no_connection)?;
        Ok(Object::take(client))
    }

    async fn try_put_records(
        &self,
        app: SdkAppId,
        writes: &[Write],
        first: InternalId,
        last: InternalId,
    ) -> Result<(), Failure<Infallible>> {
        let mut client = self.shared.pool.get().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(UNLIMITED).await?;
        let statement = transaction.prepare_cached(HAS_FROM).await?;
        let app_number = i64::from(app.0);
        let row = transaction
            .query_one(&statement, &[&app_number, &number(first)])
            .await?;
        if row.get(0) {
            let text = format!("the app {app} has accounts from {first} on already");
            return Err(StoreError::Failed(text.into()).into());
        }
        // None of the users is known, so each row is a new one or the statement fails.
        put(
            &transaction,
            app,
            writes,
            &StoredUsers::new(),
            Also::Nothing,
        )
        .await?;
        let statement = transaction.prepare_cached(IDS_AFTER).await?;
        transaction
            .execute(&statement, &[&number(last.next())])
            .await?;
        transaction.commit().await?;
        // What is left of a block may be among those.
        self.shared.ids.forget().await;
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it goes into `map_err`")]
fn no_connection(error: deadpool_postgres::PoolError) -> StoreError {
    StoreError::Failed(format!("no connection to the database: {}", retry::told(&error)).into())
}

#[expect(clippy::needless_pass_by_value, reason = "it goes into `map_err`")]
fn failed(error: tokio_postgres::Error) -> StoreError {
    StoreError::Failed(format!("the database failed: {}", retry::told(&error)).into())
}

/// A connection whose transaction has the locks.
struct Lock(ClientWrapper);

#[async_trait]
impl Hold for Lock {
    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        self.0.batch_execute("COMMIT").await.map_err(failed)
    }
}

/// A connection whose transaction has the cursor.
struct Cursor(ClientWrapper);

#[async_trait]
impl RecordReader for Cursor {
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, StoreError> {
        let fetch = format!("FETCH {limit} FROM records");
        let rows = self.0.query_typed(&fetch, &[]).await.map_err(failed)?;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            match StoredUser::read(row)?.known {
                Known::Account(account) => records.push(Record::Account(account)),
                Known::Deleted(tombstone) => records.push(Record::Deleted(tombstone)),
                Known::Nothing => {}
            }
        }
        Ok(records)
    }
}
