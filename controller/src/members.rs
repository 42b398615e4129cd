//! The membership: who is in the cluster, who fell silent, who is dead. Pure; the death of a node is for good.

use pocket_api::clock::Timestamp;
use pocket_api::cluster::{ClusterView, Node, NodeSpec, NodeState, Role};
use pocket_api::control::ControlError;
use pocket_api::ids::NodeId;
use pocket_api::limits::{DEAD_AFTER, SUSPECT_AFTER};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most nodes of one cluster: each change of the view is sent to each of them whole.
pub(crate) const MEMBERS_MAX: usize = 1_024;

/// All nodes that are not dead.
#[derive(Debug)]
pub(crate) struct Members {
    nodes: BTreeMap<NodeId, Member>,
    version: u64,
    newest: NodeId,
}

#[derive(Debug)]
struct Member {
    spec: NodeSpec,
    state: NodeState,
    heard_at: Timestamp,
}

impl Members {
    /// Views count up from `version`. `nodes` are taken as heard of at `now`.
    pub(crate) fn starting_at(
        version: u64,
        newest: NodeId,
        nodes: impl IntoIterator<Item = (NodeId, NodeSpec)>,
        now: Timestamp,
    ) -> Self {
        let live = |spec| Member { spec, state: NodeState::Live, heard_at: now };
        let nodes = nodes.into_iter().map(|(id, spec)| (id, live(spec))).collect();
        Self { nodes, version, newest }
    }

    /// Takes `id`, higher than any before, into the cluster. An older node of the same role and address is dead: that
    /// process is gone. Answers with those.
    pub(crate) fn join(
        &mut self,
        id: NodeId,
        spec: NodeSpec,
        now: Timestamp,
    ) -> Result<Vec<NodeId>, ControlError> {
        let same = |m: &Member| {
            !spec.address.is_empty() && m.spec.role == spec.role && m.spec.address == spec.address
        };
        let replaced: Vec<NodeId> = self.nodes.iter().filter(|(_, m)| same(m)).map(|(&id, _)| id).collect();
        if self.nodes.len() - replaced.len() >= MEMBERS_MAX {
            return Err(ControlError::Unavailable(format!("the cluster has {MEMBERS_MAX} nodes already")));
        }
        for older in &replaced {
            self.nodes.remove(older);
        }
        self.nodes.insert(id, Member { spec, state: NodeState::Live, heard_at: now });
        self.newest = id;
        self.version += 1;
        Ok(replaced)
    }

