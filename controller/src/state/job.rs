//! A job as the controller keeps it.

use super::demand::Demand;
use pocket_api::clock::Timestamp;
use pocket_api::control::{Derived, Placement, WeightMap};
use pocket_api::hints::JobHints;
use pocket_api::ids::{Epoch, JobId, MapId, NodeId, OperationId};
use pocket_api::metadata::JobSpec;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::settings::JobSettings;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) job: JobId,
    pub(crate) epoch: Epoch,
    pub(crate) bucket: BucketName,
    pub(crate) tenant: TenantName,
    pub(crate) created_at_ms: u64,
    /// As granted.
    pub(crate) hints: JobHints,
    pub(crate) settings: Arc<JobSettings>,
    pub(crate) shards: Vec<NodeId>,
    pub(crate) weights: MapId,
    /// What is being done with it; the operations have records of their own.
    #[serde(skip)]
    pub(crate) work: Work,
}

/// Operations of one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// One that may change what the job is: there is no second one beside it.
    pub(crate) running: Option<OperationId>,
    /// An end that was called off, whose holds are being undone.
    pub(crate) thawing: Option<OperationId>,
    /// A change that was taken back, at the shards that may have heard of it.
    pub(crate) renewing: Option<OperationId>,
    /// It was found in use: nobody asks again before this.
    pub(crate) idle_vote_at: Option<Timestamp>,
    /// It is decided that the job ends: nobody is placed there, and nothing is promised to it.
    pub(crate) is_over: bool,
}

impl Job {
    /// When its TTL or its lifecycle ends it, by the controller's clock.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        let created = Timestamp(self.created_at_ms);
        let by_ttl = self.hints.ttl.map(|ttl| created + ttl);
        [by_ttl, self.settings.lifecycle.job_end(created)].into_iter().flatten().min()
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|at| at <= now)
    }

    pub(crate) fn placement(&self, weights: WeightMap) -> Placement {
        Placement {
            job: self.job,
            epoch: self.epoch,
            bucket: self.bucket.clone(),
            tenant: self.tenant.clone(),
            created_at_ms: self.created_at_ms,
            hints: self.hints.clone(),
            settings: self.settings.clone(),
            shards: self.shards.clone(),
            weights,
        }
    }

    pub(crate) fn derived(&self) -> Derived {
        Derived::of(&self.settings.asked, &self.hints)
    }

    /// The job as its shards have to know it.
    pub(crate) fn spec(&self, now: Timestamp) -> Box<JobSpec> {
        Box::new(JobSpec {
            job: self.job,
            epoch: self.epoch,
            hints: self.hints.clone(),
            lifecycle: self.settings.lifecycle.clone(),
            shards: self.shards.clone(),
            ends_in: self.ends_at().map(|at| at.since(now)),
        })
    }
}

/// A job's hints with its demand filled in. Where nothing was said that it could follow from, what a place is sought for
/// is the paper's guess, and is promised to nobody.
pub(crate) fn granted(asked: &JobHints) -> JobHints {
    if asked.workers.is_none() && asked.capacity.is_none() && asked.throughput.is_none() {
        return asked.clone();
    }
    let demand = Demand::of(asked);
    JobHints { capacity: Some(demand.capacity_bytes), throughput: Some(demand.throughput), ..asked.clone() }
}
