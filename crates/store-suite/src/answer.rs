//! What a store answers, in a form that two stores must agree on.

use std::{fmt::Debug, future::poll_fn, task::Poll};

use muster_accounts::{
    Account, AccountStore, App, InternalId, NewApp, OpError, StoreError, UnixSeconds,
    app::WebhookToken,
    rules::import::{ImportEntry, ImportRequest},
};

use crate::call::{APPS, Call, entry_of, fillers, key};

/// The answer to one call. Accounts stand apart, as their internal ids may differ.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) accounts: Vec<Option<Account>>,
}

/// Makes a call.
pub(crate) async fn answer(store: &dyn AccountStore, call: Call, now: UnixSeconds) -> Answer {
    let text = match call {
        Call::Import(app, entries) => {
            let request = ImportRequest::new(entries);
            format!("{:?}", plain(store.import(app, request, now).await))
        }
        Call::DryRun(app, entries) => {
            let request = ImportRequest::new(entries).dry_run();
            format!("{:?}", plain(store.import(app, request, now).await))
        }
        Call::Fill(app, users) => {
            let entries: Vec<ImportEntry> = fillers(users).map(entry_of).collect();
            let request = ImportRequest::new(entries);
            format!("{:?}", plain(store.import(app, request, now).await))
        }
        Call::SetProfile(app, user_id, fields) => {
            let outcome = store.set_profile(app, user_id, fields, now).await;
            format!("{:?}", plain(outcome))
        }
        Call::Delete(app, users) => {
            format!("{:?}", plain(store.delete(app, users, now).await))
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
            let outcome = plain(store.create_app(new, now).await);
            format!("{:?}", outcome.map(|app| shown(&app)))
        }
        Call::ChangeApp(app, change) => {
            let outcome = plain(store.change_app(app, change, now).await);
            format!("{:?}", outcome.map(|app| shown(&app)))
        }
        Call::Find(app, users) => {
            let accounts = told(store.accounts(app, &users).await);
            let found = told(store.check(app, &users).await);
            let mut marks = Vec::new();
            for user_id in &users {
                marks.push(told(store.kicked_at(app, user_id).await));
            }
            let count = told(store.count(app).await);
            let failed = accounts.as_ref().err();
            return Answer {
                text: format!("{failed:?} {found:?} {marks:?} {count:?}"),
                accounts: accounts.unwrap_or_default(),
            };
        }
    };
    Answer {
        text,
        accounts: Vec::new(),
    }
}

/// Makes the calls in order without waiting, then waits for all answers.
pub(crate) async fn answer_together(
    store: &dyn AccountStore,
    calls: Vec<Call>,
    now: UnixSeconds,
) -> Vec<Answer> {
    let mut running: Vec<_> = calls
        .into_iter()
        .map(|call| (Box::pin(answer(store, call, now)), None))
        .collect();
    poll_fn(|context| {
        for (call, answer) in &mut running {
            if answer.is_none()
                && let Poll::Ready(ready) = call.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if running.iter().all(|(_, answer)| answer.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, ready)| ready).collect()
}

fn plain<T, R: Debug>(outcome: Result<T, OpError<R>>) -> Result<T, String> {
    outcome.map_err(|error| match error {
        OpError::Refused(refusal) => format!("refused: {refusal:?}"),
        OpError::Store(error) => error.to_string(),
    })
}

fn told<T>(outcome: Result<T, StoreError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

/// All of an app, also the secrets that its `Debug` masks.
fn shown(app: &App) -> String {
    let keys: Vec<_> = app.keys.iter().map(|key| key.key.as_str()).collect();
    let webhook = app.settings.webhook.as_ref();
    let token = webhook.and_then(|webhook| webhook.token.as_ref());
    let token = token.map(WebhookToken::as_str);
    format!("{app:?} {keys:?} {token:?}")
}

/// All that a store holds of an app.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    pub(crate) app: String,
    pub(crate) count: u64,
    /// In order of internal id.
    pub(crate) accounts: Vec<Account>,
}

/// All that a store holds.
pub(crate) async fn contents(store: &dyn AccountStore) -> Vec<Contents> {
    let mut contents = Vec::new();
    let apps = store.apps().await.unwrap();
    assert!(apps.is_sorted_by_key(|app| app.sdkappid));
    for sdkappid in APPS {
        let app = store.app(sdkappid).await.unwrap();
        let listed = apps.iter().find(|app| app.sdkappid == sdkappid);
        assert_eq!(app.as_deref().map(shown), listed.map(|app| shown(app)));
        let Some(app) = app else {
            let answered = [
                told(store.page(sdkappid, None, 5).await.map(drop)),
                told(store.count(sdkappid).await.map(drop)),
            ];
            let unknown = StoreError::UnknownApp(sdkappid).to_string();
            assert_eq!(answered, [Err(unknown.clone()), Err(unknown)]);
            continue;
        };
        // Small pages, so that paging itself is exercised.
        let accounts = all_accounts(store, &app, 5).await;
        let in_one = store.page(sdkappid, None, usize::MAX).await.unwrap();
        assert_eq!(in_one, accounts, "one page of all, and small ones");
        contents.push(Contents {
            app: shown(&app),
            count: store.count(sdkappid).await.unwrap(),
            accounts,
        });
    }
    assert_eq!(contents.len(), apps.len());
    contents
}

/// The accounts of an app, page by page.
pub(crate) async fn all_accounts(
    store: &dyn AccountStore,
    app: &App,
    limit: usize,
) -> Vec<Account> {
    let mut accounts = Vec::new();
    let mut after: Option<InternalId> = None;
    loop {
        let page = store.page(app.sdkappid, after, limit).await.unwrap();
        let Some(last) = page.last() else {
            return accounts;
        };
        assert!(page.len() <= limit);
        assert!(page.is_sorted_by(|a, b| a.internal_id < b.internal_id));
        assert!(Some(page[0].internal_id) > after);
        after = Some(last.internal_id);
        accounts.extend(page);
    }
}
