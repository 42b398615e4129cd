//! Shard requests: batches about leases, writes and references of many jobs, and a job's life at a shard.

#[cfg(doc)]
use super::MetadataError;
use crate::hints::JobHints;
use crate::ids::{Epoch, JobId, LeaseId, NodeId, OperationId, Term, WriteId};
use crate::lifecycle::Lifecycle;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Batches, and a job's life at a shard. All can be repeated.
///
/// What a controller says of a job's life is an [`Order`]. Of a job that ends every shard is frozen, then fenced, then told
/// to drop it: nothing is dropped while one of them may still refuse. A freeze lapses by itself, a fence never does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardRequest {
    /// From the controller: serve this job. [`ShardReply::Done`]
    Open(Order, Box<JobSpec>),
    /// From the controller: this is the job from now on, and older epochs are refused. An older one than the shard's
    /// changes nothing. [`ShardReply::Done`]
    Update(Order, Box<JobSpec>),
    /// From the controller: refuse writes for [`crate::limits::FREEZE_LEASE`], because the job may end. With
    /// `idle_for`, only if no request came for that long and no transfer or wait is open. Else, and where another
    /// operation has fenced the job or this one was undone, [`MetadataError::Busy`]. [`ShardReply::Frozen`]
    Freeze { order: Order, job: JobId, idle_for: Option<Duration> },
    /// From the controller: refuse reads and writes until this is undone. [`MetadataError::Busy`] where this operation's
    /// freeze has lapsed or was undone: somebody may have written since. [`ShardReply::Done`]
    Fence { order: Order, job: JobId },
    /// From the controller: undo the freeze and the fence of this operation, and of all before it, and refuse both if they
    /// come later. [`ShardReply::Done`]
    Thaw { order: Order, job: JobId },
    /// From the controller: drop the job and everything in it, and never serve it again. [`ShardReply::Done`]
    End { order: Order, job: JobId },
    /// From gateways. [`ShardReply::LeasesEnded`]: those that could not be renewed.
    Renew(Vec<(JobId, LeaseId)>),
    /// From gateways: these reads are over. [`ShardReply::Done`]
    Release(Vec<(JobId, LeaseId, Delivery)>),
    /// From storage servers: were these writes committed here? Those that were not are burned, where there is room to remember that:
    /// a later commit fails with [`MetadataError::WriteBurned`], or once it is forgotten with
    /// [`MetadataError::TooLate`]. [`ShardReply::Known`], one answer each.
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

impl ShardRequest {
    /// Who orders it, where a controller does.
    pub fn order(&self) -> Option<Order> {
        match *self {
            Self::Open(order, _)
            | Self::Update(order, _)
            | Self::Freeze { order, .. }
            | Self::Fence { order, .. }
            | Self::Thaw { order, .. }
            | Self::End { order, .. } => Some(order),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardReply {
    Done,
    /// Objects that are there, at least; `None` where that is not known yet: a server died, or rules changed, a moment ago.
    Frozen {
        objects: Option<u64>,
    },
    LeasesEnded(Vec<(JobId, LeaseId)>),
    Known(Vec<Fate>),
}

/// What becomes of a write or a reference that a shard is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It was committed, and is held until its shard says otherwise.
    Held,
    /// It was not, and never will be.
    Never,
    /// It was not, and may still be: ask again.
    Open,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// All selected bytes are in the client's socket.
    Sent,
    /// Anything else: a counted read is given back.
    Failed,
}

/// Who orders something, and as part of what. A shard that has heard a newer term refuses the order with
/// [`MetadataError::StaleTerm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub term: Term,
    pub operation: OperationId,
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
