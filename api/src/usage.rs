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
    pub objects: u64,
    /// Logical bytes of objects and parts.
    pub bytes: u64,
    /// Milliseconds since the last request; 0 while transfers or waits are open.
    pub idle_ms: u64,
}

/// One report of one process. Roles fill in what they have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    pub machine: Option<MachineSample>,
    pub tiers: Vec<TierUse>,
    pub served: Option<Served>,
    pub jobs: Vec<JobUse>,
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
