//! The suite finds out stores that break a promise, and takes no promise for broken that is kept.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use muster_accounts::{
    Account, AccountStore, App, AppChange, InternalId, NewApp, OpError, ProfileField,
    ReferenceStore, SdkAppId, StoreError, StoreStats, UnixSeconds, UserId,
    rules::{
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use muster_store_suite::{Subject, concurrent, model};
use tokio::{runtime::Runtime, task::yield_now};

/// What a store does wrong. A number, so that it can be a part of a type.
type Fault = u8;

const NONE: Fault = 0;
/// A user who comes back gets the id that they had.
const ID_GIVEN_AGAIN: Fault = 1;
/// A full page ends with its last account but one, and the next one begins as if it had not.
const PAGE_TOO_SHORT: Fault = 2;
/// Texts end at U+0000.
const TEXT_CUT: Fault = 3;
/// A kick leaves the number of kicks as it was.
const KICK_UNNOTICED: Fault = 4;
/// What was imported since the store was opened is gone when it is opened again.
const NOT_DURABLE: Fault = 5;
/// A batch is imported one by one.
const BATCH_IN_PARTS: Fault = 6;
/// A profile is read, and written back later as a whole.
const CHANGE_LOST: Fault = 7;
/// A read shows what the one before it should have shown.
const READ_TOO_OLD: Fault = 8;

/// The reference store with a fault. Its ids have gaps.
struct Store<const FAULT: Fault> {
    inner: ReferenceStore,
    first_ids: Mutex<HashMap<(SdkAppId, UserId), InternalId>>,
    last_read: Mutex<HashMap<Vec<UserId>, Vec<Option<Account>>>>,
}

const GAP: u64 = 3;

impl<const FAULT: Fault> Store<FAULT> {
    fn new() -> Self {
        Self {
            inner: ReferenceStore::default(),
            first_ids: Mutex::default(),
            last_read: Mutex::default(),
        }
    }

    fn shown(&self, app: SdkAppId, mut account: Account) -> Account {
        let first = InternalId::FIRST.get();
        let id = first + (account.internal_id.get() - first) * GAP;
        account.internal_id = InternalId::new(id).unwrap();
        if FAULT == ID_GIVEN_AGAIN {
            let mut ids = self.first_ids.lock().unwrap();
            let id = ids.entry((app, account.user_id));
            account.internal_id = *id.or_insert(account.internal_id);
        }
        account
    }
}

#[async_trait]
impl<const FAULT: Fault> AccountStore for Store<FAULT> {
    async fn import(
        &self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        let mut entries = request.entries().to_vec();
        if FAULT == TEXT_CUT {
            for nick in entries.iter_mut().filter_map(|entry| entry.nick.as_mut()) {
                let text = nick.as_str().split('\0').next().unwrap().to_owned();
                *nick = muster_accounts::Nick::parse(text.into()).unwrap();
            }
            let cut = ImportRequest::new(entries.clone());
            if *cut.entries() != *request.entries() {
                return self.inner.import(app, cut, now).await;
            }
        }
        if FAULT == BATCH_IN_PARTS {
            let mut outcome = ImportOutcome::default();
            for entry in entries {
                let part = ImportRequest::new(vec![entry]);
                let part = self.inner.import(app, part, now).await?;
                outcome.entries.extend(part.entries);
                outcome.barred.extend(part.barred);
                yield_now().await;
            }
            return Ok(outcome);
        }
        self.inner.import(app, request, now).await
    }

    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.inner.check(app, users).await
    }

    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        let accounts = self.inner.accounts(app, users).await?;
        let shown = |account| self.shown(app, account);
        let accounts: Vec<_> = accounts
            .into_iter()
            .map(|account| account.map(shown))
            .collect();
        if FAULT == READ_TOO_OLD {
            let mut last_read = self.last_read.lock().unwrap();
            let last = last_read.insert(users.to_vec(), accounts.clone());
            return Ok(last.unwrap_or(accounts));
        }
        Ok(accounts)
    }

    async fn set_profile(
        &self,
        app: SdkAppId,
        user_id: UserId,
        mut fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>> {
        if FAULT == CHANGE_LOST {
            let before = self.inner.accounts(app, &[user_id]).await?;
            // Until another call has come between, if there is one.
            for _ in 0..1000 {
                yield_now().await;
                if self.inner.accounts(app, &[user_id]).await? != before {
                    break;
                }
            }
            let before = before.into_iter().next().flatten();
            if let Some(before) = before {
                fields.insert(0, ProfileField::Nick(before.profile.nick));
            }
        }
        self.inner.set_profile(app, user_id, fields, now).await
    }

    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        self.inner.delete(app, users, now).await
    }

    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        self.inner.kick(app, user_id, now).await
    }

    async fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        self.inner.kicked_at(app, user_id).await
    }

    fn kicks(&self) -> u64 {
        if FAULT == KICK_UNNOTICED {
            return 0;
        }
        self.inner.kicks()
    }

    async fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let first = InternalId::FIRST.get();
        let after = after.map(|after| first + (after.get() - first) / GAP);
        let after = after.and_then(InternalId::new);
        let page = self.inner.page(app, after, limit).await?;
        let mut page: Vec<_> = page
            .into_iter()
            .map(|account| self.shown(app, account))
            .collect();
        if FAULT == PAGE_TOO_SHORT && page.len() == limit {
            page.remove(limit - 2);
        }
        Ok(page)
    }

    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError> {
        self.inner.count(app).await
    }

    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        self.inner.app(app).await
    }

    async fn apps(&self) -> Result<Vec<Arc<App>>, StoreError> {
        self.inner.apps().await
    }

    async fn create_app(
        &self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        self.inner.create_app(new, now).await
    }

    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        self.inner.change_app(app, change, now).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }

    async fn stopped(&self) -> StoreError {
        self.inner.stopped().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }

    fn back_up(&self, out: &mut dyn io::Write) -> Result<(), StoreError> {
        self.inner.back_up(out)
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
}

