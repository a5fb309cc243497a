//! A pooler in between that gives a connection's statements to whichever server process is free.
//!
//! muster sets what it relies on for a connection, and prepares statements in it; with such a pooler that
//! is in another process, or another's is in this. Two connections that are open at the same time show it:
//! directly, or through a pooler that keeps a process for each, both have a process of their own for as
//! long as they last.

use tokio_postgres::{Client, config::TargetSessionAttrs};

use super::{Finding, connect};
use crate::{Options, retry};

const SUBJECT: &str = "pooler";
const PROCESS: &str = "SELECT pg_backend_pid()";
const DIRECTLY: &str = "connect to the database itself, or have the pooler keep a connection for each \
    client (pool_mode = session)";
const ROUNDS: usize = 3;

/// The server processes of two connections, asked in turn, the second in a transaction.
#[derive(Clone, Copy)]
struct Round {
    first: i32,
    second: i32,
    first_again: i32,
}

pub(super) async fn look(options: &Options, first: &Client) -> Finding {
    let second = match connect(options, TargetSessionAttrs::Any).await {
        Ok(client) => client,
        Err(cause) => {
            let text = format!("there is no second connection to be had: {cause}");
            return Finding::wrong(SUBJECT, text, "raise max_connections, or the role's limit");
        }
    };
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        match ask(first, &second).await {
            Ok(round) => rounds.push(round),
            // As a pooler does that hands connections out by statement.
            Err(error) => {
                let text = format!("a transaction does not come about: {}", retry::told(&error));
                return Finding::wrong(SUBJECT, text, DIRECTLY);
            }
        }
    }
    if are_shared(&rounds) {
        return Finding::wrong(
            SUBJECT,
            "statements of one connection reach several processes of the server: there is a pooler in \
             between that hands out connections by transaction",
            DIRECTLY,
        );
    }
    Finding::ok(
        SUBJECT,
        "each connection has a process of the server to itself",
    )
}

async fn ask(first: &Client, second: &Client) -> Result<Round, tokio_postgres::Error> {
    // Without statements prepared by name, so that a pooler that cannot have these answers too.
    let before = process(first).await?;
    second.batch_execute("BEGIN READ ONLY").await?;
    let other = process(second).await;
    let after = process(first).await;
    second.batch_execute("COMMIT").await?;
    Ok(Round {
        first: before,
        second: other?,
        first_again: after?,
    })
}

async fn process(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let row = client.query_typed_one(PROCESS, &[]).await?;
    Ok(row.get(0))
}

fn are_shared(rounds: &[Round]) -> bool {
    let same = |a: &Round, b: &Round| a.first == b.first && a.second == b.second;
    rounds.iter().any(|round| {
        round.first == round.second || round.first != round.first_again || !same(round, &rounds[0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_share_processes() {
        let round = |first, second, first_again| Round {
            first,
            second,
            first_again,
        };
        for (rounds, shared) in [
            ([round(7, 8, 7), round(7, 8, 7)], false),
            // The second got the process that the first had just let go of.
            ([round(7, 7, 9), round(9, 9, 7)], true),
            ([round(7, 8, 9), round(7, 8, 7)], true),
            ([round(7, 8, 7), round(8, 7, 8)], true),
            ([round(7, 8, 7), round(7, 9, 7)], true),
        ] {
            assert_eq!(are_shared(&rounds), shared);
        }
    }
}
