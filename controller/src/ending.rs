//! Ending a job: freeze, look, fence, forget.
//!
//! 1. *Freeze* all shards: none takes a write any more. One that does not answer, is in use (idle TTL) or not empty
//!    (plain delete) calls it off: all are thawed and the job is as before.
//! 2. *Decide*: the job is `Ending`, which is kept, so that a controller that restarts here goes on.
//! 3. *Fence* all shards. A plain or idle end fences only frozen ones ([`Fence::IfFrozen`]): if the freeze lapsed
//!    because the fence came too late, and no shard is fenced yet, the job lives on and no acknowledged write is lost.
//!    Where a fence is not answered the caller gets `Unavailable`, and the controller fences again by itself until the
//!    job is gone. Meanwhile its name is taken, and its placement is `NoSuchBucket`, or `Unavailable` as long as it
//!    may still turn out to live.
//! 4. *Forget* it: the name is free. Storage servers are told before the answer, so that the space is back by then.
//!
//! A job whose TTL is over, or that lost a shard, goes straight to 3: there is nothing to find out. This needs no
//! place in the state file, because after a restart it is found to be so again.

use crate::calls::{FENCE_DEADLINE, NOTE_DEADLINE, ask_shards, tell_ended};
use crate::controller::Shared;
use crate::job::{Cause, Fence, Phase};
use crate::verdict::{Fenced, Verdict, verdict};
use pocket_api::cluster::Role;
use pocket_api::control::{ControlError, EndJob, EndMode, Placement};
use pocket_api::ids::JobId;
use pocket_api::metadata::{MetadataError, ShardReply, ShardRequest};
use std::time::Duration;

/// What a freeze found.
enum Frozen {
    /// All shards are frozen, with so many objects together.
    All { objects: u64 },
    /// A shard is in use.
    InUse,
    /// A shard did not answer.
    Unreachable(MetadataError),
}

