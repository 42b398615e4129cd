//! A storage server that answers at once, from memory, and allocates nothing but the futures that the seam demands: what is
//! left is the cost of the wire. Counts and benchmarks share it.

use async_trait::async_trait;
use bytes::Bytes;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::ids::{ChunkId, JobId, Term, WriteId};

/// Every chunk has this content.
pub(crate) struct ReadyChunks(pub(crate) Bytes);

#[async_trait]
impl Chunks for ReadyChunks {
    async fn allocate(&self, _: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        Ok(Vec::new())
    }

    async fn write(&self, _: ChunkId, _: u32, _: Bytes) -> Result<(), ChunkError> {
        Ok(())
    }

    async fn read(&self, _: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        Ok(self.0.slice(offset as usize..(offset + len) as usize))
    }

    async fn free(&self, _: Vec<ChunkId>) -> Result<(), ChunkError> {
        Ok(())
    }

    async fn touch(&self, _: Vec<WriteId>) -> Result<(), ChunkError> {
        Ok(())
    }

    async fn end_jobs(&self, _: Term, _: Vec<JobId>) -> Result<(), ChunkError> {
        Ok(())
    }
}
