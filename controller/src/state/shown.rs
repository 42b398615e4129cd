//! What the controller shows of its state: placements, summaries, counts.

use super::State;
use super::job::Job;
use super::operation::{Operation, Stage};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Node;
use pocket_api::control::{ControlError, JobSummary, Placement, Weight};
use pocket_api::ids::{JobId, MapId, NodeId};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::{JobUse, UsageReport};
use std::collections::BTreeMap;
use std::ops::Bound;

/// How many jobs are in which part of their lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobCounts {
    pub(crate) live: usize,
    /// Decided to end, and a shard has not answered.
    pub(crate) ending: usize,
    /// Operations that wait for a shard, those of ending jobs included.
    pub(crate) operations: usize,
}

impl State {
    pub(crate) fn named(&self, bucket: &BucketName) -> Option<&Job> {
        self.jobs.get(self.names.get(bucket)?)
    }

    /// A job that clients may be told of at `now`.
    pub(super) fn shown_job(&self, bucket: &BucketName, now: Timestamp) -> Result<&Job, ControlError> {
        let job = self.named(bucket).filter(|job| self.is_shown(job, now));
        job.ok_or(ControlError::NoSuchBucket)
    }

    fn is_shown(&self, job: &Job, now: Timestamp) -> bool {
        let is_elsewhere = |running: &Operation| {
            matches!(running.stage, Stage::Opening | Stage::Opened | Stage::Dropping { .. })
        };
        // What is lost is lost at once, written down or not.
        !job.has_expired(now) && !job.work.is_over && !self.running(job).is_some_and(is_elsewhere)
    }

    pub(crate) fn placement(&self, bucket: &BucketName, now: Timestamp) -> Result<Placement, ControlError> {
        let job = self.shown_job(bucket, now)?;
        Ok(job.placement(self.maps.shown(job.weights)))
    }

    pub(crate) fn counts(&self) -> JobCounts {
        let ending = self.operations.values().filter(|o| matches!(o.stage, Stage::Dropping { .. })).count();
        JobCounts { live: self.jobs.len() - ending, ending, operations: self.operations.len() }
    }

    fn summary(
        &self,
        job: &Job,
        (servers, servers_capacity_bytes): (u32, u64),
        now: Timestamp,
    ) -> JobSummary {
        let (mut objects, mut bytes) = (0_u64, 0_u64);
        for of_shard in job.shards.iter().filter_map(|shard| self.used_at(*shard, job.job)) {
            objects = objects.saturating_add(of_shard.objects);
            bytes = bytes.saturating_add(of_shard.bytes);
        }
        JobSummary {
            job: job.job,
            bucket: job.bucket.clone(),
            tenant: job.tenant.clone(),
            created_at_ms: job.created_at_ms,
            hints: job.settings.asked.clone(),
            derived: job.derived(),
            shards: job.shards.len() as u32,
            servers,
            servers_capacity_bytes,
            objects,
            bytes,
            ends_in: job.ends_at().map(|at| at.since(now)),
        }
    }

    /// By the latest report.
    fn used_at(&self, shard: NodeId, job: JobId) -> Option<&JobUse> {
        let jobs = &self.reports.get(&shard)?.report.jobs;
        jobs.binary_search_by_key(&job, |used| used.job).ok().map(|at| &jobs[at])
    }

    /// Servers of a map, and their capacity.
    fn capacity_of(&self, map: MapId) -> (u32, u64) {
        let weights = self.maps.weights(map);
        let capacity = |weight: &Weight| self.members.spec(weight.server).map(|spec| spec.capacity_bytes);
        (weights.len() as u32, weights.iter().filter_map(capacity).fold(0, u64::saturating_add))
    }

    pub(crate) fn nodes(&self) -> Vec<(Node, Option<UsageReport>)> {
        let shown = |node: Node| {
            let report = self.reports.get(&node.id).map(|latest| latest.report.without_jobs());
            (node, report)
        };
        self.members.view().nodes.into_iter().map(shown).collect()
    }
}

/// Names, shards and weights that are looked at in one turn: some 0.3 ms.
const LOOKS_A_TURN: usize = 4_096;

/// Jobs that are shown, of one tenant or all, in the order of their buckets' names: gathered in turns, for there may be ten
/// thousand of them, each on many shards. One that begins or ends meanwhile may be in it or not.
pub(crate) struct Summaries {
    tenant: Option<TenantName>,
    after: Option<BucketName>,
    capacities: BTreeMap<MapId, (u32, u64)>,
    found: Vec<JobSummary>,
}

impl Summaries {
    pub(crate) fn of(tenant: Option<&TenantName>) -> Self {
        Self { tenant: tenant.cloned(), after: None, capacities: BTreeMap::new(), found: Vec::new() }
    }

    /// One turn. Whether there are more to look at.
    pub(crate) fn step(&mut self, state: &State, now: Timestamp) -> bool {
        let Self { tenant, after, capacities, found } = self;
        let from = after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut looks = 0;
        for (bucket, id) in state.names.range((from, Bound::Unbounded)) {
            looks += 1;
            let job = state.jobs.get(id).filter(|job| tenant.as_ref().is_none_or(|t| *t == job.tenant));
            if let Some(job) = job.filter(|job| state.is_shown(job, now)) {
                let capacity = *capacities.entry(job.weights).or_insert_with(|| {
                    looks += state.maps.weights(job.weights).len();
                    state.capacity_of(job.weights)
                });
                looks += job.shards.len();
                found.push(state.summary(job, capacity, now));
            }
            if looks >= LOOKS_A_TURN {
                *after = Some(bucket.clone());
                return true;
            }
        }
        false
    }

    pub(crate) fn into_found(self) -> Vec<JobSummary> {
        self.found
    }
}
