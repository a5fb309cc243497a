//! What there must be of each lane after so many of its requests: what the reference store has, with
//! the internal ids that were given in the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_accounts::{
    Account, AccountStore, App, InternalId, ReferenceStore, UnixSeconds, UserId,
};

use super::workload::{LANES, Mark, Run, app, ask, request};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lane {
    pub(crate) app: Option<Arc<App>>,
    pub(crate) accounts: BTreeMap<UserId, Account>,
    /// The kick marks of deleted users; others have theirs in the account.
    pub(crate) kicks: BTreeMap<UserId, UnixSeconds>,
}

/// Of each lane, its states: the first before any request.
pub(crate) struct Expected {
    pub(crate) lanes: Vec<Vec<Lane>>,
    /// The greatest internal id that was given up to each state.
    pub(crate) greatest: Vec<Vec<Option<InternalId>>>,
}

/// How many requests of each lane were asked and answered.
#[derive(Clone, Copy, Default, Debug, Hash)]
pub(crate) struct Progress {
    pub(crate) asked: [usize; LANES],
    pub(crate) answered: [usize; LANES],
}

impl Progress {
    pub(crate) fn follow(&mut self, mark: &Mark) {
        match mark {
            Mark::Start => {}
            Mark::Asked { lane, number } => self.asked[*lane] = number + 1,
            Mark::Answered { lane, number, .. } => self.answered[*lane] = number + 1,
        }
    }
}

impl Expected {
    pub(crate) async fn new(run: &Run, marks: &[Mark]) -> Self {
        let mut lanes = vec![vec![Lane::default()]; LANES];
        let mut greatest = vec![vec![None]; LANES];
        let model = ReferenceStore::default();
        for mark in marks {
            let Mark::Answered { lane, number, ids } = mark else {
                continue;
            };
            let sdkappid = app(*lane);
            ask(&model, sdkappid, request(run, *lane, *number)).await;
            let accounts = model.page(sdkappid, None, usize::MAX).await.unwrap();
            let accounts: BTreeMap<_, _> = accounts
                .into_iter()
                .map(|account| {
                    let internal_id = ids[&account.user_id];
                    let account = Account {
                        internal_id,
                        ..account
                    };
                    (account.user_id, account)
                })
                .collect();
            assert_eq!(ids.len(), accounts.len(), "{mark:?}");
            let states = &mut lanes[*lane];
            let before = states.last().unwrap();
            let once = before.accounts.keys().chain(before.kicks.keys());
            let gone: Vec<_> = once.filter(|user| !accounts.contains_key(user)).collect();
            let mut kicks = BTreeMap::new();
            for user in gone {
                if let Some(at) = model.kicked_at(sdkappid, user).await.unwrap() {
                    kicks.insert(*user, at);
                }
            }
            let of_lane = &mut greatest[*lane];
            let now = ids.values().copied().max();
            of_lane.push(now.max(*of_lane.last().unwrap()));
            states.push(Lane {
                app: model.app(sdkappid).await.unwrap(),
                accounts,
                kicks,
            });
        }
        Self { lanes, greatest }
    }
}
