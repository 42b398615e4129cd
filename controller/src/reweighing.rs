//! A new epoch for a job whose servers changed: its shards learn it first, so that whoever still has the old placement
//! is refused and asks again, and then the placement changes. Chunks that are written stay where they are.

use crate::calls::{NOTE_DEADLINE, ask_shards};
use crate::controller::Shared;
use crate::placing::weights_of;
use pocket_api::control::Placement;
use pocket_api::ids::Epoch;
use pocket_api::metadata::{JobRef, ShardRequest};

impl Shared {
    /// Only from inside the gate of the job's name. Where a shard does not answer, nothing changes here and it is due
    /// again.
    pub(crate) async fn reweigh(&self, placement: &Placement) {
        let job = placement.job;
        let epoch = Epoch(placement.epoch.0 + 1);
        let request = ShardRequest::SetEpoch(JobRef { job, epoch });
        let answers = ask_shards(&*self.directory, &placement.shards, request, NOTE_DEADLINE).await;
        if let Some(error) = answers.into_iter().find_map(Result::err) {
            tracing::debug!(%job, %error, "a shard did not take the new epoch");
            return;
        }
        let servers = self.change(|state, _| {
            let weights = weights_of(state, job, &placement.hints);
            let servers = weights.len();
            state.set_weights(job, epoch, weights);
            servers
        });
        self.metrics.epochs.increment(1);
        tracing::info!(%job, bucket = %placement.bucket, epoch = epoch.0, servers, "new weights");
        // Not answered to anyone: a restart before this is on disk makes the same epoch again.
        let _unkept = self.keep().await;
    }
}
