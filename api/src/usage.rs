//! The usage seam: monitor -> controller, one report a second and process.

use crate::control::ControlError;
use crate::ids::{JobId, NodeId};
use crate::tier::Tier;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Samples of a machine. Rates are over the time since the previous sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineSample {
    /// Busy share of each core, 0 to 1.
    pub cores_busy: Vec<f32>,
    pub memory_used_bytes: u64,
    pub memory_total_bytes: u64,
    pub network_received_bytes_per_second: u64,
    pub network_sent_bytes_per_second: u64,
}

/// What a role holds of its process's memory. The parts of all roles that share a limit add up to what is taken of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceUse {
    /// Keys, headers, manifests, uploads: all that a shard keeps beside bytes of objects.
    pub metadata_bytes: u64,
    /// Bytes of small objects, which live in the shard.
    pub inline_bytes: u64,
    /// Chunks, with what rounding to slots costs.
    pub chunks_bytes: u64,
    /// Slots that are vacant and belong to jobs: the next chunks of the same jobs and sizes go there, and nothing else.
    pub vacant_bytes: u64,
}

impl SpaceUse {
    /// What objects take. With [`Self::vacant_bytes`], what is taken of the limit.
    pub fn used_bytes(&self) -> u64 {
        self.metadata_bytes + self.inline_bytes + self.chunks_bytes
    }
}

impl std::ops::AddAssign for SpaceUse {
    fn add_assign(&mut self, more: Self) {
        self.metadata_bytes += more.metadata_bytes;
        self.inline_bytes += more.inline_bytes;
        self.chunks_bytes += more.chunks_bytes;
        self.vacant_bytes += more.vacant_bytes;
    }
}

/// A limit on memory that refuses writes. Where several roles share one, one of them reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceLimit {
    pub limit_bytes: u64,
    /// By all that share it, vacant slots included.
    pub taken_bytes: u64,
}

/// Space on one tier of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierUse {
    pub tier: Tier,
    pub capacity_bytes: u64,
    /// Allocated to chunks, rounding included.
    pub used_bytes: u64,
}

/// What a role has served since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    pub requests: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

/// What one shard knows of a job's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobUse {
    pub job: JobId,
    /// Those that are there: what was lost with a server is not counted.
    pub objects: u64,
    /// Logical bytes of objects that are there, and of parts.
    pub bytes: u64,
    /// Milliseconds since the last request; 0 while transfers or waits are open.
    pub idle_ms: u64,
}

/// One report of one process. Roles fill in what they have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    pub machine: Option<MachineSample>,
    pub space: SpaceUse,
    pub limit: Option<SpaceLimit>,
    pub tiers: Vec<TierUse>,
    pub served: Option<Served>,
    pub jobs: Vec<JobUse>,
}

impl UsageReport {
    /// Of the node itself.
    pub fn without_jobs(&self) -> Self {
        let Self { machine, space, limit, tiers, served, jobs: _ } = self;
        let (machine, tiers, served) = (machine.clone(), tiers.clone(), *served);
        Self { machine, space: *space, limit: *limit, tiers, served, jobs: Vec::new() }
    }
}

/// A role that can be asked for its part of a report. Called once a second; must not block, and lets others have their turn
/// where it has much to say.
#[async_trait]
pub trait UsageSource: Send + Sync + 'static {
    async fn fill(&self, report: &mut UsageReport);
}

#[async_trait]
pub trait Usage: Send + Sync + 'static {
    async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError>;
}
