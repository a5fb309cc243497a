//! Which records are done, as few numbers.

use std::collections::BTreeMap;

/// Disjoint runs of record numbers that do not touch, each with the digest of the file up to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// By their first numbers: the last, and the digest.
    runs: BTreeMap<u64, (u64, u64)>,
}

impl Ranges {
    /// Takes a run in, none of which was there, and joins it with those that it touches.
    pub(crate) fn add(&mut self, mut first: u64, mut last: u64, mut digest: u64) {
        if let Some((&before, &(end, _))) = self.runs.range(..first).next_back()
            && end + 1 == first
        {
            self.runs.remove(&before);
            first = before;
        }
        if let Some((end, end_digest)) = self.runs.remove(&(last + 1)) {
            last = end;
            digest = end_digest;
        }
        self.runs.insert(first, (last, digest));
    }

    /// Whether a number is in.
    pub(crate) fn has(&self, number: u64) -> bool {
        let run = self.runs.range(..=number).next_back();
        run.is_some_and(|(_, (last, _))| number <= *last)
    }

    /// The digest of the file up to this number, if a run ends there.
    pub(crate) fn digest_at(&self, number: u64) -> Option<u64> {
        let (_, (last, digest)) = self.runs.range(..=number).next_back()?;
        (*last == number).then_some(*digest)
    }

    /// The greatest number that is in; 0 if none is.
    pub(crate) fn last(&self) -> u64 {
        self.runs.last_key_value().map_or(0, |(_, (last, _))| *last)
    }

    /// First, last and digest of each run.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let runs = self.runs.iter();
        runs.map(|(first, (last, digest))| (*first, *last, *digest))
    }

    /// From what [`Ranges::runs`] gave; `None` if it cannot have.
    pub(crate) fn of_runs(runs: impl IntoIterator<Item = (u64, u64, u64)>) -> Option<Self> {
        let mut ranges = Self::default();
        let mut before = None;
        for (first, last, digest) in runs {
            let is_after = before.is_none_or(|before: u64| first > before.saturating_add(1));
            if first == 0 || last < first || last == u64::MAX || !is_after {
                return None;
            }
            before = Some(last);
            ranges.runs.insert(first, (last, digest));
        }
        Some(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_are_one() {
        let mut ranges = Ranges::default();
        ranges.add(11, 20, 20);
        ranges.add(31, 40, 40);
        ranges.add(1, 5, 5);
        assert_eq!(ranges.last(), 40);
        ranges.add(6, 10, 10);
        assert!(ranges.has(20) && !ranges.has(21));
        ranges.add(21, 30, 30);
        let runs: Vec<_> = ranges.runs().collect();
        assert_eq!(runs, [(1, 40, 40)]);
        assert_eq!(ranges.digest_at(40), Some(40));
        assert_eq!(ranges.digest_at(39), None);
        assert!(ranges.has(1) && ranges.has(40) && !ranges.has(41) && !ranges.has(0));
        assert_eq!(Ranges::of_runs(runs), Some(ranges));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for runs in [
            vec![(0, 5, 0)],
            vec![(5, 4, 0)],
            vec![(1, 5, 0), (6, 9, 0)],
            vec![(7, 9, 0), (1, 2, 0)],
            vec![(1, u64::MAX, 0)],
        ] {
            assert_eq!(Ranges::of_runs(runs.clone()), None, "{runs:?}");
        }
    }
}
