//! Connections that are found to be lost only when something is sent.

use muster_accounts::{
    AccountStore, AppChange, OpError, SdkAppId, StoreError,
    rules::delete::{DeleteRefusal, Deletion},
};
use muster_store_postgres::PostgresStore;
use muster_testkit::postgres;

use crate::{
    APP, NOW, import_of, new_app, open_with_app,
    proxy::{Cut, Proxy},
    user,
};

const OTHER: SdkAppId = SdkAppId(1_400_000_001);

async fn delete(store: &PostgresStore) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
    store.delete(APP, vec![user("ann")], NOW).await
}

async fn add_admin(store: &PostgresStore, name: &str) -> Result<(), StoreError> {
    let change = AppChange::AddAdmin(user(name));
    match store.change_app(APP, change, NOW).await {
        Ok(_) => Ok(()),
        Err(OpError::Store(error)) => Err(error),
        Err(OpError::Refused(refusal)) => panic!("{refusal}"),
    }
}

/// Also calls whose answer says what they changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_has_not_committed_is_tried_again() {
    let proxy = Proxy::start(&postgres::shared().new_database()).await;
    let store = open_with_app(&proxy.url).await;
    for text in ["START TRANSACTION", "ann", "COMMIT"] {
        store.import(APP, import_of("ann", "a"), NOW).await.unwrap();
        proxy.cut(Cut::Before, text);
        // COMMIT may have reached the database, for all that the store knows.
        match delete(&store).await {
            Ok(deleted) => {
                assert_ne!(text, "COMMIT");
                assert!(matches!(deleted[..], [Deletion::Deleted]), "{text}");
            }
            Err(OpError::Store(StoreError::Failed(_))) => assert_eq!(text, "COMMIT"),
            Err(error) => panic!("{text}: {error}"),
        }
        assert!(proxy.has_cut(), "{text}");
    }
    for text in ["START TRANSACTION", "bob"] {
        proxy.cut(Cut::Before, text);
        add_admin(&store, "bob").await.unwrap();
        assert!(proxy.has_cut(), "{text}");
    }
    proxy.cut(Cut::Before, "START TRANSACTION");
    store.create_app(new_app(OTHER), NOW).await.unwrap();
    assert!(proxy.has_cut());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_may_have_committed_is_not_answered_with_what_a_second_try_finds() {
    let proxy = Proxy::start(&postgres::shared().new_database()).await;
    let store = open_with_app(&proxy.url).await;
    store.import(APP, import_of("ann", "a"), NOW).await.unwrap();

    proxy.cut(Cut::After, "COMMIT");
    let deleted = delete(&store).await;
    assert!(
        matches!(deleted, Err(OpError::Store(StoreError::Failed(_)))),
        "{deleted:?}"
    );
    assert_eq!(store.check(APP, &[user("ann")]).await.unwrap(), [false]);

    proxy.cut(Cut::After, "COMMIT");
    let made = store.create_app(new_app(OTHER), NOW).await;
    assert!(
        matches!(made, Err(OpError::Store(StoreError::Failed(_)))),
        "{made:?}"
    );

    // The second time an import finds what the first left, and its answer is as good.
    for (cut, nick) in [(Cut::Before, "b"), (Cut::After, "c")] {
        proxy.cut(cut, "bob");
        store
            .import(APP, import_of("bob", nick), NOW)
            .await
            .unwrap();
        assert!(proxy.has_cut());
    }
}
