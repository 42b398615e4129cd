//! What a shard has to tell others: chunks to free at storage servers, references to release, references that were lost and
//! arrivals to forget at other shards. Gathered for a moment, sent in batches, repeated until it was heard or the receiver is dead. Around the state machine; never
//! called under a job's lock for longer than it takes to append.

use crate::state::effects::{Effects, Lost};
use parking_lot::Mutex;
use pocket_api::chunks::ChunkError;
use pocket_api::cluster::Directory;
use pocket_api::env::Env;
use pocket_api::ids::{ChunkId, JobId, NodeId, WriteId};
use pocket_api::metadata::{MetadataError, ShardRequest};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tracing::warn;

/// How long a courier waits for more before it sends: short against the 100 ms in which space should be back, long
/// enough for a bulk delete to become one call.
const GATHER: Duration = Duration::from_millis(10);
/// Most items in one call: 64 KiB of ids.
const BATCH_MAX: usize = 4_096;
/// A call that takes longer is repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a call that failed. The items of a receiver that is declared dead are dropped.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Items by receiver. Bounded by what there is to free: each item names a chunk that its server still counts, or a
/// reference that its home or its holder still counts.
pub(crate) struct Outbox {
    directory: Arc<dyn Directory>,
    env: Env,
    own: Weak<Outbox>,
    waiting: Mutex<BTreeMap<NodeId, Queue>>,
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    /// A courier is on it.
    served: bool,
}

/// A server gets only chunks, a shard only the others.
#[derive(Clone, Copy)]
enum Item {
    Free(ChunkId),
    Release(JobId, WriteId),
    Lost(JobId, WriteId, WriteId),
    Received(JobId, WriteId),
}

enum Undelivered {
    /// Send it again.
    Later,
    /// The receiver refused it: repeating would not help.
    Never(String),
}

impl Outbox {
    pub(crate) fn new(directory: Arc<dyn Directory>, env: Env) -> Arc<Self> {
        Arc::new_cyclic(|own| Self { directory, env, own: own.clone(), waiting: Mutex::default() })
    }

    /// Items that are waiting to be sent.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().values().map(|queue| queue.items.len()).sum()
    }

    pub(crate) fn post(&self, job: JobId, effects: &Effects) {
        let Effects { freed, released, lost, received, .. } = effects;
        if freed.is_empty() && released.is_empty() && lost.is_empty() && received.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock();
        for &chunk in freed {
            self.append(&mut waiting, chunk.server, Item::Free(chunk));
        }
        for &(home, reference) in released {
            self.append(&mut waiting, home, Item::Release(job, reference));
        }
        for &Lost { holder, reference, manifest } in lost {
            self.append(&mut waiting, holder, Item::Lost(job, reference, manifest));
        }
        for &(shard, rename) in received {
            self.append(&mut waiting, shard, Item::Received(job, rename));
        }
    }

    fn append(&self, waiting: &mut BTreeMap<NodeId, Queue>, receiver: NodeId, item: Item) {
        let queue = waiting.entry(receiver).or_default();
        queue.items.push(item);
        if !queue.served {
            queue.served = true;
            self.env.spawn(serve(self.own.clone(), receiver));
        }
    }

    /// The next batch; the queue goes with its last item.
    fn next_batch(&self, receiver: NodeId) -> Option<Vec<Item>> {
        let mut waiting = self.waiting.lock();
        let queue = waiting.get_mut(&receiver)?;
        if queue.items.is_empty() || self.directory.view().is_dead(receiver) {
            waiting.remove(&receiver);
            return None;
        }
        let rest = queue.items.split_off(queue.items.len().min(BATCH_MAX));
        Some(std::mem::replace(&mut queue.items, rest))
    }

    fn put_back(&self, receiver: NodeId, batch: Vec<Item>) {
        let mut waiting = self.waiting.lock();
        waiting.entry(receiver).or_default().items.extend(batch);
    }

    async fn send(&self, receiver: NodeId, batch: &[Item]) -> Result<(), Undelivered> {
        let (mut chunks, mut references) = (Vec::new(), Vec::new());
        let (mut losses, mut arrivals) = (Vec::new(), Vec::new());
        for item in batch {
            match *item {
                Item::Free(chunk) => chunks.push(chunk),
                Item::Release(job, reference) => references.push((job, reference)),
                Item::Lost(job, reference, manifest) => losses.push((job, reference, manifest)),
                Item::Received(job, rename) => arrivals.push((job, rename)),
            }
        }
        if !chunks.is_empty() {
            let server = self.directory.server(receiver).ok_or(Undelivered::Later)?;
            match server.free(chunks).await {
                Ok(()) | Err(ChunkError::NoSuchChunk) => {}
                Err(ChunkError::Unavailable(_) | ChunkError::Full(_)) => return Err(Undelivered::Later),
                Err(error @ (ChunkError::BadRequest(_) | ChunkError::StaleTerm(_))) => {
                    return Err(Undelivered::Never(error.to_string()));
                }
            }
        }
        let releases = (!references.is_empty()).then_some(ShardRequest::ReleaseReferences(references));
        let lost = (!losses.is_empty()).then_some(ShardRequest::ReferencesLost(losses));
        let received = (!arrivals.is_empty()).then_some(ShardRequest::ForgetArrivals(arrivals));
        for request in releases.into_iter().chain(lost).chain(received) {
            let shard = self.directory.shard(receiver).ok_or(Undelivered::Later)?;
            match shard.shard(request).await {
                Ok(_) | Err(MetadataError::NoSuchJob) => {}
                Err(MetadataError::Unavailable(_) | MetadataError::Full(_) | MetadataError::Crowded) => {
                    return Err(Undelivered::Later);
                }
                Err(error) => return Err(Undelivered::Never(error.to_string())),
            }
        }
        Ok(())
    }
}

/// The courier of one receiver: runs while there is something to bring and the outbox lives.
async fn serve(outbox: Weak<Outbox>, receiver: NodeId) {
    tokio::time::sleep(GATHER).await;
    while let Some(outbox) = outbox.upgrade() {
        let Some(batch) = outbox.next_batch(receiver) else { return };
        let sent = tokio::time::timeout(CALL_TIMEOUT, outbox.send(receiver, &batch)).await;
        match sent.unwrap_or(Err(Undelivered::Later)) {
            Ok(()) => {}
            Err(Undelivered::Never(error)) => {
                warn!(%receiver, items = batch.len(), error, "frees and releases were refused");
            }
            Err(Undelivered::Later) => {
                outbox.put_back(receiver, batch);
                drop(outbox);
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}
