//! Objects with a TTL in the order of their ends, and in another such order what lifecycle rules end. Whatever has no
//! end is not in it. Inside the state machine.

use crate::state::key::Key;
use pocket_api::clock::Timestamp;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Expiry(BTreeMap<(Timestamp, u64), Key>);

impl Expiry {
    /// `version` tells objects apart that end at the same moment.
    pub(crate) fn insert(&mut self, at: Timestamp, version: u64, key: Key) {
        self.0.insert((at, version), key);
    }

    /// Whether it was in it.
    pub(crate) fn remove(&mut self, at: Timestamp, version: u64) -> bool {
        self.0.remove(&(at, version)).is_some()
    }

    pub(crate) fn contains(&self, at: Timestamp, version: u64) -> bool {
        self.0.contains_key(&(at, version))
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.0.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }

    /// Takes out one that has ended.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(u64, Key)> {
        let first = self.0.first_entry().filter(|e| e.key().0 <= now)?;
        let ((_, version), key) = first.remove_entry();
        Some((version, key))
    }

    /// Those that have ended and are not taken out yet.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.0.range(..=(now, u64::MAX)).map(|(_, key)| key)
    }
}
