//! Faults that are planted behind the seams, one for each way in which a store can be wrong: what no judge finds is a hole in the
//! judges. The planes know nothing of them.

use crate::faults::Fault;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::conditions::WriteCondition;
use pocket_api::env::Env;
use pocket_api::hints::Limit;
use pocket_api::ids::{ChunkId, JobId, Term, WriteId};
use pocket_api::metadata::{
    Answer, Delivery, JobRef, Metadata, MetadataError, Reply, Request, ShardReply, ShardRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is wrong with a planted cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// One commit in four is acknowledged and forgotten.
    ForgottenCommit,
    /// Deletes are done once more a while later.
    RepeatedDelete,
    /// Writes do not heed their conditions.
    DroppedCondition,
    /// One read in four sees what was there once.
    StaleRead,
    /// One page of a list in four lacks its last item.
    ShortList,
    /// One page of a list in four is an old one.
    StaleList,
    /// One read of a chunk in four has a wrong byte.
    TornBody,
    /// Chunks are not freed.
    UnfreedChunk,
    /// Chunks are freed although they are in use.
    HastyFree,
    /// Counted reads are given back although they were sent.
    UncountedRead,
    /// A counted object may be read once less than it says.
    MissingRead,
    /// TTLs of objects are not heeded.
    LateExpiry,
    /// TTLs of objects are half as long.
    EarlyExpiry,
    /// Every bucket is found empty by its DeleteBucket.
    DiscardedBucket,
    /// A job's end is acknowledged by its shards and not done.
    UnendedJob,
    /// A second of silence is death.
    HastyController,
    /// Something depends on how fast the machine is, so that a seed is not one history.
    RealTime,
}

impl Plant {
    pub const ALL: [Self; 17] = [
        Self::ForgottenCommit,
        Self::RepeatedDelete,
        Self::DroppedCondition,
        Self::StaleRead,
        Self::ShortList,
        Self::StaleList,
        Self::TornBody,
        Self::UnfreedChunk,
        Self::HastyFree,
        Self::UncountedRead,
        Self::MissingRead,
        Self::LateExpiry,
        Self::EarlyExpiry,
        Self::DiscardedBucket,
        Self::UnendedJob,
        Self::HastyController,
        Self::RealTime,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForgottenCommit => "forgotten-commit",
            Self::RepeatedDelete => "repeated-delete",
            Self::DroppedCondition => "dropped-condition",
            Self::StaleRead => "stale-read",
            Self::ShortList => "short-list",
            Self::StaleList => "stale-list",
            Self::TornBody => "torn-body",
            Self::UnfreedChunk => "unfreed-chunk",
            Self::HastyFree => "hasty-free",
            Self::UncountedRead => "uncounted-read",
            Self::MissingRead => "missing-read",
            Self::LateExpiry => "late-expiry",
            Self::EarlyExpiry => "early-expiry",
            Self::DiscardedBucket => "discarded-bucket",
            Self::UnendedJob => "unended-job",
            Self::HastyController => "hasty-controller",
            Self::RealTime => "real-time",
        }
    }

    /// What has to go wrong beside it, so that it can be seen.
    pub fn faults(self) -> BTreeSet<Fault> {
        match self {
            Self::HastyController => [Fault::Pause].into(),
            _ => BTreeSet::new(),
        }
    }

    pub(crate) fn shard(self, shard: Arc<dyn Metadata>, env: Env) -> Arc<dyn Metadata> {
        Arc::new(PlantedShard {
            plant: self,
            shard,
            env,
            remembered: Mutex::default(),
            began: Instant::now(),
        })
    }

    pub(crate) fn server(self, server: Arc<dyn Chunks>, env: Env) -> Arc<dyn Chunks> {
        Arc::new(PlantedServer { plant: self, server, env })
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|plant| plant.as_str() == name);
        found.ok_or_else(|| format!("{name:?} is none of {}", names()))
    }
}

/// How much later what is late happens.
const LATER: Duration = Duration::from_secs(2);

fn one_in_four(env: &Env) -> bool {
    env.draw().is_multiple_of(4)
}

struct PlantedShard {
    plant: Plant,
    shard: Arc<dyn Metadata>,
    env: Env,
    /// First answers to questions, by their text.
    remembered: Mutex<BTreeMap<String, Answer>>,
    /// Of the machine's own clock.
    began: Instant,
}

