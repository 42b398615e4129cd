//! What the controller shows of its state: placements, summaries, counts.

use super::State;
use super::job::Job;
use super::operation::{Operation, Stage};
use pocket_api::clock::Timestamp;
use pocket_api::control::{ClusterStatus, ControlError, JobSummary, Placement};
use pocket_api::ids::{JobId, NodeId};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::JobUse;
use std::collections::BTreeMap;

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

    /// Jobs that are shown at `now`, of one tenant or all, in the order of their buckets' names.
    pub(crate) fn summaries(&self, tenant: Option<&TenantName>, now: Timestamp) -> Vec<JobSummary> {
        let mut used: BTreeMap<JobId, (u64, u64)> = BTreeMap::new();
        for JobUse { job, objects, bytes, .. } in self.reports.values().flat_map(|r| &r.report.jobs) {
            let sum = used.entry(*job).or_default();
            *sum = (sum.0.saturating_add(*objects), sum.1.saturating_add(*bytes));
        }
        let jobs = self.names.values().filter_map(|id| self.jobs.get(id));
        let jobs = jobs.filter(|job| tenant.is_none_or(|t| *t == job.tenant) && self.is_shown(job, now));
        jobs.map(|job| {
            let weights = self.maps.weights(job.weights);
            let (objects, bytes) = used.get(&job.job).copied().unwrap_or_default();
            let capacity = |server: NodeId| self.members.spec(server).map(|spec| spec.capacity_bytes);
            let capacities = weights.iter().filter_map(|weight| capacity(weight.server));
            JobSummary {
                job: job.job,
                bucket: job.bucket.clone(),
                tenant: job.tenant.clone(),
                created_at_ms: job.created_at_ms,
                hints: job.settings.asked.clone(),
                derived: job.derived(),
                shards: job.shards.len() as u32,
                servers: weights.len() as u32,
                servers_capacity_bytes: capacities.fold(0, u64::saturating_add),
                objects,
                bytes,
                ends_in: job.ends_at().map(|at| at.since(now)),
            }
        })
        .collect()
    }

    pub(crate) fn status(&self, now: Timestamp) -> ClusterStatus {
        let nodes = self.members.view().nodes.into_iter().map(|node| {
            let report = self.reports.get(&node.id).map(|latest| latest.report.clone());
            (node, report)
        });
        let held_for = self.members.held_for(now);
        ClusterStatus { nodes: nodes.collect(), jobs: self.summaries(None, now), held_for }
    }
}
