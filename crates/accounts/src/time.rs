//! Time as a value. Nothing in this crate reads a clock.

use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z, the resolution of the protocol (wire §3.6, §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The moment `seconds` later; the far end of time if that cannot be represented.
    #[must_use]
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Reads a time that is written with its offset, as in `2026-02-20T08:00:00Z`; parts of a second
    /// are dropped. `None` for anything else, and for what lies before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = text.parse::<jiff::Timestamp>().ok()?;
        u64::try_from(moment.as_second()).ok().map(Self)
    }
}

/// Writes UTC, as in `2026-02-20T08:00:00Z`, the form of the protocol's texts; a moment beyond the
/// year 9999 as its number of seconds.
impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = i64::try_from(self.0)
            .ok()
            .and_then(|s| jiff::Timestamp::from_second(s).ok());
        match moment {
            Some(moment) => moment.fmt(f),
            None => write!(f, "second {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_the_protocol_writes_times() {
        assert_eq!(
            UnixSeconds(1_771_574_400).to_string(),
            "2026-02-20T08:00:00Z"
        );
        assert_eq!(
            UnixSeconds(u64::MAX).to_string(),
            "second 18446744073709551615"
        );
    }

    #[test]
    fn read_with_their_offset() {
        for (text, expected) in [
            ("2026-02-20T08:00:00Z", Some(1_771_574_400)),
            ("2026-02-20T09:00:00.9+01:00", Some(1_771_574_400)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-02-20T08:00:00", None),
            ("1771574400", None),
            ("", None),
        ] {
            assert_eq!(
                UnixSeconds::parse(text),
                expected.map(UnixSeconds),
                "{text}"
            );
        }
    }
}
