//! Internal ids, taken from the database in blocks, so that no two nodes give the same one and none
//! waits for another.
//!
//! What is left of a block when the node ends is never given.

use std::ops::Range;

use deadpool_postgres::GenericClient;
use muster_accounts::{InternalId, StoreError};
use tokio::sync::Mutex;

use crate::retry::Failure;

/// How many are taken at a time: one statement for a hundred full batches.
const BLOCK: usize = 10_000;

const TAKE: &str = "UPDATE muster.counter SET number = number + $1 WHERE name = 'internal_id' \
    RETURNING number";

#[derive(Default)]
pub(crate) struct Ids(Mutex<Range<u64>>);

impl Ids {
    /// Gives what is left of the block to nobody.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = 0..0;
    }

    /// Takes that many, in growing order within a block.
    pub(crate) async fn take<R>(
        &self,
        client: &impl GenericClient,
        count: usize,
    ) -> Result<Vec<InternalId>, Failure<R>> {
        let mut block = self.0.lock().await;
        let mut taken = Vec::with_capacity(count);
        loop {
            let missing = count - taken.len();
            taken.extend(block.by_ref().take(missing).map_while(InternalId::new));
            if taken.len() == count {
                return Ok(taken);
            }
            let size = i64::try_from(BLOCK.max(count)).expect("no list in memory is as long");
            // What is taken and does not arrive is given to nobody.
            let end = take(client, size).await.map_err(Failure::undone)?;
            let (Ok(start), Ok(end)) = (u64::try_from(end - size), u64::try_from(end)) else {
                return Err(damaged().into());
            };
            if InternalId::new(start).is_none() {
                return Err(damaged().into());
            }
            *block = start..end;
        }
    }
}

async fn take<R>(client: &impl GenericClient, size: i64) -> Result<i64, Failure<R>> {
    let statement = client.prepare_cached(TAKE).await?;
    Ok(client.query_one(&statement, &[&size]).await?.get(0))
}

fn damaged() -> StoreError {
    StoreError::Failed("the counter internal_id in muster.counter is damaged".into())
}
