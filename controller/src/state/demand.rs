//! Hints to resources: what a job needs, by the rules of the Pocket paper (OSDI '18, table 3). Pure.
//!
//! The unit is the paper's node, an i3.2xlarge: 8 Gb/s of network and 1960 GB of flash. A task uses 0.6 Gb/s.
//!
//! | known | throughput T | capacity C |
//! |---|---|---|
//! | nothing | 50 nodes x 8 Gb/s | 50 x 1960 GB |
//! | N workers | N x 0.6 Gb/s | (T / 8 Gb/s) x 1960 GB |
//! | capacity D | (D / 1960 GB) x 8 Gb/s | D |
//! | throughput B | B | (B / 8 Gb/s) x 1960 GB |
//!
//! What the client says of T and C overrides what the rules derive. Where one is missing, the workers say it, and
//! without workers the other one does.

use pocket_api::hints::JobHints;

/// Bytes a second that one node carries: 8 Gb/s.
pub(crate) const NODE_THROUGHPUT: u64 = 1_000_000_000;
/// Bytes that one node of the paper holds.
const NODE_CAPACITY_BYTES: u64 = 1_960_000_000_000;
/// Bytes a second of one task: 0.6 Gb/s.
const WORKER_THROUGHPUT: u64 = 75_000_000;
/// Nodes of a job that says nothing.
const NODES_UNKNOWN: u64 = 50;

/// What a job needs at its peak. Both are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Bytes a second.
    pub(crate) throughput: u64,
    pub(crate) capacity_bytes: u64,
}

impl Demand {
    pub(crate) fn of(hints: &JobHints) -> Self {
        let by_workers = hints.workers.map(|n| u64::from(n) * WORKER_THROUGHPUT);
        let by_capacity = hints.capacity.map(|c| scale(c, NODE_THROUGHPUT, NODE_CAPACITY_BYTES));
        let throughput =
            hints.throughput.or(by_workers).or(by_capacity).unwrap_or(NODES_UNKNOWN * NODE_THROUGHPUT);
        let by_throughput = scale(by_workers.unwrap_or(throughput), NODE_CAPACITY_BYTES, NODE_THROUGHPUT);
        Self { throughput: throughput.max(1), capacity_bytes: hints.capacity.unwrap_or(by_throughput).max(1) }
    }

    /// In nodes of the paper; the scarcer resource counts.
    pub(crate) fn nodes(self) -> f64 {
        let by_throughput = self.throughput as f64 / NODE_THROUGHPUT as f64;
        let by_capacity = self.capacity_bytes as f64 / NODE_CAPACITY_BYTES as f64;
        by_throughput.max(by_capacity)
    }
}

/// `n * by / of`; as much as fits where that is too much.
fn scale(n: u64, by: u64, of: u64) -> u64 {
    u64::try_from(u128::from(n) * u128::from(by) / u128::from(of)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_become_the_resources_of_the_papers_table() {
        const GB: u64 = 1_000_000_000;
        for (workers, capacity, throughput, expected) in [
            (None, None, None, (50 * GB, 98_000 * GB)),
            (Some(250), None, None, (18_750_000_000, 36_750 * GB)),
            (None, Some(1960 * GB), None, (GB, 1960 * GB)),
            (None, None, Some(2 * GB), (2 * GB, 3920 * GB)),
            (None, Some(100 * GB), Some(3 * GB), (3 * GB, 100 * GB)),
            (Some(4), Some(10 * GB), None, (300_000_000, 10 * GB)),
            (Some(4), None, Some(5 * GB), (5 * GB, 588 * GB)),
            (Some(4), Some(7), Some(9), (9, 7)),
            (None, Some(1), None, (1, 1)),
            (None, None, Some(u64::MAX), (u64::MAX, u64::MAX)),
            (Some(u32::MAX), None, None, (322_122_547_125_000_000, u64::MAX)),
        ] {
            let demand = Demand::of(&JobHints { workers, capacity, throughput, ..JobHints::default() });
            assert_eq!(
                (demand.throughput, demand.capacity_bytes),
                expected,
                "{workers:?} workers, {capacity:?} bytes, {throughput:?} bytes a second"
            );
        }
    }

    #[test]
    fn the_scarcer_resource_says_how_many_nodes_a_job_is_worth() {
        let nodes = |throughput, capacity_bytes| Demand { throughput, capacity_bytes }.nodes();
        assert_eq!(nodes(2 * NODE_THROUGHPUT, 1), 2.0);
        assert_eq!(nodes(1, 3 * NODE_CAPACITY_BYTES), 3.0);
        assert_eq!(Demand::of(&JobHints::default()).nodes(), 50.0);
    }
}
