//! The control seam: every role -> controller. Registers and ends jobs, places them, keeps the membership.

use crate::cluster::{ClusterView, Node, NodeSpec, ViewUpdate};
use crate::hints::JobHints;
use crate::ids::{Epoch, JobId, MapId, NodeId, Term};
use crate::names::{BucketName, TenantName};
use crate::settings::JobSettings;
use crate::usage::UsageReport;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// What a caller of the controller can meet.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ControlError {
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket is there; `tenant` owns it.
    #[error("bucket already exists")]
    BucketExists { tenant: TenantName },
    /// Another tenant's bucket.
    #[error("bucket belongs to another tenant")]
    WrongTenant,
    #[error("bucket is not empty")]
    NotEmpty,
    /// The job's placement is another one by now: read its settings again.
    #[error("settings were changed meanwhile")]
    Stale,
    /// Another operation on the bucket is in progress, and took longer than this one waits.
    #[error("another operation on the bucket is in progress")]
    Conflict,
    /// The caller's node id is unknown or was declared dead: drop everything and join again.
    #[error("node is not a member; it must join again")]
    NotAMember,
    /// Not as it was asked for: the text says what to change.
    #[error("{0}")]
    Refused(String),
    /// Not possible now: no live shards or servers, a shard did not answer, the controller is not reachable.
    #[error("controller unavailable: {0}")]
    Unavailable(String),
}

/// A new job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub tenant: TenantName,
    pub bucket: BucketName,
    pub settings: JobSettings,
}

/// New settings for a job that lives. They replace the old ones whole, if nothing has changed since they were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    pub bucket: BucketName,
    pub job: JobId,
    /// Of the placement that the old settings came with.
    pub epoch: Epoch,
    pub settings: JobSettings,
}

/// A storage server's share of a job's new chunks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    pub server: NodeId,
    /// Above 0; the weights of a map need not sum to 1.
    pub weight: f64,
}

/// Which storage servers new chunks go to. It changes when servers die or come, and is no part of an epoch: who goes by an
/// old one is told by a server that it is dead, or full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightMap {
    pub id: MapId,
    /// Grows with each change.
    pub version: u64,
    /// In the order of the servers' ids.
    pub weights: Arc<[Weight]>,
}

impl Deref for WeightMap {
    type Target = [Weight];

    fn deref(&self) -> &[Weight] {
        &self.weights
    }
}

/// Everything a gateway needs to serve a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    pub job: JobId,
    pub epoch: Epoch,
    pub bucket: BucketName,
    pub tenant: TenantName,
    /// Milliseconds since 1970 by the controller's clock.
    pub created_at_ms: u64,
    /// As granted: as asked, with the capacity and the throughput that follow from what was asked. A job that says nothing
    /// of its size has neither.
    pub hints: JobHints,
    pub settings: Arc<JobSettings>,
    /// A key lives at `shards[shard_of(key, shards.len())]`, see [`shard_of`].
    pub shards: Vec<NodeId>,
    pub weights: WeightMap,
}

/// What the controller has worked out of a job's other hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// Peak bytes.
    pub capacity: Option<u64>,
    /// Peak bytes a second.
    pub throughput: Option<u64>,
}

impl Placement {
    /// What was granted and not asked for.
    pub fn derived(&self) -> Derived {
        Derived::of(&self.settings.asked, &self.hints)
    }
}

impl Derived {
    pub fn of(asked: &JobHints, granted: &JobHints) -> Self {
        let unless = |asked: Option<u64>, granted| if asked.is_some() { None } else { granted };
        Self {
            capacity: unless(asked.capacity, granted.capacity),
            throughput: unless(asked.throughput, granted.throughput),
        }
    }
}

/// Index of the shard that a key belongs to: FNV-1a over its bytes, finished by a multiply-shift, modulo the number
/// of shards. Every gateway computes the same, so this is part of the contract.
pub fn shard_of(key: &str, shards: usize) -> usize {
    if shards == 1 {
        return 0;
    }
    let fnv =
        key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(mixed) * shards as u128) >> 64) as usize
}

/// A job as `pocket jobs` and ListBuckets show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    pub job: JobId,
    pub bucket: BucketName,
    pub tenant: TenantName,
    pub created_at_ms: u64,
    /// As asked.
    pub hints: JobHints,
    pub derived: Derived,
    pub shards: u32,
    pub servers: u32,
    /// What those servers can hold together, data of other jobs included.
    pub servers_capacity_bytes: u64,
    /// From the latest usage reports.
    pub objects: u64,
    pub bytes: u64,
    /// Until its TTL ends it.
    pub ends_in: Option<Duration>,
}

/// Which job to end and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndJob {
    /// Who asks; `None` is the operator.
    pub tenant: Option<TenantName>,
    pub bucket: BucketName,
    /// Only this life of the bucket.
    pub job: Option<JobId>,
    pub mode: EndMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndMode {
    /// As S3's DeleteBucket: refused unless empty.
    IfEmpty,
    /// With everything in it.
    Force,
}

