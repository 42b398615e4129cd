//! Shard requests: batches about leases, writes and references of many jobs, and a job's life at a shard.

#[cfg(doc)]
use super::MetadataError;
use crate::hints::JobHints;
use crate::ids::{Epoch, JobId, LeaseId, NodeId, WriteId};
use crate::lifecycle::Lifecycle;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Batches, and a job's life at a shard. All can be repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardRequest {
    /// From the controller: serve this job. [`ShardReply::Done`]
    Open(Box<JobSpec>),
    /// From the controller: this is the job from now on, and older epochs are refused. An older one than the shard's
    /// changes nothing. [`ShardReply::Done`]
    Update(Box<JobSpec>),
    /// From the controller: refuse writes for [`crate::limits::FREEZE_LEASE`], because the job may end. With
    /// `idle_for`, only if no request came for that long and no transfer or wait is open, else
    /// [`MetadataError::Busy`]. [`ShardReply::Frozen`]
    Freeze { job: JobId, idle_for: Option<Duration> },
    /// From the controller: it does not end. [`ShardReply::Done`]
    Thaw { job: JobId },
    /// From the controller: drop the job and everything in it, and never serve it again. With `only_frozen`,
    /// [`MetadataError::Busy`] where the freeze has lapsed. [`ShardReply::Done`]
    End { job: JobId, only_frozen: bool },
    /// From gateways. [`ShardReply::LeasesEnded`]: those that could not be renewed.
    Renew(Vec<(JobId, LeaseId)>),
    /// From gateways: these reads are over. [`ShardReply::Done`]
    Release(Vec<(JobId, LeaseId, Delivery)>),
    /// From storage servers: were these writes committed here? Those that were not are burned: a later commit fails
    /// with [`MetadataError::WriteBurned`]. [`ShardReply::Known`], one answer each.
    AskWrites(Vec<(JobId, WriteId)>),
    /// From a manifest's home to the shard that a reference was taken for, as above. [`ShardReply::Known`]
    AskReferences(Vec<(JobId, WriteId)>),
    /// From gateways to a manifest's home: the references were committed. [`ShardReply::Done`]
    ConfirmReferences(Vec<(JobId, WriteId)>),
    /// To a manifest's home: the references are not held any more. [`ShardReply::Done`]
    ReleaseReferences(Vec<(JobId, WriteId)>),
    /// From a manifest's home to those who hold references, with the manifest: bytes of it died with their server. What
    /// is not held is passed over. [`ShardReply::Done`]
    ReferencesLost(Vec<(JobId, WriteId, WriteId)>),
    /// From the shards that renamed objects left: they know that these have arrived. [`ShardReply::Done`]
    ForgetArrivals(Vec<(JobId, WriteId)>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardReply {
    Done,
    Frozen { objects: u64 },
    LeasesEnded(Vec<(JobId, LeaseId)>),
    Known(Vec<bool>),
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// All selected bytes are in the client's socket.
    Sent,
    /// Anything else: a counted read is given back.
    Failed,
}

/// A job as a shard serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    pub job: JobId,
    pub epoch: Epoch,
    /// As granted.
    pub hints: JobHints,
    pub lifecycle: Lifecycle,
    /// All shards of the job; this one is among them.
    pub shards: Vec<NodeId>,
    /// Until its TTL ends it.
    pub ends_in: Option<Duration>,
}
