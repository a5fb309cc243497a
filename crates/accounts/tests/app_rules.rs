//! The rules about apps, admins, profiles and deletion (wire §3.4, §3.8, §5), through the store
//! that is the model for all others.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{pin::pin, task};

use muster_accounts::{
    AccountStore, App, AppChange, AppPatch, Edition, InternalId, NewApp, Nick, OpError,
    ProfileField, ReferenceStore, SdkAppId, StoreError, UnixSeconds, UserId,
    app::{Webhook, WebhookPatch, WebhookToken},
    rules::{
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportEntry, ImportRequest, Imported},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use muster_usersig::SecretKey;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// The reference store never waits, so one poll is the whole answer.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = task::Context::from_waker(task::Waker::noop());
    match pin!(future).poll(&mut context) {
        task::Poll::Ready(value) => value,
        task::Poll::Pending => panic!("the reference store waited"),
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_random([byte; 32])
}

fn store(edition: Edition) -> ReferenceStore {
    let store = ReferenceStore::default();
    now(store.create_app(
        NewApp {
            sdkappid: APP,
            edition,
            key: key(1),
        },
        NOW,
    ))
    .unwrap();
    store
}

fn import(store: &ReferenceStore, name: &str) {
    let entry = ImportEntry {
        position: 0,
        user_id: user(name),
        nick: None,
        face_url: None,
    };
    now(store.import(APP, ImportRequest::new(vec![entry]), NOW)).unwrap();
}

#[test]
fn a_new_app_has_its_administrator_as_first_account() {
    let store = store(Edition::Developer);
    let accounts = now(store.page(APP, None, 10)).unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].user_id, UserId::ADMINISTRATOR);
    assert_eq!(accounts[0].internal_id, InternalId::FIRST);
    let again = NewApp {
        sdkappid: APP,
        edition: Edition::Trial,
        key: key(2),
    };
    assert!(matches!(
        now(store.create_app(again, NOW)),
        Err(OpError::Refused(AppRefusal::Exists))
    ));
    let zero = NewApp {
        sdkappid: SdkAppId(0),
        edition: Edition::Trial,
        key: key(2),
    };
    assert!(matches!(
        now(store.create_app(zero, NOW)),
        Err(OpError::Refused(AppRefusal::Zero))
    ));
}

#[test]
fn an_app_has_ten_admins_at_most_and_keeps_administrator() {
    let store = store(Edition::Developer);
    let change = |change| now(store.change_app(APP, change, NOW));
    for i in 1..10 {
        change(AppChange::AddAdmin(user(&format!("admin{i}")))).unwrap();
    }
    // Adding one who is an admin already changes nothing, also when the app is full.
    assert_eq!(
        change(AppChange::AddAdmin(user("admin1")))
            .unwrap()
            .admins
            .len(),
        10
    );
    assert!(matches!(
        change(AppChange::AddAdmin(user("admin10"))),
        Err(OpError::Refused(AppRefusal::TooManyAdmins))
    ));
    assert_eq!(
        now(store.check(APP, &[user("admin9"), user("admin10")])).unwrap(),
        [true, false]
    );
    assert!(matches!(
        change(AppChange::RemoveAdmin(UserId::ADMINISTRATOR)),
        Err(OpError::Refused(AppRefusal::Administrator))
    ));
    assert!(matches!(
        change(AppChange::RemoveAdmin(user("nobody"))),
        Err(OpError::Refused(AppRefusal::NotAdmin))
    ));
    change(AppChange::RemoveAdmin(user("admin9"))).unwrap();
    // The role went, the account stayed.
    assert_eq!(now(store.check(APP, &[user("admin9")])).unwrap(), [true]);
    let rotate = |byte, grace_s, at: UnixSeconds| {
        let key = key(byte);
        now(store.change_app(APP, AppChange::RotateKey { key, grace_s }, at)).unwrap()
    };
    let good = |app: &App, at| app.keys_at(at).cloned().collect::<Vec<_>>();
    assert_eq!(good(&rotate(9, 0, NOW), NOW), [key(9)]);
    // With a grace time both are good until its end.
    let app = rotate(8, 60, NOW);
    assert_eq!(app.signing_key(), &key(8));
    assert_eq!(good(&app, NOW.plus(59)), [key(8), key(9)]);
    assert_eq!(good(&app, NOW.plus(60)), [key(8)]);
    // A later end does not prolong an earlier one, and no grace ends all at once.
    let app = rotate(7, 600, NOW.plus(30));
    assert_eq!(good(&app, NOW.plus(59)), [key(7), key(8), key(9)]);
    assert_eq!(good(&app, NOW.plus(60)), [key(7), key(8)]);
    assert_eq!(good(&rotate(6, 0, NOW.plus(31)), NOW.plus(31)), [key(6)]);
}

