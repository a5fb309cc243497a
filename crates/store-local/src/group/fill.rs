//! Records that come as they are, from another store, with their ids.
//!
//! They go into blocks as new records do, where their ids follow each other. Nobody else uses the store
//! meanwhile: the index shows them before the commit.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use muster_accounts::{App, InternalId, OpError, Record, SdkAppId, StoreError};

use super::{Group, following};
use crate::{
    Tenant, block,
    index::{IDS_LIMIT, Place, UserHash},
    layout::Key,
    pending::Pending,
    record,
    scan::scan,
};

impl Group<'_> {
    pub(super) fn put_app(&mut self, app: App) -> Result<(), OpError<Infallible>> {
        let sdkappid = app.sdkappid;
        if self.planned.apps.contains_key(&sdkappid) {
            return Err(failed(format!("there is an app {sdkappid} already")));
        }
        let app = Arc::new(app);
        self.stage_app(&app);
        let tenant = Tenant {
            app,
            accounts: 0,
            counted: 0,
        };
        self.planned.apps.insert(sdkappid, tenant);
        Ok(())
    }

    pub(super) fn put_records(
        &mut self,
        app: SdkAppId,
        records: &[Record],
    ) -> Result<(), OpError<Infallible>> {
        self.tenant(app)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        let hashes: Vec<UserHash> = records
            .iter()
            .map(|record| self.records.hasher.hash(app, &record.user_id()))
            .collect();
        self.judge(app, records, &hashes)?;
        self.room(app, first.internal_id())?;

        let mut places = Vec::with_capacity(records.len());
        let (mut accounts, mut counted) = (0, 0);
        let (mut bytes, mut value) = (Vec::new(), Vec::new());
        for run in runs(records) {
            bytes.clear();
            value.clear();
            let mut ranges = Vec::with_capacity(run.len());
            for (nth, record) in (0..).zip(run) {
                let internal_id = record.internal_id();
                let start = bytes.len();
                match record {
                    Record::Account(account) => {
                        let texts = record::encode_account(account, &mut bytes);
                        self.planned.digests.set(internal_id, &bytes[texts]);
                        accounts += 1;
                        counted += i64::from(!account.user_id.is_administrator());
                    }
                    Record::Deleted(tombstone) => record::encode_tombstone(tombstone, &mut bytes),
                }
                ranges.push(start..bytes.len());
                places.push(Place {
                    internal_id,
                    in_block: Some(nth),
                    is_deleted: matches!(record, Record::Deleted(_)),
                });
            }
            let values = ranges.iter().map(|range| &bytes[range.clone()]);
            block::encode(values, &mut value);
            let key = Key::Block(app, run[0].internal_id());
            let keyspace = &self.records.engine.keyspace;
            self.batch.insert(keyspace, key.to_bytes(), &value[..]);
        }
        let new: Vec<_> = hashes.into_iter().zip(places).collect();
        self.records.insert(&new);
        self.planned.last_id = self.planned.last_id.max(Some(last.internal_id()));
        // Ids that are given from here on follow these.
        self.pending = Pending::new(following(self.planned.last_id));
        self.count(app, accounts, counted);
        Ok(())
    }

    /// Whether the records are in order, and of users of whom nothing is known.
    fn judge(
        &self,
        app: SdkAppId,
        records: &[Record],
        hashes: &[UserHash],
    ) -> Result<(), OpError<Infallible>> {
        let is_alone = self.pending.len() == 0 && self.batch.is_empty();
        if !is_alone {
            return Err(failed("somebody else changes the store".to_owned()));
        }
        let in_order = records.is_sorted_by(|a, b| a.internal_id() < b.internal_id());
        if !in_order {
            return Err(failed(
                "records are to come in order of internal id".to_owned(),
            ));
        }
        let mut users = HashSet::with_capacity(records.len());
        let places = self.records.places(hashes, self.planned.last_id);
        for (record, place) in records.iter().zip(places) {
            let (user_id, internal_id) = (record.user_id(), record.internal_id());
            if place.is_some() || !users.insert(user_id) {
                let text = format!("there is a record of user {user_id:?} of app {app} already");
                return Err(failed(text));
            }
            if internal_id.get() - InternalId::FIRST.get() >= IDS_LIMIT {
                let text = format!(
                    "internal id {internal_id} of app {app} is greater than this kind of store can hold"
                );
                return Err(failed(text));
            }
        }
        Ok(())
    }

    /// Whether no record of the app stands under this id or a greater one.
    fn room(&self, app: SdkAppId, first: InternalId) -> Result<(), OpError<Infallible>> {
        let Some(last) = self.planned.last_id.filter(|last| first <= *last) else {
            return Ok(());
        };
        let engine = &self.records.engine;
        let snapshot = engine.db.snapshot();
        match scan(engine, &snapshot, app, first, last).next() {
            None => Ok(()),
            Some(scanned) => {
                let internal_id = scanned?.internal_id;
                let text = format!("there is a record {internal_id} of app {app} already");
                Err(failed(text))
            }
        }
    }
}