impl Shared {
    /// What a client or the operator asked for.
    pub(crate) async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        let EndJob { tenant, bucket, job, mode } = end;
        let _inside = self.gates.enter(&bucket).await;
        let (placement, phase) = self.read(|state, _| {
            let job = state.to_end(&bucket, job, tenant.as_ref())?;
            Ok((job.placement.clone(), job.phase))
        })?;
        if phase == Phase::Live {
            let fence = self.freeze_for(&placement, mode).await?;
            self.decide(&placement, fence, Cause::Deleted).await?;
        }
        self.fence(placement.job).await
    }

    /// Freezes the job and finds that it may end, or thaws it.
    async fn freeze_for(&self, placement: &Placement, mode: EndMode) -> Result<Fence, ControlError> {
        let refused = match (self.freeze(placement, None).await, mode) {
            (Frozen::All { .. }, EndMode::Force) => return Ok(Fence::Anyway),
            (Frozen::All { objects: 0 }, EndMode::IfEmpty) => return Ok(Fence::IfFrozen),
            (Frozen::All { .. }, EndMode::IfEmpty) => ControlError::NotEmpty,
            (Frozen::InUse, _) => ControlError::Unavailable("a shard is busy".into()),
            (Frozen::Unreachable(error), _) => {
                ControlError::Unavailable(format!("a shard was not frozen: {error}"))
            }
        };
        self.thaw(placement).await;
        Err(refused)
    }

    /// Ends the job if every shard finds it idle.
    pub(crate) async fn end_if_idle(&self, placement: &Placement, idle_ttl: Duration) {
        if !matches!(self.freeze(placement, Some(idle_ttl)).await, Frozen::All { .. }) {
            return self.thaw(placement).await;
        }
        if self.decide(placement, Fence::IfFrozen, Cause::Idle).await.is_ok() {
            // What is not done yet is due again.
            let _still_ending = self.fence(placement.job).await;
        }
    }

    async fn freeze(&self, placement: &Placement, idle_for: Option<Duration>) -> Frozen {
        let request = ShardRequest::Freeze { job: placement.job, idle_for };
        let answers = ask_shards(&*self.directory, &placement.shards, request, NOTE_DEADLINE).await;
        let mut sum = 0;
        let mut in_use = false;
        for answer in answers {
            match answer {
                Ok(ShardReply::Frozen { objects }) => sum += objects,
                Ok(other) => {
                    let odd = format!("a freeze was answered with {other:?}");
                    return Frozen::Unreachable(MetadataError::BadRequest(odd));
                }
                // Its TTL ended it there already.
                Err(MetadataError::NoSuchJob) => {}
                Err(MetadataError::Busy) => in_use = true,
                Err(error) => return Frozen::Unreachable(error),
            }
        }
        if in_use { Frozen::InUse } else { Frozen::All { objects: sum } }
    }

    /// A shard that does not hear it thaws by itself after [`pocket_api::limits::FREEZE_LEASE`].
    async fn thaw(&self, placement: &Placement) {
        let request = ShardRequest::Thaw { job: placement.job };
        ask_shards(&*self.directory, &placement.shards, request, NOTE_DEADLINE).await;
    }

    /// Marks the frozen job as ending and keeps that, or thaws it.
    async fn decide(&self, placement: &Placement, fence: Fence, cause: Cause) -> Result<(), ControlError> {
        self.change(|state, _| state.set_ending(placement.job, fence, cause));
        let kept = self.keep().await;
        if kept.is_err() {
            self.change(|state, _| state.set_phase(placement.job, Phase::Live));
            self.thaw(placement).await;
        }
        kept
    }

    /// Fences the shards of a job that is ending and forgets it when all are fenced. `Unavailable` where it has to be
    /// called again. Only from inside the gate of the job's name.
    pub(crate) async fn fence(&self, job: JobId) -> Result<(), ControlError> {
        let ending = self.read(|state, _| {
            let job = state.job(job)?;
            let Phase::Ending { fence, cause } = job.phase else {
                return None;
            };
            let shards = state.standing_shards(&job.placement);
            Some((fence, cause, shards, job.placement.clone()))
        });
        let Some((fence, cause, shards, placement)) = ending else {
            return Err(ControlError::NoSuchBucket);
        };
        let request = ShardRequest::End { job, only_frozen: fence == Fence::IfFrozen };
        let answers = ask_shards(&*self.directory, &shards, request, FENCE_DEADLINE).await;
        let fenced: Vec<Fenced> = answers.iter().map(Fenced::of).collect();
        match verdict(fence, &fenced, shards.len() < placement.shards.len()) {
            Verdict::Ended => {
                self.forget(&placement, cause).await;
                Ok(())
            }
            Verdict::GoOn(fence) => {
                // Not kept: after a restart the shards' answers say the same again.
                self.change(|state, _| state.set_ending(job, fence, cause));
                let unfenced = answers.into_iter().find_map(Result::err);
                let why = unfenced.map_or_else(|| "unknown".into(), |error| error.to_string());
                tracing::debug!(%job, bucket = %placement.bucket, why, "not ended yet");
                Err(ControlError::Unavailable(format!("a shard was not fenced: {why}")))
            }
            Verdict::Lives => {
                self.change(|state, _| state.set_phase(job, Phase::Live));
                let _unkept = self.keep().await;
                tracing::info!(%job, bucket = %placement.bucket, "not ended: its freeze lapsed");
                Err(ControlError::Unavailable("the fence came too late".into()))
            }
        }
    }

    async fn forget(&self, placement: &Placement, cause: Cause) {
        let job = placement.job;
        let servers: Vec<_> = self.change(|state, _| {
            state.remove(job);
            state.members.with_role(Role::Storage).collect()
        });
        self.metrics.ended(cause).increment(1);
        tracing::info!(%job, bucket = %placement.bucket, ?cause, "ended");
        // Where the file cannot be written it says "ending": a restart would find it ended everywhere, and forget it.
        let (_unkept, ()) = tokio::join!(self.keep(), tell_ended(&*self.directory, &servers, job));
    }
}
