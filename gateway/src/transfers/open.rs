//! The table of what is under way, in parts, so that threads that serve requests do not wait for each other.

use super::Holds;
use parking_lot::Mutex;
use pocket_api::ids::JobId;
use pocket_edge::context::Connection;
use slab::Slab;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// More than event loops that one process usually has, so that each has a part of its own; those that are more share.
const PARTS: usize = 16;

/// One transfer.
pub(super) struct Open {
    pub(super) job: JobId,
    pub(super) holds: Holds,
    /// Weak, because the connection may itself own the end of the transfer.
    pub(super) connection: Weak<Connection>,
    /// When bytes last moved, in milliseconds of the gateway's clock.
    pub(super) moved: Arc<AtomicU64>,
}

#[derive(Default)]
pub(super) struct OpenTransfers([Part; PARTS]);

/// On cache lines of its own: the next one is another thread's.
#[derive(Default)]
#[repr(align(128))]
struct Part(Mutex<Slab<Open>>);

/// Where a transfer is in the table.
#[derive(Clone, Copy)]
pub(super) struct Place {
    part: usize,
    slot: usize,
}

thread_local! {
    static OWN_PART: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % PARTS
    };
}

impl OpenTransfers {
    pub(super) fn insert(&self, open: Open) -> Place {
        let part = OWN_PART.with(|part| *part);
        Place { part, slot: self.0[part].0.lock().insert(open) }
    }

    /// What is removed is dropped outside of the lock.
    pub(super) fn remove(&self, place: Place) {
        let _removed = self.0[place.part].0.lock().try_remove(place.slot);
    }

    pub(super) fn each(&self, mut look: impl FnMut(&mut Open)) {
        for part in &self.0 {
            part.0.lock().iter_mut().for_each(|(_, open)| look(open));
        }
    }

    pub(super) fn collect<T>(&self, pick: impl Fn(&Open) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        self.each(|open| picked.extend(pick(open)));
        picked
    }
}
