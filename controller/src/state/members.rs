//! The membership: who is in the cluster, who fell silent, who is dead. Pure; the death of a node is for good.
//!
//! A node dies of evidence (its process has ended, it left, its successor is there, somebody said so), which others bring
//! ([`Members::doom`]), or of silence ([`Members::age`]): after a long time, and never while more than half of the other
//! hosts are silent at once, because then it is the controller that is cut off, and *held*. A death is in two steps, so that it can be
//! written down in between: a doomed node is a member for everybody but the state file.

use pocket_api::clock::Timestamp;
use pocket_api::cluster::{ClusterView, Node, NodeSpec, NodeState, Role, ViewChanges, ViewUpdate};
use pocket_api::control::ControlError;
use pocket_api::ids::{NodeId, Term};
use pocket_api::limits::SUSPECT_AFTER;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Most nodes of one cluster: whoever joins is told of all of them, and looks through them with each change.
pub(crate) const MEMBERS_MAX: usize = 4_096;
/// Most of the dead that are told of as changes. Who has missed more is told the whole view.
const GONE_MAX: usize = 1_024;
/// A node that hung up and is not heard again is asked about as often as this; longer than one round of asking takes.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// All nodes that are not dead.
#[derive(Debug)]
pub(crate) struct Members {
    nodes: BTreeMap<NodeId, Member>,
    version: u64,
    newest: NodeId,
    held_since: Option<Timestamp>,
    term: Term,
    /// The dead, with the versions from which on they are; of all versions after `told_from`.
    gone: VecDeque<(u64, NodeId)>,
    told_from: u64,
}

#[derive(Debug)]
struct Member {
    spec: NodeSpec,
    state: NodeState,
    /// Version of the view since which it is as it is.
    changed_at: u64,
    heard_at: Timestamp,
    line: Line,
    doomed: bool,
}

/// What is known of the connections that a node was heard over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Open,
    /// None is left since it was last heard. Its address is asked at `ask_at`.
    HungUp {
        ask_at: Timestamp,
    },
}

/// What the passing of time has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Aged {
    pub(crate) suspected: Vec<(NodeId, NodeSpec)>,
    /// Silent for too long: to be declared dead.
    pub(crate) overdue: Vec<NodeId>,
    pub(crate) hold: Option<Hold>,
}

/// A change of whether the controller holds itself for the one that is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// So many of the other hosts are silent.
    Began {
        silent: usize,
        hosts: usize,
    },
    Ended {
        after: Duration,
    },
}

impl Member {
    fn silence(&self, now: Timestamp) -> Duration {
        now.since(self.heard_at)
    }
}

impl Members {
    /// Views count up from `version`. `nodes` are taken as heard of at `now`; none of them has called yet.
    pub(crate) fn starting_at(
        term: Term,
        version: u64,
        newest: NodeId,
        nodes: impl IntoIterator<Item = (NodeId, NodeSpec)>,
        now: Timestamp,
    ) -> Self {
        // Those that live have called by then.
        let line = Line::HungUp { ask_at: now + SUSPECT_AFTER };
        let live = |spec| Member {
            spec,
            state: NodeState::Live,
            changed_at: version,
            heard_at: now,
            line,
            doomed: false,
        };
        let nodes = nodes.into_iter().map(|(id, spec)| (id, live(spec))).collect();
        let (gone, told_from) = (VecDeque::new(), version);
        Self { nodes, version, newest, held_since: None, term, gone, told_from }
    }

    /// Nodes that have the role and the address of `spec`, and so have ended: a port is bound once on a host. Refused
    /// where one of them is on another host: either may live then, and a text says nothing of which.
    pub(crate) fn replaced_by(&self, spec: &NodeSpec) -> Result<Vec<NodeId>, ControlError> {
        let NodeSpec { role, address, host, .. } = spec;
        let same = |m: &Member| !address.is_empty() && m.spec.role == *role && m.spec.address == *address;
        let mut replaced = Vec::new();
        for (&id, older) in self.nodes.iter().filter(|(_, m)| same(m)) {
            if older.spec.host != *host {
                return Err(ControlError::Refused(format!(
                    "{role} {address} on host {host:?}: {id} on host {:?} has this address and is not known to have \
                     ended; set advertise to an address of this node's own, or `pocket forget {id}`",
                    older.spec.host
                )));
            }
            replaced.push(id);
        }
        Ok(replaced)
    }

