//! Nodes, views, heartbeats and usage reports as messages. Field for field, both ways.

use super::jobs::tier_of;
use super::{Malformed, all, each, optional, proto, required};
use pocket_api::cluster::{ClusterView, Node, NodeSpec, NodeState, Role, ViewChanges, ViewUpdate};
use pocket_api::control::{ClusterStatus, Forgotten, Heartbeat, HeartbeatReply, Joined};
use pocket_api::ids::{JobId, NodeId, Term};
use pocket_api::names::BucketName;
use pocket_api::usage::{JobUse, MachineSample, Served, SpaceLimit, SpaceUse, TierUse, UsageReport};

impl From<NodeSpec> for proto::NodeSpec {
    fn from(spec: NodeSpec) -> Self {
        let role = match spec.role {
            Role::Gateway => proto::Role::Gateway,
            Role::Metadata => proto::Role::Metadata,
            Role::Storage => proto::Role::Storage,
            Role::Controller => proto::Role::Controller,
            Role::Monitor => proto::Role::Monitor,
        };
        Self {
            role: role.into(),
            address: spec.address,
            host: spec.host,
            capacity_bytes: spec.capacity_bytes,
        }
    }
}

impl TryFrom<proto::NodeSpec> for NodeSpec {
    type Error = Malformed;

    fn try_from(spec: proto::NodeSpec) -> Result<Self, Malformed> {
        let role = match proto::Role::try_from(spec.role) {
            Ok(proto::Role::Gateway) => Role::Gateway,
            Ok(proto::Role::Metadata) => Role::Metadata,
            Ok(proto::Role::Storage) => Role::Storage,
            Ok(proto::Role::Controller) => Role::Controller,
            Ok(proto::Role::Monitor) => Role::Monitor,
            Err(_) => return Err(Malformed(format!("role {} is unknown", spec.role))),
        };
        Ok(Self { role, address: spec.address, host: spec.host, capacity_bytes: spec.capacity_bytes })
    }
}

impl From<Node> for proto::Node {
    fn from(node: Node) -> Self {
        let state = match node.state {
            NodeState::Live => proto::NodeState::Live,
            NodeState::Suspect => proto::NodeState::Suspect,
        };
        Self { id: node.id.0, spec: Some(node.spec.into()), state: state.into() }
    }
}

impl TryFrom<proto::Node> for Node {
    type Error = Malformed;

    fn try_from(node: proto::Node) -> Result<Self, Malformed> {
        let state = match proto::NodeState::try_from(node.state) {
            Ok(proto::NodeState::Live) => NodeState::Live,
            Ok(proto::NodeState::Suspect) => NodeState::Suspect,
            Err(_) => return Err(Malformed(format!("node state {} is unknown", node.state))),
        };
        Ok(Self { id: NodeId(node.id), spec: required(node.spec, "spec")?, state })
    }
}

impl From<ClusterView> for proto::ClusterView {
    fn from(view: ClusterView) -> Self {
        Self { version: view.version, newest: view.newest.0, nodes: each(view.nodes), term: view.term.0 }
    }
}

/// Nodes are searched by their ids, so their order is checked here.
impl TryFrom<proto::ClusterView> for ClusterView {
    type Error = Malformed;

    fn try_from(view: proto::ClusterView) -> Result<Self, Malformed> {
        let nodes: Vec<Node> = all(view.nodes)?;
        if !nodes.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Malformed("nodes are not in the order of their ids".into()));
        }
        Ok(Self { term: Term(view.term), version: view.version, newest: NodeId(view.newest), nodes })
    }
}

impl From<ViewChanges> for proto::ViewChanges {
    fn from(changes: ViewChanges) -> Self {
        Self {
            since: changes.since,
            version: changes.version,
            newest: changes.newest.0,
            changed: each(changes.changed),
            gone: changes.gone.into_iter().map(|node| node.0).collect(),
        }
    }
}

impl TryFrom<proto::ViewChanges> for ViewChanges {
    type Error = Malformed;

    fn try_from(changes: proto::ViewChanges) -> Result<Self, Malformed> {
        let changed: Vec<Node> = all(changes.changed)?;
        if !changed.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Malformed("nodes are not in the order of their ids".into()));
        }
        Ok(Self {
            since: changes.since,
            version: changes.version,
            newest: NodeId(changes.newest),
            changed,
            gone: changes.gone.into_iter().map(NodeId).collect(),
        })
    }
}

