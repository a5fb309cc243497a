//! What the store makes of the entries of an import.

use std::{collections::HashMap, time::Duration};

use muster_accounts::{
    OpError, SdkAppId, UserId,
    rules::import::{ImportEntry, ImportOutcome, ImportRefusal, ImportRequest, Imported},
};
use muster_wire::ErrorCode;

use super::entry::Reason;
use crate::operator::{Parts, error::ApiError};

/// What became of one entry.
pub(super) enum Fate {
    Created,
    Updated,
    Unchanged,
    /// A later entry names the same user.
    Superseded,
    Refused(Reason),
}

/// An entry that was fit to be imported.
pub(super) struct CarriedOut {
    /// [`ImportEntry::position`].
    pub(super) position: usize,
    pub(super) user_id: UserId,
    pub(super) fate: Fate,
}

/// Imports entries, and says what became of each, in their order. Of a user who is named more than once
/// the last entry counts as a whole. The store has `deadline` for each thing that it is asked.
pub(super) async fn carry_out(
    shared: &Parts,
    app: SdkAppId,
    mut entries: Vec<ImportEntry>,
    dry_run: bool,
    deadline: Duration,
) -> Result<Vec<CarriedOut>, ApiError> {
    let mut done = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter_mut().enumerate() {
        done.push(CarriedOut {
            position: entry.position,
            user_id: entry.user_id,
            fate: Fate::Superseded,
        });
        entry.position = place;
    }
    let request = ImportRequest::new(entries);
    let last_places = last_places(&done, &request);
    let places: Vec<_> = match &last_places {
        None => (0..done.len()).collect(),
        Some(last) => {
            let entries = request.entries().iter();
            entries.map(|entry| last[&entry.user_id]).collect()
        }
    };
    let request = if dry_run { request.dry_run() } else { request };
    let store = &shared.core.store;
    let imported = shared.ask_for(deadline, async {
        match store.import(app, request, shared.core.clock.now()).await {
            Ok(outcome) => Ok(Ok(outcome)),
            Err(OpError::Refused(refusal)) => Ok(Err(refusal)),
            Err(OpError::Store(error)) => Err(error),
        }
    });
    let barred = match imported.await? {
        Ok(ImportOutcome { entries, barred }) => {
            for (place, imported) in places.into_iter().zip(entries) {
                done[place].fate = match imported {
                    Imported::Created => Fate::Created,
                    Imported::Updated => Fate::Updated,
                    // Those who are barred are written down below.
                    Imported::Unchanged | Imported::Barred => Fate::Unchanged,
                };
            }
            barred
        }
        Err(ImportRefusal::AllBarred(barred)) => barred,
        Err(ImportRefusal::OverCap { cap }) => {
            let users: Vec<_> = places.iter().map(|place| done[*place].user_id).collect();
            let exist = shared.ask_for(deadline, store.check(app, &users)).await?;
            for (place, exists) in places.into_iter().zip(exist) {
                done[place].fate = Fate::Refused(over_cap(cap, exists));
            }
            Vec::new()
        }
    };
    for barred in &barred {
        let place = match &last_places {
            None => barred.position,
            Some(last) => last[&barred.user_id],
        };
        done[place].fate = Fate::Refused(Reason::barred(barred));
    }
    Ok(done)
}

/// Where each user comes last; `None` if nobody comes twice, which a request knows.
fn last_places(done: &[CarriedOut], request: &ImportRequest) -> Option<HashMap<UserId, usize>> {
    if request.entries().len() == done.len() {
        return None;
    }
    let places = done.iter().enumerate();
    Some(places.map(|(place, one)| (one.user_id, place)).collect())
}

fn over_cap(cap: u64, exists: bool) -> Reason {
    let text = if exists {
        format!(
            "Left as it is, for nothing of a request is imported that goes beyond the {cap} accounts of \
             the app's edition."
        )
    } else {
        format!(
            "The app's edition allows {cap} accounts, and the new ones of this request go beyond that."
        )
    };
    Reason::new(ErrorCode::OverCap, text)
}
