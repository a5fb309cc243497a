//! Failures on demand, so that a team can rehearse what the real service can do to it.
//!
//! A fault is chosen by app and command, strikes with a probability, and ends at a time or after a
//! count. It stands in for what the command would do, behind the gate: who may not call cannot use
//! one up. Faults live in memory, and only where [`Settings::test_controls`] allows them.
//!
//! [`Settings::test_controls`]: crate::Settings::test_controls

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muster_accounts::{SdkAppId, UnixSeconds};
use muster_wire::{Command, ErrorCode};

/// A fault as the operator orders it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Whose calls it strikes; `None` is every app's.
    pub(crate) sdkappid: Option<SdkAppId>,
    /// Which calls it strikes; `None` is every command.
    pub(crate) command: Option<Command>,
    pub(crate) effect: Effect,
    /// How often it strikes: above 0, and always at 1.
    pub(crate) probability: f64,
    /// From when on it strikes no more.
    pub(crate) until: Option<UnixSeconds>,
    /// After how many strikes it is over.
    pub(crate) count: Option<u64>,
}

/// What a fault does to a call that it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// How long the call waits first, unless the server begins to stop.
    pub(crate) latency: Duration,
    pub(crate) outcome: Outcome,
    /// Whether the command is carried out all the same before its answer is replaced or lost.
    pub(crate) after_work: bool,
}

/// What becomes of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It comes, only later.
    AsUsual,
    /// This failure comes instead, in these words or the usual ones.
    Code(ErrorCode, Option<String>),
    /// None comes: the connection is cut.
    Cut,
}

/// A fault that is in force.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ActiveFault {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
    /// How often it has struck.
    pub(crate) struck: u64,
}

/// All faults.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    active: Vec<ActiveFault>,
    last_id: u64,
}

/// There are as many faults as may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Faults {
    /// The most faults at a time.
    pub(crate) const LIMIT: usize = 100;

    /// Puts a fault in force, behind those that are.
    pub(crate) fn add(&self, fault: Fault, now: UnixSeconds) -> Result<ActiveFault, TooMany> {
        let mut inner = self.lock();
        inner.active.retain(|active| active.is_in_force(now));
        if inner.active.len() >= Self::LIMIT {
            return Err(TooMany);
        }
        inner.last_id += 1;
        let active = ActiveFault {
            id: inner.last_id,
            fault,
            struck: 0,
        };
        inner.active.push(active.clone());
        Ok(active)
    }

    /// Those in force, the oldest first.
    pub(crate) fn list(&self, now: UnixSeconds) -> Vec<ActiveFault> {
        let mut inner = self.lock();
        inner.active.retain(|active| active.is_in_force(now));
        inner.active.clone()
    }

    /// Ends one, and says whether it was there.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut inner = self.lock();
        let before = inner.active.len();
        inner.active.retain(|active| active.id != id);
        inner.active.len() < before
    }

    /// Ends all, and says how many there were.
    pub(crate) fn clear(&self) -> usize {
        std::mem::take(&mut self.lock().active).len()
    }

    /// What happens to this call: the effect of the oldest fault that strikes it. `chance` is asked
    /// for a number from 0 up to 1 where a fault does not always strike.
    pub(crate) fn strike(
        &self,
        sdkappid: SdkAppId,
        command: Command,
        now: UnixSeconds,
        mut chance: impl FnMut() -> f64,
    ) -> Option<Effect> {
        let mut inner = self.lock();
        if inner.active.is_empty() {
            return None;
        }
        inner.active.retain(|active| active.is_in_force(now));
        let striking = inner.active.iter_mut().find(|active| {
            active.fault.aims_at(sdkappid, command)
                && (active.fault.probability >= 1.0 || chance() < active.fault.probability)
        })?;
        striking.struck += 1;
        Some(striking.fault.effect.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn aims_at(&self, sdkappid: SdkAppId, command: Command) -> bool {
        self.sdkappid.is_none_or(|aim| aim == sdkappid)
            && self.command.is_none_or(|aim| aim == command)
    }
}

impl ActiveFault {
    fn is_in_force(&self, now: UnixSeconds) -> bool {
        self.fault.until.is_none_or(|until| now < until)
            && self.fault.count.is_none_or(|count| self.struck < count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: SdkAppId = SdkAppId(1);
    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    fn fault(code: ErrorCode) -> Fault {
        Fault {
            sdkappid: None,
            command: None,
            effect: Effect {
                latency: Duration::ZERO,
                outcome: Outcome::Code(code, None),
                after_work: false,
            },
            probability: 1.0,
            until: None,
            count: None,
        }
    }

    fn strikes(faults: &Faults, command: Command, now: UnixSeconds) -> Option<ErrorCode> {
        let effect = faults.strike(APP, command, now, || 0.5)?;
        match effect.outcome {
            Outcome::Code(code, _) => Some(code),
            Outcome::AsUsual | Outcome::Cut => panic!("no such fault"),
        }
    }

    #[test]
    fn the_oldest_that_aims_at_the_call_strikes() {
        let faults = Faults::default();
        assert_eq!(strikes(&faults, Command::Kick, NOW), None);
        let of_another_app = Fault {
            sdkappid: Some(SdkAppId(2)),
            ..fault(ErrorCode::Internal)
        };
        faults.add(of_another_app, NOW).unwrap();
        let once = Fault {
            command: Some(Command::Kick),
            count: Some(1),
            ..fault(ErrorCode::TimedOut)
        };
        faults.add(once, NOW).unwrap();
        let until = Fault {
            until: Some(UnixSeconds(NOW.0 + 1)),
            ..fault(ErrorCode::OverRate)
        };
        faults.add(until, NOW).unwrap();
        let every = Command::AccountCheck;
        assert_eq!(strikes(&faults, every, NOW), Some(ErrorCode::OverRate));
        let kick = Command::Kick;
        assert_eq!(strikes(&faults, kick, NOW), Some(ErrorCode::TimedOut));
        assert_eq!(strikes(&faults, kick, NOW), Some(ErrorCode::OverRate));
        assert_eq!(strikes(&faults, kick, UnixSeconds(NOW.0 + 1)), None);
        let left: Vec<_> = faults.list(NOW).iter().map(|active| active.id).collect();
        assert_eq!(left, [1]);
        assert!(faults.remove(1));
        assert!(!faults.remove(1));
    }

    #[test]
    fn some_strike_by_chance() {
        let faults = Faults::default();
        for (probability, code) in [(0.5, ErrorCode::TimedOut), (0.51, ErrorCode::Internal)] {
            let sometimes = Fault {
                probability,
                ..fault(code)
            };
            faults.add(sometimes, NOW).unwrap();
        }
        assert_eq!(
            strikes(&faults, Command::Kick, NOW),
            Some(ErrorCode::Internal)
        );
        assert_eq!(faults.clear(), 2);
    }

    #[test]
    fn there_is_a_limit() {
        let faults = Faults::default();
        for _ in 0..Faults::LIMIT {
            faults.add(fault(ErrorCode::Internal), NOW).unwrap();
        }
        assert_eq!(faults.add(fault(ErrorCode::Internal), NOW), Err(TooMany));
    }
}