fn failed(text: String) -> OpError<Infallible> {
    StoreError::Failed(text.into()).into()
}

/// Cut where an id does not follow the one before it, and where a block is full.
fn runs(records: &[Record]) -> impl Iterator<Item = &[Record]> {
    records
        .chunk_by(|a, b| a.internal_id().next() == b.internal_id())
        .flat_map(|run| run.chunks(usize::from(block::LIMIT)))
}

#[cfg(test)]
mod tests {
    use muster_accounts::{
        Account, AppSettings, Edition, Profile, Tombstone, UnixSeconds, UserId,
        rules::import::{ImportEntry, ImportRequest},
    };
    use tokio::sync::oneshot;

    use super::*;
    use crate::{open::Engine, records::Records, writer::Work};

    const APP: SdkAppId = SdkAppId(7);
    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn id(number: u64) -> InternalId {
        InternalId::new(InternalId::FIRST.get() + number).unwrap()
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    /// Nobody is to do so, but it must not lead to two accounts of one id, or two records in one place.
    #[test]
    fn an_import_in_the_same_commit_comes_after() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).unwrap();
        let (records, mut planned) = Records::open(engine, u64::MAX).unwrap();
        let app = App {
            sdkappid: APP,
            edition: Edition::Developer,
            keys: Vec::new(),
            admins: [UserId::ADMINISTRATOR].into(),
            created_at: NOW,
            settings: AppSettings::default(),
            times_disabled: 0,
        };
        let mut group = Group::new(&records, &mut planned);
        group.put_app(app).unwrap();
        assert!(group.commit().is_ok());

        let account = |number, name| Account {
            internal_id: id(number),
            user_id: user(name),
            imported_at: NOW,
            changed_at: NOW,
            kicked_at: None,
            profile: Profile::default(),
        };
        let gone = Tombstone {
            internal_id: id(41),
            user_id: user("gone"),
            deleted_at: NOW,
            kicked_at: None,
        };
        let put = [
            Record::Account(account(40, "ann")),
            Record::Deleted(gone),
            Record::Account(account(90, "bob")),
        ];
        let import = |name| Work::Import {
            app: APP,
            request: ImportRequest::new(vec![ImportEntry {
                position: 0,
                user_id: user(name),
                nick: None,
                face_url: None,
            }]),
            now: NOW,
            reply: oneshot::channel().0,
        };
        let mut group = Group::new(&records, &mut planned);
        group.put_records(APP, &put).unwrap();
        group.take(import("cho"));
        // What others have taken in already leaves no room for more.
        let late = [Record::Account(account(100, "dan"))];
        assert!(group.put_records(APP, &late).is_err());
        assert!(group.commit().is_ok());

        let all = [account(40, "ann"), account(90, "bob"), account(91, "cho")];
        assert_eq!(records.page(APP, None, 10).unwrap(), all);
    }
}
