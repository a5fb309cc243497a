//! Import: one account or a hundred (wire §3.2, §3.3 steps 6 to 9).

use hashbrown::HashMap;
use thiserror::Error;

use super::{Known, Write};
use crate::{Account, App, FaceUrl, InternalId, Nick, Profile, UnixSeconds, UserId};

/// One user to import. A field that is `None` keeps the stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportEntry {
    /// Where the user first stands in the caller's list, counted from 0.
    pub position: usize,
    /// Whom to import.
    pub user_id: UserId,
    /// Overwrites the nickname, also with `""`.
    pub nick: Option<Nick>,
    /// Overwrites the avatar, also with `""`.
    pub face_url: Option<FaceUrl>,
}

/// Users to import in one go, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    entries: Vec<ImportEntry>,
    dry_run: bool,
}

impl ImportRequest {
    /// Takes a caller's list in. Of a user named more than once the last entry counts as a whole,
    /// at the position of the first (wire §3.3 step 6).
    pub fn new(mut entries: Vec<ImportEntry>) -> Self {
        if entries.len() > 1 {
            let mut first_at = HashMap::with_capacity(entries.len());
            let mut kept = 0;
            for i in 0..entries.len() {
                let at = *first_at.entry(entries[i].user_id).or_insert(kept);
                if at == kept {
                    entries.swap(kept, i);
                    kept += 1;
                } else {
                    let position = entries[at].position;
                    entries.swap(at, i);
                    entries[at].position = position;
                }
            }
            entries.truncate(kept);
        }
        Self {
            entries,
            dry_run: false,
        }
    }

    /// Only says what would happen, and writes nothing.
    #[must_use]
    pub fn dry_run(self) -> Self {
        Self {
            dry_run: true,
            ..self
        }
    }

    /// Whether it is to write nothing.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The users, each once, in order of first appearance.
    pub fn entries(&self) -> &[ImportEntry] {
        &self.entries
    }
}

/// A user who was deleted too recently to be imported again (wire §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barred {
    /// [`ImportEntry::position`] of the refused entry.
    pub position: usize,
    /// Who is barred.
    pub user_id: UserId,
    /// From when on the import will be accepted.
    pub until: UnixSeconds,
}

/// Why nothing of a request was imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportRefusal {
    /// Every user is barred; in request order, never empty.
    #[error("every user was deleted too recently to be imported again")]
    AllBarred(Vec<Barred>),
    /// The app would hold more accounts than its edition allows.
    #[error("the app's edition allows {cap} accounts")]
    OverCap {
        /// How many it allows.
        cap: u64,
    },
}

/// What an import did, or in a dry run would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOutcome {
    /// What became of each of [`ImportRequest::entries`], in their order.
    pub entries: Vec<Imported>,
    /// Who was left out, in request order.
    pub barred: Vec<Barred>,
}

/// What became of one user in an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// An account was made.
    Created,
    /// The account got a new value.
    Updated,
    /// The account had these values already; nothing was written.
    Unchanged,
    /// Left out, and listed in [`ImportOutcome::barred`].
    Barred,
}

/// What a store knows of the user of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// An account that has the entry's values already, as a store may know without reading it. Both
    /// values are in the entry.
    Same,
    /// Whatever it is, in full.
    Known(Known),
}

/// Plans an import.
///
/// `stored` answers, in the order of `request.entries()`, what is stored of each user; it must be as
/// long. `counted` is how many accounts the app holds, `administrator` not counted. `new_id` gives a
/// fresh internal id and is called only once nothing can be refused any more.
pub fn plan(
    app: &App,
    counted: u64,
    request: ImportRequest,
    stored: Vec<Stored>,
    now: UnixSeconds,
    mut new_id: impl FnMut() -> InternalId,
) -> Result<(Vec<Write>, ImportOutcome), ImportRefusal> {
    debug_assert_eq!(request.entries.len(), stored.len());
    let mut outcome = ImportOutcome::default();
    let mut new_counted = 0;
    let mut to_write = 0;
    for (entry, stored) in request.entries.iter().zip(&stored) {
        let Stored::Known(known) = stored else {
            continue;
        };
        to_write += 1;
        if let Some(until) = barred_until(app, known, now) {
            let ImportEntry {
                position, user_id, ..
            } = *entry;
            outcome.barred.push(Barred {
                position,
                user_id,
                until,
            });
        } else if !matches!(known, Known::Account(_)) {
            new_counted += u64::from(!entry.user_id.is_administrator());
        }
    }
    if !outcome.barred.is_empty() && outcome.barred.len() == stored.len() {
        return Err(ImportRefusal::AllBarred(outcome.barred));
    }
    // A call that only updates is never refused by the cap, even above it (wire §5).
    if let Some(cap) = app.edition.account_cap()
        && new_counted > 0
        && counted + new_counted > cap
    {
        return Err(ImportRefusal::OverCap { cap });
    }

    let mut writes = Vec::with_capacity(to_write);
    outcome.entries.reserve_exact(stored.len());
    for (entry, stored) in request.entries.into_iter().zip(stored) {
        let Stored::Known(known) = stored else {
            outcome.entries.push(Imported::Unchanged);
            continue;
        };
        if barred_until(app, &known, now).is_some() {
            outcome.entries.push(Imported::Barred);
            continue;
        }
        let kicked_at = known.kicked_at();
        let replaces = match known {
            Known::Account(account) => {
                outcome.entries.push(match updated(account, entry, now) {
                    Some(account) => {
                        writes.push(Write::Update(account));
                        Imported::Updated
                    }
                    None => Imported::Unchanged,
                });
                continue;
            }
            Known::Deleted(tombstone) => Some(tombstone.internal_id),
            Known::Nothing => None,
        };
        outcome.entries.push(Imported::Created);
        if !request.dry_run {
            let account = Account {
                kicked_at,
                ..created(entry, new_id(), now)
            };
            writes.push(Write::Create { account, replaces });
        }
    }
    if request.dry_run {
        writes.clear();
    }
    Ok((writes, outcome))
}

/// Until when the user cannot be imported; `None` if they can. An edition without a bar has none,
/// also if the deletion is stamped later than the import.
fn barred_until(app: &App, known: &Known, now: UnixSeconds) -> Option<UnixSeconds> {
    let Known::Deleted(tombstone) = known else {
        return None;
    };
    let bar_s = app.edition.reimport_bar_s()?;
    let until = tombstone.deleted_at.plus(bar_s);
    (now < until).then_some(until)
}

fn created(entry: ImportEntry, internal_id: InternalId, now: UnixSeconds) -> Account {
    Account {
        internal_id,
        user_id: entry.user_id,
        imported_at: now,
        changed_at: now,
        kicked_at: None,
        profile: Profile {
            nick: entry.nick.unwrap_or_default(),
            face_url: entry.face_url.unwrap_or_default(),
            more: None,
        },
    }
}

/// The account with the entry's values, or `None` if it has them already.
fn updated(mut account: Account, entry: ImportEntry, now: UnixSeconds) -> Option<Account> {
    let mut changed = false;
    if let Some(nick) = entry.nick
        && nick != account.profile.nick
    {
        account.profile.nick = nick;
        changed = true;
    }
    if let Some(face_url) = entry.face_url
        && face_url != account.profile.face_url
    {
        account.profile.face_url = face_url;
        changed = true;
    }
    if changed {
        account.changed_at = now;
    }
    changed.then_some(account)
}
