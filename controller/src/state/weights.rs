//! Resources to servers: which storage servers a job's new chunks go to, and in which shares. Pure and deterministic.
//!
//! A job is packed onto the servers that are partly taken already, fullest first, and what is left goes to empty ones,
//! as few as hold it and all of them equally full: servers that stay empty can be given back. How much of a server a
//! job takes is the larger of its share of the server's capacity and of its bandwidth. A demand that is more than
//! all servers have left is spread over all of them by their capacity: hints are advice, so nobody is turned away.

use super::demand::{Demand, NODE_THROUGHPUT};
use pocket_api::control::Weight;
use pocket_api::ids::NodeId;
use std::cmp::Reverse;

/// Shares below this are what is left of sums of rounded numbers, not demand: a thousandth of a byte of an exabyte.
const NOISE: f64 = 1e-15;

/// A storage server that can take data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) id: NodeId,
    /// Above 0.
    pub(crate) capacity_bytes: u64,
    /// Promised to jobs already.
    pub(crate) committed: Committed,
}

/// What jobs may use of one server at their peaks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Committed {
    pub(crate) capacity_bytes: f64,
    /// Bytes a second.
    pub(crate) throughput: f64,
}

impl Server {
    /// Share of this server that nobody has been promised, 0 to 1.
    fn room(&self) -> f64 {
        let by_capacity = self.committed.capacity_bytes / self.capacity_bytes as f64;
        let by_throughput = self.committed.throughput / NODE_THROUGHPUT as f64;
        (1.0 - by_capacity.max(by_throughput)).max(0.0)
    }

    /// Share of the job that fits into this server's room; above 1 where more than the job does.
    fn fits(&self, demand: Demand) -> f64 {
        let by_capacity = demand.capacity_bytes as f64 / self.capacity_bytes as f64;
        let by_throughput = demand.throughput as f64 / NODE_THROUGHPUT as f64;
        self.room() / by_capacity.max(by_throughput)
    }
}

/// A job's weight map over these servers: every weight above 0, their sum 1, in the order of the servers' ids. Empty
/// only where there are no servers.
pub(crate) fn weigh(demand: Demand, servers: &[Server]) -> Vec<Weight> {
    let mut shares = pack(demand, servers).unwrap_or_else(|| by_capacity(servers));
    shares.sort_by_key(|w| w.server);
    shares
}

/// `None` where the servers' room does not hold the job.
fn pack(demand: Demand, servers: &[Server]) -> Option<Vec<Weight>> {
    let (mut used, mut empty): (Vec<&Server>, Vec<&Server>) =
        servers.iter().partition(|s| s.committed != Committed::default());
    used.sort_by(|a, b| a.room().total_cmp(&b.room()).then(a.id.cmp(&b.id)));
    empty.sort_by_key(|s| (Reverse(s.capacity_bytes), s.id));

    let mut shares = Vec::new();
    let mut left = 1.0;
    for server in used {
        let share = server.fits(demand).min(left);
        if share > NOISE {
            shares.push(Weight { server: server.id, weight: share });
            left -= share;
        }
        if left <= NOISE {
            return Some(shares);
        }
    }
    let mut fit = 0.0;
    let enough = empty.iter().position(|server| {
        fit += server.fits(demand);
        fit >= left
    })?;
    shares.extend(
        empty[..=enough]
            .iter()
            .map(|server| Weight { server: server.id, weight: left * server.fits(demand) / fit }),
    );
    Some(shares)
}

