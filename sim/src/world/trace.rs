//! A running hash of all that happens, so that two runs of one seed can be held against each other.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Trace(u64);

/// FNV-1a's.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

impl Default for Trace {
    fn default() -> Self {
        Self(OFFSET)
    }
}

impl Trace {
    pub(super) fn add(&mut self, at: Duration, from: u32, to: u32, what: &str) {
        let head = [at.as_nanos() as u64, u64::from(from) << 32 | u64::from(to)];
        let bytes = head.into_iter().flat_map(u64::to_le_bytes).chain(what.bytes());
        self.0 = bytes.fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    }

    pub(super) fn value(&self) -> u64 {
        self.0
    }
}
