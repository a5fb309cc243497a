//! When a client repeats a call by itself.

use std::{mem, time::Duration};

use crate::{Advice, Backoff};

/// How a [`Client`](crate::Client) repeats calls that failed, by the [`Advice`] on the failure.
///
/// It is off unless [`Options::retries`](crate::Options) has it. A call whose answer was lost, or that
/// timed out, may have been carried out, and the second try then meets what the first has done. What
/// that means depends on the command:
///
/// | Command | Another try after one that was carried out |
/// |---|---|
/// | `account_import`, `multiaccount_import` | writes the same values again, also over a change that somebody else made in between |
/// | `multiaccount_import_ids` | does nothing |
/// | `account_delete` | answers 70107 for the users whom the first try deleted; and deletes anew whom somebody imported in between, where the app allows that |
/// | `account_check`, `query_online_status`, `querystate`, `portrait_get` | asks again |
/// | `kick` | also ends what the user has been given in between: every `UserSig` up to the second try |
/// | `portrait_set` | writes the same values again, as an import does; a webhook hears of it twice |
///
/// A failure of one item, such as an [`ItemFailure`](crate::ItemFailure) or a user in `FailAccounts`,
/// is a result and not repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    patience: Duration,
    backoff: Backoff,
}

impl Retries {
    /// How long a call may take with all its tries and pauses. Whoever would have to wait longer for
    /// the next try gives up at once, with the last failure. A try that has begun takes its time, so
    /// a call may last this long and [`Options::timeout`](crate::Options::timeout) on top. 1 min by
    /// default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Retries {
        self.patience = patience;
        self
    }

    /// The pauses between tries.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Retries {
        self.backoff = backoff;
        self
    }
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            patience: Duration::from_mins(1),
            backoff: Backoff::default(),
        }
    }
}

/// The tries of one call.
pub(crate) struct Tries {
    patience: Duration,
    backoff: Backoff,
    signed_anew: bool,
}

impl Tries {
    pub(crate) fn new(retries: &Retries) -> Tries {
        Tries {
            patience: retries.patience,
            backoff: retries.backoff.clone(),
            signed_anew: false,
        }
    }

    /// The pause before the next try, `None` when there is to be none. `elapsed` is the time since
    /// the first began, `random` as in [`Backoff::next`].
    pub(crate) fn pause(
        &mut self,
        advice: Advice,
        elapsed: Duration,
        random: f64,
    ) -> Option<Duration> {
        if advice == Advice::SignAnew && mem::replace(&mut self.signed_anew, true) {
            return None;
        }
        let pause = self.backoff.next(advice.pause()?, random);
        (elapsed.saturating_add(pause) <= self.patience).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries() -> Tries {
        Tries::new(&Retries {
            patience: Duration::from_secs(10),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(4)),
        })
    }

    fn pauses_s(tries: &mut Tries, failures: &[(Advice, u64)]) -> Vec<Option<u64>> {
        let pause = |&(advice, elapsed_s)| {
            let pause = tries.pause(advice, Duration::from_secs(elapsed_s), 1.0);
            pause.map(|pause| pause.as_secs())
        };
        failures.iter().map(pause).collect()
    }

    #[test]
    fn pauses_grow_until_patience_is_over() {
        use Advice::Again;
        let failures = [(Again, 0), (Again, 1), (Again, 3), (Again, 6), (Again, 7)];
        let pauses = pauses_s(&mut tries(), &failures);
        assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(4), None]);
    }

    #[test]
    fn a_wait_that_is_named_is_kept_or_not_begun() {
        let after = |seconds| Advice::After(Duration::from_secs(seconds));
        assert_eq!(pauses_s(&mut tries(), &[(after(5), 0)]), [Some(6)]);
        assert_eq!(pauses_s(&mut tries(), &[(after(10), 0)]), [None]);
        assert_eq!(pauses_s(&mut tries(), &[(Advice::Never, 0)]), [None]);
    }

    #[test]
    fn a_call_is_signed_anew_once() {
        use Advice::{Again, SignAnew};
        let failures = [(SignAnew, 0), (Again, 2), (SignAnew, 4)];
        let pauses = pauses_s(&mut tries(), &failures);
        assert_eq!(pauses, [Some(2), Some(2), None]);
    }
}