    /// Takes `id`, higher than any before, into the cluster. Those whom it replaces have been buried before.
    pub(crate) fn join(&mut self, id: NodeId, spec: NodeSpec, now: Timestamp) -> Result<(), ControlError> {
        if let Some(older) = self.replaced_by(&spec)?.first() {
            return Err(ControlError::Unavailable(format!("{older} has joined with this address just now")));
        }
        if self.nodes.len() >= MEMBERS_MAX {
            return Err(ControlError::Unavailable(format!("the cluster has {MEMBERS_MAX} nodes already")));
        }
        self.version += 1;
        let (state, line, changed_at) = (NodeState::Live, Line::Open, self.version);
        self.nodes.insert(id, Member { spec, state, changed_at, heard_at: now, line, doomed: false });
        self.newest = id;
        Ok(())
    }

    /// A sign of life.
    pub(crate) fn heard(&mut self, id: NodeId, now: Timestamp) -> Result<(), ControlError> {
        let member = self.nodes.get_mut(&id).ok_or(ControlError::NotAMember)?;
        (member.heard_at, member.line) = (now, Line::Open);
        if member.state == NodeState::Suspect {
            self.version += 1;
            (member.state, member.changed_at) = (NodeState::Live, self.version);
        }
        match member.doomed {
            true => Err(ControlError::Unavailable(format!("the death of {id} is being written down"))),
            false => Ok(()),
        }
    }

    /// No connection is left that the node was heard over.
    pub(crate) fn hung_up(&mut self, id: NodeId, now: Timestamp) {
        if let Some(member) = self.nodes.get_mut(&id) {
            member.line = Line::HungUp { ask_at: now };
        }
    }

    /// Whether a refusal of its address would mean anything: it has hung up and was not heard since. While the controller is
    /// held, whatever lies in between may refuse in its name.
    pub(crate) fn may_have_ended(&self, id: NodeId) -> bool {
        self.held_since.is_none() && self.nodes.get(&id).is_some_and(|m| m.line != Line::Open)
    }

    /// Nodes whose addresses are to be asked now, at most so many.
    pub(crate) fn take_to_ask(&mut self, now: Timestamp, most: usize) -> Vec<(NodeId, NodeSpec)> {
        let mut asked = Vec::new();
        if self.held_since.is_some() {
            return asked;
        }
        for (&id, member) in &mut self.nodes {
            let due = matches!(member.line, Line::HungUp { ask_at } if ask_at <= now);
            if due && asked.len() < most && !member.doomed && !member.spec.address.is_empty() {
                member.line = Line::HungUp { ask_at: now + ASK_EVERY };
                asked.push((id, member.spec.clone()));
            }
        }
        asked
    }

    /// Suspects the silent and finds those that have been so for longer than `timeout`.
    pub(crate) fn age(&mut self, now: Timestamp, timeout: Duration) -> Aged {
        let mut aged = Aged::default();
        for (&id, member) in &mut self.nodes {
            if member.state == NodeState::Live && member.silence(now) > SUSPECT_AFTER {
                (member.state, member.changed_at) = (NodeState::Suspect, self.version + 1);
                aged.suspected.push((id, member.spec.clone()));
            }
        }
        self.version += u64::from(!aged.suspected.is_empty());
        let (silent, hosts) = self.other_hosts();
        match (self.held_since, silent * 2 > hosts) {
            (None, true) => {
                self.held_since = Some(now);
                aged.hold = Some(Hold::Began { silent, hosts });
            }
            (Some(since), false) => {
                self.held_since = None;
                let after = now.since(since);
                self.forgive(after, now);
                aged.hold = Some(Hold::Ended { after });
            }
            _ => {}
        }
        if self.held_since.is_none() {
            let overdue = self.nodes.iter().filter(|(_, m)| !m.doomed && m.silence(now) > timeout);
            aged.overdue = overdue.map(|(&id, _)| id).collect();
        }
        aged
    }

