//! The membership's part: who joins, beats, reports, hangs up, and what follows of a death. A death is written down before
//! anybody hears of it.

use super::event::{AskId, DeathCause, Effect, Note, Reply};
use super::record::Key;
use super::{Follow, Report, State, deposed};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::{NodeSpec, Role};
use pocket_api::control::{ControlError, Forgotten, Heartbeat, HeartbeatReply, Joined};
use pocket_api::ids::{JobId, NodeId, Term};
use pocket_api::names::BucketName;
use pocket_api::usage::UsageReport;
use std::collections::BTreeSet;

/// Most that one answer to a heartbeat tells of what ended lately. The next one goes on.
const ENDED_A_BEAT: usize = 1_024;
/// Most weights in one such answer, unless a single map has more.
const WEIGHTS_A_BEAT: usize = 2_048;
/// Most addresses asked at a time. The rest waits.
const PROBES_MAX: usize = 32;

impl State {
    /// Those whom the node replaces die with its coming, in one step.
    pub(super) fn join(&mut self, ask: AskId, spec: NodeSpec) {
        let older = match self.members.replaced_by(&spec) {
            Ok(older) => older,
            Err(why) => return self.answer(ask, Err(why)),
        };
        let node = NodeId(self.issue());
        let replaced = self.members.doom(&older);
        self.changed.extend(older.into_iter().map(Key::Node));
        self.changed.insert(Key::Node(node));
        self.joining.insert(node, spec.clone());
        self.when_kept(Follow::Join { ask, node, spec, replaced });
    }

    pub(super) fn joined(
        &mut self,
        ask: AskId,
        node: NodeId,
        spec: NodeSpec,
        replaced: Vec<(NodeId, NodeSpec)>,
        now: Timestamp,
    ) {
        self.joining.remove(&node);
        self.bury(replaced, DeathCause::Replaced, now);
        if let Err(why) = self.members.join(node, spec.clone(), now) {
            self.changed.insert(Key::Node(node));
            return self.answer(ask, Err(why));
        }
        if spec.role == Role::Storage {
            self.reweigh(&[]);
        }
        let view = self.members.view();
        self.note(Note::Joined(node, spec));
        self.answer(ask, Ok(Reply::Joined(Joined { node, view })));
    }

    pub(super) fn leave(&mut self, ask: AskId, node: NodeId) {
        match self.members.contains(node) {
            true => self.declare_dead(&[node], DeathCause::Left, Some((ask, Reply::Done))),
            false => self.answer(ask, Err(ControlError::NotAMember)),
        }
    }

    pub(super) fn forget(&mut self, ask: AskId, node: NodeId) {
        match self.lost_with(node) {
            Some(lost) => {
                self.declare_dead(&[node], DeathCause::Forgotten, Some((ask, Reply::Forgotten(lost))));
            }
            None => self.answer(ask, Err(ControlError::NotAMember)),
        }
    }

    /// What is lost with a node, as far as is known.
    fn lost_with(&self, node: NodeId) -> Option<Forgotten> {
        let spec = self.members.spec(node)?.clone();
        let space = self.reports.get(&node).map(|latest| latest.report.space).unwrap_or_default();
        let placed = self.placed.get(&node).into_iter().flatten();
        let buckets: BTreeSet<BucketName> =
            placed.filter_map(|job| self.jobs.get(job)).map(|job| job.bucket.clone()).collect();
        Some(Forgotten { spec, chunks_bytes: space.chunks_bytes, buckets: buckets.into_iter().collect() })
    }

    /// Nodes die: written down first. Those on whose death somebody else is at work are passed over.
    pub(super) fn declare_dead(&mut self, ids: &[NodeId], cause: DeathCause, told: Option<(AskId, Reply)>) {
        let nodes = self.members.doom(ids);
        if nodes.is_empty() {
            // Whoever asks is told when that is on disk, which comes before this.
            if let Some((ask, reply)) = told {
                self.changed.insert(Key::Controller);
                self.when_kept(Follow::Deaths { nodes, cause, told: Some((ask, Box::new(reply))) });
            }
            return;
        }
        self.changed.extend(nodes.iter().map(|(id, _)| Key::Node(*id)));
        let told = told.map(|(ask, reply)| (ask, Box::new(reply)));
        self.when_kept(Follow::Deaths { nodes, cause, told });
    }

    /// They are dead for everybody.
    pub(super) fn bury(&mut self, nodes: Vec<(NodeId, NodeSpec)>, cause: DeathCause, now: Timestamp) {
        let dead: Vec<NodeId> = nodes.iter().map(|(id, _)| *id).collect();
        if dead.is_empty() {
            return;
        }
        self.members.bury(&dead);
        for (node, spec) in nodes {
            self.reports.remove(&node);
            self.note(Note::Dead(node, spec, cause));
        }
        self.reweigh(&dead);
        self.ask_no_more(&dead, now);
        let jobs: BTreeSet<JobId> =
            dead.iter().filter_map(|node| self.placed.get(node)).flatten().copied().collect();
        jobs.into_iter().for_each(|job| self.look_after(job, now));
    }

