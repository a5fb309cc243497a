//! The embedded store against the reference store: long random sequences of calls, with the store
//! closed and opened again, or restored from its backup, in between. Whatever the model answers, the store must answer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    future::poll_fn,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
};

use muster_accounts::{
    Account, AccountStore, App, AppChange, AppPatch, Edition, FaceUrl, NewApp, Nick, OpError,
    ProfileField, ReferenceStore, SdkAppId, StoreError, UnixSeconds, UserId,
    profile::{CustomField, CustomValue, Gender, Location},
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::{LocalStore, restore};
use muster_usersig::SecretKey;
use proptest::{prelude::*, sample::select};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Few enough users that they meet again and again.
const USERS: usize = 24;
const APPS: [SdkAppId; 3] = [SdkAppId(7), SdkAppId(1_400_000_000), SdkAppId(u32::MAX)];

/// Requests that shared a commit with another, over all runs: without any, groups were not tested.
static GROUPED: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug)]
enum Call {
    Import(SdkAppId, Vec<ImportEntry>),
    /// An import that only says what would happen.
    DryRun(SdkAppId, Vec<ImportEntry>),
    SetProfile(SdkAppId, UserId, Vec<ProfileField>),
    Delete(SdkAppId, Vec<UserId>),
    Kick(SdkAppId, UserId),
    CreateApp(SdkAppId, Edition),
    ChangeApp(SdkAppId, AppChange),
    Find(SdkAppId, Vec<UserId>),
    /// Calls made one after the other without waiting for answers, so that the store commits them as
    /// few groups. It must answer as if each had waited for the one before.
    Together(Vec<Call>),
    /// The clock goes on, by days, so that re-import bars end.
    Wait(u64),
    Reopen,
    /// The store is backed up, and goes on from the backup.
    Restore,
    /// Imports this many further users, to reach the cap of the trial edition.
    Fill(SdkAppId, usize),
}

impl Call {
    fn is_dry(&self) -> bool {
        matches!(self, Self::DryRun(..))
    }
}

fn user() -> impl Strategy<Value = UserId> {
    (0..USERS).prop_map(|i| match i {
        0 => UserId::ADMINISTRATOR,
        i => UserId::parse(&format!("user{i}")).unwrap(),
    })
}

fn text() -> impl Strategy<Value = String> {
    select(vec![
        "",
        "Ann",
        "小军",
        "Nick_001",
        "http://www.qq.com",
        "0123456789",
    ])
    .prop_map(ToOwned::to_owned)
}

fn entry() -> impl Strategy<Value = ImportEntry> {
    (user(), prop::option::of(text()), prop::option::of(text())).prop_map(
        |(user_id, nick, face)| ImportEntry {
            position: 0,
            user_id,
            nick: nick.map(|text| Nick::parse(text.into()).unwrap()),
            face_url: face.map(|text| FaceUrl::parse(text.into()).unwrap()),
        },
    )
}

fn entries() -> impl Strategy<Value = Vec<ImportEntry>> {
    prop::collection::vec(entry(), 1..12).prop_map(numbered)
}

fn numbered(mut entries: Vec<ImportEntry>) -> Vec<ImportEntry> {
    for (position, entry) in entries.iter_mut().enumerate() {
        entry.position = position;
    }
    entries
}

fn entry_of(name: &str) -> ImportEntry {
    let user_id = UserId::parse(name).unwrap();
    ImportEntry {
        position: 0,
        user_id,
        nick: None,
        face_url: None,
    }
}

fn field() -> impl Strategy<Value = ProfileField> {
    prop_oneof![
        text().prop_map(|text| ProfileField::Nick(Nick::parse(text.into()).unwrap())),
        text().prop_map(|text| ProfileField::FaceUrl(FaceUrl::parse(text.into()).unwrap())),
        text().prop_map(|text| ProfileField::Custom(
            CustomField::parse("Team").unwrap(),
            CustomValue::parse(text.into()).unwrap()
        )),
        Just(ProfileField::Location(
            Location::parse("here".into()).unwrap()
        )),
        select(vec![Gender::Unknown, Gender::Female, Gender::Male]).prop_map(ProfileField::Gender),
        any::<u32>().prop_map(ProfileField::Level),
    ]
}

fn change() -> impl Strategy<Value = AppChange> {
    prop_oneof![
        (any::<u8>(), select(vec![0, 86_400, 864_000])).prop_map(|(byte, grace_s)| {
            let key = key(byte);
            AppChange::RotateKey { key, grace_s }
        }),
        (select(Edition::ALL.to_vec()), any::<Option<bool>>()).prop_map(|(edition, deletion)| {
            AppChange::Configure(Box::new(AppPatch {
                edition: Some(edition),
                deletion,
                ..AppPatch::default()
            }))
        }),
        user().prop_map(AppChange::AddAdmin),
        user().prop_map(AppChange::RemoveAdmin),
    ]
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_random([byte; 32])
}