impl From<Joined> for proto::Joined {
    fn from(joined: Joined) -> Self {
        Self { node: joined.node.0, view: Some(joined.view.into()) }
    }
}

impl TryFrom<proto::Joined> for Joined {
    type Error = Malformed;

    fn try_from(joined: proto::Joined) -> Result<Self, Malformed> {
        Ok(Self { node: NodeId(joined.node), view: required(joined.view, "view")? })
    }
}

impl From<Heartbeat> for proto::Heartbeat {
    fn from(beat: Heartbeat) -> Self {
        let jobs = beat.jobs.into_iter().map(|job| job.0).collect();
        Self {
            node: beat.node.0,
            view_version: beat.view_version,
            jobs,
            term: beat.term.0,
            ended_seen: beat.ended_seen,
            weights_seen: beat.weights_seen,
        }
    }
}

impl From<proto::Heartbeat> for Heartbeat {
    fn from(beat: proto::Heartbeat) -> Self {
        let jobs = beat.jobs.into_iter().map(JobId).collect();
        Self {
            node: NodeId(beat.node),
            term: Term(beat.term),
            view_version: beat.view_version,
            jobs,
            ended_seen: beat.ended_seen,
            weights_seen: beat.weights_seen,
        }
    }
}

impl From<HeartbeatReply> for proto::HeartbeatReply {
    fn from(reply: HeartbeatReply) -> Self {
        let ended = reply.ended.into_iter().map(|job| job.0).collect();
        let (view, view_changes) = match reply.view {
            None => (None, None),
            Some(ViewUpdate::Whole(view)) => (Some(view.into()), None),
            Some(ViewUpdate::Changes(changes)) => (None, Some(changes.into())),
        };
        Self {
            view,
            view_changes,
            ended,
            term: reply.term.0,
            ended_seen: reply.ended_seen,
            weights: each(reply.weights),
            weights_seen: reply.weights_seen,
        }
    }
}

impl TryFrom<proto::HeartbeatReply> for HeartbeatReply {
    type Error = Malformed;

    fn try_from(reply: proto::HeartbeatReply) -> Result<Self, Malformed> {
        let ended = reply.ended.into_iter().map(JobId).collect();
        let whole = optional(reply.view)?.map(ViewUpdate::Whole);
        let changes = optional(reply.view_changes)?.map(ViewUpdate::Changes);
        if whole.is_some() && changes.is_some() {
            return Err(Malformed("a view and changes of it".into()));
        }
        Ok(Self {
            term: Term(reply.term),
            view: whole.or(changes),
            ended,
            ended_seen: reply.ended_seen,
            weights: all(reply.weights)?,
            weights_seen: reply.weights_seen,
        })
    }
}

impl From<ClusterStatus> for proto::ClusterStatus {
    fn from(status: ClusterStatus) -> Self {
        let nodes = status
            .nodes
            .into_iter()
            .map(|(node, usage)| proto::NodeStatus { node: Some(node.into()), usage: usage.map(Into::into) });
        Self { nodes: nodes.collect(), jobs: each(status.jobs), held_for: status.held_for.map(Into::into) }
    }
}

impl TryFrom<proto::ClusterStatus> for ClusterStatus {
    type Error = Malformed;

    fn try_from(status: proto::ClusterStatus) -> Result<Self, Malformed> {
        let nodes = status.nodes.into_iter();
        let nodes = nodes.map(|n| Ok((required(n.node, "node")?, optional(n.usage)?)));
        Ok(Self {
            nodes: nodes.collect::<Result<_, Malformed>>()?,
            jobs: all(status.jobs)?,
            held_for: optional(status.held_for)?,
        })
    }
}

impl From<Forgotten> for proto::Forgotten {
    fn from(forgotten: Forgotten) -> Self {
        Self {
            spec: Some(forgotten.spec.into()),
            chunks_bytes: forgotten.chunks_bytes,
            buckets: forgotten.buckets.iter().map(BucketName::to_string).collect(),
        }
    }
}

