//! The nodes: each has a row, which it touches while it lives.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::GenericClient;
use muster_accounts::UnixSeconds;
use tokio::time::Instant;
use tokio_postgres::{error::SqlState, types::ToSql};

use super::{Note, REMOVED_AT_ONCE, lock};
use crate::retry::Failure;

/// How often a row is touched.
const TOUCH_PERIOD: Duration = Duration::from_secs(1);

/// How often it is looked who is gone.
const REMOVE_PERIOD: Duration = Duration::from_secs(5);

/// Tags are below this.
const TAGS: i16 = 1 << 12;

/// Not a row of which others have begun to take the sessions away ([`REMOVE_SILENT`]).
const TOUCH: &str = "UPDATE muster.node SET seen_at = now() \
    WHERE node = $1 AND seen_at > '-infinity' RETURNING tag";

const TELL: &str = "UPDATE muster.node SET seen_at = now(), note = $2, note_revision = $3 \
    WHERE node = $1 AND seen_at > '-infinity' RETURNING tag";

const REGISTER: &str = "INSERT INTO muster.node (node, tag, seen_at, note, note_revision) \
    VALUES ($1, $2, now(), $3, $4)
    ON CONFLICT (node) DO UPDATE SET
        tag = excluded.tag, seen_at = excluded.seen_at, note = excluded.note,
        note_revision = excluded.note_revision";

/// Some sessions of nodes that are silent. A node counts as alive for five seconds after it was seen; this
/// is said once more in [`super::sessions`]. Its row stays a little longer, so that a short pause costs it
/// nothing. From the first of its sessions to the last it was never seen: if it comes back it registers
/// anew, which waits for this statement to end, and enters what it misses. What one node takes away,
/// the others pass over.
const REMOVE_SILENT: &str = "
    WITH silent AS (
        SELECT node FROM muster.node WHERE seen_at < now() - interval '15 s'
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        UPDATE muster.node SET seen_at = '-infinity' FROM silent
        WHERE node.node = silent.node RETURNING node.node
    ), piece AS (
        SELECT sdkappid, user_id, session_id FROM muster.session
        JOIN gone ON gone.node = session.node LIMIT $1
    )
    DELETE FROM muster.session USING piece
    WHERE session.sdkappid = piece.sdkappid AND session.user_id = piece.user_id
        AND session.session_id = piece.session_id";

const REMOVE_EMPTY: &str = "
    DELETE FROM muster.node WHERE seen_at = '-infinity'
        AND NOT EXISTS (SELECT 1 FROM muster.session WHERE session.node = node.node)";

/// Some sessions whose node was removed before they were entered.
const REMOVE_ORPHANS: &str = "
    DELETE FROM muster.session USING (
        SELECT sdkappid, user_id, session_id FROM muster.session
        WHERE NOT EXISTS (SELECT 1 FROM muster.node WHERE node.node = session.node) LIMIT $1
    ) AS piece
    WHERE session.sdkappid = piece.sdkappid AND session.user_id = piece.user_id
        AND session.session_id = piece.session_id";

const REMOVE_NODE: &str = "
    WITH gone AS (DELETE FROM muster.node WHERE node = $1)
    DELETE FROM muster.session WHERE node = $1";

/// Of each living node but this the note, if it is another one than is known.
const OTHERS: &str = "
    SELECT node.node, note_revision,
        CASE WHEN known.revision IS DISTINCT FROM note_revision THEN note END
    FROM muster.node
    LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS known (node, revision)
        ON known.node = node.node
    WHERE node.node <> $1 AND seen_at > now() - interval '5 s'";

const HAS_OTHERS: &str = "SELECT EXISTS (SELECT 1 FROM muster.node
    WHERE node <> $1 AND seen_at > now() - interval '5 s')";

/// This node.
pub(super) struct Node {
    /// A random number.
    id: i64,
    /// What is in the numbers of its sessions; no other living node has it.
    tag: AtomicI64,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    touched: Option<Instant>,
    /// Whether the row is known to be there; if it is made and no answer comes, it is not.
    is_registered: bool,
    /// When all who were gone had been removed.
    removed: Option<Instant>,
    /// Whether that includes sessions without a node.
    are_orphans_removed: bool,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            id: fastrand::i64(1..i64::MAX),
            tag: AtomicI64::new(0),
            times: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// The least number of a session that begins in this second: 33 bits of time, 12 of tag, 19 to count.
    pub(super) fn first_session_id(&self, since: UnixSeconds) -> u64 {
        let second = since.0 & ((1 << 33) - 1);
        let tag = self.tag.load(Ordering::Relaxed).unsigned_abs();
        second << 31 | tag << 19
    }

