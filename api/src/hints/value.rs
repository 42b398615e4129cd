//! The values of hints: counts, sizes and times as people write them.

use super::{HintError, Limit};
use crate::limits::WAIT_MAX;
use bytesize::ByteSize;
use std::time::Duration;

/// Whether a value is no time at all, such as `0s`: no TTL can be that, but it can say that a job is over.
pub fn is_no_time(value: &str) -> bool {
    exact_duration(value.trim()).is_some_and(|time| time.is_zero())
}

/// The value of the hint or header `wait`: up to [`WAIT_MAX`], `0` for not at all.
pub fn parse_wait(value: &str) -> Result<Duration, HintError> {
    let wanted = "a time of at most 5 minutes, such as 10s or 500ms";
    let wait = any_duration(value).ok_or_else(|| bad("wait", value, wanted))?;
    if wait > WAIT_MAX { Err(bad("wait", value, wanted)) } else { Ok(wait) }
}

/// As much of a client's text as an error repeats.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(super) fn bad(name: &'static str, value: &str, wanted: &'static str) -> HintError {
    HintError::Bad { name, value: shown(value), wanted }
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

/// A time with a unit, or whole seconds without one; at least a millisecond.
pub(super) fn duration(name: &'static str, value: &str) -> Result<Duration, HintError> {
    let wanted = "a time of at most 10 years, such as 90s, 15m or 2h";
    let most = Duration::from_secs(10 * 365 * 86_400);
    any_duration(value).filter(|d| !d.is_zero() && *d <= most).ok_or_else(|| bad(name, value, wanted))
}

fn any_duration(value: &str) -> Option<Duration> {
    // Shards count in milliseconds.
    Some(Duration::from_millis(u64::try_from(exact_duration(value)?.as_millis()).ok()?))
}

fn exact_duration(value: &str) -> Option<Duration> {
    let seconds = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    seconds.map(Duration::from_secs).or_else(|| humantime::parse_duration(value).ok())
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
        for value in ["0s", " 0 ", "000", "0ms", "0h 0m"] {
            assert!(is_no_time(value), "{value}");
        }
        for value in ["1us", "1ms", "1", "none", "", "-0s", "soon"] {
            assert!(!is_no_time(value), "{value}");
        }
    }
}