/// A sign of life, every [`crate::limits::HEARTBEAT_EVERY`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    pub node: NodeId,
    /// Term and version of the view that the node has. A controller that hears of a later term decides nothing any more.
    pub term: Term,
    pub view_version: u64,
    /// Some of the jobs that the node holds something of, all of them in turns: what makes up for all that was missed.
    pub jobs: Vec<JobId>,
    /// As [`HeartbeatReply::ended_seen`] of the last answer; 0 before there was one.
    pub ended_seen: u64,
    /// Likewise.
    pub weights_seen: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// Of the controller that answers. Whoever has heard of a later one passes the answer over.
    pub term: Term,
    /// Where the node's view is old.
    pub view: Option<ViewUpdate>,
    /// Those of the listed jobs that have ended, and those that have ended lately: drop what is left of them.
    pub ended: Vec<JobId>,
    /// How far it was told what has ended lately.
    pub ended_seen: u64,
    /// For gateways: maps that have changed.
    pub weights: Vec<WeightMap>,
    /// How far it was told of them.
    pub weights_seen: u64,
}

impl Heartbeat {
    /// Of a node that was told nothing yet, and holds nothing.
    pub fn first(node: NodeId) -> Self {
        Self { node, term: Term(0), view_version: 0, jobs: Vec::new(), ended_seen: 0, weights_seen: 0 }
    }
}

/// What a node gets when it joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub node: NodeId,
    pub view: ClusterView,
}

/// The cluster as `pocket status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Each with its latest report, but for the jobs that it names.
    pub nodes: Vec<(Node, Option<UsageReport>)>,
    pub jobs: Vec<JobSummary>,
    /// For how long the controller has held itself for the one that is cut off; `None` where it does not.
    pub held_for: Option<Duration>,
}

/// What was forgotten with a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    pub spec: NodeSpec,
    /// Bytes of chunks that it held by its last report: objects with a part in them are lost.
    pub chunks_bytes: u64,
    /// Buckets that had a shard there, which end with it; in the order of their names.
    pub buckets: Vec<BucketName>,
}

#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Makes a job and answers when all its shards know it. A failure leaves nothing behind.
    async fn register(&self, registration: Registration) -> Result<Placement, ControlError>;

    /// Where a bucket's job lives now.
    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError>;

    /// Changes a job's settings and answers when all its shards know: from then on no gateway goes by the old ones.
    /// [`ControlError::Stale`] where they were changed meanwhile. After [`ControlError::Unavailable`] either may hold.
    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError>;

    /// Ends a job: every shard is frozen, found empty (for [`EndMode::IfEmpty`]), then fenced. When this answers, no
    /// gateway serves anything of the job any more and its name is free.
    async fn end(&self, end: EndJob) -> Result<(), ControlError>;

    /// Jobs of one tenant, or all, in the order of their buckets' names.
    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError>;

    /// Becomes a member. Joining again gives a new identity. [`ControlError::Refused`] where another node has the role
    /// and the address, of another host and not known to have ended.
    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError>;

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError>;

    /// Leaves in good order: what the node held is lost at once instead of after
    /// [`crate::limits::NODE_TIMEOUT`].
    async fn leave(&self, node: NodeId) -> Result<(), ControlError>;

    /// The word of somebody who knows that a node is gone for good, or should be: it is dead at once.
    async fn forget(&self, node: NodeId) -> Result<Forgotten, ControlError>;

    /// The last connection over which this node joined or beat is closed. Said by whoever carries the seam, on the
    /// controller's side; there is no message for it. Must not block.
    fn hung_up(&self, _node: NodeId) {}

    async fn status(&self) -> Result<ClusterStatus, ControlError>;
}

/// A role that holds something of jobs: what heartbeats list, and what their answers end.
pub trait JobHolder: Send + Sync + 'static {
    /// All of them, or as good as all: what comes or goes meanwhile is listed another time.
    fn jobs(&self) -> Vec<JobId>;
    /// These have ended, those that are not held included. Must not block.
    fn drop_jobs(&self, ended: &[JobId]);
    /// These weight maps have changed. Must not block.
    fn learn_weights(&self, _maps: &[WeightMap]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_in_one_digit_spread_evenly() {
        for shards in [2, 3, 7] {
            let mut counts = vec![0_u32; shards];
            for i in 0..10_000 {
                counts[shard_of(&format!("stage-1/part-{i:05}"), shards)] += 1;
            }
            let fair = 10_000 / shards as u32;
            assert!(counts.iter().all(|&c| c > fair * 9 / 10 && c < fair * 11 / 10), "{counts:?}");
        }
    }

    #[test]
    fn the_shard_of_a_key_never_changes() {
        let found: Vec<usize> = ["a", "b", "//", "ü", "stage/0"].iter().map(|k| shard_of(k, 5)).collect();
        assert_eq!(found, [2, 1, 2, 0, 4]);
    }
}