impl TryFrom<proto::Forgotten> for Forgotten {
    type Error = Malformed;

    fn try_from(forgotten: proto::Forgotten) -> Result<Self, Malformed> {
        Ok(Self {
            spec: required(forgotten.spec, "spec")?,
            chunks_bytes: forgotten.chunks_bytes,
            buckets: all(forgotten.buckets).map_err(Malformed::from)?,
        })
    }
}

impl From<UsageReport> for proto::UsageReport {
    fn from(report: UsageReport) -> Self {
        let machine = report.machine.map(|m| proto::MachineSample {
            cores_busy: m.cores_busy,
            memory_used_bytes: m.memory_used_bytes,
            memory_total_bytes: m.memory_total_bytes,
            network_received_bytes_per_second: m.network_received_bytes_per_second,
            network_sent_bytes_per_second: m.network_sent_bytes_per_second,
        });
        let tiers = report.tiers.into_iter().map(|t| proto::TierUse {
            tier: proto::Tier::from(t.tier).into(),
            capacity_bytes: t.capacity_bytes,
            used_bytes: t.used_bytes,
        });
        let served = report.served.map(|s| proto::Served {
            requests: s.requests,
            received_bytes: s.received_bytes,
            sent_bytes: s.sent_bytes,
        });
        let jobs = report.jobs.into_iter().map(|j| proto::JobUse {
            job: j.job.0,
            objects: j.objects,
            bytes: j.bytes,
            idle_ms: j.idle_ms,
        });
        let space = proto::SpaceUse {
            metadata_bytes: report.space.metadata_bytes,
            inline_bytes: report.space.inline_bytes,
            chunks_bytes: report.space.chunks_bytes,
            vacant_bytes: report.space.vacant_bytes,
        };
        let limit = report.limit.map(|limit| proto::SpaceLimit {
            limit_bytes: limit.limit_bytes,
            taken_bytes: limit.taken_bytes,
        });
        let (tiers, jobs) = (tiers.collect(), jobs.collect());
        Self { machine, tiers, served, jobs, space: Some(space), limit }
    }
}

impl TryFrom<proto::UsageReport> for UsageReport {
    type Error = Malformed;

