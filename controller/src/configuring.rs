//! A new epoch for a job whose settings or servers changed: its shards learn it first, so that whoever still has the old
//! placement is refused and asks again, and then the placement changes. Chunks that are written stay where they are.
//!
//! Where a shard does not answer, some may be at an epoch that nobody else will ever see. The job is kept as unsettled
//! from before the first shard hears of it, so that the upkeep, or a controller that restarts, makes it a newer one.

use crate::calls::{NOTE_DEADLINE, ask_shards};
use crate::controller::Shared;
use crate::job::Phase;
use crate::placing::{granted, spec_of, weights_of};
use pocket_api::control::{Configuration, ControlError, Placement};
use pocket_api::hints::JobHints;
use pocket_api::metadata::ShardRequest;

impl Shared {
    /// What a job's owner asked for.
    pub(crate) async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        let Configuration { bucket, job, epoch, settings } = configuration;
        let _inside = self.gates.enter(&bucket).await;
        let placement = self.read(|state, now| {
            let found = state.named(&bucket).ok_or(ControlError::NoSuchBucket)?;
            let placement = found.shown(now)?;
            match placement {
                p if p.job != job => Err(ControlError::NoSuchBucket),
                p if p.epoch != epoch || found.phase != Phase::Live => Err(ControlError::Stale),
                p => state.check_settings(&settings, Some(job)).map(|()| p.clone()),
            }
        })?;
        let hints = granted(&settings.asked);
        // Chunks go on to the same servers unless the job needs more or less than before.
        let demand = |hints: &JobHints| (hints.capacity, hints.throughput);
        let reweigh = demand(&hints) != demand(&placement.hints);
        let next = Placement { hints, settings: settings.into(), ..placement };
        let placement = self.settle(next, reweigh).await?;
        self.keep().await?;
        tracing::info!(job = %placement.job, bucket = %placement.bucket, "configured");
        Ok(placement)
    }

    /// New weights, or an epoch that all shards know. Only from inside the gate of the job's name. Where that fails
    /// the job is due again.
    pub(crate) async fn renew(&self, placement: Placement) {
        let (job, bucket) = (placement.job, placement.bucket.clone());
        match self.settle(placement, true).await {
            Ok(placement) => {
                self.metrics.epochs.increment(1);
                let servers = placement.weights.len();
                tracing::info!(%job, %bucket, epoch = placement.epoch.0, servers, "new epoch");
                // Not answered to anyone: after a restart the job is unsettled, and gets another one.
                let _unkept = self.keep().await;
            }
            Err(error) => tracing::debug!(%job, %bucket, %error, "a shard did not take the new epoch"),
        }
    }

    /// Makes `next` the job's placement, as a new epoch; where `reweigh` says so with the weights of now.
    async fn settle(&self, next: Placement, reweigh: bool) -> Result<Placement, ControlError> {
        let job = next.job;
        let next = self.change(|state, _| {
            let weights = if reweigh { weights_of(state, job, &next.hints) } else { next.weights };
            Placement { epoch: state.unsettle(job), weights, ..next }
        });
        self.keep().await?;
        let update = self.read(|_, now| ShardRequest::Update(spec_of(&next, now)));
        let answers = ask_shards(&*self.directory, &next.shards, update, NOTE_DEADLINE).await;
        if let Some(error) = answers.into_iter().find_map(Result::err) {
            return Err(ControlError::Unavailable(format!("a shard did not take the new epoch: {error}")));
        }
        self.change(|state, _| state.settle(next.clone()));
        Ok(next)
    }
}