    /// Touches this node's row, or makes it; then true. Others who are gone are removed in passing,
    /// some at a time.
    pub(super) async fn show(
        &self,
        client: &impl GenericClient,
        note: &Mutex<Note>,
    ) -> Result<bool, Failure<Infallible>> {
        let (text, revision, is_stored) = {
            let note = lock(note);
            (note.text.clone(), note.revision, note.is_stored)
        };
        let is_due =
            |last: Option<Instant>, period| last.is_none_or(|last| last.elapsed() >= period);
        let (is_touch_due, is_removal_due) = {
            let times = lock(&self.times);
            (
                is_due(times.touched, TOUCH_PERIOD),
                is_due(times.removed, REMOVE_PERIOD),
            )
        };
        if is_touch_due || !is_stored {
            let touched = if is_stored {
                let touch = client.prepare_cached(TOUCH).await?;
                client.query_opt(&touch, &[&self.id]).await?
            } else {
                let tell = client.prepare_cached(TELL).await?;
                let text = &*text;
                client
                    .query_opt(&tell, &[&self.id, &text, &revision])
                    .await?
            };
            if let Some(row) = touched {
                // Also if the answer to its registration did not come.
                self.tag
                    .store(row.get::<_, i16>(0).into(), Ordering::Relaxed);
            } else {
                {
                    let mut times = lock(&self.times);
                    times.is_registered = false;
                    times.are_orphans_removed = false;
                }
                self.register(client, &text, revision).await?;
            }
            lock(&self.times).touched = Some(Instant::now());
            let mut note = lock(note);
            note.is_stored |= note.revision == revision;
        }
        if is_removal_due || !lock(&self.times).is_registered {
            self.remove_some(client).await?;
        }
        let mut times = lock(&self.times);
        let is_new = !times.is_registered;
        times.is_registered = true;
        Ok(is_new)
    }

    /// Removes some of what others have left who are gone. What there is more is due at the next look.
    async fn remove_some(&self, client: &impl GenericClient) -> Result<(), Failure<Infallible>> {
        let limit = i64::try_from(REMOVED_AT_ONCE).unwrap_or(i64::MAX);
        let remove = client.prepare_cached(REMOVE_SILENT).await?;
        let mut removed = client.execute(&remove, &[&limit]).await?;
        let remove = client.prepare_cached(REMOVE_EMPTY).await?;
        client.execute(&remove, &[]).await?;
        if !lock(&self.times).are_orphans_removed {
            let remove = client.prepare_cached(REMOVE_ORPHANS).await?;
            let orphans = client.execute(&remove, &[&limit]).await?;
            lock(&self.times).are_orphans_removed = orphans < REMOVED_AT_ONCE as u64;
            removed = removed.max(orphans);
        }
        let is_all = removed < REMOVED_AT_ONCE as u64;
        lock(&self.times).removed = is_all.then(Instant::now);
        Ok(())
    }

    async fn register(
        &self,
        client: &impl GenericClient,
        note: &str,
        revision: i64,
    ) -> Result<(), Failure<Infallible>> {
        let register = client.prepare_cached(REGISTER).await?;
        loop {
            let tag = fastrand::i16(0..TAGS);
            let row: [&(dyn ToSql + Sync); 4] = [&self.id, &tag, &note, &revision];
            match client.execute(&register, &row).await {
                Ok(_) => {
                    self.tag.store(tag.into(), Ordering::Relaxed);
                    return Ok(());
                }
                // Another node has the tag. There are far more tags than nodes.
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Looks what the others tell. All notes, if one has changed.
    pub(super) async fn others(
        &self,
        client: &impl GenericClient,
        known: &Mutex<Others>,
    ) -> Result<Option<Vec<Arc<str>>>, Failure<Infallible>> {
        let (nodes, revisions): (Vec<i64>, Vec<i64>) = {
            let others = lock(known);
            let known = others
                .0
                .iter()
                .map(|(node, (revision, _))| (*node, *revision));
            known.unzip()
        };
        let statement = client.prepare_cached(OTHERS).await?;
        let rows = client
            .query(&statement, &[&self.id, &nodes, &revisions])
            .await?;
        let mut now = HashMap::with_capacity(rows.len());
        let mut others = lock(known);
        let mut has_changed = rows.len() != others.0.len();
        for row in &rows {
            let id: i64 = row.get(0);
            let note: Option<&str> = row.get(2);
            has_changed |= note.is_some();
            let note = match (note, others.0.get(&id)) {
                (Some(note), _) => note.into(),
                (None, Some((_, note))) => note.clone(),
                // Only a note that is known is left out.
                (None, None) => continue,
            };
            now.insert(id, (row.get(1), note));
        }
        others.0 = now;
        let told = || others.0.values().map(|(_, note)| note.clone()).collect();
        Ok(has_changed.then(told))
    }
}

/// What is known of the other nodes that live: the revision of each one's note, and the note.
#[derive(Default)]
pub(super) struct Others(HashMap<i64, (i64, Arc<str>)>);

impl Others {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Whether other nodes live, at this moment.
pub(crate) async fn has_others(
    client: &impl GenericClient,
    state: &super::State,
) -> Result<bool, Failure<Infallible>> {
    let statement = client.prepare_cached(HAS_OTHERS).await?;
    let row = client.query_one(&statement, &[&state.node.id]).await?;
    Ok(row.get(0))
}

/// Takes this node and its sessions away.
pub(crate) async fn remove_node(
    client: &impl GenericClient,
    state: &super::State,
) -> Result<(), Failure<Infallible>> {
    let statement = client.prepare_cached(REMOVE_NODE).await?;
    client.execute(&statement, &[&state.node.id]).await?;
    Ok(())
}
