//! The requests of one commit.
//!
//! Requests are planned in order, each against what is durable and what the requests before it in
//! the group will have written. All records go into one fjall batch, which is synced before it is
//! shown to readers. The answers are held back until then.

mod fill;

use std::{collections::BTreeSet, sync::Arc};

use fjall::{OwnedWriteBatch, PersistMode};
use muster_accounts::{
    Account, App, AppChange, InternalId, NewApp, OpError, ProfileField, SdkAppId, StoreError,
    UnixSeconds, UserId,
    rules::{
        self, Known, Write,
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportEntry, ImportOutcome, ImportRefusal, ImportRequest, Stored},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

use crate::{
    Planned, Tenant, app_record,
    index::Place,
    layout::Key,
    pending::Pending,
    record,
    records::{self, Moved, Records, failed, unreadable_record},
    writer::Work,
};

pub(crate) struct Group<'a> {
    records: &'a Records,
    planned: &'a mut Planned,
    batch: OwnedWriteBatch,
    pending: Pending,
    moved: Moved,
    touched_apps: BTreeSet<SdkAppId>,
    kicks: u64,
    answers: Vec<Answer>,
}

/// Tells one caller the outcome, once it is durable.
type Answer = Box<dyn FnOnce() + Send>;

/// A group that is durable and visible, and whose callers wait to hear so.
pub(crate) struct Committed<'a> {
    planned: &'a Planned,
    touched_apps: BTreeSet<SdkAppId>,
    kicks: u64,
    answers: Vec<Answer>,
}

/// A group that failed to commit. Nothing is known of it: some, all or none of its requests may be on
/// disk, though each whole or not at all. Its callers wait until it is dropped.
pub(crate) struct Uncommitted {
    pub(crate) cause: StoreError,
    _answers: Vec<Answer>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(records: &'a Records, planned: &'a mut Planned) -> Self {
        Self {
            batch: records
                .engine
                .db
                .batch()
                .durability(Some(PersistMode::SyncData)),
            records,
            pending: Pending::new(following(planned.last_id)),
            planned,
            moved: Moved::default(),
            touched_apps: BTreeSet::new(),
            kicks: 0,
            answers: Vec::new(),
        }
    }

    /// How many records the group will write.
    pub(crate) fn records(&self) -> usize {
        // The batch has the apps, as long as it is not committed.
        self.pending.len() + self.batch.len()
    }

