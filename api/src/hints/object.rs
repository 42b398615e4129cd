//! Hints of one object: the bounds of its life.

use super::value::{count, duration, limit, shown};
use super::{HintError, HintPlace};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a hint says of something that may have a bound: none, whatever else holds, or this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit<T> {
    None,
    Of(T),
}

impl<T> Limit<T> {
    pub fn value(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::Of(value) => Some(value),
        }
    }
}

/// Names of all hints of an object, in the order of the documentation.
pub const OBJECT_HINTS: [&str; 2] = ["ttl", "reads"];

const OF_OBJECT: HintPlace = HintPlace { taker: "an object", prefix: "", names: &OBJECT_HINTS };

/// Hints of one object; they outweigh the job's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHints {
    pub ttl: Option<Limit<Duration>>,
    pub reads: Option<Limit<u32>>,
}

impl ObjectHints {
    /// As [`JobHints::parse`](super::JobHints::parse); only [`OBJECT_HINTS`] can be said of an object. `none` stands for
    /// no bound, where the job has one by default.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HintError> {
        let mut hints = Self::default();
        for (name, value) in pairs {
            let twice = || HintError::Twice { name: name.into() };
            let value = value.trim();
            match name {
                "ttl" if hints.ttl.is_some() => return Err(twice()),
                "reads" if hints.reads.is_some() => return Err(twice()),
                "ttl" => hints.ttl = Some(limit(value, |value| duration("ttl", value))?),
                "reads" => hints.reads = Some(limit(value, |value| count("reads", value))?),
                _ => return Err(HintError::Unknown { name: shown(name), place: OF_OBJECT }),
            }
        }
        Ok(hints)
    }

    /// What these leave open, as a source of lower precedence says it.
    pub fn or(self, other: Self) -> Self {
        Self { ttl: self.ttl.or(other.ttl), reads: self.reads.or(other.reads) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_take_ttl_and_reads_only() {
        let two_seconds = Some(Limit::Of(Duration::from_secs(2)));
        let hints = ObjectHints::parse([("ttl", "2s"), ("reads", "1")]).unwrap();
        assert_eq!(hints, ObjectHints { ttl: two_seconds, reads: Some(Limit::Of(1)) });
        let refused = ObjectHints::parse([("workers", "1")]).unwrap_err();
        assert_eq!(refused.to_string(), "an object does not take the hint \"workers\"; it takes ttl, reads");
        assert!(ObjectHints::parse([("ttl", "1s"), ("ttl", "none")]).is_err());
    }

    #[test]
    fn an_object_may_say_that_it_has_no_bound_and_that_is_not_to_say_nothing() {
        for value in ["none", " unlimited "] {
            let hints = ObjectHints::parse([("ttl", value), ("reads", value)]).unwrap();
            assert_eq!(hints, ObjectHints { ttl: Some(Limit::None), reads: Some(Limit::None) });
            let weaker = ObjectHints::parse([("ttl", "5s"), ("reads", "5")]).unwrap();
            assert_eq!(hints.clone().or(weaker.clone()), hints);
            assert_eq!(ObjectHints::default().or(weaker.clone()), weaker);
        }
    }
}
