//! The table of what is under way, in parts, so that threads that serve requests do not wait for each other.

use parking_lot::Mutex;
use pocket_api::clock::Timestamp;
use pocket_api::ids::{JobId, LeaseId, NodeId, WriteId};
use pocket_api::limits::TRANSFER_PACE_BYTES;
use pocket_api::metadata::JobRef;
use pocket_edge::context::Connection;
use slab::Slab;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// More than event loops that one process usually has, so that each has a part of its own; those that are more share.
const PARTS: usize = 16;

/// A read lease and the shard that granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) shard: NodeId,
    pub(crate) id: LeaseId,
}

/// What has to be kept alive elsewhere.
pub(super) enum Holds {
    Lease(Lease),
    Space { write: WriteId, servers: Arc<[Heard]>, used: Option<Used> },
}

/// A server that holds chunks of a write.
pub(crate) struct Heard {
    pub(super) server: NodeId,
    /// A moment before the last word of the write that it answered, in milliseconds of the gateway's clock.
    last: AtomicU64,
}

impl Heard {
    pub(super) fn new(server: NodeId, asked: Timestamp) -> Self {
        Self { server, last: AtomicU64::new(asked.0) }
    }

    pub(super) fn at(&self, asked: Timestamp) {
        self.last.fetch_max(asked.0, Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Timestamp {
        Timestamp(self.last.load(Ordering::Relaxed))
    }
}

/// A job that ends by idleness and is written to. Its shards see leases and requests, but no body that is on its way.
pub(super) struct Used {
    /// Where the write will be committed.
    pub(super) shard: NodeId,
    pub(super) job: JobRef,
    pub(super) every: Duration,
    pub(super) ping_at: Timestamp,
}

/// One transfer.
pub(super) struct Open {
    pub(super) job: JobId,
    pub(super) holds: Holds,
    /// Weak, because the connection may itself own the end of the transfer.
    pub(super) connection: Weak<Connection>,
    /// When bytes last moved, in milliseconds of the gateway's clock.
    pub(super) moved: Arc<AtomicU64>,
    /// Bytes that its connection had sent when that last made a transfer one that moves.
    pub(super) seen_bytes: u64,
}

impl Open {
    /// Bytes move also while one piece is on its way.
    pub(super) fn look(&mut self, now: Timestamp) {
        let Some(connection) = self.connection.upgrade() else { return };
        let sent_bytes = connection.sent_bytes();
        if sent_bytes - self.seen_bytes >= TRANSFER_PACE_BYTES as u64 {
            self.seen_bytes = sent_bytes;
            self.moved.store(now.0, Ordering::Relaxed);
        }
    }
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
