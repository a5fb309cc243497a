//! An app whose record cannot be read, as one that a later muster wrote.

use muster_accounts::{AccountStore, AppChange, AppPatch, OpError, SdkAppId, StoreError};
use muster_testkit::postgres;

use crate::{APP, NOW, import_of, new_app, open, open_with_app, soon, user};

const DAMAGED: SdkAppId = SdkAppId(1_400_000_001);

fn disable() -> AppChange {
    AppChange::Configure(Box::new(AppPatch {
        disabled: Some(true),
        ..AppPatch::default()
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_cannot_be_read_fails_alone() {
    let url = postgres::shared().new_database();
    let node = open_with_app(&url).await;
    node.create_app(new_app(DAMAGED), NOW).await.unwrap();
    let damage = format!(
        "UPDATE muster.app SET version = version + 90, revision = revision + 1 WHERE sdkappid = {DAMAGED};
         UPDATE muster.counter SET number = number + 1 WHERE name = 'apps'"
    );
    postgres::shared().sql(&url, &damage);
    soon("it is damaged", async || node.app(DAMAGED).await.is_err()).await;

    // Also a node that starts now.
    let other = open(&url).await;
    for store in [&node, &other] {
        let failures = [
            store.app(DAMAGED).await.err(),
            store.check(DAMAGED, &[user("ann")]).await.err(),
            match store.change_app(DAMAGED, disable(), NOW).await {
                Err(OpError::Store(error)) => Some(error),
                _ => None,
            },
            match store.create_app(new_app(DAMAGED), NOW).await {
                Err(OpError::Store(error)) => Some(error),
                _ => None,
            },
        ];
        for failure in failures {
            let failure = failure.unwrap();
            assert!(matches!(failure, StoreError::Failed(_)), "{failure}");
            assert!(failure.to_string().contains("1400000001"), "{failure}");
        }
        let apps = store.apps().await.unwrap();
        assert_eq!(apps.len(), 1);
        store.import(APP, import_of("ann", "a"), NOW).await.unwrap();
    }
    // Changes of other apps arrive, and it is ready all the time.
    other.change_app(APP, disable(), NOW).await.unwrap();
    soon("the change is known", async || {
        node.ready().await.unwrap();
        let app = node.app(APP).await.unwrap().unwrap();
        app.settings.disabled
    })
    .await;

    // It is mended without a restart.
    postgres::shared().sql(&url, &damage.replace("+ 90", "- 90"));
    soon("it is mended", async || node.app(DAMAGED).await.is_ok()).await;
}
