//! Batches about many jobs: leases renewed and released, writes and references asked about, confirmed and released; and
//! the questions that this shard asks about references that nobody confirmed to it.

use crate::job::Job;
use crate::pace::Pace;
use crate::shard::Shard;
use crate::state::Command;
use crate::state::effects::Output;
use pocket_api::ids::{JobId, LeaseId, NodeId, WriteId};
use pocket_api::metadata::{Delivery, Fate, ShardReply, ShardRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A question that takes longer is asked again later.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Items of a batch in one poll of its call: each takes 0.2 to 0.5 us.
const ITEMS_PER_POLL: u32 = 1_024;

impl Shard {
    /// Applies a command to a job: whether it holds what the command is about. A job that has ended, or is not here, holds
    /// nothing.
    fn tell(&self, job: JobId, command: Command) -> bool {
        let held = |job: &Arc<Job>| matches!(self.apply(job, command), Ok(Output::Held(true)));
        self.jobs.with(job, held).unwrap_or(false)
    }

    pub(crate) async fn renew(&self, leases: Vec<(JobId, LeaseId)>) -> ShardReply {
        let mut pace = Pace::new(ITEMS_PER_POLL);
        let mut ended = Vec::new();
        for (job, lease) in leases {
            if !self.tell(job, Command::Renew(lease)) {
                ended.push((job, lease));
            }
            pace.step().await;
        }
        ShardReply::LeasesEnded(ended)
    }

    pub(crate) async fn release(&self, leases: Vec<(JobId, LeaseId, Delivery)>) -> ShardReply {
        let mut pace = Pace::new(ITEMS_PER_POLL);
        for (job, lease, delivery) in leases {
            self.tell(job, Command::Release(lease, delivery));
            pace.step().await;
        }
        ShardReply::Done
    }

    pub(crate) async fn ask(
        &self,
        ids: Vec<(JobId, WriteId)>,
        question: fn(WriteId) -> Command,
    ) -> ShardReply {
        let mut pace = Pace::new(ITEMS_PER_POLL);
        let mut known = Vec::with_capacity(ids.len());
        for (job, id) in ids {
            let answer = self.jobs.with(job, |found| self.apply(found, question(id)));
            // A job that has ended, or is not here, holds nothing.
            known.push(match answer {
                Some(Ok(Output::Fate(fate))) => fate,
                _ => Fate::Never,
            });
            pace.step().await;
        }
        ShardReply::Known(known)
    }

    pub(crate) async fn references_held(&self, references: Vec<(JobId, WriteId)>, held: bool) -> ShardReply {
        let mut pace = Pace::new(ITEMS_PER_POLL);
        for (job, reference) in references {
            self.tell(job, Command::ReferenceHeld { reference, held });
            pace.step().await;
        }
        ShardReply::Done
    }

    pub(crate) async fn references_lost(&self, references: Vec<(JobId, WriteId, WriteId)>) -> ShardReply {
        let mut pace = Pace::new(ITEMS_PER_POLL);
        for (job, reference, manifest) in references {
            self.tell(job, Command::ReferenceLost { reference, manifest });
            pace.step().await;
        }
        ShardReply::Done
    }

    pub(crate) async fn forget_arrivals(&self, renames: Vec<(JobId, WriteId)>) -> ShardReply {
        let mut pace = Pace::new(ITEMS_PER_POLL);
        for (job, rename) in renames {
            self.tell(job, Command::ForgetArrival(rename));
            pace.step().await;
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
            let (Some(shard), Some(found)) = (self.directory.shard(holder), self.jobs.get(job)) else {
                continue;
            };
            let outbox = self.outbox.clone();
            self.env.spawn(async move {
                let question = references.iter().map(|&reference| (job, reference)).collect();
                let answer = shard.shard(ShardRequest::AskReferences(question));
                let Ok(Ok(ShardReply::Known(known))) = tokio::time::timeout(ASK_TIMEOUT, answer).await else {
                    return;
                };
                for (reference, fate) in references.into_iter().zip(known).filter(|(_, f)| *f != Fate::Open) {
                    let held = fate == Fate::Held;
                    let (_, effects) = found.apply(Command::ReferenceHeld { reference, held });
                    outbox.post(job, &effects);
                }
            });
        }
    }
}