    /// Plans one request and takes its writes in. A request that is refused, or that fails to read
    /// what it needs, takes in nothing.
    pub(crate) fn take(&mut self, work: Work) {
        // A caller who has stopped waiting drops the other end; its answer goes nowhere.
        let answer: Answer = match work {
            Work::Import {
                app,
                request,
                now,
                reply,
            } => {
                let outcome = self.import(app, request, now);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::SetProfile {
                app,
                user_id,
                fields,
                now,
                reply,
            } => {
                let outcome = self.set_profile(app, &user_id, fields, now);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::Delete {
                app,
                users,
                now,
                reply,
            } => {
                let outcome = self.delete(app, &users, now);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::Kick {
                app,
                user_id,
                now,
                reply,
            } => {
                let outcome = self.kick(app, &user_id, now);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::CreateApp { new, now, reply } => {
                let outcome = self.create_app(new, now);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::ChangeApp {
                app,
                change,
                now,
                reply,
            } => {
                let outcome = self.change_app(app, change, now);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::PutApp { app, reply } => {
                let outcome = self.put_app(*app);
                Box::new(move || drop(reply.send(outcome)))
            }
            Work::PutRecords {
                app,
                records,
                reply,
            } => {
                let outcome = self.put_records(app, &records);
                Box::new(move || drop(reply.send(outcome)))
            }
        };
        self.answers.push(answer);
    }

    /// Makes the group durable, then visible.
    pub(crate) fn commit(mut self) -> Result<Committed<'a>, Uncommitted> {
        self.pending
            .write(&mut self.batch, &self.records.engine.keyspace);
        let writes = !self.batch.is_empty();
        if let Err(error) = self.batch.commit() {
            return Err(Uncommitted {
                cause: failed(error),
                _answers: self.answers,
            });
        }
        if writes {
            self.records.publish(self.planned.last_id, &self.moved);
        }
        Ok(Committed {
            planned: self.planned,
            touched_apps: self.touched_apps,
            kicks: self.kicks,
            answers: self.answers,
        })
    }

    fn import(
        &mut self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        let entries = request.entries();
        let places = self.find(app, entries.iter().map(|entry| &entry.user_id));
        let mut stored = Vec::with_capacity(entries.len());
        for (entry, place) in entries.iter().zip(places) {
            stored.push(self.stored(app, entry, place)?);
        }
        let Planned { apps, last_id, .. } = &mut *self.planned;
        let tenant = apps.get(&app).ok_or(StoreError::UnknownApp(app))?;
        let new_id = || take_next(last_id);
        let (writes, outcome) =
            rules::import::plan(&tenant.app, tenant.counted, request, stored, now, new_id)
                .map_err(OpError::Refused)?;
        self.stage(app, writes);
        Ok(outcome)
    }

    fn set_profile(
        &mut self,
        app: SdkAppId,
        user_id: &UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>> {
        self.tenant(app)?;
        let known = self.known(app, user_id)?;
        let write = rules::profile::plan(known, fields, now).map_err(OpError::Refused)?;
        self.stage(app, write);
        Ok(())
    }

    fn delete(
        &mut self,
        app: SdkAppId,
        users: &[UserId],
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        let places = self.find(app, users.iter());
        let known = users.iter().zip(places);
        let known = known
            .map(|(user_id, place)| self.known_at(app, user_id, place))
            .collect::<Result<_, _>>()?;
        let tenant = self
            .planned
            .apps
            .get(&app)
            .ok_or(StoreError::UnknownApp(app))?;
        let (writes, deletions) =
            rules::delete::plan(&tenant.app, users, known, now).map_err(OpError::Refused)?;
        self.stage(app, writes);
        Ok(deletions)
    }

    fn kick(
        &mut self,
        app: SdkAppId,
        user_id: &UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        self.tenant(app)?;
        let known = self.known(app, user_id)?;
        let write = rules::kick::plan(known, now).map_err(OpError::Refused)?;
        self.kicks += u64::from(write.is_some());
        self.stage(app, write);
        Ok(())
    }

    fn create_app(
        &mut self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let Planned { apps, last_id, .. } = &mut *self.planned;
        let existing = apps.get(&new.sdkappid).map(|tenant| &*tenant.app);
        let (app, write) = rules::app::create(existing, new, now, || take_next(last_id))
            .map_err(OpError::Refused)?;
        let sdkappid = app.sdkappid;
        let app = Arc::new(app);
        apps.insert(
            sdkappid,
            Tenant {
                app: app.clone(),
                accounts: 0,
                counted: 0,
            },
        );
        self.stage_app(&app);
        self.stage(sdkappid, [write]);
        Ok(app)
    }

    fn change_app(
        &mut self,
        sdkappid: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let known = match change.new_admin() {
            Some(user_id) => self.known(sdkappid, user_id)?,
            None => Known::Nothing,
        };
        let Planned { apps, last_id, .. } = &mut *self.planned;
        let tenant = apps
            .get_mut(&sdkappid)
            .ok_or(StoreError::UnknownApp(sdkappid))?;
        let new_id = || take_next(last_id);
        let (app, write) = rules::app::change(&tenant.app, change, known, now, new_id)
            .map_err(OpError::Refused)?;
        let app = Arc::new(app);
        tenant.app = app.clone();
        self.stage_app(&app);
        self.stage(sdkappid, write);
        Ok(app)
    }

    fn tenant(&self, app: SdkAppId) -> Result<&Tenant, StoreError> {
        self.planned
            .apps
            .get(&app)
            .ok_or(StoreError::UnknownApp(app))
    }

    /// What will be known of a user once the requests taken so far are written.
    fn known(&self, app: SdkAppId, user_id: &UserId) -> Result<Known, StoreError> {
        let places = self.find(app, [user_id].into_iter());
        self.known_at(app, user_id, places.into_iter().next().flatten())
    }

    /// Where users stand, also those that the requests taken so far bring.
    fn find<'u>(
        &self,
        app: SdkAppId,
        users: impl Iterator<Item = &'u UserId>,
    ) -> Vec<Option<Place>> {
        let hashes: Vec<_> = users
            .map(|user_id| self.records.hasher.hash(app, user_id))
            .collect();
        self.records.places(&hashes, self.planned.last_id)
    }

    /// What is known of the user of an entry, who stands there.
    fn stored(
        &mut self,
        app: SdkAppId,
        entry: &ImportEntry,
        place: Option<Place>,
    ) -> Result<Stored, StoreError> {
        if let (Some(place), Some(nick), Some(face_url)) = (place, &entry.nick, &entry.face_url)
            && self.planned.digests.are(place.internal_id, nick, face_url)
        {
            return Ok(Stored::Same);
        }
        let known = self.known_at(app, &entry.user_id, place)?;
        Ok(Stored::Known(known))
    }

    /// What is known of a user, who stands there.
    fn known_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
        place: Option<Place>,
    ) -> Result<Known, StoreError> {
        let Some(place) = place else {
            return Ok(Known::Nothing);
        };
        let internal_id = place.internal_id;
        match self.pending.get(app, internal_id) {
            Some(record) => records::known_of(user_id, internal_id, record)
                .map_err(|error| unreadable_record(app, internal_id, error)),
            None => self.records.newest(app, user_id, place),
        }
    }

    fn stage_app(&mut self, app: &App) {
        let value = app_record::encode(app);
        self.batch.insert(
            &self.records.engine.keyspace,
            Key::App(app.sdkappid).to_bytes(),
            value,
        );
        self.touched_apps.insert(app.sdkappid);
    }

    /// Takes the writes of one plan in, for the commit and for what later requests see.
    fn stage(&mut self, app: SdkAppId, writes: impl IntoIterator<Item = Write>) {
        let mut new = Vec::new();
        let (mut accounts, mut counted) = (0, 0);
        let one = |user_id: &UserId| i64::from(!user_id.is_administrator());
        for write in writes {
            match write {
                Write::Create { account, replaces } => {
                    let hash = self.records.hasher.hash(app, &account.user_id);
                    if let Some(replaced) = replaces {
                        let nothing = |out: &mut Vec<u8>| out.extend(record::NOTHING);
                        self.pending.put(app, replaced, nothing);
                        self.moved.removed.push((hash, replaced));
                    }
                    let in_block = self.put_account(app, &account);
                    let place = Place {
                        internal_id: account.internal_id,
                        in_block,
                        is_deleted: false,
                    };
                    new.push((hash, place));
                    accounts += 1;
                    counted += one(&account.user_id);
                }
                Write::Update(account) => {
                    let in_block = self.put_account(app, &account);
                    self.moves(app, &account.user_id, account.internal_id, in_block, false);
                }
                Write::Delete(tombstone) => {
                    let internal_id = tombstone.internal_id;
                    let encode = |out: &mut Vec<u8>| record::encode_tombstone(&tombstone, out);
                    let in_block = self.pending.put(app, internal_id, encode);
                    self.planned.digests.clear(internal_id);
                    self.moves(app, &tombstone.user_id, internal_id, in_block, true);
                    accounts -= 1;
                    counted -= one(&tombstone.user_id);
                }
            }
        }
        self.records.insert(&new);
        self.count(app, accounts, counted);
    }

    /// Notes that readers will find a record elsewhere, or as a tombstone.
    fn moves(
        &mut self,
        app: SdkAppId,
        user_id: &UserId,
        internal_id: InternalId,
        in_block: Option<u8>,
        is_deleted: bool,
    ) {
        let hash = self.records.hasher.hash(app, user_id);
        let place = Place {
            internal_id,
            in_block,
            is_deleted,
        };
        self.moved.replaced.push((hash, place));
    }

    fn put_account(&mut self, app: SdkAppId, account: &Account) -> Option<u8> {
        let internal_id = account.internal_id;
        let digests = &mut self.planned.digests;
        self.pending.put(app, internal_id, |out| {
            let texts = record::encode_account(account, out);
            digests.set(internal_id, &out[texts]);
        })
    }

    /// Counts accounts that came, or with a negative number those that went: all, and those that
    /// count against the cap.
    fn count(&mut self, app: SdkAppId, accounts: i64, counted: i64) {
        if accounts == 0 {
            return;
        }
        let tenant = self
            .planned
            .apps
            .get_mut(&app)
            .expect("the plan was made for this app");
        let add = |count: u64, change| {
            count
                .checked_add_signed(change)
                .expect("only accounts that are counted are deleted")
        };
        tenant.accounts = add(tenant.accounts, accounts);
        tenant.counted = add(tenant.counted, counted);
        self.touched_apps.insert(app);
    }
}

impl Committed<'_> {
    /// The apps that changed, or whose number of accounts did.
    pub(crate) fn apps(&self) -> impl Iterator<Item = (SdkAppId, &Tenant)> {
        self.touched_apps
            .iter()
            .map(|app| (*app, &self.planned.apps[app]))
    }

    /// How many users were kicked.
    pub(crate) fn kicks(&self) -> u64 {
        self.kicks
    }

    /// Tells every caller.
    pub(crate) fn answer(self) {
        for answer in self.answers {
            answer();
        }
    }
}

fn following(last_id: Option<InternalId>) -> InternalId {
    last_id.map_or(InternalId::FIRST, InternalId::next)
}

fn take_next(last_id: &mut Option<InternalId>) -> InternalId {
    *last_id.insert(following(*last_id))
}

#[cfg(test)]
mod tests {
    use muster_accounts::{Edition, Nick};
    use muster_usersig::SecretKey;

    use super::*;
    use crate::open::Engine;

    const APP: SdkAppId = SdkAppId(7);
    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn import(name: &str, nick: &str) -> Work {
        let entry = ImportEntry {
            position: 0,
            user_id: UserId::parse(name).unwrap(),
            nick: Some(Nick::parse(nick.into()).unwrap()),
            face_url: None,
        };
        let request = ImportRequest::new(vec![entry]);
        Work::Import {
            app: APP,
            request,
            now: NOW,
            reply: tokio::sync::oneshot::channel().0,
        }
    }

    /// Between planning and commit nothing is to be seen, neither of what is new nor of what changes.
    #[test]
    fn nothing_is_visible_before_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).unwrap();
        let (records, mut planned) = Records::open(engine, u64::MAX).unwrap();
        let key = SecretKey::from_random([1; 32]);
        let new = NewApp {
            sdkappid: APP,
            edition: Edition::Developer,
            key,
        };
        let mut group = Group::new(&records, &mut planned);
        group.create_app(new, NOW).unwrap();
        group.take(import("old", "before"));
        assert!(group.commit().is_ok());

        let users = ["old", "new"].map(|name| UserId::parse(name).unwrap());
        let seen = || {
            let accounts = records.accounts(APP, &users).unwrap();
            let nick = |account: Option<Account>| {
                account.map(|account| account.profile.nick.as_str().to_owned())
            };
            accounts.into_iter().map(nick).collect::<Vec<_>>()
        };
        let before = [Some("before".to_owned()), None];
        let after = [Some("after".to_owned()), Some("after".to_owned())];
        let mut group = Group::new(&records, &mut planned);
        group.take(import("old", "after"));
        group.take(import("new", "after"));
        assert_eq!(seen(), before);
        assert_eq!(records.have_accounts(APP, &users), [true, false]);
        assert_eq!(records.page(APP, None, 10).unwrap().len(), 2);
        assert!(group.commit().is_ok());
        assert_eq!(seen(), after);
    }
}
