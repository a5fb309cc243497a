//! Users who are imported and deleted by many callers, in two apps that have the same user ids. Of each
//! user, imports that made an account and deletions that took one away must alternate.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use fastrand::Rng;
use muster_accounts::{
    AccountStore, Edition, InternalId, OpError, SdkAppId, UnixSeconds, UserId,
    rules::{
        delete::Deletion,
        import::{ImportRequest, Imported},
        kick::KickRefusal,
    },
};
use tokio::task::{JoinSet, yield_now};

use super::{CALLERS, Shared, all, entry, time, user};

const APPS: [SdkAppId; 2] = [SdkAppId(201), SdkAppId(202)];
const USERS: usize = 8;
const ROUNDS: usize = 30;

type Who = (SdkAppId, UserId);

/// An account came or went.
struct Change {
    who: Who,
    came: bool,
    /// The tick before the call, which is also its time, and the one after it.
    from: u64,
    to: u64,
}

/// Which account each id was seen at. Every import has another time, so a user who was deleted and came
/// back has another account here.
#[derive(Default)]
struct Ids {
    of_id: HashMap<InternalId, (Who, UnixSeconds)>,
    of_account: HashMap<(Who, UnixSeconds), InternalId>,
}

pub(super) async fn run(shared: Shared) {
    for app in APPS {
        shared.create_app(app, Edition::Developer).await;
    }
    let running = Arc::new(());
    let over = Arc::downgrade(&running);
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (shared, running) = (shared.clone(), running.clone());
        tasks.spawn(async move {
            let changes = change(&shared, caller).await;
            drop(running);
            changes
        });
    }
    drop(running);
    let mut ids = Ids::default();
    while over.strong_count() > 0 {
        ids.look(&*shared.store(0)).await;
        yield_now().await;
    }
    let changes: Vec<Change> = all(tasks).await.into_iter().flatten().collect();

    ids.look(&*shared.store(0)).await;
    let came = changes.iter().filter(|change| change.came);
    let came: HashSet<_> = came.map(|change| (change.who, time(change.from))).collect();
    for account in ids.of_account.keys() {
        assert!(came.contains(account), "no import made {account:?}");
    }
    for app in APPS {
        for number in 0..USERS {
            let who = (app, user("guest", number));
            let is_there = assert_alternate(&changes, who);
            let found = shared.store(number).check(app, &[who.1]).await.unwrap();
            assert_eq!(found, [is_there], "{who:?}");
        }
    }
}

async fn change(shared: &Shared, caller: usize) -> Vec<Change> {
    let store = shared.store(caller);
    let mut rng = Rng::with_seed(caller as u64);
    let mut changes = Vec::new();
    for _ in 0..ROUNDS {
        yield_now().await;
        let app = APPS[rng.usize(..APPS.len())];
        let mut users: Vec<UserId> = (0..USERS).map(|number| user("guest", number)).collect();
        rng.shuffle(&mut users);
        users.truncate(rng.usize(2..=5));
        let from = shared.tick();
        let came: Vec<Option<bool>> = match rng.u8(..6) {
            0..3 => {
                let entries = users.iter().map(|user_id| entry(*user_id, from)).collect();
                let request = ImportRequest::new(entries);
                let outcome = store.import(app, request, time(from)).await.unwrap();
                let came = |imported: &Imported| (*imported == Imported::Created).then_some(true);
                outcome.entries.iter().map(came).collect()
            }
            3..5 => {
                let outcome = store.delete(app, users.clone(), time(from)).await.unwrap();
                let came = |deletion: &Deletion| (*deletion == Deletion::Deleted).then_some(false);
                outcome.iter().map(came).collect()
            }
            _ => {
                kick(&*store, app, users[0], time(from)).await;
                continue;
            }
        };
        let to = shared.tick();
        assert_eq!(came.len(), users.len());
        for (user_id, came) in users.into_iter().zip(came) {
            changes.extend(came.map(|came| Change {
                who: (app, user_id),
                came,
                from,
                to,
            }));
        }
    }
    changes
}

/// A mark never moves back, whether its user is deleted or imported again meanwhile.
async fn kick(store: &dyn AccountStore, app: SdkAppId, user_id: UserId, now: UnixSeconds) {
    match store.kick(app, user_id, now).await {
        Ok(()) => {
            let mark = store.kicked_at(app, &user_id).await.unwrap();
            assert!(mark >= Some(now), "{mark:?} after a kick at {now}");
        }
        Err(OpError::Refused(KickRefusal::NotImported)) => {}
        Err(error) => panic!("{error}"),
    }
}

impl Ids {
    async fn look(&mut self, store: &dyn AccountStore) {
        for app in APPS {
            for account in store.page(app, None, 1000).await.unwrap() {
                if account.user_id.is_administrator() {
                    continue;
                }
                let id = account.internal_id;
                let account = ((app, account.user_id), account.imported_at);
                let of_id = *self.of_id.entry(id).or_insert(account);
                assert_eq!(of_id, account, "{id} was given twice");
                let of_account = *self.of_account.entry(account).or_insert(id);
                assert_eq!(of_account, id, "the id of {account:?} has changed");
            }
        }
    }
}

/// Whether the user's account is there in the end.
fn assert_alternate(changes: &[Change], who: Who) -> bool {
    let of_user: Vec<&Change> = changes.iter().filter(|change| change.who == who).collect();
    let number = |which: &dyn Fn(&Change) -> bool| {
        let counted = of_user.iter().filter(|change| which(change));
        counted.count()
    };
    // When a change has ended, there must be as many before it as it takes.
    for at in of_user.iter().map(|change| change.to) {
        let came = number(&|change| change.came && change.to <= at);
        let may_have_gone = number(&|change| !change.came && change.from < at);
        assert!(came <= may_have_gone + 1, "{who:?} was made twice");
        let gone = number(&|change| !change.came && change.to <= at);
        let may_have_come = number(&|change| change.came && change.from < at);
        assert!(gone <= may_have_come, "{who:?} was deleted twice");
    }
    let came = number(&|change| change.came);
    let gone = number(&|change| !change.came);
    assert!(came == gone || came == gone + 1, "{who:?}: {came}, {gone}");
    came > gone
}