#[test]
fn a_kick_mark_never_goes_and_never_moves_back() {
    let store = store(Edition::Developer);
    let alice = user("alice");
    let kick = |at| now(store.kick(APP, alice, at));
    let mark = || now(store.kicked_at(APP, &alice)).unwrap();
    assert!(matches!(
        kick(NOW),
        Err(OpError::Refused(KickRefusal::NotImported))
    ));
    import(&store, "alice");
    assert_eq!(mark(), None);
    kick(NOW).unwrap();
    kick(UnixSeconds(5)).unwrap();
    assert_eq!(mark(), Some(NOW));
    now(store.delete(APP, vec![alice], NOW)).unwrap();
    assert_eq!(mark(), Some(NOW));
    import(&store, "alice");
    assert_eq!(mark(), Some(NOW));
    // Nor does an admin's account, made of a deleted one, lose it.
    now(store.delete(APP, vec![alice], NOW)).unwrap();
    now(store.change_app(APP, AppChange::AddAdmin(alice), NOW)).unwrap();
    assert_eq!(mark(), Some(NOW));
}

#[test]
fn editions_and_a_switch_decide_on_deletion() {
    for edition in Edition::ALL {
        let store = store(edition);
        import(&store, "alice");
        let delete = || now(store.delete(APP, vec![user("alice")], NOW));
        if !matches!(edition, Edition::Trial | Edition::Developer) {
            assert!(matches!(
                delete(),
                Err(OpError::Refused(DeleteRefusal::NotAllowed))
            ));
            let patch = AppPatch {
                deletion: Some(true),
                ..AppPatch::default()
            };
            let change = AppChange::Configure(Box::new(patch));
            now(store.change_app(APP, change, NOW)).unwrap();
        }
        assert_eq!(delete().unwrap(), [Deletion::Deleted], "{edition}");
    }
}

#[test]
fn each_time_that_an_app_is_disabled_counts() {
    let store = store(Edition::Pro);
    for (disabled, times) in [
        (Some(false), 0),
        (Some(true), 1),
        (Some(true), 1),
        (None, 1),
        (Some(false), 1),
        (Some(true), 2),
    ] {
        let patch = AppPatch {
            disabled,
            ..AppPatch::default()
        };
        let change = AppChange::Configure(Box::new(patch));
        let app = now(store.change_app(APP, change, NOW)).unwrap();
        assert_eq!(app.times_disabled, times);
    }
}

