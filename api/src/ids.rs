//! Identities. Every id is issued once and never again, also not by a controller that lost its state: they start
//! from the wall clock of the controller that issues them (see [`IdSource`]).

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// A job: one life of a bucket. A bucket that is deleted and created again is another job.
    JobId,
    "j"
);
id!(
    /// One incarnation of one role's process: given by the controller when the role joins. A process that restarts
    /// joins again and is another node, so whoever still names the old one is told instead of answered wrongly.
    /// Ids grow with time: a node that is absent from a view although its id is at most the view's newest is dead.
    NodeId,
    "n"
);
id!(
    /// A read lease granted by a shard; meaningful at that shard only.
    LeaseId,
    "l"
);

id!(
    /// Something that a controller carries through at several nodes: it opens, changes or ends a job. Grows with time, so
    /// that a node that has undone one knows those that were before it.
    OperationId,
    "o"
);
id!(
    /// A weight map, which several jobs may share.
    MapId,
    "m"
);
id!(
    /// One start of a controller. Grows with each, so whoever has heard a newer one takes no orders of an older one.
    Term,
    "t"
);

/// Version of a job's placement. Grows with every change of settings, and no number stands for two
/// of them, also where a change did not reach every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// A chunk: a run of bytes on one storage server, written once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkId {
    /// The server that holds it.
    pub server: NodeId,
    /// Issued by that server, never reused.
    pub number: u64,
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:x}@{}", self.number, self.server)
    }
}

/// One act of writing: a PUT, an uploaded part, or a reference taken for a copy. Minted by a gateway, unique in the
/// cluster. It names the manifest that the act leaves behind, and what a shard burns when it has never heard of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriteId {
    /// The gateway that minted it.
    pub gateway: NodeId,
    /// Counts up at that gateway.
    pub number: u64,
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{:x}@{}", self.number, self.gateway)
    }
}

/// Issues ids that are unique without stored state: milliseconds since 1970 shifted by 20 bits, then counted up. A
/// source that is made anew starts above all ids of an older one as long as no source issues more than 2^20
/// (a million) ids a millisecond on average and the wall clock is not set back.
#[derive(Debug)]
pub struct IdSource(AtomicU64);

impl IdSource {
    /// `now_ms`: milliseconds since 1970.
    pub fn starting_at(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms << 20))
    }

    /// A value that no call has returned before.
    pub fn issue(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A map by ids, for the way of every request. Its order follows from what was put into it and taken out, and from no chance.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Hashes ids with one multiplication a word. They are issued by planes and not chosen by clients, so nobody can make
/// them collide. Not for names.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

/// 2^64 divided by the golden ratio, odd: numbers that count up are spread over all bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(SPREAD);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            self.write_u64(u64::from_le_bytes(padded));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    /// The fullest of 2^12 buckets, by the bits that a table takes for its places or for its tags.
    fn fullest(ids: impl Iterator<Item = impl Hash>, shift: u32) -> u32 {
        let mut buckets = vec![0_u32; 1 << 12];
        let hasher = BuildHasherDefault::<IdHasher>::default();
        ids.for_each(|id| buckets[(hasher.hash_one(id) >> shift) as usize % (1 << 12)] += 1);
        buckets.into_iter().max().unwrap_or(0)
    }

    #[test]
    fn ids_as_they_are_issued_spread_over_a_table() {
        let source = IdSource::starting_at(1_800_000_000_000);
        let jobs: Vec<JobId> = (0..1 << 12).map(|_| JobId(source.issue())).collect();
        let strided = (0..1 << 12).map(|n| JobId(n << 20));
        let write = |number| WriteId { gateway: NodeId(1_800_000_000_000 << 20), number };
        for shift in [0, 52] {
            // Thrown at random, the fullest of as many buckets as balls holds some 7.
            assert!(fullest(jobs.iter(), shift) <= 10, "jobs at {shift}");
            assert!(fullest(strided.clone(), shift) <= 10, "one job a millisecond at {shift}");
            assert!(fullest((0..1 << 12).map(write), shift) <= 10, "writes at {shift}");
        }
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let hashes: HashSet<u64> = (0..1 << 12).map(|n| hasher.hash_one(write(n))).collect();
        assert_eq!(hashes.len(), 1 << 12);
    }
}
