//! A storage server: the chunk seam on top of the arena. Parses what callers ask, and knows nothing of objects.
//!
//! Bytes of a chunk that is freed, or whose job ends, while they are being read stay until the last reader drops them;
//! until then they count as used. Gateways cut the transfers of jobs that have ended.

use crate::arena::Arena;
use crate::metrics::{Operation, TrafficMetrics};
use crate::orphans;
use crate::writes::{Question, Writes};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::cluster::Directory;
use pocket_api::control::JobHolder;
use pocket_api::env::Env;
use pocket_api::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use pocket_api::limits::{ALLOCATE_MAX_CHUNKS, CHUNK_MAX_BYTES};
use pocket_api::tier::Tier;
use pocket_api::usage::{SpaceUse, TierUse, UsageReport, UsageSource};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// Less holds no full chunk.
pub const CAPACITY_MIN_BYTES: u64 = CHUNK_MAX_BYTES as u64;
/// [`StorageConfig::ready_bytes`] of a server that is in use. At 1 to 2 GiB/s of writing it hides an eighth of a second in which
/// the thread gets no core; a server takes no more than this of the machine beyond what it ever held.
pub const READY_BYTES: u64 = 256 << 20;

#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// Size of the arena, at least [`CAPACITY_MIN_BYTES`]; rounded down to 64 KiB.
    pub capacity_bytes: u64,
    /// Charged for what chunks take. May be smaller than the capacity, and shared.
    pub budget: ByteBudget,
    /// So much free memory above what is in use is faulted in before it is written, by a thread. 0: none is, and there is no thread;
    /// whoever writes first pays for it.
    pub ready_bytes: u64,
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum StorageError {
    #[error("a storage capacity of {0} bytes is too small: {CAPACITY_MIN_BYTES} at least")]
    TooSmall(u64),
    #[error("cannot map {capacity_bytes} bytes of memory: {source}")]
    NoMemory { capacity_bytes: u64, source: io::Error },
}

/// Lives as long as somebody holds it; what it does in the background ends with it.
pub struct StorageServer {
    node: NodeId,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) env: Env,
    pub(crate) arena: Arc<Arena>,
    budget: ByteBudget,
    /// Locked before the arena where both are needed.
    pub(crate) writes: Mutex<Writes>,
    pub(crate) traffic: TrafficMetrics,
    /// Of the newest controller that ended a job here.
    newest_term: AtomicU64,
}

impl StorageServer {
    /// Maps the memory and starts the background work.
    pub fn start(
        config: StorageConfig,
        node: NodeId,
        directory: Arc<dyn Directory>,
        env: Env,
    ) -> Result<Arc<Self>, StorageError> {
        let StorageConfig { capacity_bytes, budget, ready_bytes } = config;
        if capacity_bytes < CAPACITY_MIN_BYTES {
            return Err(StorageError::TooSmall(capacity_bytes));
        }
        let arena = Arena::new(capacity_bytes, budget.clone(), ready_bytes)
            .map_err(|source| StorageError::NoMemory { capacity_bytes, source })?;
        let (writes, traffic) = (Mutex::default(), TrafficMetrics::new());
        let newest_term = AtomicU64::new(0);
        let server = Arc::new(Self { node, directory, env, arena, budget, writes, traffic, newest_term });
        orphans::spawn_sweeps(&server);
        Ok(server)
    }

    /// How many chunks it has, those included that were freed and are still being read.
    pub fn chunks(&self) -> usize {
        self.arena.look(|space| space.chunks())
    }

    /// The number of a chunk of this incarnation.
    fn number(&self, chunk: ChunkId) -> Option<u64> {
        (chunk.server == self.node).then_some(chunk.number)
    }

    /// Gives back all that ended jobs had. Where this is dropped before its end, the next sweep goes on with it.
    pub(crate) async fn give_back_ended(&self) {
        while self.arena.give_back_ended() {
            tokio::task::yield_now().await;
        }
    }

    fn allocate_chunks(&self, request: &Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        let bad = |why| Err(ChunkError::BadRequest(why));
        if request.sizes.len() > ALLOCATE_MAX_CHUNKS {
            return bad(format!("{} chunks at once; the most is {ALLOCATE_MAX_CHUNKS}", request.sizes.len()));
        }
        if let Some(size) = request.sizes.iter().find(|&&size| size == 0 || size > CHUNK_MAX_BYTES) {
            return bad(format!("a chunk of {size} bytes; from 1 to {CHUNK_MAX_BYTES} are allowed"));
        }
        let numbers = self.arena.allocate(request.job, &request.sizes).map_err(|error| match error {
            ChunkError::Full(_) if request.is_last => ChunkError::Full(self.budget.refuse()),
            other => other,
        })?;
        let Allocate { job, write, shard, .. } = *request;
        self.writes.lock().record(Question { shard, job, write }, &numbers, self.env.now());
        Ok(numbers.into_iter().map(|number| ChunkId { server: self.node, number }).collect())
    }
}

#[async_trait]
impl Chunks for StorageServer {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        self.traffic.request(Operation::Allocate);
        self.allocate_chunks(&request)
    }

    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError> {
        self.traffic.request(Operation::Write);
        let number = self.number(chunk).ok_or(ChunkError::NoSuchChunk)?;
        self.arena.write(number, offset, &data)?;
        self.traffic.received(data.len());
        Ok(())
    }

    async fn read(&self, chunk: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        self.traffic.request(Operation::Read);
        let number = self.number(chunk).ok_or(ChunkError::NoSuchChunk)?;
        let bytes = self.arena.read(number, offset, len)?;
        self.traffic.sent(bytes.len());
        Ok(bytes)
    }

    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError> {
        self.traffic.request(Operation::Free);
        self.arena.free(chunks.into_iter().filter_map(|chunk| self.number(chunk)));
        Ok(())
    }

    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError> {
        self.traffic.request(Operation::Touch);
        let now = self.env.now();
        let mut open = self.writes.lock();
        writes.into_iter().for_each(|write| open.touch(write, now));
        Ok(())
    }

    async fn end_jobs(&self, term: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        self.traffic.request(Operation::EndJobs);
        let told = Term(self.newest_term.fetch_max(term.0, Ordering::Relaxed));
        let newest = told.max(self.directory.view().term);
        if term < newest {
            return Err(ChunkError::StaleTerm(newest));
        }
        self.arena.end(&jobs);
        self.give_back_ended().await;
        Ok(())
    }

    fn lends_memory(&self) -> bool {
        true
    }
}

impl JobHolder for StorageServer {
    /// Jobs that have chunks here. What is left of ended ones, held by readers or about to come back, is not counted.
    fn jobs(&self) -> Vec<JobId> {
        self.arena.look(|space| space.jobs())
    }

    fn drop_jobs(&self, ended: &[JobId]) {
        self.arena.end(ended);
        while self.arena.give_back_ended() {}
    }
}

#[async_trait]
impl UsageSource for StorageServer {
    async fn fill(&self, report: &mut UsageReport) {
        let (capacity_bytes, used_bytes, vacant_bytes) =
            self.arena.look(|space| (space.capacity_bytes(), space.used_bytes(), space.vacant_bytes()));
        report.space += SpaceUse { chunks_bytes: used_bytes, vacant_bytes, ..SpaceUse::default() };
        report.tiers.push(TierUse { tier: Tier::Dram, capacity_bytes, used_bytes });
        // In one process the gateway's count is the one that was served to clients.
        report.served.get_or_insert_with(|| self.traffic.served());
    }
}
