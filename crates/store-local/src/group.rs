//! The requests of one commit.
//!
//! Requests are planned in order, each against what is durable and what the requests before it in
//! the group will have written. All records go into one fjall batch, which is synced before it is
//! shown to readers. The answers are held back until then.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use fjall::{OwnedWriteBatch, PersistMode};
use muster_accounts::{
    App, AppChange, InternalId, NewApp, OpError, ProfileField, SdkAppId, StoreError, UnixSeconds,
    UserId,
    rules::{
        self, Known, Write,
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

use crate::{
    Tenant, Tenants, app_record,
    layout::Key,
    record,
    records::{self, Records, failed, is_of},
    writer::Work,
};

pub(crate) struct Group<'a> {
    records: &'a Records,
    tenants: &'a mut Tenants,
    batch: OwnedWriteBatch,
    /// New records of this group, by app; their ids follow each other from `first_new` on.
    created: Vec<(SdkAppId, Pending)>,
    first_new: InternalId,
    /// Older records that this group changes, by id.
    changed: HashMap<(SdkAppId, InternalId), Pending>,
    /// The bytes of those records. They are kept rather than the accounts themselves, of which a
    /// large group would hold megabytes, and few of which are ever asked for again.
    pending: Vec<u8>,
    /// Slots of the index whose records this group removes.
    removed: Vec<(u64, InternalId)>,
    touched_apps: BTreeSet<SdkAppId>,
    kicks: u64,
    answers: Vec<Answer>,
    // Kept between users for its capacity.
    candidates: Vec<InternalId>,
}

/// What this group will have written under an id.
#[derive(Clone)]
enum Pending {
    /// The record at this place of [`Group::pending`].
    Record(Range<usize>),
    Removed,
}

/// Tells one caller the outcome, once it is durable.
type Answer = Box<dyn FnOnce() + Send>;

/// A group that is durable and visible, and whose callers wait to hear so.
pub(crate) struct Committed<'a> {
    tenants: &'a Tenants,
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
    pub(crate) fn new(records: &'a Records, tenants: &'a mut Tenants) -> Self {
        Self {
            batch: records
                .engine
                .db
                .batch()
                .durability(Some(PersistMode::SyncData)),
            records,
            created: Vec::new(),
            first_new: following(tenants.last_id),
            tenants,
            changed: HashMap::new(),
            pending: Vec::new(),
            removed: Vec::new(),
            touched_apps: BTreeSet::new(),
            kicks: 0,
            answers: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// How many records the group will write.
    pub(crate) fn records(&self) -> usize {
        self.batch.len()
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
        };
        self.answers.push(answer);
    }

    /// Makes the group durable, then visible.
    pub(crate) fn commit(self) -> Result<Committed<'a>, Uncommitted> {
        if let Err(error) = self.batch.commit() {
            return Err(Uncommitted {
                cause: failed(error),
                _answers: self.answers,
            });
        }
        self.records.remove_slots(&self.removed);
        Ok(Committed {
            tenants: self.tenants,
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
        let mut known = Vec::with_capacity(request.entries().len());
        for entry in request.entries() {
            known.push(self.known(app, &entry.user_id)?);
        }
        let Tenants { apps, last_id } = &mut *self.tenants;
        let tenant = apps.get(&app).ok_or(StoreError::UnknownApp(app))?;
        let new_id = || take_next(last_id);
        let (writes, outcome) =
            rules::import::plan(&tenant.app, tenant.counted, request, known, now, new_id)
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
        let mut known = Vec::with_capacity(users.len());
        for user_id in users {
            known.push(self.known(app, user_id)?);
        }
        let tenant = self
            .tenants
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
        let Tenants { apps, last_id } = &mut *self.tenants;
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
        let Tenants { apps, last_id } = &mut *self.tenants;
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
        self.tenants
            .apps
            .get(&app)
            .ok_or(StoreError::UnknownApp(app))
    }

    /// What will be known of a user once the requests taken so far are written.
    fn known(&mut self, app: SdkAppId, user_id: &UserId) -> Result<Known, StoreError> {
        let hash = self.records.index.hash(app, user_id);
        let candidates = &mut self.candidates;
        candidates.clear();
        self.records
            .index
            .candidates(hash, |internal_id| candidates.push(internal_id));
        for internal_id in &self.candidates {
            let known = match self.pending(app, *internal_id) {
                Some(Pending::Removed) => Known::Nothing,
                Some(Pending::Record(place)) => {
                    records::decoded(app, *internal_id, &self.pending[place])?
                }
                None => self.records.newest(app, *internal_id)?,
            };
            if is_of(&known, user_id) {
                return Ok(known);
            }
        }
        Ok(Known::Nothing)
    }

    /// What this group will have written under an id of this app. The app is asked for because users
    /// of two apps may share a hash too.
    fn pending(&self, app: SdkAppId, internal_id: InternalId) -> Option<Pending> {
        match internal_id.get().checked_sub(self.first_new.get()) {
            Some(nth) => {
                let (owner, pending) = self.created.get(usize::try_from(nth).ok()?)?;
                (*owner == app).then(|| pending.clone())
            }
            None => self.changed.get(&(app, internal_id)).cloned(),
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

    /// Takes the writes of one plan into the batch, and into what later requests see.
    fn stage(&mut self, app: SdkAppId, writes: impl IntoIterator<Item = Write>) {
        for write in writes {
            match write {
                Write::Create { account, replaces } => {
                    let hash = self.records.index.hash(app, &account.user_id);
                    if let Some(replaced) = replaces {
                        self.remove_record(app, replaced);
                        self.removed.push((hash, replaced));
                    }
                    self.put_record(app, account.internal_id, |value| {
                        record::encode_account(&account, value);
                    });
                    self.records.index.insert(hash, account.internal_id);
                    self.count(app, &account.user_id, 1);
                }
                Write::Update(account) => {
                    self.put_record(app, account.internal_id, |value| {
                        record::encode_account(&account, value);
                    });
                }
                Write::Delete(tombstone) => {
                    self.put_record(app, tombstone.internal_id, |value| {
                        record::encode_tombstone(&tombstone, value);
                    });
                    self.count(app, &tombstone.user_id, -1);
                }
            }
        }
    }

    /// Puts a record under an id.
    fn put_record(
        &mut self,
        app: SdkAppId,
        internal_id: InternalId,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.pending.len();
        encode(&mut self.pending);
        let place = start..self.pending.len();
        let key = Key::Account(app, internal_id).to_bytes();
        self.batch.insert(
            &self.records.engine.keyspace,
            key,
            &self.pending[place.clone()],
        );
        self.set_pending(app, internal_id, Pending::Record(place));
    }

    fn remove_record(&mut self, app: SdkAppId, internal_id: InternalId) {
        self.batch.remove(
            &self.records.engine.keyspace,
            Key::Account(app, internal_id).to_bytes(),
        );
        self.set_pending(app, internal_id, Pending::Removed);
    }

    fn set_pending(&mut self, app: SdkAppId, internal_id: InternalId, pending: Pending) {
        let Some(nth) = internal_id.get().checked_sub(self.first_new.get()) else {
            self.changed.insert((app, internal_id), pending);
            return;
        };
        let nth = usize::try_from(nth).expect("a group is small");
        if nth == self.created.len() {
            self.created.push((app, pending));
        } else {
            self.created[nth] = (app, pending);
        }
    }

    fn count(&mut self, app: SdkAppId, user_id: &UserId, change: i64) {
        let tenant = self
            .tenants
            .apps
            .get_mut(&app)
            .expect("the plan was made for this app");
        let add = |count: u64| {
            count
                .checked_add_signed(change)
                .expect("only accounts that are counted are deleted")
        };
        tenant.accounts = add(tenant.accounts);
        if !user_id.is_administrator() {
            tenant.counted = add(tenant.counted);
        }
        self.touched_apps.insert(app);
    }
}

impl Committed<'_> {
    /// The apps that changed, or whose number of accounts did.
    pub(crate) fn apps(&self) -> impl Iterator<Item = (SdkAppId, &Tenant)> {
        self.touched_apps
            .iter()
            .map(|app| (*app, &self.tenants.apps[app]))
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
    use muster_accounts::{Edition, Nick, rules::import::ImportEntry};
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
        let (records, mut tenants) = Records::open(engine, u64::MAX).unwrap();
        let key = SecretKey::from_random([1; 32]);
        let new = NewApp {
            sdkappid: APP,
            edition: Edition::Developer,
            key,
        };
        let mut group = Group::new(&records, &mut tenants);
        group.create_app(new, NOW).unwrap();
        group.take(import("old", "before"));
        assert!(group.commit().is_ok());

        let users = ["old", "new"].map(|name| UserId::parse(name).unwrap());
        let seen = || {
            let accounts = records.accounts(APP, &users).unwrap();
            let nick = |account: Option<muster_accounts::Account>| {
                account.map(|account| account.profile.nick.as_str().to_owned())
            };
            accounts.into_iter().map(nick).collect::<Vec<_>>()
        };
        let before = [Some("before".to_owned()), None];
        let after = [Some("after".to_owned()), Some("after".to_owned())];
        let mut group = Group::new(&records, &mut tenants);
        group.take(import("old", "after"));
        group.take(import("new", "after"));
        assert_eq!(seen(), before);
        assert_eq!(records.have_accounts(APP, &users).unwrap(), [true, false]);
        assert_eq!(records.page(APP, None, 10).unwrap().len(), 2);
        assert!(group.commit().is_ok());
        assert_eq!(seen(), after);
    }
}
