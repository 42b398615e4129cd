//! Who may have connections to a port between planes, and how many: whoever has not proven itself yet has few places, for a
//! second, and nobody has all of them; whoever has gets as many as a node needs.

use parking_lot::Mutex;
use pocket_api::ids::NodeId;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Peers that shake hands at once; more wait in the listener's backlog. A handshake takes less than a millisecond of a core.
const UNPROVEN_MAX: usize = 256;
/// Those of one address. More are closed, and come again.
const UNPROVEN_OF_ONE_ADDRESS_MAX: usize = UNPROVEN_MAX / 2;
/// Connections of one node: what it needs ([`crate::client::LINKS_MAX`]), as often again while old ones break, and calls that go
/// over another one when one is slow. Peers that are no node yet share as many at an address.
const OF_ONE_NODE_MAX: usize = 64;
/// All connections of a port: a cluster of two thousand nodes, some 100 MB where all are busy.
const CONNECTIONS_MAX: usize = 16_384;

/// Those of a port.
#[derive(Clone)]
pub(crate) struct Places(Arc<Port>);

struct Port {
    unproven: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    proven: usize,
    by_peer: BTreeMap<Peer, usize>,
}

/// Who has places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Unproven(IpAddr),
    Node(NodeId),
    /// Has proven itself, and is no node yet: whoever is about to join, or asks something.
    Guest(IpAddr),
}

/// One connection; its place is free when this is dropped.
pub(crate) struct Place {
    port: Arc<Port>,
    peer: Peer,
    /// While it is not proven.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(crate) fn new() -> Self {
        let unproven = Arc::new(Semaphore::new(UNPROVEN_MAX));
        Self(Arc::new(Port { unproven, taken: Mutex::default() }))
    }

    /// Room for one more that shakes hands.
    pub(crate) async fn free(&self) -> OwnedSemaphorePermit {
        self.0.unproven.clone().acquire_owned().await.expect("this semaphore is never closed")
    }

    /// The place of a connection from there, which has yet to prove itself.
    pub(crate) fn unproven(&self, address: IpAddr, permit: OwnedSemaphorePermit) -> Option<Place> {
        let peer = Peer::Unproven(address.to_canonical());
        self.0.take(peer, UNPROVEN_OF_ONE_ADDRESS_MAX, Some(permit))
    }

    /// The place of one that has proven itself as this node.
    pub(crate) fn proven(&self, node: NodeId, address: IpAddr) -> Option<Place> {
        let peer = if node == NodeId(0) { Peer::Guest(address.to_canonical()) } else { Peer::Node(node) };
        self.0.take(peer, OF_ONE_NODE_MAX, None)
    }
}

impl Port {
    fn take(
        self: &Arc<Self>,
        peer: Peer,
        most: usize,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<Place> {
        let mut taken = self.taken.lock();
        let is_proven = permit.is_none();
        if is_proven && taken.proven == CONNECTIONS_MAX {
            return None;
        }
        let own = taken.by_peer.entry(peer).or_default();
        if *own == most {
            return None;
        }
        *own += 1;
        taken.proven += usize::from(is_proven);
        Some(Place { port: self.clone(), peer, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.port.taken.lock();
        taken.proven -= usize::from(!matches!(self.peer, Peer::Unproven(_)));
        if let Some(own) = taken.by_peer.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn as_many_as_it_may(mut take: impl FnMut() -> Option<Place>) -> Vec<Place> {
        std::iter::from_fn(&mut take).collect()
    }

    #[test]
    fn one_address_keeps_no_other_from_shaking_hands_and_all_are_free_again() {
        let places = Places::new();
        let knock = |address: IpAddr| {
            let permit = places.free().now_or_never()?;
            places.unproven(address, permit)
        };
        let greedy = as_many_as_it_may(|| knock(HERE));
        assert_eq!(greedy.len(), UNPROVEN_OF_ONE_ADDRESS_MAX);
        let others = as_many_as_it_may(|| knock([10, 0, 0, 1].into()));
        assert_eq!(others.len(), UNPROVEN_MAX - greedy.len());
        assert!(knock([10, 0, 0, 2].into()).is_none(), "that is all, and the rest waits");
        drop((greedy, others));
        assert!(knock(HERE).is_some() && places.0.taken.lock().by_peer.is_empty());
    }

    #[test]
    fn a_node_has_what_it_needs_and_not_what_others_need() {
        let places = Places::new();
        let of = |node| as_many_as_it_may(|| places.proven(NodeId(node), HERE));
        let greedy = of(7);
        assert_eq!(greedy.len(), OF_ONE_NODE_MAX);
        let guests = of(0);
        assert_eq!(guests.len(), OF_ONE_NODE_MAX, "who is no node yet goes by its address");
        assert!(places.proven(NodeId(0), [10, 0, 0, 1].into()).is_some());
        let all: Vec<Vec<Place>> = (8..).map(of).take_while(|some| !some.is_empty()).collect();
        assert_eq!(2 * OF_ONE_NODE_MAX + all.iter().map(Vec::len).sum::<usize>(), CONNECTIONS_MAX);
        drop((greedy, guests, all));
        let taken = places.0.taken.lock();
        assert_eq!((taken.proven, taken.by_peer.len()), (0, 0));
    }
}
