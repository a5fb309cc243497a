//! When an outage is put into the log: at its beginning and at its end, and not with every event.

use std::time::Duration;

use tokio::time::Instant;

/// Outages that follow closer upon each other are one to who reads the log: a receiver that refuses
/// every second event would otherwise have two lines for each.
const PAUSE: Duration = Duration::from_mins(1);

/// Something that should not happen, and happens again and again once it does.
#[derive(Debug, Default)]
pub(super) struct Outage {
    is_said: bool,
    said_at: Option<Instant>,
    /// Since the last outage that was said was over.
    times: u64,
}

impl Outage {
    /// It happened; answers whether that is to be said.
    pub(super) fn happened(&mut self, now: Instant) -> bool {
        self.times += 1;
        let is_new = !self.is_said && self.said_at.is_none_or(|at| now >= at + PAUSE);
        if is_new {
            self.is_said = true;
            self.said_at = Some(now);
        }
        is_new
    }

    /// It is over; answers how often it happened if that is to be said.
    pub(super) fn over(&mut self) -> Option<u64> {
        if !self.is_said {
            return None;
        }
        self.is_said = false;
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_two_lines() {
        let start = Instant::now();
        let at_s = |seconds| start + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert_eq!(outage.over(), None);
        assert!(outage.happened(at_s(0)));
        assert!(!outage.happened(at_s(1)));
        assert!(!outage.happened(at_s(1000)));
        assert_eq!(outage.over(), Some(3));
        assert_eq!(outage.over(), None);
        assert!(outage.happened(at_s(1001)));
    }

    #[test]
    fn one_that_comes_and_goes_is_said_once_a_minute() {
        let start = Instant::now();
        let at_s = |seconds| start + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert!(outage.happened(at_s(0)));
        assert_eq!(outage.over(), Some(1));
        for seconds in 1..60 {
            assert!(!outage.happened(at_s(seconds)));
            assert_eq!(outage.over(), None);
        }
        assert!(outage.happened(at_s(60)));
        assert_eq!(outage.over(), Some(60));
    }
}
