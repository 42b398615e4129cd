//! A plane that does as the test says: answers at once, holds calls until they are let go, or fails.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::ids::{ChunkId, Epoch, JobId, Term, WriteId};
use pocket_api::metadata::{
    Answer, Fate, JobRef, Lookup, Metadata, MetadataError, Reply, Request, Select, ShardReply, ShardRequest,
    Want,
};
use pocket_api::names::ObjectKey;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::Semaphore;

pub(super) const JOB: JobRef = JobRef::new(JobId(1), Epoch(1));

/// `Ping` is answered at once, with its own payload. `Delete` and waiting lookups are held. `DeleteMany`, and `free`
/// among the calls for chunks, fail with what was set.
pub(super) struct Plane {
    /// Lets one held call go for each permit.
    pub(super) release: Semaphore,
    pub(super) started: AtomicUsize,
    /// Calls that are held.
    pub(super) held: AtomicUsize,
    pub(super) held_at_most: AtomicUsize,
    /// Bytes handed out by reads.
    pub(super) read_bytes: AtomicUsize,
    pub(super) metadata_error: Mutex<Option<MetadataError>>,
    pub(super) chunk_error: Mutex<Option<ChunkError>>,
    pub(super) calls: Mutex<Vec<String>>,
    content: Bytes,
}

impl Default for Plane {
    fn default() -> Self {
        Self {
            release: Semaphore::new(0),
            started: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            held_at_most: AtomicUsize::new(0),
            read_bytes: AtomicUsize::new(0),
            metadata_error: Mutex::new(None),
            chunk_error: Mutex::new(None),
            calls: Mutex::new(Vec::new()),
            content: (0..1_u32 << 20).map(|i| (i % 251) as u8).collect(),
        }
    }
}

/// Counts a held call down also when it is dropped.
struct Held<'a>(&'a Plane);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, SeqCst);
    }
}

impl Plane {
    pub(super) fn count(counter: &AtomicUsize) -> usize {
        counter.load(SeqCst)
    }

    pub(super) fn content(&self, offset: u32, len: u32) -> Bytes {
        self.content.slice(offset as usize..(offset + len) as usize)
    }

    async fn hold(&self) {
        self.started.fetch_add(1, SeqCst);
        let now = self.held.fetch_add(1, SeqCst) + 1;
        self.held_at_most.fetch_max(now, SeqCst);
        let _held = Held(self);
        self.release.acquire().await.expect("never closed").forget();
    }

    fn note(&self, call: &impl std::fmt::Debug, payload: &[u8]) {
        self.calls.lock().push(format!("{call:?} with {} bytes", payload.len()));
    }
}

#[async_trait]
impl Metadata for Plane {
    async fn job(&self, _: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        match request {
            Request::Ping => return Ok(Answer { reply: Reply::Done, payload }),
            Request::DeleteMany { .. } => {
                return Err(self.metadata_error.lock().clone().expect("set by the test"));
            }
            Request::Delete { .. } => self.hold().await,
            Request::Lookup(lookup) if !lookup.wait.is_zero() => self.hold().await,
            _ => self.note(&request, &payload),
        }
        Ok(Reply::Deleted { existed: true }.into())
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        self.note(&request, &[]);
        Ok(ShardReply::Known(vec![Fate::Held, Fate::Never]))
    }
}

#[async_trait]
impl Chunks for Plane {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        let numbers = 1..=request.sizes.len() as u64;
        Ok(numbers.map(|number| ChunkId { server: request.shard, number }).collect())
    }

    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError> {
        assert_eq!(data, self.content(offset, data.len() as u32), "bytes arrive as they were sent");
        self.note(&(chunk, offset), &data);
        Ok(())
    }

    async fn read(&self, _: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        self.read_bytes.fetch_add(len as usize, SeqCst);
        Ok(self.content(offset, len))
    }

    async fn free(&self, _: Vec<ChunkId>) -> Result<(), ChunkError> {
        Err(self.chunk_error.lock().clone().expect("set by the test"))
    }

    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError> {
        self.note(&writes, &[]);
        Ok(())
    }

    async fn end_jobs(&self, _: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        self.note(&jobs, &[]);
        Ok(())
    }
}

pub(super) fn key() -> ObjectKey {
    ObjectKey::parse("key").unwrap()
}

/// A call that is held.
pub(super) fn held_request() -> Request {
    Request::Delete { key: key(), condition: WriteCondition::None }
}

pub(super) fn waiting_lookup(wait: Duration) -> Request {
    let conditions = ReadConditions::default();
    Request::Lookup(Lookup { key: key(), conditions, select: Select::Whole, want: Want::Data, wait })
}
