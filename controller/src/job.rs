//! A job as the controller keeps it, and the phases of its life.
//!
//! ```text
//! Opening -> Opened -> Live -> Ending -> gone
//! ```
//! A job is in the state file from `Opened` on, and shown to clients only while it is `Live`.

use pocket_api::clock::Timestamp;
use pocket_api::control::{ControlError, Placement};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) placement: Placement,
    pub(crate) phase: Phase,
    /// When its TTL or its lifecycle ends it, by the controller's clock.
    pub(crate) ends_at: Option<Timestamp>,
    /// Its shards may have heard of an epoch that never came to be: they need a newer one.
    pub(crate) unsettled: bool,
    /// What the controller does by itself with this job, it does not do again before this time.
    #[serde(skip, default = "long_ago")]
    pub(crate) retry_at: Timestamp,
}

fn long_ago() -> Timestamp {
    Timestamp(0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Its shards are being told; nobody knows it. It is remembered so that their heartbeats do not end it.
    Opening,
    /// All shards serve it, the state file does not have it for certain.
    Opened,
    Live,
    /// Fences are on their way to its shards; see [`crate::ending`].
    Ending {
        fence: Fence,
        cause: Cause,
    },
}

/// How a job's shards are fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fence {
    /// Only shards that are still frozen: until one of them is fenced, the job may turn out to live.
    IfFrozen,
    /// The end cannot be undone.
    Anyway,
}

/// Why a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// Someone asked.
    Deleted,
    /// Its TTL is over.
    Expired,
    /// Its idle TTL is over, all shards agreed.
    Idle,
    /// A shard of it is dead.
    Lost,
}

impl Job {
    /// What a gateway may be told at `now`.
    pub(crate) fn shown(&self, now: Timestamp) -> Result<&Placement, ControlError> {
        match self.phase {
            _ if self.expired(now) => Err(ControlError::NoSuchBucket),
            Phase::Live => Ok(&self.placement),
            Phase::Ending { fence: Fence::IfFrozen, .. } => {
                let bucket = &self.placement.bucket;
                Err(ControlError::Unavailable(format!("bucket {bucket} may be ending")))
            }
            Phase::Opening | Phase::Opened | Phase::Ending { fence: Fence::Anyway, .. } => {
                Err(ControlError::NoSuchBucket)
            }
        }
    }

    /// What is shown of it may be another thing in a moment, when its shards have answered.
    pub(crate) fn is_changing(&self) -> bool {
        self.unsettled || matches!(self.phase, Phase::Ending { fence: Fence::IfFrozen, .. })
    }

    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|at| at <= now)
    }

    /// The state file keeps it.
    pub(crate) fn is_kept(&self) -> bool {
        self.phase != Phase::Opening
    }
}
