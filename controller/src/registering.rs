//! Registering a job: take the name, open the job on all its shards, keep it, show it. What fails on the way leaves
//! nothing behind.

use crate::calls::{FENCE_DEADLINE, NOTE_DEADLINE, ask_shards};
use crate::controller::Shared;
use crate::job::{Cause, Fence, Job, Phase};
use crate::placing::spec_of;
use pocket_api::control::{ControlError, Placement, Registration};
use pocket_api::ids::JobId;
use pocket_api::metadata::ShardRequest;
use pocket_api::names::BucketName;

impl Shared {
    pub(crate) async fn register(&self, registration: Registration) -> Result<Placement, ControlError> {
        let _inside = self.gates.enter(&registration.bucket).await;
        self.clear(&registration.bucket).await;
        let registered = match self.change(|state, now| state.plan(registration, now)) {
            Ok(job) => self.open_and_show(job).await,
            Err(refused) => Err(refused),
        };
        match &registered {
            Ok(placement) => {
                self.metrics.registered.increment(1);
                tracing::info!(job = %placement.job, bucket = %placement.bucket, "registered");
            }
            Err(_) => self.metrics.refused.increment(1),
        }
        registered
    }

    /// Finishes an earlier job of this name that is over and only waits for its fences.
    async fn clear(&self, bucket: &BucketName) {
        let over = self.change(|state, now| {
            let (expired, job, phase) =
                state.named(bucket).map(|j| (j.expired(now), j.placement.job, j.phase))?;
            if phase == Phase::Live && expired {
                state.set_ending(job, Fence::Anyway, Cause::Expired);
            }
            (expired || matches!(phase, Phase::Ending { .. })).then_some(job)
        });
        if let Some(job) = over {
            // Where that fails the name is still taken, and planning says so.
            let _still_ending = self.fence(job).await;
        }
    }

    async fn open_and_show(&self, job: Job) -> Result<Placement, ControlError> {
        let placement = job.placement;
        let id = placement.job;
        let opened = match self.open_on_shards(&placement).await {
            Ok(()) => {
                self.change(|state, _| state.set_phase(id, Phase::Opened));
                self.keep().await
            }
            refused => refused,
        };
        match opened {
            Ok(()) => {
                self.change(|state, _| state.set_phase(id, Phase::Live));
                Ok(placement)
            }
            Err(error) => {
                self.abandon(&placement, id).await;
                tracing::info!(bucket = %placement.bucket, %error, "not registered");
                Err(error)
            }
        }
    }

    async fn open_on_shards(&self, placement: &Placement) -> Result<(), ControlError> {
        let open = self.read(|_, now| ShardRequest::Open(spec_of(placement, now)));
        let answers = ask_shards(&*self.directory, &placement.shards, open, NOTE_DEADLINE).await;
        match answers.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some(error) => Err(ControlError::Unavailable(format!("a shard did not open the job: {error}"))),
        }
    }

    /// Ends the job on all shards, those that did not answer included: they may have opened it. One that does not
    /// answer now either learns from its heartbeat that there is no such job.
    async fn abandon(&self, placement: &Placement, job: JobId) {
        let end = ShardRequest::End { job, only_frozen: false };
        ask_shards(&*self.directory, &placement.shards, end, FENCE_DEADLINE).await;
        self.change(|state, _| state.remove(job));
        // The name is free in any case: should the file have the job, a restart finds it unknown to its shards.
        let _unkept = self.keep().await;
    }
}
