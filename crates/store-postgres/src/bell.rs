//! The bell: a node that has changed something that others are to know rings, and they look at once.
//!
//! It is PostgreSQL's NOTIFY, on a connection of its own and in no transaction of a call, for it makes
//! those that hold it commit one after another. Nothing relies on it: where it is not to be had, or a
//! node ends before it rings, the others look a moment later by themselves ([`crate::feed`]).

use std::{future::poll_fn, time::Duration};

use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, Client, Error, error::SqlState};

use crate::{
    Shared,
    connect::{self, Options},
    retry,
};

/// How soon a lost connection is made anew.
const RECONNECT: Duration = Duration::from_secs(1);

/// So that many changes within a moment ring once.
const PAUSE: Duration = Duration::from_millis(10);

/// Rings and listens until it is dropped, or for as long as the engine knows how.
pub(crate) async fn keep(shared: &Shared, options: &Options) {
    loop {
        if let Err(error) = connected(shared, options).await {
            if is_unknown(&error) {
                tracing::info!(
                    "the database has no NOTIFY; other nodes are heard of a moment later"
                );
                return;
            }
            tracing::debug!(cause = retry::told(&error), "not listening for other nodes");
        }
        sleep(RECONNECT).await;
    }
}

/// Ends with the connection.
async fn connected(shared: &Shared, options: &Options) -> Result<(), Error> {
    let config = connect::settings(options);
    let (client, mut connection) = config.connect(options.tls().clone()).await?;
    let listening = async {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(_))) => shared.look_soon(),
                Some(message) => drop(message?),
                None => return Ok(()),
            }
        }
    };
    tokio::select! {
        ended = listening => ended,
        ended = ring(shared, &client) => ended,
    }
}

async fn ring(shared: &Shared, client: &Client) -> Result<(), Error> {
    client.batch_execute("LISTEN muster").await?;
    // What was changed while nobody listened.
    shared.look_soon();
    loop {
        shared.rung.notified().await;
        client.batch_execute("NOTIFY muster").await?;
        sleep(PAUSE).await;
    }
}

fn is_unknown(error: &Error) -> bool {
    let unknown = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::SYNTAX_ERROR];
    unknown.iter().any(|code| error.code() == Some(code))
}