#[test]
fn what_is_left_out_of_a_webhook_stays_as_it_is() {
    let store = store(Edition::Developer);
    let configure = |webhook| {
        let patch = AppPatch {
            webhook: Some(webhook),
            ..AppPatch::default()
        };
        let change = AppChange::Configure(Box::new(patch));
        let changed = now(store.change_app(APP, change, NOW));
        changed.map(|app| app.settings.webhook.clone())
    };
    let token = |text: &str| WebhookToken::new(text.to_owned());
    let webhook = |url: &str, token, retry, imports| {
        Some(Webhook {
            url: url.to_owned(),
            token,
            retry,
            imports,
        })
    };
    let retry = WebhookPatch {
        retry: Some(true),
        ..WebhookPatch::default()
    };
    let url = |url: &str| WebhookPatch {
        url: Some(url.to_owned()),
        ..WebhookPatch::default()
    };
    for patch in [WebhookPatch::default(), retry.clone()] {
        assert!(matches!(
            configure(Some(patch)),
            Err(OpError::Refused(AppRefusal::NoWebhook))
        ));
    }
    let signed = WebhookPatch {
        token: Some(token("hush")),
        imports: Some(true),
        ..url("http://b/")
    };
    let unsigned = WebhookPatch {
        token: Some(None),
        imports: Some(false),
        ..WebhookPatch::default()
    };
    for (patch, expected) in [
        (url("http://a/"), webhook("http://a/", None, false, false)),
        (retry, webhook("http://a/", None, true, false)),
        (signed, webhook("http://b/", token("hush"), true, true)),
        (
            url("http://c/"),
            webhook("http://c/", token("hush"), true, true),
        ),
        (unsigned, webhook("http://c/", None, true, false)),
    ] {
        assert_eq!(
            configure(Some(patch.clone())).unwrap(),
            expected,
            "{patch:?}"
        );
    }
    assert_eq!(configure(None).unwrap(), None);
    // Another one begins anew.
    let again = configure(Some(url("http://d/"))).unwrap();
    assert_eq!(again, webhook("http://d/", None, false, false));
}

#[test]
fn a_dry_run_says_what_an_import_would_do_and_does_nothing() {
    let store = store(Edition::Developer);
    import(&store, "alice");
    let entry = |position, name: &str| ImportEntry {
        position,
        user_id: user(name),
        nick: Some(Nick::parse("A".into()).unwrap()),
        face_url: None,
    };
    let request = ImportRequest::new(vec![entry(0, "alice"), entry(1, "bob")]);
    let before = now(store.page(APP, None, 10)).unwrap();
    let tried = now(store.import(APP, request.clone().dry_run(), NOW)).unwrap();
    assert_eq!(tried.entries, [Imported::Updated, Imported::Created]);
    assert_eq!(now(store.page(APP, None, 10)).unwrap(), before);
    assert_eq!(now(store.import(APP, request, NOW)).unwrap(), tried);
}

#[test]
fn deletion_spares_admins_and_frees_the_id_for_a_new_account() {
    let store = store(Edition::Developer);
    import(&store, "alice");
    let before = now(store.accounts(APP, &[user("alice")]))
        .unwrap()
        .remove(0)
        .unwrap();
    let users = vec![
        user("alice"),
        user("alice"),
        UserId::ADMINISTRATOR,
        user("nobody"),
    ];
    assert_eq!(
        now(store.delete(APP, users, NOW)).unwrap(),
        [
            Deletion::Deleted,
            Deletion::NotImported,
            Deletion::Admin,
            Deletion::NotImported
        ]
    );
    assert_eq!(now(store.check(APP, &[user("alice")])).unwrap(), [false]);
    import(&store, "alice");
    let after = now(store.accounts(APP, &[user("alice")]))
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(after.internal_id > before.internal_id);
}

#[test]
fn a_profile_is_changed_for_an_account_only() {
    let store = store(Edition::Developer);
    let nick = |text: &str| ProfileField::Nick(Nick::parse(text.into()).unwrap());
    let set = |name: &str, fields| now(store.set_profile(APP, user(name), fields, NOW.plus(9)));
    assert!(matches!(
        set("alice", vec![nick("Alice")]),
        Err(OpError::Refused(ProfileRefusal::NotImported))
    ));
    import(&store, "alice");
    set(
        "alice",
        vec![nick("first"), ProfileField::Level(3), nick("Alice")],
    )
    .unwrap();
    let account = now(store.accounts(APP, &[user("alice")]))
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(account.profile.nick.as_str(), "Alice");
    assert_eq!(account.profile.more.unwrap().level, Some(3));
    assert_eq!(
        (account.imported_at, account.changed_at),
        (NOW, NOW.plus(9))
    );
}

#[test]
fn an_unknown_app_is_named() {
    let store = store(Edition::Developer);
    let unknown = SdkAppId(7);
    assert!(matches!(
        now(store.check(unknown, &[])),
        Err(StoreError::UnknownApp(app)) if app == unknown
    ));
}
