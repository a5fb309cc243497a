//! Many callers import the same new users at the same moment: to one of them each user is new.

use std::{collections::HashMap, sync::Arc};

use fastrand::Rng;
use muster_accounts::{
    Edition, SdkAppId, UserId,
    rules::import::{ImportRequest, Imported},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{CALLERS, Shared, all, entry, time, user};

const APP: SdkAppId = SdkAppId(301);
const ROUNDS: usize = 20;
const NEW_USERS: usize = 4;

pub(super) async fn run(shared: Shared) {
    shared.create_app(APP, Edition::Developer).await;
    let start = Arc::new(Barrier::new(CALLERS));
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        tasks.spawn(import(shared.clone(), start.clone(), caller));
    }
    let mut times_new: HashMap<UserId, usize> = HashMap::new();
    for user_id in all(tasks).await.into_iter().flatten() {
        *times_new.entry(user_id).or_default() += 1;
    }
    assert_eq!(times_new.len(), ROUNDS * NEW_USERS);
    for (user_id, times) in times_new {
        assert_eq!(times, 1, "callers to whom {user_id} was new");
    }
}

/// The users who were new to this caller.
async fn import(shared: Shared, start: Arc<Barrier>, caller: usize) -> Vec<UserId> {
    let store = shared.store(caller);
    let mut rng = Rng::with_seed(caller as u64);
    let mut new = Vec::new();
    for round in 0..ROUNDS {
        let first = round * NEW_USERS;
        let users = first..first + NEW_USERS;
        let mut users: Vec<UserId> = users.map(|number| user("newcomer", number)).collect();
        rng.shuffle(&mut users);
        start.wait().await;
        let tick = shared.tick();
        let entries = users.iter().map(|user_id| entry(*user_id, tick)).collect();
        let request = ImportRequest::new(entries);
        let outcome = store.import(APP, request, time(tick)).await.unwrap();
        let found = store.check(APP, &users).await.unwrap();
        assert_eq!(found, [true; NEW_USERS], "acknowledged, and not there");
        for (user_id, imported) in users.into_iter().zip(outcome.entries) {
            if imported == Imported::Created {
                new.push(user_id);
            }
        }
    }
    new
}
