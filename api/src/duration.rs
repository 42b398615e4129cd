//! Times as people write them: in hints, lifecycle units, configuration and on command lines alike. Few units and no
//! others, so that `15M` is an error that says what to write, and never fifteen months.

use std::time::Duration;
use thiserror::Error;

/// What can be written, for errors and help.
pub const DURATION_FORMS: &str = "in d, h, m, s or ms, such as 90s, 15m or 1h30m; a number alone is seconds";

/// The units and their milliseconds, in the order in which a sum has them.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a time: write it {DURATION_FORMS}")]
pub struct BadDuration;

/// Reads whole numbers with units, the largest first (`15m`, `1h30m`), or whole seconds without one. Exact to the
/// millisecond, which is what shards count in.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    parse_millis(text).map(Duration::from_millis).ok_or(BadDuration)
}

fn parse_millis(text: &str) -> Option<u64> {
    let (number, mut rest) = split_number(text)?;
    if rest.is_empty() {
        return number.checked_mul(1_000);
    }
    let (mut number, mut sum, mut units) = (number, 0_u64, &UNITS[..]);
    loop {
        let unit = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let at = units.iter().position(|(name, _)| *name == &rest[..unit])?;
        sum = sum.checked_add(number.checked_mul(units[at].1)?)?;
        if rest.len() == unit {
            return Some(sum);
        }
        units = &units[at + 1..];
        (number, rest) = split_number(&rest[unit..])?;
    }
}

/// The digits that it begins with, and what follows.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    // Of digits alone: `parse` fails where there is none or they are too many.
    Some((number.parse().ok()?, rest))
}

/// As [`parse_duration`] reads it back, to the millisecond: `1h30m`, `0s`.
pub fn show_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".into();
    }
    let mut shown = String::new();
    for (name, millis) in UNITS {
        if left >= millis {
            shown.push_str(&format!("{}{name}", left / millis));
            left %= millis;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_have_five_units_and_a_number_alone_is_seconds() {
        for (text, millis) in [
            ("90", 90_000),
            ("0", 0),
            ("250ms", 250),
            ("90s", 90_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_a_time_elsewhere_is_none_here() {
        for text in [
            "15M",
            "15min",
            "15minutes",
            "1w",
            "1y",
            "1month",
            "5us",
            "5S",
            "1H",
            "1.5h",
            "15 m",
            "1h 30m",
            "30m1h",
            "1s1s",
            "1h30",
            "m",
            "",
            " ",
            "-1s",
            "+1",
            "1_000",
            "٣s",
            "1e3",
            "none",
            "99999999999999999999",
            "999999999999999999s",
            "213503982334601d1d",
        ] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.contains(DURATION_FORMS), "{error}");
        }
    }

    #[test]
    fn times_are_shown_in_the_largest_units() {
        for (millis, shown) in
            [(0, "0s"), (1_500, "1s500ms"), (90_000, "1m30s"), (86_400_000, "1d"), (90_000_001, "1d1h1ms")]
        {
            assert_eq!(show_duration(Duration::from_millis(millis)), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in any::<u64>()) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(time)), Ok(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9dhms -µ]{0,12}") {
            let _ = parse_duration(&text);
        }
    }
}
