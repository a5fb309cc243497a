//! Whose batches are under way.
//!
//! No two batches that are under way name one user: one that names such a user waits until the other is
//! done, and for a while after that if a call of it was lost, since such a call may still be carried out. So
//! a file counts as if its records were imported one by one.

use std::{
    collections::VecDeque,
    hash::{BuildHasherDefault, Hash, Hasher},
};

use hashbrown::{HashMap, HashSet};
use tokio::time::Instant;

/// What a user is known by: a keyed hash of the user id, of so many bits that no two users of any file are
/// taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserHash(pub(crate) u128);

impl Hash for UserHash {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u128(self.0);
    }
}

/// A part of a hash is a hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part(u64);

impl Hasher for Part {
    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_empty(), "only hashes come here");
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half will do")]
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type UserMap<V> = HashMap<UserHash, V, BuildHasherDefault<Part>>;
type UserSet = HashSet<UserHash, BuildHasherDefault<Part>>;

/// The users of batches that are under way, or that were.
#[derive(Default)]
pub(crate) struct Users {
    under_way: UserSet,
    /// Those of lost calls, who are let go at that time.
    held: UserMap<Instant>,
    /// The same, about in the order of the times.
    to_let_go: VecDeque<(Instant, Vec<UserHash>)>,
}

/// When a batch can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Now,
    /// Once another one is done that names one of its users.
    AfterAnother,
    At(Instant),
}

impl Users {
    /// When a batch of these users can be sent.
    pub(crate) fn ready(&self, users: &[UserHash]) -> Ready {
        if users.iter().any(|user| self.under_way.contains(user)) {
            return Ready::AfterAnother;
        }
        if self.held.is_empty() {
            return Ready::Now;
        }
        let held = users.iter().filter_map(|user| self.held.get(user));
        match held.max() {
            Some(until) if Instant::now() < *until => Ready::At(*until),
            _ => Ready::Now,
        }
    }

    /// A batch of these users is under way from now on.
    pub(crate) fn begin(&mut self, users: &[UserHash]) {
        self.under_way.extend(users);
    }

    /// It is not any more, but its users are held until a time if there is one.
    pub(crate) fn end(&mut self, users: &[UserHash], held_until: Option<Instant>) {
        self.let_go();
        for user in users {
            self.under_way.remove(user);
        }
        if let Some(until) = held_until {
            self.held.extend(users.iter().map(|user| (*user, until)));
            self.to_let_go.push_back((until, users.to_vec()));
        }
    }

    /// Forgets those who need not be held any more.
    fn let_go(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((_, users)) = self.to_let_go.pop_front_if(|(until, _)| *until <= now) {
            for user in users {
                if self.held.get(&user).is_some_and(|until| *until <= now) {
                    self.held.remove(&user);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ANN: UserHash = UserHash(1);
    const BOB: UserHash = UserHash(1 << 64 | 1);
    const CARL: UserHash = UserHash(3);

    #[test]
    fn a_user_who_is_under_way_waits() {
        let mut users = Users::default();
        users.begin(&[ANN, CARL]);
        assert_eq!(users.ready(&[BOB]), Ready::Now);
        assert_eq!(users.ready(&[BOB, ANN]), Ready::AfterAnother);
        users.end(&[ANN, CARL], None);
        assert_eq!(users.ready(&[BOB, ANN]), Ready::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_of_a_lost_call_waits_longer() {
        let mut users = Users::default();
        users.begin(&[ANN]);
        let until = Instant::now() + Duration::from_secs(5);
        users.end(&[ANN], Some(until));
        assert_eq!(users.ready(&[BOB]), Ready::Now);
        assert_eq!(users.ready(&[BOB, ANN]), Ready::At(until));
        tokio::time::sleep_until(until).await;
        assert_eq!(users.ready(&[ANN]), Ready::Now);
        users.begin(&[ANN]);
        users.end(&[ANN], None);
        assert!(users.held.is_empty() && users.to_let_go.is_empty());
    }
}
