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
        let fits = |used: u64| used.checked_add(bytes).filter(|&n| n <= self.0.limit_bytes);
        self.0.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives back what was taken. Giving back more than was taken is a bug and panics in debug builds.
    pub fn give_back(&self, bytes: u64) {
        let before = self.0.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "gave back {bytes} of {before} bytes");
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
}
