//! All that the controller knows: members, jobs, names, and the latest reports. Pure: time comes as an argument, and
//! nothing here talks to anyone.

use crate::job::{Cause, Fence, Job, Phase};
use crate::members::Members;
use crate::placing;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::NodeSpec;
use pocket_api::control::{ControlError, Forgotten, JobSummary, Placement, Registration};
use pocket_api::ids::{Epoch, IdSource, JobId, NodeId};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::settings::JobSettings;
use pocket_api::usage::{JobUse, UsageReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most jobs at a time, as S3 bounds an account's buckets: the state file is written whole for each registration, and
/// at this many it has some 6 MB.
pub(crate) const JOBS_MAX: usize = 10_000;

/// Most bytes of what owners say of all jobs together: their documents and tags are in that file too, and an answer to
/// any change waits until it is written.
pub(crate) const SETTINGS_MAX_BYTES: usize = 32 << 20;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) members: Members,
    ids: IdSource,
    highest_id: u64,
    jobs: BTreeMap<JobId, Job>,
    names: BTreeMap<BucketName, JobId>,
    reports: BTreeMap<NodeId, Report>,
    revision: u64,
}

/// A node's latest report; its jobs are in the order of their ids.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) report: UsageReport,
}

/// What survives a restart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Of all ids ever issued to nodes and jobs, those that are gone included.
    pub(crate) highest_id: u64,
    pub(crate) view_version: u64,
    pub(crate) nodes: Vec<(NodeId, NodeSpec)>,
    pub(crate) jobs: Vec<Job>,
}

impl State {
    pub(crate) fn new(now: Timestamp) -> Self {
        let nothing = Kept { highest_id: 0, view_version: 0, nodes: Vec::new(), jobs: Vec::new() };
        Self::restored(nothing, now)
    }

    /// Goes on from what was kept. Its nodes count as heard of at `now`; ids and versions are above all earlier ones,
    /// also where the wall clock was set back.
    pub(crate) fn restored(kept: Kept, now: Timestamp) -> Self {
        let start_ms = now.0.max((kept.highest_id >> 20) + 1);
        let ids = IdSource::starting_at(start_ms);
        let version = ids.issue().max(kept.view_version + 1);
        let live = |job: Job| match job.phase {
            Phase::Opened => Job { phase: Phase::Live, ..job },
            _ => job,
        };
        let jobs: BTreeMap<JobId, Job> =
            kept.jobs.into_iter().map(|job| (job.placement.job, live(job))).collect();
        Self {
            members: Members::starting_at(version, NodeId(kept.highest_id), kept.nodes, now),
            ids,
            highest_id: kept.highest_id,
            names: jobs.values().map(|j| (j.placement.bucket.clone(), j.placement.job)).collect(),
            jobs,
            reports: BTreeMap::new(),
            revision: 1,
        }
    }

    /// What must be on disk, with the revision that it stands for.
    pub(crate) fn kept(&self) -> (u64, Kept) {
        let kept = Kept {
            highest_id: self.highest_id,
            view_version: self.members.version(),
            nodes: self.members.kept(),
            jobs: self.jobs.values().filter(|j| j.is_kept()).cloned().collect(),
        };
        (self.revision, kept)
    }

