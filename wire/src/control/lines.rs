//! Which nodes a connection to the controller speaks for, so that the controller hears when the last one of a node is
//! closed. Outermost on the controller's side: below it a connection is a stream, above it a call.

use parking_lot::Mutex;
use pocket_api::cluster::NodeSpec;
use pocket_api::control::ControlError;
use pocket_api::ids::NodeId;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Nodes that one connection speaks for: a process has one, and a new one each time that it is expelled. Of more, the oldest
/// are forgotten; they die of silence.
const NODES_OF_A_LINE_MAX: usize = 16;

/// All connections to this controller.
pub(super) struct Lines {
    hung_up: Box<dyn Fn(NodeId) + Send + Sync>,
    /// How many connections speak for a node.
    open: Mutex<HashMap<NodeId, usize>>,
}

/// One of them.
pub(super) struct Line {
    lines: Arc<Lines>,
    peer: IpAddr,
    local: IpAddr,
    /// `None` once it is closed: an answer that comes later speaks for nobody.
    nodes: Mutex<Option<BTreeSet<NodeId>>>,
}

impl Lines {
    /// `hung_up` hears of each node whose last connection is closed. Must not block.
    pub(super) fn new(hung_up: impl Fn(NodeId) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { hung_up: Box::new(hung_up), open: Mutex::default() })
    }

    /// A connection from `peer` to this side's `local`.
    pub(super) fn open(self: &Arc<Self>, peer: SocketAddr, local: SocketAddr) -> Arc<Line> {
        let (peer, local) = (peer.ip().to_canonical(), local.ip().to_canonical());
        Arc::new(Line { lines: self.clone(), peer, local, nodes: Mutex::new(Some(BTreeSet::new())) })
    }

    /// Whether that was the last one.
    fn is_last(&self, node: NodeId) -> bool {
        let mut open = self.open.lock();
        let Some(count) = open.get_mut(&node) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            open.remove(&node);
        }
        last
    }
}

impl Line {
    /// The node joined or beat over this connection.
    pub(super) fn speaks_for(&self, node: NodeId) {
        let mut nodes = self.nodes.lock();
        let Some(nodes) = nodes.as_mut() else { return };
        if nodes.insert(node) {
            *self.lines.open.lock().entry(node).or_default() += 1;
        }
        if nodes.len() > NODES_OF_A_LINE_MAX
            && let Some(oldest) = nodes.pop_first()
        {
            self.lines.is_last(oldest);
        }
    }

    /// The stream below is gone.
    pub(super) fn close(&self) {
        let nodes = self.nodes.lock().take().unwrap_or_default();
        for node in nodes {
            if self.lines.is_last(node) {
                (self.lines.hung_up)(node);
            }
        }
    }

    /// Refuses an address that others than this peer could not call.
    pub(super) fn check(&self, spec: &NodeSpec) -> Result<(), ControlError> {
        let from_afar = self.peer != self.local && !self.peer.is_loopback();
        let NodeSpec { role, address, .. } = spec;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_loopback = host == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback());
        let why = if ip.is_some_and(|ip| ip.is_unspecified()) {
            "is no address that others can call".to_owned()
        } else if from_afar && is_loopback {
            format!("is loopback, and this node is not on the controller's machine but at {}", self.peer)
        } else {
            return Ok(());
        };
        Err(ControlError::Refused(format!("{role} {address} {why}: set {role}.advertise or --advertise")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::cluster::Role;

    /// With those that hung up since it was last looked at.
    fn lines() -> (Arc<Lines>, impl Fn() -> Vec<NodeId>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (hung_up, take) = (heard.clone(), move || std::mem::take(&mut *heard.lock()));
        (Lines::new(move |node| hung_up.lock().push(node)), take)
    }

    fn line(lines: &Arc<Lines>, peer: &str, local: &str) -> Arc<Line> {
        lines.open(SocketAddr::new(peer.parse().unwrap(), 1), SocketAddr::new(local.parse().unwrap(), 2))
    }

    #[test]
    fn a_node_has_hung_up_when_its_last_line_is_closed() {
        let (lines, heard) = lines();
        let open = || line(&lines, "10.0.0.1", "10.0.0.2");
        let (first, second, third) = (open(), open(), open());
        first.speaks_for(NodeId(1));
        first.speaks_for(NodeId(1));
        second.speaks_for(NodeId(1));
        first.close();
        assert_eq!(heard(), []);
        second.close();
        second.close();
        assert_eq!(heard(), [NodeId(1)]);
        second.speaks_for(NodeId(1));
        third.close();
        assert_eq!((heard(), lines.open.lock().len()), (vec![], 0));
    }

    #[test]
    fn a_line_speaks_for_no_more_than_so_many_nodes() {
        let (lines, heard) = lines();
        let line = line(&lines, "10.0.0.1", "10.0.0.2");
        let most = NODES_OF_A_LINE_MAX as u64;
        (1..=most + 3).for_each(|id| line.speaks_for(NodeId(id)));
        assert_eq!(lines.open.lock().len(), NODES_OF_A_LINE_MAX);
        line.close();
        assert_eq!(heard(), (4..=most + 3).map(NodeId).collect::<Vec<_>>());
    }

    #[test]
    fn addresses_that_others_cannot_call_are_refused_with_what_to_set() {
        let (lines, _) = lines();
        let near = [("127.0.0.1", "127.0.0.1"), ("10.0.0.2", "10.0.0.2"), ("::1", "::1")];
        let far = [("10.0.0.1", "10.0.0.2"), ("::ffff:10.0.0.1", "::ffff:10.0.0.2"), ("fd00::1", "fd00::2")];
        for (from, address, near_is_well, far_is_well) in [
            ("a wildcard", "0.0.0.0:9020", false, false),
            ("a wildcard", "[::]:9020", false, false),
            ("loopback", "127.0.0.1:9020", true, false),
            ("loopback", "[::1]:9020", true, false),
            ("loopback", "localhost:9020", true, false),
            ("a name", "metadata-1.internal:9020", true, true),
            ("an address", "10.0.0.1:9020", true, true),
            ("an address", "[fd00::1]:9020", true, true),
            ("none", "", true, true),
        ] {
            let spec = NodeSpec {
                role: Role::Metadata,
                address: address.into(),
                host: "h".into(),
                capacity_bytes: 0,
            };
            let peers = near.iter().map(|p| (p, near_is_well)).chain(far.iter().map(|p| (p, far_is_well)));
            for ((peer, local), is_well) in peers {
                match line(&lines, peer, local).check(&spec) {
                    Ok(()) => assert!(is_well, "{from} {address} from {peer}"),
                    Err(ControlError::Refused(why)) => {
                        assert!(!is_well && why.contains("metadata.advertise"), "{why}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}