impl PlantedShard {
    /// The first answer to the same question, or this one. None that a lease is for, which would be over.
    fn once_in_a_while_the_first(&self, question: String, answer: Answer) -> Answer {
        let keeps = !matches!(&answer.reply, Reply::Found(found) if found.lease.is_some());
        let mut remembered = self.remembered.lock();
        match remembered.get(&question) {
            Some(first) if keeps && one_in_four(&self.env) => first.clone(),
            Some(_) => answer,
            None => {
                if keeps {
                    remembered.insert(question, answer.clone());
                }
                answer
            }
        }
    }
}

#[async_trait]
impl Metadata for PlantedShard {
    async fn job(&self, job: JobRef, mut request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        if let Request::Commit(commit) = &mut request {
            let hints = &mut commit.meta.hints;
            match (self.plant, hints.ttl, hints.reads) {
                (Plant::DroppedCondition, ..) => commit.condition = WriteCondition::None,
                (Plant::LateExpiry, Some(_), _) => hints.ttl = Some(Limit::None),
                (Plant::EarlyExpiry, Some(Limit::Of(ttl)), _) => hints.ttl = Some(Limit::Of(ttl / 2)),
                (Plant::MissingRead, _, Some(Limit::Of(reads @ 2..))) => {
                    hints.reads = Some(Limit::Of(reads - 1));
                }
                _ => {}
            }
        }
        if self.plant == Plant::RealTime {
            let real = self.began.elapsed().subsec_nanos();
            tokio::time::sleep(Duration::from_millis((real % 7).into())).await;
        }
        let (asked, shard) = (request.clone(), self.shard.clone());
        let mut answer = shard.job(job, request, payload).await?;
        match (self.plant, asked) {
            (Plant::ForgottenCommit, Request::Commit(commit)) if one_in_four(&self.env) => {
                let delete = Request::Delete { key: commit.key, condition: WriteCondition::None };
                let _ = shard.job(job, delete, Bytes::new()).await;
            }
            (Plant::RepeatedDelete, delete @ Request::Delete { .. }) => {
                self.env.spawn(async move {
                    tokio::time::sleep(LATER).await;
                    let _ = shard.job(job, delete, Bytes::new()).await;
                });
            }
            (Plant::StaleRead, lookup @ Request::Lookup(_)) => {
                answer = self.once_in_a_while_the_first(
                    format!("{:?} {lookup:?}", JobRef::new(job.job, job.epoch)),
                    answer,
                );
            }
            (Plant::StaleList, list @ Request::List(_)) => {
                answer = self.once_in_a_while_the_first(
                    format!("{:?} {list:?}", JobRef::new(job.job, job.epoch)),
                    answer,
                );
            }
            (Plant::ShortList, Request::List(_)) => {
                if let Reply::Listed(page) = &mut answer.reply
                    && one_in_four(&self.env)
                {
                    page.items.pop();
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    async fn shard(&self, mut request: ShardRequest) -> Result<ShardReply, MetadataError> {
        match (self.plant, &mut request) {
            (Plant::UncountedRead, ShardRequest::Release(leases)) => {
                leases.iter_mut().for_each(|(.., delivery)| *delivery = Delivery::Failed);
            }
            (Plant::UnendedJob, ShardRequest::Fence { .. } | ShardRequest::End { .. }) => {
                return Ok(ShardReply::Done);
            }
            _ => {}
        }
        let mut reply = self.shard.shard(request).await?;
        if let (Plant::DiscardedBucket, ShardReply::Frozen { objects }) = (self.plant, &mut reply) {
            *objects = Some(0);
        }
        Ok(reply)
    }
}

struct PlantedServer {
    plant: Plant,
    server: Arc<dyn Chunks>,
    env: Env,
}

#[async_trait]
impl Chunks for PlantedServer {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        let chunks = self.server.allocate(request).await?;
        if self.plant == Plant::HastyFree {
            let (server, hasty) = (self.server.clone(), chunks.clone());
            self.env.spawn(async move {
                tokio::time::sleep(LATER).await;
                let _ = server.free(hasty).await;
            });
        }
        Ok(chunks)
    }

    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError> {
        self.server.write(chunk, offset, data).await
    }

    async fn read(&self, chunk: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        let bytes = self.server.read(chunk, offset, len).await?;
        if self.plant != Plant::TornBody || !one_in_four(&self.env) {
            return Ok(bytes);
        }
        let mut torn = BytesMut::from(&bytes[..]);
        torn.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        Ok(torn.freeze())
    }

    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError> {
        match self.plant {
            Plant::UnfreedChunk => Ok(()),
            _ => self.server.free(chunks).await,
        }
    }

    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError> {
        self.server.touch(writes).await
    }

    async fn end_jobs(&self, term: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        match self.plant {
            // It would give back what was not freed.
            Plant::UnfreedChunk => Ok(()),
            _ => self.server.end_jobs(term, jobs).await,
        }
    }
}