    /// How many hosts there are without a controller, and how many of them are silent: nobody on them was heard lately.
    fn other_hosts(&self) -> (usize, usize) {
        let hosts = |wanted: fn(&Member) -> bool| -> BTreeSet<&str> {
            self.nodes.values().filter(|m| wanted(m)).map(|m| m.spec.host.as_str()).collect()
        };
        let own = hosts(|m| m.spec.role == Role::Controller);
        let heard = hosts(|m| m.state == NodeState::Live);
        let others: Vec<&str> = hosts(|_| true).difference(&own).copied().collect();
        (others.iter().filter(|host| !heard.contains(*host)).count(), others.len())
    }

    /// For how long the controller has held itself for the one that is cut off.
    pub(crate) fn held_for(&self, now: Timestamp) -> Option<Duration> {
        self.held_since.map(|since| now.since(since))
    }

    /// So much time, up to `now`, is nobody's silence: the controller itself stood still, or could hear nobody.
    pub(crate) fn forgive(&mut self, time: Duration, now: Timestamp) {
        for member in self.nodes.values_mut() {
            member.heard_at = now.min(member.heard_at + time);
        }
    }

    /// The first step of a death. Answers with those that are on their way from now on.
    pub(crate) fn doom(&mut self, ids: &[NodeId]) -> Vec<(NodeId, NodeSpec)> {
        let mut doomed = Vec::new();
        for &id in ids {
            if let Some(member) = self.nodes.get_mut(&id).filter(|m| !m.doomed) {
                member.doomed = true;
                doomed.push((id, member.spec.clone()));
            }
        }
        doomed
    }

    /// The death could not be written down: nothing has happened.
    pub(crate) fn spare(&mut self, ids: &[NodeId]) {
        for id in ids {
            if let Some(member) = self.nodes.get_mut(id) {
                member.doomed = false;
            }
        }
    }

    /// The second step: they are dead for everybody.
    pub(crate) fn bury(&mut self, ids: &[NodeId]) {
        let dead: Vec<NodeId> = ids.iter().copied().filter(|id| self.nodes.remove(id).is_some()).collect();
        if dead.is_empty() {
            return;
        }
        self.version += 1;
        self.gone.extend(dead.into_iter().map(|id| (self.version, id)));
        while self.gone.len() > GONE_MAX {
            self.told_from = self.gone.pop_front().map_or(self.told_from, |(version, _)| version);
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
        let live = move |m: &Member| m.state == NodeState::Live && m.spec.role == role && !m.doomed;
        self.nodes.iter().filter(move |(_, m)| live(m)).map(|(&id, m)| (id, &m.spec))
    }

    /// All of a role that are not dead.
    pub(crate) fn with_role(&self, role: Role) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter(move |(_, m)| m.spec.role == role).map(|(&id, _)| id)
    }

    pub(crate) fn view(&self) -> ClusterView {
        let node = |(&id, m): (&NodeId, &Member)| Node { id, spec: m.spec.clone(), state: m.state };
        ClusterView {
            term: self.term,
            version: self.version,
            newest: self.newest,
            nodes: self.nodes.iter().map(node).collect(),
        }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// What a node is told that has the view of `version` and `term`; nothing where that is the newest.
    pub(crate) fn update_since(&self, term: Term, version: u64) -> Option<ViewUpdate> {
        if term != self.term || version < self.told_from || version > self.version {
            return Some(ViewUpdate::Whole(self.view()));
        }
        if version == self.version {
            return None;
        }
        let changed = self.nodes.iter().filter(|(_, m)| m.changed_at > version);
        let node = |(&id, m): (&NodeId, &Member)| Node { id, spec: m.spec.clone(), state: m.state };
        let gone = self.gone.iter().rev().take_while(|(since, _)| *since > version);
        Some(ViewUpdate::Changes(ViewChanges {
            since: version,
            version: self.version,
            newest: self.newest,
            changed: changed.map(node).collect(),
            gone: gone.map(|(_, id)| *id).collect(),
        }))
    }

    /// A member as its record has it: there is none of the doomed.
    pub(crate) fn kept(&self, id: NodeId) -> Option<&NodeSpec> {
        self.nodes.get(&id).filter(|member| !member.doomed).map(|member| &member.spec)
    }

    /// How many of a role are in a state.
    pub(crate) fn count(&self, role: Role, state: NodeState) -> usize {
        self.nodes.values().filter(|m| m.spec.role == role && m.state == state).count()
    }
}

#[cfg(test)]
mod tests;
