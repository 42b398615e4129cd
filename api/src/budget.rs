//! Bounded bytes: one counter that several owners draw from, so that a process has one memory limit however many
//! planes live in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit in bytes and what is taken of it. Clones share the counter.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl ByteBudget {
    pub fn new(limit_bytes: u64) -> Self {
        Self(Arc::new(Counter { limit_bytes, used_bytes: AtomicU64::new(0) }))
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
