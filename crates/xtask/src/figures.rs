//! Several runs as one figure, and figures as text.

use std::fmt::Write as _;

use serde::Serialize;

/// The same figure of several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` without a run.
    pub(crate) fn of(runs: &[f64]) -> Option<Spread> {
        let mut sorted = runs.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Spread {
            median,
            least,
            most,
        })
    }

    /// The median, and the range if it shows.
    pub(crate) fn text(self) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(number);
        if least == most {
            return median;
        }
        format!("{median} ({least} to {most})")
    }
}

/// How many times `of` is as much as `to`; `None` if that says nothing.
pub(crate) fn ratio(of: f64, to: f64) -> Option<f64> {
    (of > 0.0 && to > 0.0).then(|| of / to)
}

/// With three digits that count, or as a whole number.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 9.995 {
        format!("{value:.2}")
    } else if magnitude < 99.95 {
        format!("{value:.1}")
    } else {
        grouped(whole(value))
    }
}

/// Appends to a text.
pub(crate) fn write(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args)
        .expect("writing to a String does not fail");
}

/// With a comma after every third digit from the right.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// 100 k, 50 M: as short as an axis needs it.
pub(crate) fn short(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, " M"),
        1e3.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    format!("{value}{unit}")
}

pub(crate) fn mib(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "neither accounts nor bytes nor microseconds of a run come to 2^52"
)]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is measured is not negative and far below 2^52"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        for (runs, expected) in [
            (&[3.0][..], (3.0, 3.0, 3.0)),
            (&[3.0, 1.0, 2.0], (2.0, 1.0, 3.0)),
            (&[4.0, 1.0, 2.0, 3.0], (2.5, 1.0, 4.0)),
            (&[9.0, 100.0, 10.0], (10.0, 9.0, 100.0)),
        ] {
            let (median, least, most) = expected;
            let expected = Spread {
                median,
                least,
                most,
            };
            assert_eq!(Spread::of(runs), Some(expected), "{runs:?}");
        }
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn spreads_as_text() {
        for (runs, expected) in [
            (&[1.5][..], "1.50"),
            (&[1.501, 1.502], "1.50"),
            (
                &[700_000.0, 650_000.4, 710_000.0],
                "700,000 (650,000 to 710,000)",
            ),
            (&[1.0, 2.0, 30.0], "2.00 (1.00 to 30.0)"),
        ] {
            assert_eq!(Spread::of(runs).unwrap().text(), expected);
        }
    }

    #[test]
    fn ratios() {
        for (of, to, expected) in [
            (6.0, 2.0, Some(3.0)),
            (1.0, 4.0, Some(0.25)),
            (0.0, 4.0, None),
            (4.0, 0.0, None),
        ] {
            assert_eq!(ratio(of, to), expected, "{of} to {to}");
        }
    }

    #[test]
    fn numbers() {
        for (value, expected) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (9.996, "10.0"),
            (12.34, "12.3"),
            (99.96, "100"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(number(value), expected);
        }
        for (value, expected) in [(500.0, "500"), (1e5, "100 k"), (1e6, "1 M"), (5e7, "50 M")] {
            assert_eq!(short(value), expected);
        }
    }
}
