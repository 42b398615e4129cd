//! Batches about many jobs: leases renewed and released, writes and references asked about, confirmed and released; and
//! the questions that this shard asks about references that nobody confirmed to it.

use crate::effects::Output;
use crate::shard::Shard;
use crate::state::Command;
use pocket_api::ids::{JobId, LeaseId, NodeId, WriteId};
use pocket_api::metadata::{Delivery, ShardReply, ShardRequest};
use std::collections::BTreeMap;
use std::time::Duration;

/// A question that takes longer is asked again later.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

impl Shard {
    pub(crate) fn renew(&self, mut leases: Vec<(JobId, LeaseId)>) -> ShardReply {
        leases.retain(|&(job, lease)| {
            let renewed = self.find(job).map(|job| self.apply(&job, Command::Renew(lease)));
            !matches!(renewed, Some(Ok(Output::Held(true))))
        });
        ShardReply::LeasesEnded(leases)
    }

    pub(crate) fn release(&self, leases: Vec<(JobId, LeaseId, Delivery)>) -> ShardReply {
        for (job, lease, delivery) in leases {
            if let Some(job) = self.find(job) {
                job.touch();
                // A job that ended meanwhile has no leases.
                let _ = self.apply(&job, Command::Release(lease, delivery));
            }
        }
        ShardReply::Done
    }

    /// A job that is not here holds nothing.
    pub(crate) fn ask(&self, ids: Vec<(JobId, WriteId)>, question: fn(WriteId) -> Command) -> ShardReply {
        let known = ids.into_iter().map(|(job, id)| {
            let answer = self.find(job).map(|job| self.apply(&job, question(id)));
            matches!(answer, Some(Ok(Output::Held(true))))
        });
        ShardReply::Known(known.collect())
    }

    pub(crate) fn references_held(&self, references: Vec<(JobId, WriteId)>, held: bool) -> ShardReply {
        for (job, reference) in references {
            if let Some(job) = self.find(job) {
                // A job that ended meanwhile counts nothing.
                let _ = self.apply(&job, Command::ReferenceHeld { reference, held });
            }
        }
        ShardReply::Done
    }

    pub(crate) fn forget_arrivals(&self, renames: Vec<(JobId, WriteId)>) -> ShardReply {
        for (job, rename) in renames {
            if let Some(job) = self.find(job) {
                // A job that ended meanwhile remembers nothing.
                let _ = self.apply(&job, Command::ForgetArrival(rename));
            }
        }
        ShardReply::Done
    }

    /// Asks holders about references that were not confirmed. What gets no answer is asked again by a later sweep.
    pub(crate) fn ask_holders(&self, job: JobId, asked: Vec<(NodeId, WriteId)>) {
        let mut by_holder: BTreeMap<NodeId, Vec<WriteId>> = BTreeMap::new();
        for (holder, reference) in asked {
            by_holder.entry(holder).or_default().push(reference);
        }
        for (holder, references) in by_holder {
            let (Some(shard), Some(found)) = (self.directory.shard(holder), self.find(job)) else { continue };
            let outbox = self.outbox.clone();
            self.runtime.spawn(async move {
                let question = references.iter().map(|&reference| (job, reference)).collect();
                let answer = shard.shard(ShardRequest::AskReferences(question));
                let Ok(Ok(ShardReply::Known(known))) = tokio::time::timeout(ASK_TIMEOUT, answer).await else {
                    return;
                };
                for (reference, held) in references.into_iter().zip(known) {
                    let (_, effects) = found.apply(Command::ReferenceHeld { reference, held });
                    outbox.post(job, &effects);
                }
            });
        }
    }
}
