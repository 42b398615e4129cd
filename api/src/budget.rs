//! Bounded bytes: one counter that several owners draw from, so that a process has one memory limit however many
//! planes live in it.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit in bytes and what is taken of it. Clones share the counter.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    limit_bytes: u64,
    set_by: &'static str,
    used_bytes: AtomicU64,
    refusals: AtomicU64,
}

/// Why something was refused for lack of room, for people: how full it is, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    pub used_bytes: u64,
    pub limit_bytes: u64,
    /// The option that the limit comes from; empty where nobody said one.
    pub set_by: Cow<'static, str>,
}

impl Shortage {
    /// Of two places that both had no room.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            used_bytes: self.used_bytes.saturating_add(other.used_bytes),
            limit_bytes: self.limit_bytes.saturating_add(other.limit_bytes),
            set_by: self.set_by,
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes| ByteSize(bytes).display().iec();
        write!(f, "{} of {} are taken", size(self.used_bytes), size(self.limit_bytes))?;
        if self.set_by.is_empty() { Ok(()) } else { write!(f, "; {} sets the limit", self.set_by) }
    }
}

impl ByteBudget {
    pub fn new(limit_bytes: u64) -> Self {
        Self::set_by(limit_bytes, "")
    }

    /// With the option that its limit comes from, such as `--capacity`, which whoever is refused is told.
    pub fn set_by(limit_bytes: u64, set_by: &'static str) -> Self {
        let (used_bytes, refusals) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Counter { limit_bytes, set_by, used_bytes, refusals }))
    }

    /// Notes that somebody got no room and is told so. Taking does not note it by itself: who does not get much may try
    /// less.
    pub fn refuse(&self) -> Shortage {
        self.0.refusals.fetch_add(1, Ordering::Relaxed);
        self.shortage()
    }

    /// How full it is.
    pub fn shortage(&self) -> Shortage {
        Shortage {
            used_bytes: self.used_bytes(),
            limit_bytes: self.0.limit_bytes,
            set_by: self.0.set_by.into(),
        }
    }

    /// How often [`Self::refuse`] was called.
    pub fn refusals(&self) -> u64 {
        self.0.refusals.load(Ordering::Relaxed)
    }

    pub fn limit_bytes(&self) -> u64 {
        self.0.limit_bytes
    }

    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, or nothing and answers false when they do not fit.
    #[must_use]
    pub fn take(&self, bytes: u64) -> bool {
        self.take_up_to(self.0.limit_bytes, bytes)
    }

    fn take_up_to(&self, most_bytes: u64, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|&n| n <= most_bytes);
        self.0.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives back what was taken. Giving back more than was taken is a bug and panics in debug builds.
    pub fn give_back(&self, bytes: u64) {
        let before = self.0.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "gave back {bytes} of {before} bytes");
    }

    /// As [`Self::take`], for an owner that gives back by being dropped; none when they do not fit.
    pub fn share(&self, bytes: u64) -> Option<Share> {
        self.take(bytes).then(|| Share { budget: self.clone(), bytes })
    }

    /// A share of what is spare: none where less than half of the limit would be left for those who cannot do without.
    pub fn spare(&self, bytes: u64) -> Option<Share> {
        self.take_up_to(self.0.limit_bytes / 2, bytes).then(|| Share { budget: self.clone(), bytes })
    }

    /// A share whether or not it fits: for whoever must go on, and has a bound of its own on how often it asks for how
    /// much. What is used may so be more than the limit, and nobody else takes anything meanwhile.
    pub fn share_beyond(&self, bytes: u64) -> Share {
        self.0.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        Share { budget: self.clone(), bytes }
    }
}

/// Bytes that were taken of a budget. They go back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: ByteBudget,
    bytes: u64,
}

impl Share {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes so many more of what is [spare](ByteBudget::spare), or none and answers false.
    pub fn grow(&mut self, by: u64) -> bool {
        let fits = self.budget.take_up_to(self.budget.limit_bytes() / 2, by);
        self.bytes += if fits { by } else { 0 };
        fits
    }

    /// Takes so many more, or none and answers false where less than a quarter of the limit would be left for others: for what
    /// cannot be done without, and may be long.
    pub fn lengthen(&mut self, by: u64) -> bool {
        let fits = self.budget.take_up_to(self.budget.limit_bytes() / 4 * 3, by);
        self.bytes += if fits { by } else { 0 };
        fits
    }

    /// Gives back what is beyond `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        let excess = self.bytes.saturating_sub(bytes);
        self.budget.give_back(excess);
        self.bytes -= excess;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_up_to_the_limit_and_not_a_byte_more() {
        let budget = ByteBudget::new(100);
        assert!(budget.take(60) && budget.clone().take(40));
        assert!(!budget.take(1) && !budget.take(u64::MAX));
        budget.give_back(30);
        assert_eq!((budget.used_bytes(), budget.take(31), budget.take(30)), (70, false, true));
    }

    #[test]
    fn a_shortage_says_how_full_it_is_and_what_sets_the_limit() {
        let budget = ByteBudget::set_by(16 << 20, "--capacity");
        assert!(budget.take(15 << 20) && !budget.take(2 << 20));
        assert_eq!(budget.refusals(), 0, "less may do");
        let shortage = budget.refuse();
        assert_eq!(shortage.to_string(), "15.0 MiB of 16.0 MiB are taken; --capacity sets the limit");
        let both = shortage.clone().and(shortage);
        assert_eq!(both.to_string(), "30.0 MiB of 32.0 MiB are taken; --capacity sets the limit");
        assert_eq!(ByteBudget::new(1).shortage().to_string(), "0 B of 1 B are taken");
        assert_eq!(budget.refusals(), 1);
    }

    #[test]
    fn a_share_goes_back_whole_however_it_changed() {
        let budget = ByteBudget::new(100);
        let mut share = budget.share(30).unwrap();
        assert!(budget.spare(21).is_none() && !share.grow(21) && share.grow(20), "half of it is spare");
        let mut other = budget.share(20).unwrap();
        assert!(!other.lengthen(8) && other.lengthen(4), "a quarter is left");
        drop(other);
        let rest = budget.share(50).unwrap();
        assert!(budget.share(1).is_none());
        let beyond = budget.share_beyond(50);
        assert_eq!((share.bytes(), budget.used_bytes(), budget.take(1)), (50, 150, false));
        share.shrink(10);
        share.shrink(20);
        assert_eq!((share.bytes(), budget.used_bytes()), (10, 110));
        drop((share, rest, beyond));
        assert_eq!(budget.used_bytes(), 0);
    }
}
