//! Where the bytes of a read are: the segments that a shard names, page after page and across shards, and the servers that
//! they are on.

use super::ReadError;
use crate::transfers::Lease;
use bytes::Bytes;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::Directory;
use pocket_api::ids::{ChunkId, NodeId};
use pocket_api::metadata::{JobRef, MetadataError, Reply, Request, SegmentPage, SegmentsOf};
use pocket_api::object::{Reference, Segment};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// Servers that the segments of one page are usually at.
const SERVERS: usize = 4;

/// Whether all servers that these segments are at can be read from, as far as that is known without asking them.
pub(super) async fn check_servers(
    directory: &Arc<dyn Directory>,
    segments: &[Segment],
) -> Result<(), ReadError> {
    let mut seen: SmallVec<[NodeId; SERVERS]> = SmallVec::new();
    for segment in segments {
        let Segment::Chunk { chunk: ChunkId { server, .. }, .. } = *segment else { continue };
        if seen.contains(&server) {
            continue;
        }
        seen.push(server);
        let is_away = match directory.server(server) {
            Some(chunks) => chunks.is_away().await,
            None => true,
        };
        if is_away {
            return Err(of_node(directory, server, ReadError::Unreachable(server)));
        }
    }
    Ok(())
}

/// Bytes of one chunk that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    chunk: ChunkId,
    offset: u32,
    pub(super) len: u32,
}

impl Run {
    pub(super) fn of(segment: &Segment) -> Option<Self> {
        match *segment {
            Segment::Chunk { chunk, offset, len } => Some(Self { chunk, offset, len }),
            Segment::Inline { .. } | Segment::Remote(_) => None,
        }
    }

    /// The first `len` bytes, and what is left.
    pub(super) fn split(self, len: u64) -> (Self, Option<Self>) {
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(self.len);
        let rest = Self { offset: self.offset + len, len: self.len - len, ..self };
        (Self { len, ..self }, (rest.len > 0).then_some(rest))
    }

    /// From the server that it is at.
    pub(super) async fn read(
        self,
        directory: &Arc<dyn Directory>,
        chunks: &dyn Chunks,
    ) -> Result<Bytes, ReadError> {
        let read = chunks.read(self.chunk, self.offset, self.len).await;
        let bytes = read.map_err(|error| of_node(directory, self.chunk.server, error.into()))?;
        if bytes.len() == self.len as usize {
            Ok(bytes)
        } else {
            Err(ReadError::Inconsistent("a chunk was too short"))
        }
    }
}

/// Where a run of bytes is to be had.
pub(super) fn server_of(directory: &Arc<dyn Directory>, run: Run) -> Result<Arc<dyn Chunks>, ReadError> {
    let server = run.chunk.server;
    directory.server(server).ok_or_else(|| of_node(directory, server, ReadError::Unreachable(server)))
}

/// What could not be read from a node is lost where the node is known to be dead: to come again would not help. The
/// object's shard may not have heard of it yet.
fn of_node(directory: &Arc<dyn Directory>, node: NodeId, error: ReadError) -> ReadError {
    if directory.view().is_dead(node) { MetadataError::Lost.into() } else { error }
}

/// What comes next of an object.
pub(super) enum Piece {
    Bytes(Bytes),
    Chunk(Run),
}

/// The segments of one read, in order, over pages and across shards.
pub(super) struct Segments {
    directory: Arc<dyn Directory>,
    job: JobRef,
    lease: Option<Lease>,
    /// Inline bytes of the pages that are queued.
    payload: Bytes,
    queue: VecDeque<Segment>,
    /// Where the next page of the lease begins.
    next: Option<u64>,
    /// Something of it was handed out: there is no other end any more than to break off.
    begun: bool,
}

impl Segments {
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        job: JobRef,
        lease: Option<Lease>,
        page: SegmentPage,
        payload: Bytes,
    ) -> Self {
        let queue = page.segments.into_vec().into();
        Self { directory, job, lease, payload, queue, next: page.next, begun: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        let piece = self.find_next().await?;
        self.begun = true;
        Ok(piece)
    }

    async fn find_next(&mut self) -> Result<Option<Piece>, ReadError> {
        loop {
            match self.queue.pop_front() {
                Some(Segment::Inline { len }) if len as usize <= self.payload.len() => {
                    return Ok(Some(Piece::Bytes(self.payload.split_to(len as usize))));
                }
                Some(Segment::Inline { .. }) => {
                    return Err(ReadError::Inconsistent("inline bytes are missing"));
                }
                Some(Segment::Chunk { chunk, offset, len }) => {
                    return Ok(Some(Piece::Chunk(Run { chunk, offset, len })));
                }
                Some(Segment::Remote(reference)) => self.follow(reference).await?,
                None => {
                    let (Some(skip), Some(lease)) = (self.next, self.lease) else { return Ok(None) };
                    let of = SegmentsOf::Lease { lease: lease.id, skip };
                    let (page, payload) = self.ask(lease.shard, of).await?;
                    if page.segments.is_empty() {
                        return Err(ReadError::Inconsistent("a page of segments is empty"));
                    }
                    (self.queue, self.next, self.payload) =
                        (page.segments.into_vec().into(), page.next, payload);
                }
            }
        }
    }

    /// Puts the first page of a reference's segments in its place, and after it what is left of the reference.
    async fn follow(&mut self, reference: Reference) -> Result<(), ReadError> {
        let Reference { home, manifest, offset, len, .. } = reference;
        let (page, _) = self.ask(home, SegmentsOf::Manifest { manifest, offset, len }).await?;
        if page.segments.is_empty() || !page.segments.iter().all(|segment| Run::of(segment).is_some()) {
            return Err(ReadError::Inconsistent("a manifest has no chunks"));
        }
        if !self.begun {
            check_servers(&self.directory, &page.segments).await?;
        }
        if let Some(covered) = page.next {
            let left = Reference { offset: offset + covered, len: len.saturating_sub(covered), ..reference };
            self.queue.push_front(Segment::Remote(left));
        }
        page.segments.into_iter().rev().for_each(|segment| self.queue.push_front(segment));
        Ok(())
    }

    async fn ask(&mut self, shard: NodeId, of: SegmentsOf) -> Result<(SegmentPage, Bytes), ReadError> {
        let metadata = self.directory.shard(shard);
        let metadata =
            metadata.ok_or_else(|| of_node(&self.directory, shard, ReadError::Unreachable(shard)))?;
        let mut answer = metadata.job(self.job, Request::Segments(of), Bytes::new()).await;
        // The placement changed during the transfer. The bytes have not: they are pinned at the shard that was asked.
        if let Err(MetadataError::StaleEpoch(epoch)) = answer {
            self.job.epoch = epoch;
            answer = metadata.job(self.job, Request::Segments(of), Bytes::new()).await;
        }
        let answer = answer.map_err(|error| match error {
            MetadataError::Unavailable(_) => of_node(&self.directory, shard, error.into()),
            error => error.into(),
        })?;
        match answer.reply {
            Reply::Segments(page) => Ok((page, answer.payload)),
            _ => Err(ReadError::Inconsistent("a shard gave another answer than it was asked for")),
        }
    }
}
