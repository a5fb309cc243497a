//! The loop between the thread that reads and the lane.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use super::{BreakOff, Progress, Read};
use crate::{
    batches::Batch,
    checkpoint::Counts,
    duplicates::Sightings,
    journal::{Journal, JournalError, Refused},
    lane::{Lane, LaneError, Sent},
    users::{Ready, Users},
};

/// Faults and duplicates that are told to people at the end.
const EXAMPLES: usize = 10;

/// An import under way.
pub(super) struct Run<'p> {
    lane: Lane,
    users: Users,
    /// Until when calls of an import before this may be carried out.
    in_doubt_until: Instant,
    under_way: JoinSet<(Batch, Result<Sent, LaneError>)>,
    journal: Journal,
    progress: &'p Progress,
    /// What is to be said of the first lines, by line.
    examples: BTreeMap<u64, String>,
    pub(super) identical: u64,
    pub(super) conflicting: u64,
}

impl<'p> Run<'p> {
    pub(super) fn new(
        lane: Lane,
        journal: Journal,
        progress: &'p Progress,
        in_doubt: Duration,
    ) -> Self {
        Self {
            users: Users::default(),
            in_doubt_until: Instant::now() + in_doubt,
            under_way: JoinSet::new(),
            lane,
            journal,
            progress,
            examples: BTreeMap::new(),
            identical: 0,
            conflicting: 0,
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        self.journal.counts()
    }

    /// Imports what comes, and returns the sightings once all is done; none if it was stopped. In any case
    /// nothing is under way afterwards. It begins once no call of an import before this can be carried out
    /// any more.
    pub(super) async fn import_all(
        &mut self,
        read: mpsc::Receiver<Read>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Option<Sightings>, BreakOff> {
        let lane = self.lane.clone();
        let stopping = tokio::spawn(async move {
            // An error: nobody can say so any more.
            if stop.wait_for(|stop| *stop).await.is_ok() {
                lane.pace().stop();
            }
        });
        let mut end = match self.hold(self.in_doubt_until).await {
            Ok(()) => self.import_read(read).await,
            Err(error) => Err(error),
        };
        // What was read before the file broke off is imported.
        if matches!(end, Err(BreakOff::Lane(_) | BreakOff::Journal(_))) {
            self.lane.pace().stop();
        }
        while !self.under_way.is_empty() {
            let finished = self.finish_one().await;
            // What has failed on the way ends it, whatever else was to be said.
            if finished.is_err() && !matches!(end, Err(BreakOff::Lane(_) | BreakOff::Journal(_))) {
                self.lane.pace().stop();
                end = finished.and(end);
            }
        }
        stopping.abort();
        match end {
            Err(BreakOff::Lane(LaneError::Stopped)) => Ok(None),
            end => end.map(Some),
        }
    }

    async fn import_read(&mut self, mut read: mpsc::Receiver<Read>) -> Result<Sightings, BreakOff> {
        loop {
            let read = tokio::select! {
                biased;
                stopped = self.lane.pace().stopped() => return Err(LaneError::from(stopped).into()),
                read = read.recv() => read,
            };
            match read {
                Some(Read::Batch(batch)) => self.dispatch(batch).await?,
                Some(Read::End(sightings)) => return Ok(sightings),
                Some(Read::BrokenOff(error)) => return Err(error),
                None => return Err(BreakOff::Task),
            }
        }
    }

    /// Sends a batch, once there is room for it and none of its users is under way.
    async fn dispatch(&mut self, batch: Batch) -> Result<(), BreakOff> {
        while self.under_way.len() >= self.lane.in_flight() {
            self.finish_one().await?;
        }
        loop {
            match self.users.ready(&batch.users) {
                Ready::Now => break,
                Ready::AfterAnother => self.finish_one().await?,
                Ready::At(time) => self.hold(time).await?,
            }
        }
        while let Some(finished) = self.under_way.try_join_next() {
            self.finish(finished)?;
        }
        self.users.begin(&batch.users);
        let lane = self.lane.clone();
        self.under_way.spawn(async move {
            let sent = lane.send(&batch.entries).await;
            (batch, sent)
        });
        Ok(())
    }

    async fn hold(&self, until: Instant) -> Result<(), BreakOff> {
        let cause = "a call that was lost may still be carried out";
        let held = self.lane.pace().hold(until, cause).await;
        Ok(held.map_err(LaneError::from)?)
    }

    async fn finish_one(&mut self) -> Result<(), BreakOff> {
        match self.under_way.join_next().await {
            Some(finished) => self.finish(finished),
            None => Ok(()),
        }
    }

    fn finish(
        &mut self,
        finished: Result<(Batch, Result<Sent, LaneError>), tokio::task::JoinError>,
    ) -> Result<(), BreakOff> {
        let (batch, sent) = finished.map_err(|_| BreakOff::Task)?;
        let Sent {
            refused,
            doubt_until,
        } = sent?;
        self.users.end(&batch.users, doubt_until);
        self.note_faults(&batch, &refused);
        self.journal.write(&batch, &refused)?;
        self.progress.count(self.journal.counts());
        Ok(())
    }

    fn note_faults(&mut self, batch: &Batch, refused: &Refused) {
        for (record, fault) in batch.failed(refused) {
            let line = record.line;
            let user = fault.user_id.as_ref();
            let user = user.map_or_else(String::new, |user| format!(", {user:?}"));
            let (code, reason) = (fault.code, &fault.reason);
            note(&mut self.examples, line, || {
                format!("line {line}{user}: {code} {reason}")
            });
        }
    }

    /// Writes down who is named more than once.
    pub(super) fn tell_duplicates(&mut self, sightings: Sightings) -> Result<(), BreakOff> {
        let mut written = Ok(());
        let told = sightings.duplicates(|duplicate| {
            let (line, earlier) = (duplicate.line, duplicate.earlier);
            let word = if duplicate.is_identical {
                self.identical += 1;
                "the same again"
            } else {
                self.conflicting += 1;
                "other values for"
            };
            note(&mut self.examples, line, || {
                format!("line {line}: {word} the user of line {earlier}")
            });
            written = self.journal.write_duplicate(duplicate);
            if written.is_err() {
                // Whatever it is, it ends the search.
                return Err(std::io::ErrorKind::Other.into());
            }
            Ok(())
        });
        written?;
        told.map_err(|cause| BreakOff::Scratch {
            dir: "its directory".to_owned(),
            cause,
        })?;
        Ok(())
    }

    /// Saves the journal for whoever goes on, or ends it. Comes with examples for people.
    pub(super) fn end(
        mut self,
        is_complete: bool,
    ) -> (Counts, Vec<String>, Result<(), JournalError>) {
        let until = self.in_doubt_until.max(self.lane.pace().in_doubt_until());
        let doubt = until.saturating_duration_since(Instant::now());
        let (counts, saved) = if is_complete {
            (self.journal.counts().clone(), self.journal.end())
        } else {
            let saved = self.journal.stop(doubt);
            (self.journal.counts().clone(), saved)
        };
        (counts, self.examples.into_values().collect(), saved)
    }
}

/// Keeps what is to be said of a line if it is among the first.
fn note(examples: &mut BTreeMap<u64, String>, line: u64, text: impl FnOnce() -> String) {
    let last = examples.last_key_value().map(|(last, _)| *last);
    if examples.len() >= EXAMPLES {
        match last {
            Some(last) if line < last => drop(examples.remove(&last)),
            _ => return,
        }
    }
    // What is wrong with a line comes before whom else it names.
    examples.entry(line).or_insert_with(text);
}
