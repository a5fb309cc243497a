//! How many calls the nodes have let pass in a second, together.

use std::convert::Infallible;

use deadpool_postgres::GenericClient;
use muster_accounts::{SdkAppId, UnixSeconds};

use crate::{retry::Failure, row::seconds};

/// A node whose clock is late by some seconds takes part in the second that others have begun. A clock
/// that was set back further begins anew.
const COUNT: &str = "
    INSERT INTO muster.rate AS rate (sdkappid, command, second, calls) VALUES ($1, $2, $3, $4)
    ON CONFLICT (sdkappid, command) DO UPDATE SET
        second = CASE WHEN rate.second BETWEEN $3 AND $3 + 5 THEN rate.second ELSE $3 END,
        calls = CASE WHEN rate.second BETWEEN $3 AND $3 + 5 THEN rate.calls + $4 ELSE $4 END
    RETURNING calls - $4";

/// See [`muster_accounts::Cluster::count_calls`].
pub(super) async fn count_calls(
    client: &impl GenericClient,
    app: SdkAppId,
    command: &str,
    calls: u32,
    now: UnixSeconds,
) -> Result<u64, Failure<Infallible>> {
    let statement = client.prepare_cached(COUNT).await?;
    let (app, calls) = (i64::from(app.0), i64::from(calls));
    let row = client
        .query_one(&statement, &[&app, &command, &seconds(now), &calls])
        .await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(u64::MAX))
}