    fn try_from(report: proto::UsageReport) -> Result<Self, Malformed> {
        let machine = report.machine.map(|m| MachineSample {
            cores_busy: m.cores_busy,
            memory_used_bytes: m.memory_used_bytes,
            memory_total_bytes: m.memory_total_bytes,
            network_received_bytes_per_second: m.network_received_bytes_per_second,
            network_sent_bytes_per_second: m.network_sent_bytes_per_second,
        });
        let tier = |t: proto::TierUse| {
            let tier = tier_of(t.tier)?;
            Ok(TierUse { tier, capacity_bytes: t.capacity_bytes, used_bytes: t.used_bytes })
        };
        let served = report.served.map(|s| Served {
            requests: s.requests,
            received_bytes: s.received_bytes,
            sent_bytes: s.sent_bytes,
        });
        let jobs = report.jobs.into_iter().map(|j| JobUse {
            job: JobId(j.job),
            objects: j.objects,
            bytes: j.bytes,
            idle_ms: j.idle_ms,
        });
        let tiers = report.tiers.into_iter().map(tier).collect::<Result<_, Malformed>>()?;
        let space = report.space.ok_or_else(|| Malformed::missing("space"))?;
        let space = SpaceUse {
            metadata_bytes: space.metadata_bytes,
            inline_bytes: space.inline_bytes,
            chunks_bytes: space.chunks_bytes,
            vacant_bytes: space.vacant_bytes,
        };
        let limit = report
            .limit
            .map(|limit| SpaceLimit { limit_bytes: limit.limit_bytes, taken_bytes: limit.taken_bytes });
        Ok(Self { machine, tiers, served, jobs: jobs.collect(), space, limit })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use pocket_api::control::{Weight, WeightMap};
    use pocket_api::ids::MapId;
    use pocket_api::tier::Tier;
    use std::time::Duration;

    fn node(id: u64, role: Role, state: NodeState) -> Node {
        let spec = NodeSpec {
            role,
            address: format!("127.0.0.1:{id}"),
            host: "here".into(),
            capacity_bytes: id << 30,
        };
        Node { id: NodeId(id), spec, state }
    }

    pub(in crate::control) fn view() -> ClusterView {
        let mut nodes: Vec<Node> =
            (1..).zip(Role::ALL).map(|(id, role)| node(id, role, NodeState::Live)).collect();
        nodes.push(node(9, Role::Storage, NodeState::Suspect));
        ClusterView { term: Term(2), version: 12, newest: NodeId(11), nodes }
    }

    pub(in crate::control) fn changes() -> ViewChanges {
        let nodes = view().nodes;
        ViewChanges { since: 11, version: 12, newest: NodeId(11), changed: nodes, gone: vec![NodeId(7)] }
    }

    pub(in crate::control) fn beat() -> Heartbeat {
        Heartbeat {
            node: NodeId(3),
            term: Term(2),
            view_version: 4,
            jobs: vec![JobId(5), JobId(6)],
            ended_seen: 7,
            weights_seen: 8,
        }
    }

    pub(in crate::control) fn reply(view: Option<ViewUpdate>) -> HeartbeatReply {
        let weights = [Weight { server: NodeId(9), weight: 0.5 }].into();
        let weights = vec![WeightMap { id: MapId(1), version: 2, weights }];
        HeartbeatReply { term: Term(2), view, ended: vec![JobId(8)], ended_seen: 3, weights, weights_seen: 4 }
    }

    pub(in crate::control) fn forgotten() -> Forgotten {
        let bucket = |name| BucketName::parse(name).unwrap();
        let spec = view().nodes.remove(1).spec;
        Forgotten { spec, chunks_bytes: 7, buckets: vec![bucket("stage-1"), bucket("stage-2")] }
    }

    pub(in crate::control) fn report() -> UsageReport {
        UsageReport {
            machine: Some(MachineSample {
                cores_busy: vec![0.25, 1.0],
                memory_used_bytes: 1,
                memory_total_bytes: 2,
                network_received_bytes_per_second: 3,
                network_sent_bytes_per_second: 4,
            }),
            tiers: Tier::ALL.map(|tier| TierUse { tier, capacity_bytes: 5, used_bytes: 6 }).to_vec(),
            served: Some(Served { requests: 7, received_bytes: 8, sent_bytes: 9 }),
            jobs: vec![JobUse { job: JobId(10), objects: 11, bytes: 12, idle_ms: 13 }],
            space: SpaceUse { metadata_bytes: 14, inline_bytes: 15, chunks_bytes: 16, vacant_bytes: 17 },
            limit: Some(SpaceLimit { limit_bytes: 18, taken_bytes: 19 }),
        }
    }

    #[test]
    fn membership_loses_nothing_on_the_way() {
        let joined = Joined { node: NodeId(11), view: view() };
        assert_eq!(Joined::try_from(proto::Joined::from(joined.clone())), Ok(joined));
        assert_eq!(Heartbeat::from(proto::Heartbeat::from(beat())), beat());
        for view in [None, Some(ViewUpdate::Whole(view())), Some(ViewUpdate::Changes(changes()))] {
            let reply = reply(view);
            assert_eq!(HeartbeatReply::try_from(proto::HeartbeatReply::from(reply.clone())), Ok(reply));
        }
        let forgotten = forgotten();
        assert_eq!(Forgotten::try_from(proto::Forgotten::from(forgotten.clone())), Ok(forgotten));
    }

    #[test]
    fn usage_loses_nothing_on_the_way() {
        for report in [UsageReport::default(), report()] {
            assert_eq!(UsageReport::try_from(proto::UsageReport::from(report.clone())), Ok(report));
        }
        let nodes = view().nodes.into_iter();
        let nodes = nodes.map(|n| (n.clone(), (n.id.0 % 2 == 0).then(report))).collect();
        let status = ClusterStatus { nodes, jobs: vec![], held_for: Some(Duration::from_millis(1_500)) };
        assert_eq!(ClusterStatus::try_from(proto::ClusterStatus::from(status.clone())), Ok(status));
    }

    #[test]
    fn a_view_out_of_order_is_malformed() {
        let mut view = proto::ClusterView::from(view());
        view.nodes.swap(0, 1);
        assert!(ClusterView::try_from(view).is_err());
    }
}