    /// Grows with every change of what is kept.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    fn issue(&mut self) -> u64 {
        self.highest_id = self.ids.issue();
        self.highest_id
    }

    // ---- members ----

    pub(crate) fn join(&mut self, spec: NodeSpec, now: Timestamp) -> Result<NodeId, ControlError> {
        let id = NodeId(self.issue());
        self.members.join(id, spec, now)?;
        self.revision += 1;
        Ok(id)
    }

    /// The first step of a death: what is kept is without them. See [`Members::doom`].
    pub(crate) fn doom(&mut self, nodes: &[NodeId]) -> Vec<(NodeId, NodeSpec)> {
        self.revision += 1;
        self.members.doom(nodes)
    }

    pub(crate) fn spare(&mut self, nodes: &[NodeId]) {
        self.revision += 1;
        self.members.spare(nodes);
    }

    /// The second step: they are dead for everybody.
    pub(crate) fn bury(&mut self, nodes: &[NodeId]) {
        self.revision += 1;
        self.members.bury(nodes);
        for node in nodes {
            self.reports.remove(node);
        }
    }

    /// What is lost with a node, as far as is known.
    pub(crate) fn lost_with(&self, node: NodeId) -> Option<Forgotten> {
        let spec = self.members.spec(node)?.clone();
        let space = self.report(node).map(|latest| latest.report.space).unwrap_or_default();
        let placed = self
            .names
            .iter()
            .filter(|(_, job)| self.jobs.get(job).is_some_and(|job| job.placement.shards.contains(&node)));
        let buckets = placed.map(|(bucket, _)| bucket.clone()).collect();
        Some(Forgotten { spec, chunks_bytes: space.chunks_bytes, buckets })
    }

    // ---- reports ----

    pub(crate) fn reported(
        &mut self,
        node: NodeId,
        mut report: UsageReport,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        if !self.members.contains(node) {
            return Err(ControlError::NotAMember);
        }
        report.jobs.sort_unstable_by_key(|j| j.job);
        self.reports.insert(node, Report { at: now, report });
        Ok(())
    }

    pub(crate) fn report(&self, node: NodeId) -> Option<&Report> {
        self.reports.get(&node)
    }

    // ---- jobs ----

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    pub(crate) fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }

    pub(crate) fn named(&self, bucket: &BucketName) -> Option<&Job> {
        self.jobs.get(self.names.get(bucket)?)
    }

    /// Takes the name for a new job and decides where it will live. It is `Opening`: gateways do not see it.
    pub(crate) fn plan(&mut self, registration: Registration, now: Timestamp) -> Result<Job, ControlError> {
        if let Some(job) = self.named(&registration.bucket) {
            return Err(match job.phase {
                Phase::Ending { .. } => {
                    ControlError::Unavailable(format!("bucket {} is ending", registration.bucket))
                }
                _ => ControlError::BucketExists { tenant: job.placement.tenant.clone() },
            });
        }
        if self.jobs.len() >= JOBS_MAX {
            return Err(ControlError::Unavailable(format!("there are {JOBS_MAX} jobs already")));
        }
        self.check_settings(&registration.settings, None)?;
        let id = JobId(self.issue());
        let job = placing::place(self, id, registration, now)?;
        self.names.insert(job.placement.bucket.clone(), id);
        self.jobs.insert(id, job.clone());
        Ok(job)
    }

    /// Whether there is room for these settings, where `job` gives up its own for them.
    pub(crate) fn check_settings(
        &self,
        settings: &JobSettings,
        job: Option<JobId>,
    ) -> Result<(), ControlError> {
        let others = self.jobs.values().filter(|other| Some(other.placement.job) != job);
        let used: usize = others.map(|other| other.placement.settings.size_bytes()).sum();
        match used + settings.size_bytes() <= SETTINGS_MAX_BYTES {
            true => Ok(()),
            false => Err(ControlError::Unavailable(format!(
                "the settings of all jobs have {used} bytes of {SETTINGS_MAX_BYTES} already"
            ))),
        }
    }

    pub(crate) fn set_phase(&mut self, job: JobId, phase: Phase) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.phase = phase;
            self.revision += 1;
        }
    }

    pub(crate) fn retry_at(&mut self, job: JobId, at: Timestamp) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.retry_at = at;
        }
    }

    /// A number for the next epoch of a job whose shards are about to hear of it.
    pub(crate) fn unsettle(&mut self, job: JobId) -> Epoch {
        let epoch = Epoch(self.issue());
        if let Some(job) = self.jobs.get_mut(&job) {
            job.unsettled = true;
            self.revision += 1;
        }
        epoch
    }

    /// The job is at `placement` now, and all its shards know.
    pub(crate) fn settle(&mut self, placement: Placement) {
        if let Some(job) = self.jobs.get_mut(&placement.job) {
            job.ends_at = placing::end_of(&placement);
            job.placement = placement;
            job.unsettled = false;
            self.revision += 1;
        }
    }

    /// Frees the name.
    pub(crate) fn remove(&mut self, job: JobId) -> Option<Job> {
        let job = self.jobs.remove(&job)?;
        self.names.remove(&job.placement.bucket);
        self.revision += 1;
        Some(job)
    }

    /// The shards of a job that are not dead: those that a fence has to reach.
    pub(crate) fn standing_shards(&self, placement: &Placement) -> Vec<NodeId> {
        placement.shards.iter().copied().filter(|&s| self.members.contains(s)).collect()
    }

    /// Those of `held` that are no jobs any more. A job is known from before its first shard hears of it until after
    /// its last one is fenced.
    pub(crate) fn ended(&self, held: Vec<JobId>) -> Vec<JobId> {
        held.into_iter().filter(|job| !self.jobs.contains_key(job)).collect()
    }

    /// Jobs that are shown at `now`, of one tenant or all, in the order of their buckets' names.
    pub(crate) fn summaries(&self, tenant: Option<&TenantName>, now: Timestamp) -> Vec<JobSummary> {
        let mut used: BTreeMap<JobId, (u64, u64)> = BTreeMap::new();
        for JobUse { job, objects, bytes, .. } in self.reports.values().flat_map(|r| &r.report.jobs) {
            let sum = used.entry(*job).or_default();
            *sum = (sum.0.saturating_add(*objects), sum.1.saturating_add(*bytes));
        }
        let jobs = self.names.values().filter_map(|id| self.jobs.get(id));
        let jobs = jobs.filter(|job| tenant.is_none_or(|t| *t == job.placement.tenant));
        jobs.filter_map(|job| {
            let placement = job.shown(now).ok()?;
            let (objects, bytes) = used.get(&placement.job).copied().unwrap_or_default();
            Some(JobSummary {
                job: placement.job,
                bucket: placement.bucket.clone(),
                tenant: placement.tenant.clone(),
                created_at_ms: placement.created_at_ms,
                hints: placement.settings.asked.clone(),
                derived: placement.derived(),
                shards: placement.shards.len() as u32,
                servers: placement.weights.len() as u32,
                servers_capacity_bytes: placement
                    .weights
                    .iter()
                    .filter_map(|weight| self.members.spec(weight.server))
                    .map(|spec| spec.capacity_bytes)
                    .fold(0, u64::saturating_add),
                objects,
                bytes,
                ends_in: job.ends_at.map(|at| at.since(now)),
            })
        })
        .collect()
    }

    /// The job that an end is meant for.
    pub(crate) fn to_end(
        &self,
        bucket: &BucketName,
        life: Option<JobId>,
        tenant: Option<&TenantName>,
    ) -> Result<&Job, ControlError> {
        let job = self.named(bucket).ok_or(ControlError::NoSuchBucket)?;
        if tenant.is_some_and(|t| *t != job.placement.tenant) {
            return Err(ControlError::WrongTenant);
        }
        if life.is_some_and(|id| id != job.placement.job) {
            return Err(ControlError::NoSuchBucket);
        }
        Ok(job)
    }

    /// From here on the job's shards are being fenced.
    pub(crate) fn set_ending(&mut self, job: JobId, fence: Fence, cause: Cause) {
        self.set_phase(job, Phase::Ending { fence, cause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{START, registration, state_with};
    use pocket_api::hints::JobHints;

    #[test]
    fn ids_and_versions_go_on_above_the_old_ones_even_when_the_clock_was_set_back() {
        let mut old = state_with(1, 1);
        let job = old.plan(registration("data", JobHints::default()), START).unwrap().placement.job;
        old.remove(job);
        let (_, kept) = old.kept();
        let (highest, version) = (kept.highest_id, kept.view_version);
        assert!(highest >= job.0, "the id of a job that is gone is not used again");
        let mut new = State::restored(kept, Timestamp(5));
        assert!(new.members.version() > version);
        let spec = NodeSpec { ..new.members.view().nodes[0].spec.clone() };
        assert!(new.join(spec, Timestamp(5)).unwrap().0 > highest);
        assert!(new.plan(registration("more", JobHints::default()), START).unwrap().placement.job > job);
    }

    #[test]
    fn what_was_not_answered_for_is_not_kept_and_what_was_opened_lives_on() {
        let mut old = state_with(1, 1);
        let plan = |state: &mut State, name| {
            state.plan(registration(name, JobHints::default()), START).unwrap().placement.job
        };
        let (opening, opened) = (plan(&mut old, "opening"), plan(&mut old, "opened"));
        old.set_phase(opened, Phase::Opened);
        assert!(old.summaries(None, START).is_empty(), "neither is shown before it is kept");
        let new = State::restored(old.kept().1, START);
        assert_eq!(new.job(opened).map(|j| j.phase), Some(Phase::Live));
        assert_eq!(new.job(opening), None);
        assert_eq!(new.ended(vec![opening, opened]), [opening], "its shard is told by heartbeat");
    }

    #[test]
    fn nothing_but_a_new_epoch_touches_the_weights() {
        let mut state = state_with(1, 2);
        let job = state.plan(registration("data", JobHints::default()), START).unwrap();
        state.set_phase(job.placement.job, Phase::Live);
        let node = state.members.view().nodes[0].id;
        let used = JobUse { job: job.placement.job, objects: 0, bytes: 0, idle_ms: 0 };
        let report = UsageReport { jobs: vec![used], ..UsageReport::default() };
        state.reported(node, report, START).unwrap();
        state.members.heard(node, START).unwrap();
        assert_eq!(state.named(&job.placement.bucket).unwrap().placement, job.placement);
    }
}
