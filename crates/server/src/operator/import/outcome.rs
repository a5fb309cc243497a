//! What the store makes of the entries of an import.

use std::{collections::HashMap, time::Duration};

use muster_accounts::{
    OpError, SdkAppId, UserId,
    rules::import::{ImportEntry, ImportRefusal, ImportRequest, Imported},
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

/// Entries that are to be imported together.
pub(super) struct Batch {
    entries: Vec<CarriedOut>,
    request: ImportRequest,
    /// Where among the entries each user comes last; `None` if nobody comes twice.
    last_places: Option<HashMap<UserId, usize>>,
}

impl Batch {
    /// Of a user who is named more than once the last entry counts as a whole.
    pub(super) fn new(mut entries: Vec<ImportEntry>) -> Self {
        let mut given = Vec::with_capacity(entries.len());
        for (place, entry) in entries.iter_mut().enumerate() {
            given.push(CarriedOut {
                position: entry.position,
                user_id: entry.user_id,
                fate: Fate::Superseded,
            });
            entry.position = place;
        }
        let request = ImportRequest::new(entries);
        let are_distinct = request.entries().len() == given.len();
        let last_places = (!are_distinct).then(|| {
            let places = given.iter().enumerate();
            places.map(|(place, one)| (one.user_id, place)).collect()
        });
        Self {
            entries: given,
            request,
            last_places,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Imports the entries, and says what became of each, in their order. The store has `deadline` for
    /// each thing that it is asked.
    pub(super) async fn carry_out(
        self,
        shared: &Parts,
        app: SdkAppId,
        dry_run: bool,
        deadline: Duration,
    ) -> Result<Vec<CarriedOut>, ApiError> {
        let Self {
            mut entries,
            request,
            last_places,
        } = self;
        // Where the entry stands that counts for a user; `place` is that of the first one.
        let counts = |user_id: &UserId, place: usize| match &last_places {
            None => place,
            Some(last) => last[user_id],
        };
        let asked = request.entries().iter();
        let places: Vec<_> = asked
            .map(|entry| counts(&entry.user_id, entry.position))
            .collect();
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
            Ok(outcome) => {
                for (place, imported) in places.into_iter().zip(outcome.entries) {
                    entries[place].fate = match imported {
                        Imported::Created => Fate::Created,
                        Imported::Updated => Fate::Updated,
                        // Those who are barred are written down below.
                        Imported::Unchanged | Imported::Barred => Fate::Unchanged,
                    };
                }
                outcome.barred
            }
            Err(ImportRefusal::AllBarred(barred)) => barred,
            Err(ImportRefusal::OverCap { cap }) => {
                let users: Vec<_> = places.iter().map(|place| entries[*place].user_id).collect();
                let exist = shared.ask_for(deadline, store.check(app, &users)).await?;
                for (place, exists) in places.into_iter().zip(exist) {
                    entries[place].fate = Fate::Refused(over_cap(cap, exists));
                }
                Vec::new()
            }
        };
        for barred in &barred {
            let place = counts(&barred.user_id, barred.position);
            entries[place].fate = Fate::Refused(Reason::barred(barred));
        }
        Ok(entries)
    }
}

fn over_cap(cap: u64, exists: bool) -> Reason {
    let text = if exists {
        format!(
            "Left as it is, for nothing is imported in one go with new accounts that go beyond the {cap} of \
             the app's edition."
        )
    } else {
        format!(
            "The app's edition allows {cap} accounts; with all the new ones that were to be imported in one \
             go there would be more."
        )
    };
    Reason::new(ErrorCode::OverCap, text)
}