/// One call of the trait.
fn call() -> impl Strategy<Value = Call> {
    let app = || select(APPS.to_vec());
    let users = || prop::collection::vec(user(), 1..4);
    prop_oneof![
        8 => (app(), entries()).prop_map(|(app, entries)| Call::Import(app, entries)),
        2 => (app(), entries()).prop_map(|(app, entries)| Call::DryRun(app, entries)),
        3 => (app(), user(), prop::collection::vec(field(), 1..4))
            .prop_map(|(app, user, fields)| Call::SetProfile(app, user, fields)),
        4 => (app(), users()).prop_map(|(app, users)| Call::Delete(app, users)),
        3 => (app(), user()).prop_map(|(app, user)| Call::Kick(app, user)),
        2 => (app(), select(Edition::ALL.to_vec()))
            .prop_map(|(app, edition)| Call::CreateApp(app, edition)),
        2 => (app(), change()).prop_map(|(app, change)| Call::ChangeApp(app, change)),
        2 => (app(), users()).prop_map(|(app, users)| Call::Find(app, users)),
        1 => (app(), 60..101usize).prop_map(|(app, users)| Call::Fill(app, users)),
    ]
}

struct Sequence;

impl ReferenceStateMachine for Sequence {
    type State = ();
    type Transition = Call;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Call> {
        prop_oneof![
            10 => call(),
            5 => prop::collection::vec(call(), 2..12).prop_map(Call::Together),
            1 => (1..60u64).prop_map(Call::Wait),
            1 => Just(Call::Reopen),
            1 => Just(Call::Restore),
        ]
        .boxed()
    }

    fn apply((): (), _: &Call) {}
}

struct Subject {
    runtime: Runtime,
    dir: TempDir,
    bucket_mask: u64,
    model: ReferenceStore,
    store: Option<LocalStore>,
    now: UnixSeconds,
}

impl Subject {
    fn new(bucket_mask: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Some(LocalStore::open_masked(&data_dir(&dir), bucket_mask).unwrap());
        Self {
            runtime: Runtime::new().unwrap(),
            dir,
            bucket_mask,
            model: ReferenceStore::default(),
            store,
            now: UnixSeconds(1_800_000_000),
        }
    }

    fn apply(mut self, call: Call) -> Self {
        self.now = self.now.plus(1);
        let dry = call.is_dry().then(|| self.written());
        match call {
            Call::Wait(days) => self.now = self.now.plus(days * 86_400),
            Call::Reopen => self.reopen(),
            Call::Restore => self.restore(),
            Call::Together(calls) => {
                let store: &dyn AccountStore = self.store.as_ref().unwrap();
                let commits_before = store.stats().commits;
                let writes = calls
                    .iter()
                    .filter(|call| !matches!(call, Call::Find(..)))
                    .cloned();
                let writes: Vec<Call> = writes.collect();
                // A dry run takes part in a group but needs no commit.
                let wet = writes.iter().filter(|call| !call.is_dry());
                let number = wet.count() as u64;
                let expected: Vec<String> = writes
                    .iter()
                    .map(|call| {
                        self.runtime
                            .block_on(answer(&self.model, call.clone(), self.now))
                    })
                    .collect();
                let actual = self
                    .runtime
                    .block_on(answer_together(store, writes, self.now));
                assert_eq!(actual, expected);
                let commits = store.stats().commits - commits_before;
                assert!(commits <= number);
                GROUPED.fetch_add(number - commits, Ordering::Relaxed);
            }
            call => {
                let store: &dyn AccountStore = self.store.as_ref().unwrap();
                let expected = self
                    .runtime
                    .block_on(answer(&self.model, call.clone(), self.now));
                let actual = self.runtime.block_on(answer(store, call, self.now));
                assert_eq!(actual, expected);
            }
        }
        if let Some(before) = dry {
            assert_eq!(self.written(), before, "a dry run wrote");
        }
        self
    }

    /// All that the store holds, and in how many records it came.
    fn written(&self) -> (Vec<(String, u64, Vec<Account>)>, u64) {
        let store: &dyn AccountStore = self.store.as_ref().unwrap();
        let contents = self.runtime.block_on(contents(store));
        (contents, store.stats().committed_records)
    }

    fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        self.runtime.block_on(store.close()).unwrap();
        drop(store);
        self.open();
    }

    fn restore(&mut self) {
        let mut backup = Vec::new();
        self.store.take().unwrap().back_up(&mut backup).unwrap();
        let dir = tempfile::tempdir().unwrap();
        restore(&mut &backup[..], &data_dir(&dir), &mut |_| {}).unwrap();
        self.dir = dir;
        self.open();
    }

    /// Opens the store, which must hold what the model holds.
    fn open(&mut self) {
        let store = LocalStore::open_masked(&data_dir(&self.dir), self.bucket_mask).unwrap();
        self.store = Some(store);
        let contents = |store: &dyn AccountStore| self.runtime.block_on(contents(store));
        let (expected, actual) = (
            contents(&self.model),
            contents(self.store.as_ref().unwrap()),
        );
        assert_eq!(actual, expected);
    }
}

