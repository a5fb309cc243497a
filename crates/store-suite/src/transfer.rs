//! Stores that are copied: what the copy holds, and that it goes on as the original would.
//!
//! [`copy`] in place of a backup ([`crate::Subject::restore`]) lets [`crate::model`] judge the copy by
//! all that it answers from then on.

use muster_accounts::{
    App, Edition, NewApp, Record, SdkAppId, StoreError, Transfer, UnixSeconds, UserId,
    rules::import::ImportRequest,
};

use crate::call::{entry_of, key};

/// Small, so that little stores have several.
const PAGE: usize = 7;

/// All that a store holds: each app with its records.
pub async fn contents(store: &dyn Transfer) -> Vec<(App, Vec<Record>)> {
    let mut contents = Vec::new();
    for app in store.apps().await.unwrap() {
        let mut records = Vec::new();
        let mut reader = store.records(app.sdkappid, None).await.unwrap();
        loop {
            let page = reader.next(PAGE).await.unwrap();
            let is_last = page.len() < PAGE;
            records.extend(page);
            if is_last {
                break;
            }
        }
        assert!(records.is_sorted_by(|a, b| a.internal_id() < b.internal_id()));
        contents.push((App::clone(&app), records));
    }
    contents
}

/// Copies all of a store into one that holds nothing, and compares.
pub async fn copy(source: &dyn Transfer, target: &dyn Transfer) {
    let held = source.hold().await.unwrap();
    target.begin_filling().await.unwrap();
    for app in source.apps().await.unwrap() {
        let sdkappid = app.sdkappid;
        target.put_app(App::clone(&app)).await.unwrap();
        let mut reader = source.records(sdkappid, None).await.unwrap();
        loop {
            let page = reader.next(PAGE).await.unwrap();
            if page.is_empty() {
                break;
            }
            target.put_records(sdkappid, page).await.unwrap();
        }
    }
    target.end_filling().await.unwrap();
    assert_eq!(contents(target).await, contents(source).await);
    held.release().await.unwrap();
}

const APP: SdkAppId = SdkAppId(1_400_000_009);
const OTHER_APP: SdkAppId = SdkAppId(1);
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// What a store that is filled must refuse, and which ids it gives after that. Both are to hold nothing.
pub async fn fill(store: &dyn Transfer, source: &dyn Transfer) {
    let users = ["ann", "bob", "cho", "dan", "eve", "fay"].map(|name| UserId::parse(name).unwrap());
    let new = |sdkappid| NewApp {
        sdkappid,
        edition: Edition::Developer,
        key: key(1),
    };
    // So it has given ids already.
    store.create_app(new(OTHER_APP), NOW).await.unwrap();
    let app = source.create_app(new(APP), NOW).await.unwrap();
    let import = |user| ImportRequest::new(vec![entry_of(user)]);
    for user in &users[..5] {
        source.import(APP, import(*user), NOW).await.unwrap();
    }
    source.kick(APP, users[0], NOW).await.unwrap();
    source.delete(APP, users[..2].to_vec(), NOW).await.unwrap();
    // Under another id now.
    source.import(APP, import(users[1]), NOW).await.unwrap();
    let all = contents(source).await.pop().unwrap().1;
    // `administrator`, then in the order in which they came.
    let names: Vec<String> = all
        .iter()
        .map(|record| record.user_id().to_string())
        .collect();
    assert_eq!(names, ["administrator", "ann", "cho", "dan", "eve", "bob"]);

    let refused = |put: Result<(), StoreError>, told: &str| {
        let error = put.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    };
    let put = async |records: &[Record]| store.put_records(APP, records.to_vec()).await;
    let of_app = async || {
        let mut all = contents(store).await;
        all.retain(|(app, _)| app.sdkappid == APP);
        all.pop().unwrap()
    };
    refused(put(&all[..2]).await, "there is no app");
    store.put_app(App::clone(&app)).await.unwrap();
    refused(store.put_app(App::clone(&app)).await, "");
    put(&[]).await.unwrap();
    put(&all[..3]).await.unwrap();
    // Nothing is put twice or over something else, and of a page nothing is put then.
    refused(put(&all[2..]).await, "");
    for (nth, user_id) in [(3, users[0]), (2, users[5])] {
        let mut other = all[nth].clone();
        if let Record::Account(account) = &mut other {
            account.user_id = user_id;
        }
        refused(put(&[other, all[4].clone()]).await, "");
    }
    assert_eq!(of_app().await, (App::clone(&app), all[..3].to_vec()));
    assert_eq!(store.count(APP).await.unwrap(), 2);
    put(&all[3..]).await.unwrap();
    assert_eq!(of_app().await, (App::clone(&app), all.clone()));
    assert_eq!(store.kicked_at(APP, &users[0]).await.unwrap(), Some(NOW));
    assert_eq!(
        store.check(APP, &users[..3]).await.unwrap(),
        [false, true, true]
    );
    assert_eq!(store.count(APP).await.unwrap(), 5);

    // An id beyond all that came.
    store.import(APP, import(users[0]), NOW).await.unwrap();
    let account = store
        .accounts(APP, &users[..1])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(account.internal_id > all.last().unwrap().internal_id());
    assert_eq!(account.kicked_at, Some(NOW));
}
