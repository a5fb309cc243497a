//! What waits for the receiver of one app, in lanes.
//!
//! All events of a user are in one lane, and a lane goes one by one: so they arrive in order. The
//! lanes go side by side, so that one exchange does not hold everybody's events up.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use muster_accounts::UserId;

/// How many exchanges with the receiver of one app go on at a time.
const LANES: usize = 8;

/// How much an app's lanes may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) events: usize,
    /// Of the bodies. Ten thousand events with every field filled to its limit would otherwise take
    /// a hundred times what usual ones do.
    pub(super) bytes: usize,
}

/// The events of one app, those on their way among them.
pub(super) struct Lanes<T> {
    by_number: [Lane<T>; LANES],
    bounds: Bounds,
    events: usize,
    bytes: usize,
}

struct Lane<T> {
    waiting: VecDeque<T>,
    /// Whether someone takes from it.
    runs: bool,
}

/// The number of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneNumber(usize);

impl LaneNumber {
    pub(super) fn of(user_id: &UserId) -> Self {
        let mut hasher = DefaultHasher::new();
        user_id.hash(&mut hasher);
        let lanes = u64::try_from(LANES).expect("a few");
        Self(usize::try_from(hasher.finish() % lanes).expect("less than a few"))
    }
}

/// What has to be done after an event was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Nobody takes from the lane: the caller has to see to it that [`Lanes::next`] is asked until
    /// it has nothing more.
    Begins,
    /// Someone does already.
    Waits,
}

/// A bound is reached; the event is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full<T>(pub(super) T);

impl<T> Lanes<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            by_number: std::array::from_fn(|_| Lane {
                waiting: VecDeque::new(),
                runs: false,
            }),
            bounds,
            events: 0,
            bytes: 0,
        }
    }

    /// Puts an event of this size in, the last of its lane.
    pub(super) fn push(
        &mut self,
        LaneNumber(lane): LaneNumber,
        event: T,
        bytes: usize,
    ) -> Result<Pushed, Full<T>> {
        if self.events >= self.bounds.events || self.bytes + bytes > self.bounds.bytes {
            return Err(Full(event));
        }
        self.events += 1;
        self.bytes += bytes;
        let lane = &mut self.by_number[lane];
        lane.waiting.push_back(event);
        if lane.runs {
            return Ok(Pushed::Waits);
        }
        lane.runs = true;
        Ok(Pushed::Begins)
    }

    /// Takes the first event of a lane out. It counts until it is [`done`](Self::done). After
    /// `None` nobody takes from the lane.
    pub(super) fn next(&mut self, LaneNumber(lane): LaneNumber) -> Option<T> {
        let lane = &mut self.by_number[lane];
        let event = lane.waiting.pop_front();
        if event.is_none() {
            // A lane that was long keeps no room for that.
            lane.waiting = VecDeque::new();
            lane.runs = false;
        }
        event
    }

    /// Counts an event of this size no more.
    pub(super) fn done(&mut self, bytes: usize) {
        self.events -= 1;
        self.bytes -= bytes;
    }

    /// Whether there is room again for more than the next event.
    pub(super) fn has_room(&self) -> bool {
        self.events <= self.bounds.events / 2 && self.bytes <= self.bounds.bytes / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        events: 4,
        bytes: 100,
    };

    fn user(user_id: &str) -> UserId {
        UserId::parse(user_id).expect("a user id")
    }

    /// Two lanes, found by users of theirs.
    fn two_lanes() -> (LaneNumber, LaneNumber) {
        let first = LaneNumber::of(&user("user0"));
        let other = (1..1000)
            .map(|n| LaneNumber::of(&user(&format!("user{n}"))))
            .find(|lane| *lane != first);
        (first, other.expect("users have all lanes"))
    }

    #[test]
    fn a_user_has_one_lane_and_users_have_all() {
        let mut users = [0; LANES];
        for n in 0..1000 {
            let user_id = user(&format!("user{n}"));
            let LaneNumber(lane) = LaneNumber::of(&user_id);
            assert_eq!(LaneNumber(lane), LaneNumber::of(&user_id));
            users[lane] += 1;
        }
        assert!(users.iter().all(|users| *users > 50), "{users:?}");
    }

    #[test]
    fn a_lane_is_in_order_and_runs_until_it_is_empty() {
        let (lane, other) = two_lanes();
        let mut lanes = Lanes::new(BOUNDS);
        assert_eq!(lanes.push(lane, 1, 0), Ok(Pushed::Begins));
        assert_eq!(lanes.push(lane, 2, 0), Ok(Pushed::Waits));
        assert_eq!(lanes.push(other, 3, 0), Ok(Pushed::Begins));
        assert_eq!(lanes.next(lane), Some(1));
        assert_eq!(lanes.push(lane, 4, 0), Ok(Pushed::Waits));
        assert_eq!(lanes.next(lane), Some(2));
        assert_eq!(lanes.next(lane), Some(4));
        // The last one is taken but the lane has not been found empty.
        lanes.done(0);
        assert_eq!(lanes.push(lane, 5, 0), Ok(Pushed::Waits));
        assert_eq!(lanes.next(lane), Some(5));
        assert_eq!(lanes.next(lane), None);
        lanes.done(0);
        assert_eq!(lanes.push(lane, 6, 0), Ok(Pushed::Begins));
        assert_eq!(lanes.next(other), Some(3));
    }

    #[test]
    fn what_is_on_its_way_counts_in_all_lanes_together() {
        let (lane, other) = two_lanes();
        let mut lanes = Lanes::new(BOUNDS);
        for lane in [lane, lane, other, other] {
            assert!(lanes.has_room() || lane == other);
            lanes.push(lane, (), 0).expect("there is room");
        }
        assert_eq!(lanes.push(lane, (), 0), Err(Full(())));
        lanes.next(other).expect("there is one");
        assert_eq!(lanes.push(lane, (), 0), Err(Full(())));
        lanes.done(0);
        assert!(!lanes.has_room());
        assert_eq!(lanes.push(lane, (), 0), Ok(Pushed::Waits));
        lanes.done(0);
        lanes.done(0);
        assert!(lanes.has_room());
    }

    #[test]
    fn bytes_count_as_well() {
        let (lane, _) = two_lanes();
        let mut lanes = Lanes::new(BOUNDS);
        lanes.push(lane, (), 60).expect("there is room");
        assert!(!lanes.has_room());
        assert_eq!(lanes.push(lane, (), 41), Err(Full(())));
        assert_eq!(lanes.push(lane, (), 40), Ok(Pushed::Waits));
        lanes.done(60);
        assert!(lanes.has_room());
        assert_eq!(lanes.push(lane, (), 60), Ok(Pushed::Waits));
    }
}
