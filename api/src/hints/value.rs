//! The values of hints: counts, sizes and times as people write them.

use super::{HintError, Limit};
use crate::duration::{DURATION_FORMS, parse_duration, show_duration};
use crate::limits::WAIT_MAX;
use bytesize::ByteSize;
use std::time::Duration;

/// 10 years: more than any job lives, and far from where sums of times overflow.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Whether a value is no time at all, such as `0s`: no TTL can be that, but it can say that a job is over.
pub fn is_no_time(value: &str) -> bool {
    parse_duration(value.trim()).is_ok_and(|time| time.is_zero())
}

/// The value of the hint or header `wait`: up to [`WAIT_MAX`], `0` for not at all.
pub fn parse_wait(value: &str) -> Result<Duration, HintError> {
    parse_duration(value).ok().filter(|wait| *wait <= WAIT_MAX).ok_or_else(|| {
        bad("wait", value, format!("a time of at most {}, {DURATION_FORMS}", show_duration(WAIT_MAX)))
    })
}

/// As much of a client's text as an error repeats.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(super) fn bad(name: &'static str, value: &str, wanted: impl Into<String>) -> HintError {
    HintError::Bad { name, value: shown(value), wanted: wanted.into() }
}

pub(super) fn only_if<T>(name: &'static str, value: &str, built: T, holds: bool) -> Result<T, HintError> {
    if holds { Ok(built) } else { Err(HintError::NotBuilt { name, value: shown(value) }) }
}

/// `unlimited` reads as `none` does.
pub(super) fn limit<T>(
    value: &str,
    parse: impl Fn(&str) -> Result<T, HintError>,
) -> Result<Limit<T>, HintError> {
    if matches!(value, "none" | "unlimited") { Ok(Limit::None) } else { parse(value).map(Limit::Of) }
}

pub(super) fn count(name: &'static str, value: &str) -> Result<u32, HintError> {
    value.parse().ok().filter(|&n| n > 0).ok_or_else(|| bad(name, value, "a whole number from 1"))
}

pub(super) fn size(name: &'static str, value: &str) -> Result<u64, HintError> {
    let size: Result<ByteSize, _> = value.parse();
    size.ok()
        .map(|s| s.as_u64())
        .filter(|&n| n > 0)
        .ok_or_else(|| bad(name, value, "a size, such as 512MiB or 10GB"))
}

/// A time of at least a millisecond and at most [`DURATION_MAX`].
pub(super) fn duration(name: &'static str, value: &str) -> Result<Duration, HintError> {
    parse_duration(value)
        .ok()
        .filter(|time| !time.is_zero() && *time <= DURATION_MAX)
        .ok_or_else(|| bad(name, value, format!("a time above 0, of at most 10 years, {DURATION_FORMS}")))
}

pub(super) fn yes_or_no(name: &'static str, value: &str) -> Result<bool, HintError> {
    match value {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(bad(name, value, "yes or no")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_told_from_a_little_and_from_none() {
        for value in ["0s", " 0 ", "000", "0ms", "0h0m"] {
            assert!(is_no_time(value), "{value}");
        }
        for value in ["1us", "1ms", "1", "none", "", "-0s", "soon"] {
            assert!(!is_no_time(value), "{value}");
        }
    }
}
