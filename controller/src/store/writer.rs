//! What waits to be written. Batches that come while one is being written are written together, in their order.

use super::{Change, Store};
use parking_lot::Mutex;
use std::sync::Arc;

/// Changes up to a number.
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(super) changes: Vec<Change>,
    needs_snapshot: bool,
}

impl Batch {
    #[cfg(test)]
    pub(super) fn of(number: u64, changes: Vec<Change>) -> Self {
        Self { number, changes, needs_snapshot: false }
    }

    /// The log is broken: everything has to be written in the place of this.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.needs_snapshot
    }
}

pub(crate) struct Writer {
    queue: Mutex<Queue>,
    store: Arc<Mutex<Store>>,
}

#[derive(Default)]
struct Queue {
    number: u64,
    changes: Vec<Change>,
    is_writing: bool,
}

impl Writer {
    pub(crate) fn new(store: Store) -> Self {
        Self { queue: Mutex::default(), store: Arc::new(Mutex::new(store)) }
    }

    pub(crate) fn store(&self) -> Arc<Mutex<Store>> {
        self.store.clone()
    }

    pub(crate) fn add(&self, number: u64, changes: Vec<Change>) {
        let mut queue = self.queue.lock();
        queue.number = number;
        queue.changes.extend(changes);
    }

    /// Whether the caller has to see to the writing, until [`Self::next`] has no more. Otherwise somebody is at it.
    pub(crate) fn begins(&self) -> bool {
        !std::mem::replace(&mut self.queue.lock().is_writing, true)
    }

    pub(crate) fn next(&self) -> Option<Batch> {
        let needs_snapshot = self.store.lock().is_broken();
        let mut queue = self.queue.lock();
        if queue.changes.is_empty() {
            queue.is_writing = false;
            return None;
        }
        let changes = std::mem::take(&mut queue.changes);
        Some(Batch { number: queue.number, changes, needs_snapshot })
    }
}
