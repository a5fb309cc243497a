//! What is limited: the accounts of a trial app, the admins of an app, the apps of one number. Callers
//! who together ask for more must not get more, and each must get all the room that is left.

use std::sync::Arc;

use muster_accounts::{
    App, AppChange, AppPatch, Edition, NewApp, OpError, SdkAppId, UserId,
    app::{Webhook, WebhookPatch, WebhookToken},
    rules::{
        app::AppRefusal,
        import::{ImportRefusal, ImportRequest},
    },
};
use tokio::task::{JoinSet, yield_now};

use super::{CALLERS, Shared, all, entry, time, user};
use crate::call::key;

const TRIAL: SdkAppId = SdkAppId(401);
const APP: SdkAppId = SdkAppId(402);

pub(super) async fn run(shared: Shared) {
    let mut tasks = JoinSet::new();
    tasks.spawn(fill_trial_app(shared.clone()));
    tasks.spawn(change_one_app(shared));
    all(tasks).await;
}

async fn fill_trial_app(shared: Shared) {
    shared.create_app(TRIAL, Edition::Trial).await;
    let cap = Edition::Trial.account_cap().unwrap();
    // `administrator` does not count.
    let full = cap + 1;
    let running = Arc::new(());
    let over = Arc::downgrade(&running);
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (shared, running) = (shared.clone(), running.clone());
        tasks.spawn(async move {
            let imported = import_until_full(&shared, caller).await;
            drop(running);
            imported
        });
    }
    drop(running);
    let store = shared.store(0);
    while over.strong_count() > 0 {
        assert!(store.count(TRIAL).await.unwrap() <= full);
        yield_now().await;
    }
    let imported: usize = all(tasks).await.into_iter().sum();
    assert_eq!(imported as u64, cap, "accounts that callers were told of");
    assert_eq!(store.count(TRIAL).await.unwrap(), full);
}

/// Imports users of its own, fewer and fewer at a time, until not even one more is allowed. Answers how
/// many it imported.
async fn import_until_full(shared: &Shared, caller: usize) -> usize {
    let store = shared.store(caller);
    let (mut imported, mut at_once) = (0, 7);
    while at_once > 0 {
        yield_now().await;
        let tick = shared.tick();
        let users: Vec<UserId> = (imported..imported + at_once)
            .map(|number| user(&format!("trial{caller}_"), number))
            .collect();
        let entries = users.iter().map(|user_id| entry(*user_id, tick)).collect();
        let request = ImportRequest::new(entries);
        let there = match store.import(TRIAL, request, time(tick)).await {
            Ok(_) => true,
            Err(OpError::Refused(ImportRefusal::OverCap { .. })) => false,
            Err(error) => panic!("{error}"),
        };
        let found = store.check(TRIAL, &users).await.unwrap();
        assert_eq!(found, vec![there; at_once]);
        if there {
            imported += at_once;
        } else {
            at_once -= 1;
        }
    }
    imported
}

async fn change_one_app(shared: Shared) {
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        tasks.spawn(create(shared.clone(), caller));
    }
    let made = all(tasks).await.into_iter().filter(|made| *made).count();
    assert_eq!(made, 1, "callers who made the same app");

    shared.until_known(APP).await;

    let url = Webhook::parse_url("http://127.0.0.1/hook").unwrap();
    let first = of_webhook(WebhookPatch {
        url: Some(url.clone()),
        ..WebhookPatch::default()
    });
    let first = AppChange::Configure(Box::new(first));
    let changed = shared.store(0).change_app(APP, first, time(0)).await;
    changed.unwrap();

    let mut switches = JoinSet::new();
    for (caller, patch) in [
        of_webhook(WebhookPatch {
            token: Some(WebhookToken::new("hush".to_owned())),
            ..WebhookPatch::default()
        }),
        of_webhook(WebhookPatch {
            retry: Some(true),
            ..WebhookPatch::default()
        }),
        of_webhook(WebhookPatch {
            imports: Some(true),
            ..WebhookPatch::default()
        }),
        AppPatch {
            disabled: Some(true),
            ..AppPatch::default()
        },
        AppPatch {
            deletion: Some(true),
            ..AppPatch::default()
        },
        AppPatch {
            import_at_sign_in: Some(false),
            ..AppPatch::default()
        },
    ]
    .into_iter()
    .enumerate()
    {
        let store = shared.store(caller);
        switches.spawn(async move {
            let change = AppChange::Configure(Box::new(patch));
            store.change_app(APP, change, time(0)).await.unwrap()
        });
    }
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        tasks.spawn(add_admin(shared.clone(), caller));
    }
    let admins: Vec<UserId> = all(tasks).await.into_iter().flatten().collect();
    all(switches).await;

    let store = shared.store(0);
    // The answer to a change is the app as it is, whatever this door remembers.
    let nothing = AppChange::Configure(Box::default());
    let app = store.change_app(APP, nothing, time(0)).await.unwrap();
    let settings = &app.settings;
    let all_there = settings.disabled && settings.deletion && !settings.import_at_sign_in;
    assert!(all_there, "a change is lost: {settings:?}");
    let webhook = Webhook {
        url,
        token: WebhookToken::new("hush".to_owned()),
        retry: true,
        imports: true,
    };
    assert_eq!(settings.webhook, Some(webhook));
    assert_eq!(admins.len() + 1, App::MAX_ADMINS);
    assert_eq!(app.admins.len(), App::MAX_ADMINS);
    assert!(admins.iter().all(|user_id| app.admins.contains(user_id)));
    // Who was refused has got no account either.
    let accounts = store.count(APP).await.unwrap();
    assert_eq!(accounts, App::MAX_ADMINS as u64);
}

fn of_webhook(webhook: WebhookPatch) -> AppPatch {
    AppPatch {
        webhook: Some(Some(webhook)),
        ..AppPatch::default()
    }
}

async fn create(shared: Shared, caller: usize) -> bool {
    let new = NewApp {
        sdkappid: APP,
        edition: Edition::Pro,
        key: key(u8::try_from(caller).unwrap()),
    };
    match shared.store(caller).create_app(new, time(0)).await {
        Ok(_) => true,
        Err(OpError::Refused(AppRefusal::Exists)) => false,
        Err(error) => panic!("{error}"),
    }
}

/// The new admin, if there was room.
async fn add_admin(shared: Shared, caller: usize) -> Option<UserId> {
    let user_id = user("admin", caller);
    let change = AppChange::AddAdmin(user_id);
    let store = shared.store(caller);
    match store.change_app(APP, change, time(shared.tick())).await {
        Ok(app) => {
            assert!(app.admins.contains(&user_id));
            let found = store.check(APP, &[user_id]).await.unwrap();
            assert_eq!(found, [true]);
            Some(user_id)
        }
        Err(OpError::Refused(AppRefusal::TooManyAdmins)) => None,
        Err(error) => panic!("{error}"),
    }
}
