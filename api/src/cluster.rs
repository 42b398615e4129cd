//! Who is in the cluster, and how a node finds another.

use crate::chunks::Chunks;
use crate::ids::{NodeId, Term};
use crate::metadata::Metadata;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Gateway,
    Metadata,
    Storage,
    Controller,
    Monitor,
}

impl Role {
    pub const ALL: [Role; 5] =
        [Role::Gateway, Role::Metadata, Role::Storage, Role::Controller, Role::Monitor];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Gateway => "gateway",
            Role::Metadata => "metadata",
            Role::Storage => "storage",
            Role::Controller => "controller",
            Role::Monitor => "monitor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node says of itself when it joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    pub role: Role,
    /// Where its seam (for gateways: S3) is served; empty in one process, and where nothing is served. It is the node's
    /// own: whether anybody listens there is evidence of its life.
    pub address: String,
    /// A label of the machine that it runs on: what has the same is cut off together.
    pub host: String,
    /// Bytes that it can hold; 0 where that means nothing.
    pub capacity_bytes: u64,
}

/// How a node is doing, as the controller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    Live,
    /// Silent for longer than [`crate::limits::SUSPECT_AFTER`]: gets no new data.
    Suspect,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub spec: NodeSpec,
    pub state: NodeState,
}

/// All nodes that are not dead, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Of the controller that says so.
    pub term: Term,
    /// Grows with every change.
    pub version: u64,
    /// Highest id given so far.
    pub newest: NodeId,
    /// In the order of their ids.
    pub nodes: Vec<Node>,
}

/// What a node is told of a view, that has an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewUpdate {
    Whole(ClusterView),
    /// What has changed since the view of version `since`, of the same controller.
    Changes(ViewChanges),
}

/// See [`ViewUpdate::Changes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewChanges {
    pub since: u64,
    pub version: u64,
    pub newest: NodeId,
    /// Nodes that are new, or are doing otherwise; in the order of their ids.
    pub changed: Vec<Node>,
    /// Nodes that are dead.
    pub gone: Vec<NodeId>,
}

impl ViewUpdate {
    /// The view that comes of it. `None` where `held` is not the one that it changes: a later one tells more.
    pub fn onto(self, held: &ClusterView) -> Option<ClusterView> {
        let changes = match self {
            Self::Whole(view) => return Some(view),
            Self::Changes(changes) => changes,
        };
        if changes.since != held.version {
            return None;
        }
        let is_told =
            |id: NodeId| changes.changed.iter().any(|node| node.id == id) || changes.gone.contains(&id);
        let mut nodes: Vec<Node> = held.nodes.iter().filter(|node| !is_told(node.id)).cloned().collect();
        nodes.extend(changes.changed.iter().cloned());
        nodes.sort_unstable_by_key(|node| node.id);
        Some(ClusterView { term: held.term, version: changes.version, newest: changes.newest, nodes })
    }
}

impl ClusterView {
    /// Whether it takes the place of `held`: it is of a later controller, or of the same one and newer.
    pub fn follows(&self, held: &Self) -> bool {
        (self.term, self.version) > (held.term, held.version)
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.binary_search_by_key(&id, |n| n.id).ok().map(|i| &self.nodes[i])
    }

    /// Dead nodes never come back: a process that restarts is a new node. A node that this view is too old to know
    /// is not dead.
    pub fn is_dead(&self, id: NodeId) -> bool {
        id <= self.newest && self.node(id).is_none()
    }

    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |n| n.spec.role == role)
    }
}

/// Finds the other planes. `None` from a look-up means that the node is dead or not known here (yet): the caller answers 503 unless
/// [`ClusterView::is_dead`] says more.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>>;
    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>>;
    /// The newest view that reached this process.
    fn view(&self) -> Arc<ClusterView>;
    /// A view has come from the controller; one that does not follow ([`ClusterView::follows`]) is passed over.
    fn update(&self, view: ClusterView);
    /// Asks a node's address whether anybody listens there: true only where it refuses. No answer within a fraction of a
    /// second, an address that is not found or that nobody here can ask, is no refusal.
    async fn refuses(&self, _node: &NodeSpec) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_dead_only_if_the_view_is_new_enough_to_know() {
        let spec =
            NodeSpec { role: Role::Storage, address: String::new(), host: String::new(), capacity_bytes: 0 };
        let node = |id| Node { id: NodeId(id), spec: spec.clone(), state: NodeState::Live };
        let view = ClusterView { newest: NodeId(5), nodes: vec![node(2), node(4)], ..ClusterView::default() };
        let dead: Vec<bool> = (1..=7).map(|id| view.is_dead(NodeId(id))).collect();
        assert_eq!(dead, [true, false, true, false, true, false, false]);
    }

    #[test]
    fn changes_make_the_view_that_they_were_taken_from_the_next_one() {
        let node = |id, state| {
            let spec = NodeSpec {
                role: Role::Storage,
                address: String::new(),
                host: String::new(),
                capacity_bytes: 0,
            };
            Node { id: NodeId(id), spec, state }
        };
        let live = |id| node(id, NodeState::Live);
        let held = ClusterView {
            version: 3,
            newest: NodeId(3),
            nodes: vec![live(1), live(2), live(3)],
            ..ClusterView::default()
        };
        let changes = ViewChanges {
            since: 3,
            version: 6,
            newest: NodeId(4),
            changed: vec![node(1, NodeState::Suspect), live(4)],
            gone: vec![NodeId(2)],
        };
        let next = ViewUpdate::Changes(changes.clone()).onto(&held).unwrap();
        let nodes = vec![node(1, NodeState::Suspect), live(3), live(4)];
        assert_eq!(next, ClusterView { version: 6, newest: NodeId(4), nodes, ..held.clone() });
        assert_eq!(ViewUpdate::Changes(changes).onto(&next), None, "not of this one");
        assert_eq!(ViewUpdate::Whole(held.clone()).onto(&next), Some(held.clone()));
        assert!(next.follows(&held) && !held.follows(&next));
        assert!(ClusterView { term: Term(1), version: 1, ..held }.follows(&next), "of a later controller");
    }
}
