//! What a run sends: operations and sizes with their weights, drawn without state.

use bytesize::ByteSize;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Largest object of a run: the client holds its bytes once, and 1 GiB is the most that is reasonable to hold.
const SIZE_MAX_BYTES: u64 = 1 << 30;

/// What one request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    Put,
    Get,
    Head,
    /// One page of up to 1,000 keys from a random key on.
    List,
    Delete,
    /// [`DELETE_MANY_KEYS`] keys from the next one on, in one request.
    DeleteMany,
    /// To another key of the same bucket.
    Copy,
}

/// The most that S3 takes in one DeleteObjects.
pub(crate) const DELETE_MANY_KEYS: u64 = 1_000;

impl Operation {
    pub const ALL: [Self; 7] =
        [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete, Self::DeleteMany, Self::Copy];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::DeleteMany => "delete-many",
            Self::Copy => "copy",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Operations with their shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix(Weighted<Operation>);

impl Mix {
    pub fn only(operation: Operation) -> Self {
        Self(Weighted(vec![(operation, 1)]))
    }

    /// `draw` is any number; evenly spread numbers give the shares.
    pub(crate) fn pick(&self, draw: u64) -> Operation {
        self.0.pick(draw)
    }

    pub(crate) fn has(&self, operation: Operation) -> bool {
        self.0.0.iter().any(|(o, _)| *o == operation)
    }

    /// Some operation needs objects that are there.
    pub(crate) fn reads(&self) -> bool {
        [Operation::Get, Operation::Head, Operation::List, Operation::Copy].into_iter().any(|o| self.has(o))
    }

    /// Keys may be missing because the run itself deletes them.
    pub(crate) fn deletes(&self) -> bool {
        [Operation::Delete, Operation::DeleteMany].into_iter().any(|o| self.has(o))
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = if text == "mixed" { "get:45,put:25,head:15,list:5,delete:10" } else { text };
        let operation = |name: &str| {
            let found = Operation::ALL.into_iter().find(|o| o.as_str() == name);
            found.ok_or_else(|| {
                format!("unknown operation {name:?}: {}", Operation::ALL.map(Operation::as_str).join(", "))
            })
        };
        Weighted::parse(text, operation).map(Self)
    }
}

/// Object sizes in bytes with their shares. A key's size is always the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes(Weighted<u64>);

impl Sizes {
    pub fn only(bytes: u64) -> Self {
        Self(Weighted(vec![(bytes, 1)]))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = u64> {
        self.0.0.iter().map(|(size, _)| *size)
    }

    pub(crate) fn mean(&self) -> f64 {
        let sum: f64 = self.0.0.iter().map(|(size, weight)| *size as f64 * f64::from(*weight)).sum();
        sum / self.0.total() as f64
    }

    pub(crate) fn of_key(&self, key: u64) -> u64 {
        self.0.pick(spread(key))
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |text: &str| {
            let size: ByteSize =
                text.parse().map_err(|_| format!("bad size {text:?}, such as 64KiB or 1MB"))?;
            match size.as_u64() {
                n if n <= SIZE_MAX_BYTES => Ok(n),
                n => Err(format!("size of {n} bytes is above {SIZE_MAX_BYTES}")),
            }
        };
        Weighted::parse(text, size).map(Self)
    }
}

/// Values with weights above 0, at least one.
#[derive(Clone, Debug, PartialEq)]
struct Weighted<T>(Vec<(T, u32)>);

impl<T: Copy> Weighted<T> {
    /// `value` or `value:weight,value:weight`.
    fn parse(text: &str, value: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let mut all = Vec::new();
        for item in text.split(',') {
            let (name, weight) = item.trim().split_once(':').unwrap_or((item.trim(), "1"));
            let weight: u32 = weight.parse().map_err(|_| format!("bad weight {weight:?} in {text:?}"))?;
            if weight == 0 {
                return Err(format!("weight 0 in {text:?}"));
            }
            all.push((value(name)?, weight));
        }
        Ok(Self(all))
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }

    fn pick(&self, draw: u64) -> T {
        let mut left = draw % self.total();
        for (value, weight) in &self.0 {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return *value,
            }
        }
        self.0[0].0
    }
}

/// Spreads consecutive numbers over all of `u64` (the finisher of SplitMix64).
pub(crate) fn spread(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_drawn_by_their_shares() {
        let mix: Mix = "get:90,put:10".parse().unwrap();
        let puts = (0..100_000).filter(|&n| mix.pick(spread(n)) == Operation::Put).count();
        assert!((9_500..10_500).contains(&puts), "{puts}");
        assert!(mix.reads() && !mix.has(Operation::Delete));
        assert!(!"put".parse::<Mix>().unwrap().reads());
    }

    #[test]
    fn every_preset_parses() {
        for preset in ["put", "get", "head", "list", "delete", "delete-many", "copy", "mixed"] {
            assert!(preset.parse::<Mix>().is_ok(), "{preset}");
        }
        for bad in ["", "get:", "get:0", "get:-1", "rename", "get:1,,put:1"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_keeps_its_size_and_sizes_keep_their_shares() {
        let sizes: Sizes = "1KiB:3,1MiB:1".parse().unwrap();
        let large = (0..10_000).filter(|&key| sizes.of_key(key) == 1 << 20).count();
        assert!((2_300..2_700).contains(&large), "{large}");
        assert_eq!(sizes.mean(), (3.0 * 1024.0 + 1_048_576.0) / 4.0);
        assert!((0..100).all(|key| sizes.of_key(key) == sizes.of_key(key)));
        assert_eq!("0".parse::<Sizes>().unwrap().of_key(7), 0);
        assert!("2GiB".parse::<Sizes>().is_err());
    }
}