fn data_dir(dir: &TempDir) -> PathBuf {
    dir.path().join("data")
}

/// What a call is answered, as text that two stores must agree on.
async fn answer(store: &dyn AccountStore, call: Call, now: UnixSeconds) -> String {
    match call {
        Call::Import(app, entries) => {
            format!(
                "{:?}",
                plain(store.import(app, ImportRequest::new(entries), now).await)
            )
        }
        Call::DryRun(app, entries) => {
            let request = ImportRequest::new(entries).dry_run();
            format!("{:?}", plain(store.import(app, request, now).await))
        }
        Call::Fill(app, users) => {
            let filler = |i| entry_of(&format!("filler{i}"));
            let request = ImportRequest::new((0..users).map(filler).collect());
            format!("{:?}", plain(store.import(app, request, now).await))
        }
        Call::SetProfile(app, user_id, fields) => {
            format!(
                "{:?}",
                plain(store.set_profile(app, user_id, fields, now).await)
            )
        }
        Call::Delete(app, users) => {
            format!(
                "{:?}",
                store
                    .delete(app, users, now)
                    .await
                    .map_err(|e| e.to_string())
            )
        }
        Call::Kick(app, user_id) => {
            format!("{:?}", plain(store.kick(app, user_id, now).await))
        }
        Call::CreateApp(sdkappid, edition) => {
            let new = NewApp {
                sdkappid,
                edition,
                key: key(1),
            };
            format!(
                "{:?}",
                plain(store.create_app(new, now).await).map(|app| shown(&app))
            )
        }
        Call::ChangeApp(app, change) => {
            format!(
                "{:?}",
                plain(store.change_app(app, change, now).await).map(|app| shown(&app))
            )
        }
        Call::Find(app, users) => {
            let accounts = store.accounts(app, &users).await;
            let found = store.check(app, &users).await;
            let mut marks = Vec::new();
            for user_id in &users {
                marks.push(told(store.kicked_at(app, user_id).await));
            }
            format!("{:?} {:?} {marks:?}", told(accounts), told(found))
        }
        Call::Together(_) | Call::Wait(_) | Call::Reopen | Call::Restore => {
            unreachable!("not a call of the trait")
        }
    }
}

/// Makes the calls in order without waiting, then waits for all answers.
async fn answer_together(
    store: &dyn AccountStore,
    calls: Vec<Call>,
    now: UnixSeconds,
) -> Vec<String> {
    let mut running: Vec<_> = calls
        .into_iter()
        .map(|call| Box::pin(answer(store, call, now)))
        .collect();
    let mut answers = vec![None; running.len()];
    poll_fn(|context| {
        for (call, answer) in running.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = call.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    answers.into_iter().flatten().collect()
}

fn plain<T, R: std::fmt::Debug>(outcome: Result<T, OpError<R>>) -> Result<T, String> {
    outcome.map_err(|error| match error {
        OpError::Refused(refusal) => format!("refused: {refusal:?}"),
        OpError::Store(error) => error.to_string(),
    })
}

fn told<T>(outcome: Result<T, StoreError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

fn shown(app: &App) -> String {
    let keys: Vec<_> = app.keys.iter().map(|key| key.key.as_str()).collect();
    format!("{app:?} {keys:?}")
}

/// All that a store holds.
async fn contents(store: &dyn AccountStore) -> Vec<(String, u64, Vec<Account>)> {
    let mut contents = Vec::new();
    for app in store.apps().await.unwrap() {
        let mut accounts = Vec::new();
        let mut after = None;
        loop {
            // Small pages, so that paging itself is exercised.
            let page = store.page(app.sdkappid, after, 5).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.is_sorted_by_key(|account| account.internal_id));
            assert!(Some(page[0].internal_id) > after);
            after = Some(last.internal_id);
            accounts.extend(page);
        }
        contents.push((
            shown(&app),
            store.count(app.sdkappid).await.unwrap(),
            accounts,
        ));
    }
    contents
}

macro_rules! subject {
    ($name:ident, $bucket_mask:expr) => {
        struct $name;

        impl StateMachineTest for $name {
            type SystemUnderTest = Subject;
            type Reference = Sequence;

            fn init_test((): &()) -> Subject {
                Subject::new($bucket_mask)
            }

            fn apply(subject: Subject, (): &(), call: Call) -> Subject {
                subject.apply(call)
            }

            fn teardown(mut subject: Subject, (): ()) {
                subject.reopen();
            }
        }
    };
}

subject!(Local, u64::MAX);
// Every user meets many others in the same bucket, in all apps.
subject!(LocalWithFullBuckets, 0b11);

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 48,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    fn the_embedded_store_answers_as_the_model_does(sequential 1..120 => Local);

    fn also_when_users_share_buckets(sequential 1..120 => LocalWithFullBuckets);
}

#[test]
fn model() {
    the_embedded_store_answers_as_the_model_does();
    also_when_users_share_buckets();
    let grouped = GROUPED.load(Ordering::Relaxed);
    assert!(
        grouped > 100,
        "only {grouped} requests shared a commit with another"
    );
}
