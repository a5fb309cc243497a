//! The store as source or target of a copy ([`Transfer`]).
//!
//! Who has the data directory open is alone with it, so there is nothing to hold. A directory that is
//! being filled does not know so; whoever fills it gives it its name in the end.

use std::{convert::Infallible, sync::Arc};

use async_trait::async_trait;
use muster_accounts::{
    App, InternalId, OpError, Record, SdkAppId, StoreError, Transfer,
    rules::Known,
    transfer::{Hold, RecordReader},
};

use crate::{LocalStore, records::Records, writer::Work};

#[async_trait]
impl Transfer for LocalStore {
    async fn hold(&self) -> Result<Box<dyn Hold>, StoreError> {
        Ok(Box::new(Alone))
    }

    async fn records(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
    ) -> Result<Box<dyn RecordReader>, StoreError> {
        self.known_app(app)?;
        Ok(Box::new(Reader {
            records: self.records.clone(),
            app,
            after,
        }))
    }

    async fn begin_filling(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put_app(&self, app: App) -> Result<(), StoreError> {
        let app = Box::new(app);
        let put = self.write(|reply| Work::PutApp { app, reply });
        put.await.map_err(unrefused)
    }

    async fn put_records(&self, app: SdkAppId, records: Vec<Record>) -> Result<(), StoreError> {
        let put = self.write(|reply| Work::PutRecords {
            app,
            records,
            reply,
        });
        put.await.map_err(unrefused)
    }

    async fn end_filling(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn unrefused(error: OpError<Infallible>) -> StoreError {
    match error {
        OpError::Refused(never) => match never {},
        OpError::Store(error) => error,
    }
}

struct Alone;

#[async_trait]
impl Hold for Alone {
    async fn release(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Reader {
    records: Arc<Records>,
    app: SdkAppId,
    after: Option<InternalId>,
}

#[async_trait]
impl RecordReader for Reader {
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, StoreError> {
        let (records, app, after) = (self.records.clone(), self.app, self.after);
        let read = tokio::task::spawn_blocking(move || {
            records.read_on(app, after, limit, |known| match known {
                Known::Account(account) => Some(Record::Account(account)),
                Known::Deleted(tombstone) => Some(Record::Deleted(tombstone)),
                Known::Nothing => None,
            })
        });
        let read = read.await;
        let page =
            read.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string().into())))?;
        self.after = page.last().map(Record::internal_id).or(self.after);
        Ok(page)
    }
}
