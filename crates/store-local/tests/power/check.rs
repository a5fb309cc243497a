//! Opens what a power cut has left, and judges it.

use std::{collections::BTreeSet, path::Path};

use muster_accounts::{
    AccountStore, InternalId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::LocalStore;

use super::{
    expected::{Expected, Lane, Progress},
    workload::{LANES, app},
};

const AFTER: &str = "after-the-cut";

/// What is wrong with the directory; nothing.
pub(crate) async fn check(
    dir: &Path,
    expected: &Expected,
    progress: &Progress,
) -> Result<(), String> {
    let store = LocalStore::open(dir).map_err(|error| format!("it does not open: {error}"))?;
    let mut apps = 0;
    let mut ids = BTreeSet::new();
    let mut lane_with_app = None;
    for lane in 0..LANES {
        let (asked, answered) = (progress.asked[lane], progress.answered[lane]);
        let states = &expected.lanes[lane][answered..=asked];
        let found = read(&store, lane, states).await?;
        if !states.contains(&found) {
            return Err(format!(
                "lane {lane} after {answered} answered of {asked}: {}",
                difference(&found, &states[0])
            ));
        }
        if found.app.is_some() {
            apps += 1;
            lane_with_app = Some(lane);
        }
        for account in found.accounts.values() {
            if !ids.insert(account.internal_id) {
                return Err(format!("{} was given twice", account.internal_id));
            }
        }
    }
    let named = store.apps().await.map_err(|error| error.to_string())?;
    if named.len() != apps {
        return Err(format!("apps that nobody made: {named:?}"));
    }
    let given = (0..LANES).map(|lane| expected.greatest[lane][progress.answered[lane]]);
    let given = given.max().flatten().max(ids.last().copied());
    if let Some(lane) = lane_with_app {
        use_again(store, dir, lane, given).await?;
    }
    Ok(())
}

/// Imports somebody, and opens the store once more.
async fn use_again(
    store: LocalStore,
    dir: &Path,
    lane: usize,
    given: Option<InternalId>,
) -> Result<(), String> {
    let user = UserId::parse(AFTER).unwrap();
    let entry = ImportEntry {
        position: 0,
        user_id: user,
        nick: None,
        face_url: None,
    };
    let request = ImportRequest::new(vec![entry]);
    let before = store.page(app(lane), None, usize::MAX).await;
    let imported = store.import(app(lane), request, UnixSeconds(1_900_000_000));
    imported
        .await
        .map_err(|error| format!("it takes no import: {error:?}"))?;
    let closed = store.close().await;
    closed.map_err(|error| format!("it does not close: {error}"))?;
    drop(store);
    let store = LocalStore::open(dir).map_err(|error| format!("not a second time: {error}"))?;
    let mut accounts = store
        .page(app(lane), None, usize::MAX)
        .await
        .map_err(|error| error.to_string())?;
    let new = accounts.pop_if(|account| account.user_id == user);
    let Some(new) = new else {
        return Err("the import after the cut is not there, or not the last".to_owned());
    };
    if Some(new.internal_id) <= given {
        return Err(format!("{} was given before", new.internal_id));
    }
    if accounts != before.map_err(|error| error.to_string())? {
        return Err("the accounts are others after the second opening".to_owned());
    }
    Ok(())
}

async fn read(store: &LocalStore, lane: usize, states: &[Lane]) -> Result<Lane, String> {
    let sdkappid = app(lane);
    let mut found = Lane {
        app: store
            .app(sdkappid)
            .await
            .map_err(|error| error.to_string())?,
        ..Lane::default()
    };
    if found.app.is_none() {
        return Ok(found);
    }
    let page = store.page(sdkappid, None, usize::MAX).await;
    for account in page.map_err(|error| error.to_string())? {
        found.accounts.insert(account.user_id, account);
    }
    for user in states.iter().flat_map(|state| state.kicks.keys()) {
        let at = store.kicked_at(sdkappid, user).await;
        if let (false, Some(at)) = (
            found.accounts.contains_key(user),
            at.map_err(|error| error.to_string())?,
        ) {
            found.kicks.insert(*user, at);
        }
    }
    // The way of a request: by the index.
    let users: Vec<_> = found.accounts.keys().copied().collect();
    let accounts = store.accounts(sdkappid, &users).await;
    let accounts = accounts.map_err(|error| error.to_string())?;
    if !accounts.iter().flatten().eq(found.accounts.values()) {
        return Err(format!("lane {lane}: the index knows other accounts"));
    }
    Ok(found)
}

fn difference(found: &Lane, expected: &Lane) -> String {
    if found.app != expected.app {
        return format!("app {:?}, not {:?}", found.app, expected.app);
    }
    for (user, account) in &expected.accounts {
        let there = found.accounts.get(user);
        if there != Some(account) {
            return format!("{user} is {there:?}, not {account:?}");
        }
    }
    let more = found.accounts.keys();
    let mut more = more.filter(|user| !expected.accounts.contains_key(user));
    match more.next() {
        Some(user) => format!("{user} is there"),
        None => format!("kick marks {:?}, not {:?}", found.kicks, expected.kicks),
    }
}