struct Faulty<const FAULT: Fault, const COUNTS_IDS: bool>(Store<FAULT>);

impl<const FAULT: Fault, const COUNTS_IDS: bool> Subject for Faulty<FAULT, COUNTS_IDS> {
    type Store = Store<FAULT>;

    const KEEPS_ORDER: bool = false;
    const COUNTS_IDS: bool = COUNTS_IDS;

    async fn new() -> Self {
        Self(Store::new())
    }

    fn store(&self) -> &Store<FAULT> {
        &self.0
    }

    async fn reopen(self) -> Self {
        if FAULT == NOT_DURABLE {
            return Self::new().await;
        }
        self
    }
}

fn finds_out(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

fn answers_as_the_model<const FAULT: Fault, const COUNTS_IDS: bool>() {
    model::run::<Faulty<FAULT, COUNTS_IDS>>(16);
}

fn answers_many_callers<const FAULT: Fault>() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(concurrent::run(Arc::new(Store::<FAULT>::new())));
}

#[test]
fn ids_may_have_gaps_where_that_is_said() {
    answers_as_the_model::<NONE, false>();
    assert!(finds_out(answers_as_the_model::<NONE, true>));
    answers_many_callers::<NONE>();
}

#[test]
fn what_one_caller_meets_is_found_out() {
    for (fault, check) in [
        (
            "id given again",
            answers_as_the_model::<ID_GIVEN_AGAIN, false> as fn(),
        ),
        (
            "page too short",
            answers_as_the_model::<PAGE_TOO_SHORT, false>,
        ),
        ("text cut", answers_as_the_model::<TEXT_CUT, false>),
        (
            "kick unnoticed",
            answers_as_the_model::<KICK_UNNOTICED, false>,
        ),
        ("not durable", answers_as_the_model::<NOT_DURABLE, false>),
    ] {
        assert!(finds_out(check), "{fault}");
    }
}

#[test]
fn what_only_many_callers_meet_is_found_out() {
    for (fault, check) in [
        (
            "batch in parts",
            answers_many_callers::<BATCH_IN_PARTS> as fn(),
        ),
        ("change lost", answers_many_callers::<CHANGE_LOST>),
        ("read too old", answers_many_callers::<READ_TOO_OLD>),
        ("id given again", answers_many_callers::<ID_GIVEN_AGAIN>),
    ] {
        assert!(finds_out(check), "{fault}");
    }
}