    /// A sign of life.
    pub(crate) fn heard(&mut self, id: NodeId, now: Timestamp) -> Result<(), ControlError> {
        let member = self.nodes.get_mut(&id).ok_or(ControlError::NotAMember)?;
        member.heard_at = now;
        if member.state == NodeState::Suspect {
            member.state = NodeState::Live;
            self.version += 1;
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self, id: NodeId) -> Result<NodeSpec, ControlError> {
        let member = self.nodes.remove(&id).ok_or(ControlError::NotAMember)?;
        self.version += 1;
        Ok(member.spec)
    }

    /// Suspects and buries the silent. Answers with those that died.
    pub(crate) fn age(&mut self, now: Timestamp) -> Vec<(NodeId, NodeSpec)> {
        let silent = |m: &Member| now.since(m.heard_at);
        let dead: Vec<NodeId> =
            self.nodes.iter().filter(|(_, m)| silent(m) > DEAD_AFTER).map(|(&id, _)| id).collect();
        let dead: Vec<_> =
            dead.into_iter().filter_map(|id| Some((id, self.nodes.remove(&id)?.spec))).collect();
        let mut changed = !dead.is_empty();
        for member in self.nodes.values_mut() {
            if member.state == NodeState::Live && silent(member) > SUSPECT_AFTER {
                member.state = NodeState::Suspect;
                changed = true;
            }
        }
        self.version += u64::from(changed);
        dead
    }

    /// The controller itself stood still for so long, up to `now`: that time is nobody's silence.
    pub(crate) fn forgive(&mut self, standstill: Duration, now: Timestamp) {
        for member in self.nodes.values_mut() {
            member.heard_at = now.min(member.heard_at + standstill);
        }
    }

    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    pub(crate) fn spec(&self, id: NodeId) -> Option<&NodeSpec> {
        self.nodes.get(&id).map(|member| &member.spec)
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Those of a role that are not silent, in the order of their ids.
    pub(crate) fn live(&self, role: Role) -> impl Iterator<Item = (NodeId, &NodeSpec)> {
        let live = move |m: &Member| m.state == NodeState::Live && m.spec.role == role;
        self.nodes.iter().filter(move |(_, m)| live(m)).map(|(&id, m)| (id, &m.spec))
    }

    /// All of a role that are not dead.
    pub(crate) fn with_role(&self, role: Role) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter(move |(_, m)| m.spec.role == role).map(|(&id, _)| id)
    }

    pub(crate) fn view(&self) -> ClusterView {
        let node = |(&id, m): (&NodeId, &Member)| Node { id, spec: m.spec.clone(), state: m.state };
        ClusterView {
            version: self.version,
            newest: self.newest,
            nodes: self.nodes.iter().map(node).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    fn spec(role: Role, address: &str) -> NodeSpec {
        NodeSpec { role, address: address.into(), host: String::new(), capacity_bytes: 1 }
    }

    fn three() -> Members {
        let nodes = (1..=3).map(|id| (NodeId(id), spec(Role::Storage, "")));
        Members::starting_at(10, NodeId(3), nodes, START)
    }

    fn states(members: &Members) -> Vec<(u64, NodeState)> {
        members.view().nodes.iter().map(|n| (n.id.0, n.state)).collect()
    }

    #[test]
    fn a_silent_node_is_suspect_and_then_dead_and_every_change_is_a_new_version() {
        use NodeState::{Live, Suspect};
        let mut members = three();
        let at = |ms| START + Duration::from_millis(ms);
        assert_eq!(
            (members.age(at(1_500)), members.version()),
            (vec![], 10),
            "not yet longer than the limit"
        );
        members.heard(NodeId(1), at(1_500)).unwrap();
        members.age(at(1_501));
        assert_eq!(states(&members), [(1, Live), (2, Suspect), (3, Suspect)]);
        assert_eq!(members.version(), 11);
        members.heard(NodeId(2), at(2_000)).unwrap();
        assert_eq!((states(&members)[1], members.version()), ((2, Live), 12));
        assert!(members.age(at(4_000)).is_empty());
        assert_eq!(members.version(), 13, "1 and 2 are silent again");
        let dead: Vec<NodeId> = members.age(at(4_001)).into_iter().map(|(id, _)| id).collect();
        assert_eq!((dead, members.version()), (vec![NodeId(3)], 14));
        assert_eq!(members.heard(NodeId(3), at(4_002)), Err(ControlError::NotAMember));
        assert!(members.view().is_dead(NodeId(3)));
    }

    #[test]
    fn nobody_dies_while_the_controller_stood_still() {
        let mut members = three();
        let standstill = Duration::from_secs(60);
        let awake = START + standstill;
        // One was heard before the standstill was noticed: that buys it no silence later.
        members.heard(NodeId(1), awake).unwrap();
        members.forgive(standstill, awake);
        assert!(members.age(awake + SUSPECT_AFTER).is_empty());
        assert_eq!(members.version(), 10, "not even suspect");
        assert_eq!(members.age(awake + DEAD_AFTER + Duration::from_millis(1)).len(), 3);
    }

    #[test]
    fn joining_again_from_the_same_address_buries_the_older_incarnation() {
        let mut members = three();
        let join = |members: &mut Members, id, role, address| {
            members.join(NodeId(id), spec(role, address), START).unwrap()
        };
        assert_eq!(join(&mut members, 4, Role::Storage, "a:1"), []);
        assert_eq!(join(&mut members, 5, Role::Gateway, "a:1"), []);
        assert_eq!(join(&mut members, 6, Role::Storage, "a:1"), [NodeId(4)]);
        assert_eq!(join(&mut members, 7, Role::Storage, ""), [], "no address is no identity");
        assert!(members.view().is_dead(NodeId(4)) && members.contains(NodeId(5)));
    }

    #[test]
    fn the_cluster_is_bounded() {
        let nodes = (1..=MEMBERS_MAX as u64).map(|id| (NodeId(id), spec(Role::Gateway, &format!("g:{id}"))));
        let mut members = Members::starting_at(1, NodeId(MEMBERS_MAX as u64), nodes, START);
        let next = NodeId(MEMBERS_MAX as u64 + 1);
        let refused = members.join(next, spec(Role::Gateway, "g:new"), START);
        assert!(matches!(refused, Err(ControlError::Unavailable(_))));
        assert_eq!(members.join(next, spec(Role::Gateway, "g:7"), START).unwrap(), [NodeId(7)]);
    }
}
