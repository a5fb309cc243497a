//! Which internal id of a store stands for which of the model.

use std::collections::{BTreeMap, BTreeSet};

use muster_accounts::{Account, InternalId};

use crate::answer::Contents;

/// The ids given so far, in all apps. Ids that were given to deleted users stay: the model gives none
/// twice, so a store that does is found out.
pub(crate) struct Ids {
    /// Each id must be the one that the model gives.
    are_counted: bool,
    of_model: BTreeMap<InternalId, InternalId>,
    given: BTreeSet<InternalId>,
}

impl Ids {
    pub(crate) fn new(are_counted: bool) -> Self {
        Self {
            are_counted,
            of_model: BTreeMap::new(),
            given: BTreeSet::new(),
        }
    }

    /// Both hold the same, but for the ids as far as they may differ.
    pub(crate) fn assert_same_contents(&mut self, expected: Vec<Contents>, actual: Vec<Contents>) {
        assert_eq!(actual.len(), expected.len(), "the number of apps differs");
        for (mut expected, mut actual) in expected.into_iter().zip(actual) {
            // Each was in order of its own ids.
            for contents in [&mut expected, &mut actual] {
                contents.accounts.sort_by_key(|account| account.user_id);
            }
            for (expected, actual) in expected.accounts.iter().zip(&mut actual.accounts) {
                self.rename(expected, actual);
            }
            assert_eq!(actual, expected);
        }
    }

    /// Likewise of accounts that were asked for.
    pub(crate) fn assert_same(
        &mut self,
        expected: &[Option<Account>],
        mut actual: Vec<Option<Account>>,
    ) {
        for (expected, actual) in expected.iter().zip(&mut actual) {
            if let (Some(expected), Some(actual)) = (expected, actual) {
                self.rename(expected, actual);
            }
        }
        assert_eq!(actual, expected);
    }

    /// Gives an account the id that the model knows it by, if that is right.
    fn rename(&mut self, expected: &Account, actual: &mut Account) {
        if self.are_counted || expected.user_id != actual.user_id {
            return;
        }
        let Account {
            internal_id: id,
            user_id,
            ..
        } = *actual;
        if let Some(known) = self.of_model.get(&expected.internal_id) {
            assert_eq!(id, *known, "the id of {user_id} has changed");
        } else {
            assert!(self.given.insert(id), "{user_id} has {id}, given before");
            self.of_model.insert(expected.internal_id, id);
        }
        actual.internal_id = expected.internal_id;
    }
}