    pub(super) fn spare(&mut self, nodes: &[(NodeId, NodeSpec)]) {
        let spared: Vec<NodeId> = nodes.iter().map(|(id, _)| *id).collect();
        self.members.spare(&spared);
    }

    /// Takes the dead out of the weight maps; maps without servers get those that there are.
    fn reweigh(&mut self, dead: &[NodeId]) {
        let touched = self.maps.touched_by(dead);
        if touched.is_empty() {
            return;
        }
        let servers = self.servers();
        for map in touched {
            let version = self.issue();
            if self.maps.renew(map, dead, &servers, version) {
                self.changed.insert(Key::Weights(map));
                let (jobs, servers) = (self.maps.jobs(map), self.maps.weights(map).len());
                self.note(Note::Reweighed { jobs, servers });
            }
        }
    }

    pub(super) fn beat(
        &mut self,
        heartbeat: Heartbeat,
        now: Timestamp,
    ) -> Result<HeartbeatReply, ControlError> {
        let Heartbeat { node, term, view_version, jobs, ended_seen, weights_seen } = heartbeat;
        self.depose(term);
        if self.deposed {
            return Err(deposed());
        }
        if node.0 < self.born && !self.members.contains(node) {
            return Err(self.meet_stranger());
        }
        self.members.heard(node, now)?;
        let mut ended: Vec<JobId> = jobs.into_iter().filter(|job| self.has_ended(*job)).collect();
        let lately = self.ended.range(ended_seen + 1..).take(ENDED_A_BEAT);
        let ended_seen = lately.clone().last().map_or(ended_seen, |(number, _)| *number);
        ended.extend(lately.map(|(_, job)| *job));
        let is_gateway = self.members.spec(node).is_some_and(|spec| spec.role == Role::Gateway);
        let (weights, weights_seen) = match is_gateway {
            true => self.maps.changed_since(weights_seen, WEIGHTS_A_BEAT),
            false => (Vec::new(), weights_seen),
        };
        let view = self.members.update_since(term, view_version);
        Ok(HeartbeatReply { term: self.term, view, ended, ended_seen, weights, weights_seen })
    }

    /// A job is known from before its first shard hears of it until it is decided that it ends.
    pub(super) fn has_ended(&self, job: JobId) -> bool {
        self.jobs.get(&job).map_or(job.0 >= self.born, |job| job.work.is_over)
    }

    /// A node of a controller whose records are not here: this one knows nothing of what it holds, and ends nothing of it.
    fn meet_stranger(&mut self) -> ControlError {
        if !std::mem::replace(&mut self.are_strangers_noted, true) {
            self.note(Note::Strangers);
        }
        ControlError::Unavailable("this controller has begun without the records of the one before".into())
    }

    pub(super) fn reported(&mut self, node: NodeId, mut report: UsageReport, now: Timestamp) {
        if !self.members.contains(node) {
            return;
        }
        report.jobs.sort_unstable_by_key(|used| used.job);
        let may_be_idle: Vec<JobId> = report
            .jobs
            .iter()
            .filter(|used| {
                let idle_ttl = self.jobs.get(&used.job).and_then(|job| job.hints.idle_ttl);
                idle_ttl.is_some_and(|idle_ttl| u128::from(used.idle_ms) >= idle_ttl.as_millis())
            })
            .map(|used| used.job)
            .collect();
        self.reports.insert(node, Report { at: now, report });
        may_be_idle.into_iter().for_each(|job| self.consider_idle(job, now));
    }

    pub(super) fn hung_up(&mut self, node: NodeId, now: Timestamp) {
        self.members.hung_up(node, now);
        self.probe(now);
    }

    /// Asks addresses of nodes that hung up, as many as may be at a time.
    pub(super) fn probe(&mut self, now: Timestamp) {
        for (node, spec) in self.members.take_to_ask(now, PROBES_MAX - self.probing) {
            self.probing += 1;
            self.effects.push(Effect::Probe(node, spec));
        }
    }

    pub(super) fn probed(&mut self, node: NodeId, refuses: bool, now: Timestamp) {
        self.probing -= 1;
        if refuses && self.members.may_have_ended(node) {
            self.declare_dead(&[node], DeathCause::Ended, None);
        }
        self.probe(now);
    }

    /// Another controller has followed. This one decides nothing any more.
    pub(super) fn depose(&mut self, newer: Term) {
        if self.term < newer && !std::mem::replace(&mut self.deposed, true) {
            self.note(Note::Deposed { own: self.term, newer });
        }
    }
}
