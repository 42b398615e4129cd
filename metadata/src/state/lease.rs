//! Read leases: what keeps bytes in place, and counted reads reserved, while somebody reads. Inside the state machine.

use crate::state::key::Key;
use crate::state::pieces::Body;
use crate::state::reads::Reservation;
use pocket_api::clock::Timestamp;
use pocket_api::ids::LeaseId;
use pocket_api::limits::READ_LEASE;
use pocket_api::metadata::MetadataError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most leases of one job at one shard: each is a GET in flight. At 200 bytes a lease this is 12 MiB.
pub(crate) const LEASES_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) expires_at: Timestamp,
    /// Keeps the bytes. `None` where they went with the answer and only the read is counted.
    pub(crate) body: Option<Arc<Body>>,
    /// First selected byte and number of them.
    pub(crate) selection: (u64, u64),
    pub(crate) counted: Option<CountedRead>,
}

/// Whose read is reserved, and how.
#[derive(Debug)]
pub(crate) struct CountedRead {
    pub(crate) key: Key,
    pub(crate) version: u64,
    pub(crate) reservation: Reservation,
}

/// All leases of a job at this shard, in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    by_id: BTreeMap<LeaseId, Lease>,
    newest: u64,
}

impl Leases {
    pub(crate) fn check_room(&self) -> Result<(), MetadataError> {
        if self.by_id.len() < LEASES_MAX { Ok(()) } else { Err(MetadataError::Crowded) }
    }

    pub(crate) fn grant(&mut self, lease: Lease) -> LeaseId {
        self.newest += 1;
        self.by_id.insert(LeaseId(self.newest), lease);
        LeaseId(self.newest)
    }

    /// One that has not ended.
    pub(crate) fn get(&self, id: LeaseId, now: Timestamp) -> Option<&Lease> {
        self.by_id.get(&id).filter(|lease| lease.expires_at > now)
    }

    /// Whether it is renewed; not when it has ended already.
    pub(crate) fn renew(&mut self, id: LeaseId, now: Timestamp) -> bool {
        match self.by_id.get_mut(&id).filter(|lease| lease.expires_at > now) {
            Some(lease) => {
                lease.expires_at = now + READ_LEASE;
                true
            }
            None => false,
        }
    }

    pub(crate) fn remove(&mut self, id: LeaseId) -> Option<Lease> {
        self.by_id.remove(&id)
    }

    /// An object has another key: whoever reads it settles with it there. Looks at all leases, so it is asked only where
    /// reads are counted.
    pub(crate) fn follow(&mut self, from: &Key, version: u64, to: &Key) {
        let counted = self.by_id.values_mut().filter_map(|lease| lease.counted.as_mut());
        counted
            .filter(|read| read.version == version && read.key == *from)
            .for_each(|read| read.key = to.clone());
    }

    /// Whether somebody reads.
    pub(crate) fn any_open(&self, now: Timestamp) -> bool {
        self.by_id.values().any(|lease| lease.expires_at > now)
    }

    /// The first that have ended without word, `most` of them. Looks at all, so it is asked once a second only.
    pub(crate) fn ended(&self, now: Timestamp, most: usize) -> Vec<LeaseId> {
        let ended = self.by_id.iter().filter(|(_, lease)| lease.expires_at <= now);
        ended.map(|(id, _)| *id).take(most).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