fn by_capacity(servers: &[Server]) -> Vec<Weight> {
    let whole: f64 = servers.iter().map(|s| s.capacity_bytes as f64).sum();
    servers.iter().map(|s| Weight { server: s.id, weight: s.capacity_bytes as f64 / whole }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GB: u64 = 1_000_000_000;

    /// A server with so much of its capacity promised.
    fn server(id: u64, capacity_gb: u64, committed_gb: u64) -> Server {
        let committed = Committed { capacity_bytes: (committed_gb * GB) as f64, throughput: 0.0 };
        Server { id: NodeId(id), capacity_bytes: capacity_gb * GB, committed }
    }

    fn weights(capacity_gb: u64, throughput: u64, servers: &[Server]) -> Vec<(u64, f64)> {
        let weights = weigh(Demand { throughput, capacity_bytes: capacity_gb * GB }, servers);
        // Sums of rounded numbers, to 12 digits.
        weights.iter().map(|w| (w.server.0, (w.weight * 1e12).round() / 1e12)).collect()
    }

    #[test]
    fn the_fullest_server_that_has_room_is_taken_first() {
        let servers = [server(1, 100, 20), server(2, 100, 80), server(3, 100, 0), server(4, 100, 100)];
        assert_eq!(weights(10, 1, &servers), [(2, 1.0)]);
        assert_eq!(weights(40, 1, &servers), [(1, 0.5), (2, 0.5)], "20 fit into server 2, 20 go on to 1");
    }

    #[test]
    fn what_is_left_goes_to_the_fewest_empty_servers_in_equal_fill() {
        let empty = [server(1, 100, 0), server(2, 100, 0), server(3, 100, 0)];
        assert_eq!(weights(60, 1, &empty), [(1, 1.0)]);
        assert_eq!(weights(150, 1, &empty), [(1, 0.5), (2, 0.5)]);
        let mixed = [server(1, 100, 75), server(2, 50, 0), server(3, 100, 0), server(4, 100, 0)];
        assert_eq!(weights(100, 1, &mixed), [(1, 0.25), (3, 0.75)], "the largest empty one first");
    }

    #[test]
    fn the_larger_of_capacity_and_bandwidth_decides() {
        let servers = [server(1, 100, 0), server(2, 100, 0)];
        assert_eq!(weights(1, 2 * NODE_THROUGHPUT, &servers), [(1, 0.5), (2, 0.5)]);
        let busy = Committed { capacity_bytes: 0.0, throughput: NODE_THROUGHPUT as f64 };
        let servers = [Server { committed: busy, ..server(1, 100, 0) }, server(2, 100, 0)];
        assert_eq!(weights(1, 1, &servers), [(2, 1.0)], "no bandwidth left on server 1");
    }

    #[test]
    fn a_demand_above_everything_is_spread_by_capacity() {
        assert_eq!(weights(98_000, 50 * GB, &[server(1, 30, 0), server(2, 10, 0)]), [(1, 0.75), (2, 0.25)]);
    }

    #[test]
    fn a_full_set_spills_over_all_instead_of_failing() {
        assert_eq!(weights(1, 1, &[server(1, 10, 10), server(2, 10, 40)]), [(1, 0.5), (2, 0.5)]);
        assert_eq!(weights(1, 1, &[]), []);
    }

    #[test]
    fn small_shares_are_not_rounded_away() {
        let servers: Vec<Server> = (1..=1000).map(|id| server(id, 1, 0)).collect();
        let weights = weights(98_000, 50 * GB, &servers);
        assert_eq!(weights.len(), 1000);
        assert!(weights.iter().all(|(_, w)| (w - 0.001).abs() < 1e-12));
        // 1 MB is left on a server, and the job has 400 GB: a share of 0.0000025.
        let nearly_full = Server {
            committed: Committed { capacity_bytes: 100e9 - 1e6, throughput: 0.0 },
            ..server(1, 100, 0)
        };
        let weights =
            weigh(Demand { throughput: 1, capacity_bytes: 400 * GB }, &[nearly_full, server(2, 500, 0)]);
        assert!((weights[0].weight - 2.5e-6).abs() < 1e-9, "{weights:?}");
    }

    proptest! {
        #[test]
        fn weights_are_whole_positive_and_within_the_room(
            servers in prop::collection::vec((1..10_000_u64, 0..12_000_u64), 1..40),
            capacity_gb in 1..100_000_u64,
            throughput in 1..60 * GB,
        ) {
            let servers: Vec<Server> =
                servers.iter().zip(1..).map(|(&(capacity, used), id)| server(id, capacity, used)).collect();
            let demand = Demand { throughput, capacity_bytes: capacity_gb * GB };
            let weights = weigh(demand, &servers);
            prop_assert_eq!(&weights, &weigh(demand, &servers));
            prop_assert!((weights.iter().map(|w| w.weight).sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(weights.iter().all(|w| w.weight > 0.0));
            prop_assert!(weights.windows(2).all(|w| w[0].server < w[1].server), "each server once");
            let room: f64 = servers.iter().map(|s| s.fits(demand)).sum();
            if room > 1.0 + 1e-9 {
                for w in &weights {
                    let server = &servers[w.server.0 as usize - 1];
                    prop_assert!(w.weight <= server.fits(demand) + 1e-9, "{w:?} does not fit {server:?}");
                }
            } else if room < 1.0 - 1e-9 {
                prop_assert_eq!(weights.len(), servers.len(), "all servers share what exceeds them");
            }
        }
    }
}
