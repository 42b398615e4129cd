//! The chunk seam: gateway -> storage server (allocate, write, read, touch), shard -> server (free),
//! controller -> server (end jobs).

use crate::budget::Shortage;
use crate::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Room for one write on one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocate {
    pub job: JobId,
    pub write: WriteId,
    /// The shard that the write will be committed to: whom the server asks when it hears no more of it.
    pub shard: NodeId,
    /// Bytes of one chunk each, 1 to [`crate::limits::CHUNK_MAX_BYTES`].
    pub sizes: Vec<u32>,
    /// No other server is left to ask: where this one has no room, the client is refused, which the server counts.
    pub is_last: bool,
}

/// What a caller of the chunk seam can meet.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ChunkError {
    /// Nothing was allocated. Try another server, or later.
    #[error("storage server has no room: {0}")]
    Full(Shortage),
    /// Freed, never allocated, or its job has ended.
    #[error("no such chunk")]
    NoSuchChunk,
    /// The caller broke the contract: bytes outside of the chunk, bytes written twice, a read of what is not written.
    #[error("bad chunk request: {0}")]
    BadRequest(String),
    /// The order is of a controller that another one has followed, which the server has heard of.
    #[error("order of an older controller; the server has heard of {0}")]
    StaleTerm(Term),
    /// The server cannot be reached, is another incarnation, or did not answer in time. A write may have happened.
    #[error("storage server unavailable: {0}")]
    Unavailable(String),
}

/// A storage server. Every call may be made from any thread; calls for one chunk may be in flight side by side.
#[async_trait]
pub trait Chunks: Send + Sync + 'static {
    /// Reserves a chunk for each size, all or none, in the order of `sizes`. The space counts as used from here on
    /// until it is freed, its job ends, or its write is found to be unknown at the shard.
    ///
    /// At most [`crate::limits::ALLOCATE_MAX_CHUNKS`]. After [`ChunkError::Unavailable`] the caller goes on under a new
    /// write id: chunks that it never heard of are given back because their write is not committed.
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError>;

    /// Puts bytes at `offset` of a chunk. Each byte is written once; parts may come in any order, with at most
    /// [`crate::limits::CHUNK_GAPS_MAX`] runs apart from the beginning and from each other. What is refused changes
    /// nothing.
    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError>;

    /// Bytes of a chunk that is completely written. In one process they are the server's own memory, not a copy; it
    /// is not used again before the last of them is dropped.
    async fn read(&self, chunk: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError>;

    /// Gives chunks back. Those that are not there are passed over, so a call can be repeated.
    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError>;

    /// Says that these writes are still going on, see [`crate::limits::WRITE_TOUCH_EVERY`].
    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError>;

    /// From a controller: gives back all that these jobs hold and refuses them from now on. Can be repeated.
    /// [`ChunkError::StaleTerm`] where a later controller has been heard of.
    async fn end_jobs(&self, term: Term, jobs: Vec<JobId>) -> Result<(), ChunkError>;

    /// Whether what is read is the server's own memory, which costs its reader none. `false` where it comes over a wire.
    fn lends_memory(&self) -> bool {
        false
    }

    /// Whether it cannot be reached now: for a caller that would not begin what it cannot end. Asks nothing of a server that
    /// there is a connection to, and waits for one that is being made. `false` promises nothing.
    async fn is_away(&self) -> bool {
        false
    }
}
