//! The object reader: turns the answer to a lookup into a body. Follows pages and references to where the bytes are,
//! fetches a bounded number of chunks ahead, and gives the lease back when the transfer is over.
//!
//! A read that fails on the way ends the body with an error, so that the connection breaks off before its
//! Content-Length: a body that is short never looks whole.

use crate::errors::{self, unavailable};
use crate::transfers::{Lease, OpenRead, Transfers};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use http_body::{Body, Frame, SizeHint};
use pocket_access::refusal::Refusal;
use pocket_api::chunks::ChunkError;
use pocket_api::cluster::Directory;
use pocket_api::ids::{ChunkId, NodeId};
use pocket_api::metadata::{Found, JobRef, MetadataError, Reply, Request, SegmentPage, SegmentsOf};
use pocket_api::object::{Reference, Segment};
use pocket_edge::calls::Content;
use pocket_edge::context::Connection;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;

/// Segments fetched ahead of the socket: with chunks of 1 MiB, at most 4 MiB a transfer.
const READ_AHEAD_SEGMENTS: usize = 4;
/// Most bytes of a copy that are handed on before others have their turn. To a client a segment goes whole: each write more
/// wakes it once more, which costs a server of 1 MiB objects a quarter of its time.
const COPIED_AT_ONCE_BYTES: usize = 256 << 10;

/// Whom the bytes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The client: a counted read is used up when they are in its socket.
    Deliver,
    /// Another object: reads are never used up, and given back at the end.
    Copy,
}

#[derive(Clone)]
pub(crate) struct Reader {
    directory: Arc<dyn Directory>,
    transfers: Arc<Transfers>,
}

/// Why bytes of an object could not be read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("node {0} is not reachable")]
    Unreachable(NodeId),
    /// The planes do not agree about the object.
    #[error("the object's bytes do not add up: {0}")]
    Inconsistent(&'static str),
}

/// For copies. Where storage is in this process everything is ready at once, and so is the place of the copy: one poll would go
/// through all of the bytes. So requests of others come between any two pieces.
impl Stream for ObjectBody {
    type Item = Result<Bytes, Refusal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        let piece = std::task::ready!(this.poll_piece(cx));
        if piece.as_ref().is_some_and(Result::is_ok) && this.left > 0 {
            this.pause = Some(Box::pin(tokio::task::yield_now()));
        }
        Poll::Ready(piece.map(|piece| piece.map_err(Refusal::from)))
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Metadata(error) => errors::from_metadata(error),
            ReadError::Chunk(error) => errors::from_chunks(error),
            ReadError::Unreachable(_) | ReadError::Inconsistent(_) => unavailable(error.to_string()),
        }
    }
}

impl Reader {
    pub(crate) fn new(directory: Arc<dyn Directory>, transfers: Arc<Transfers>) -> Self {
        Self { directory, transfers }
    }

    /// The body of what a lookup at `shard` found, whose segments are taken. Its first bytes are fetched here, and the servers of the others looked
    /// at, so that what is not there is an error instead of a broken transfer.
    pub(crate) async fn open(
        &self,
        job: JobRef,
        shard: NodeId,
        found: &mut Found,
        payload: Bytes,
        connection: &Arc<Connection>,
        purpose: Purpose,
    ) -> Result<ObjectBody, ReadError> {
        let page = std::mem::take(&mut found.page);
        let lease = found.lease.map(|id| Lease { shard, id });
        let read = lease.map(|lease| self.transfers.read(job.job, lease, found.counted, connection));
        let mut body = ObjectBody {
            ready: Bytes::new(),
            rest: None,
            left: found.len,
            end: read.map(|read| End { read, connection: connection.clone(), purpose }),
            pause: None,
        };
        match page {
            SegmentPage { ref segments, next: None } if is_payload(segments, &payload) => {
                body.ready = payload
            }
            SegmentPage { ref segments, next: None } if segments.len() == 1 && is_chunk(&segments[0]) => {
                body.ready = read_segment(&self.directory, segments[0]).await?;
            }
            page => {
                check_servers(&self.directory, &page.segments).await?;
                let segments = Segments::new(self.directory.clone(), job, lease, page, payload);
                let mut stream = self.stream(segments);
                body.ready = stream.next().await.transpose()?.unwrap_or_default();
                body.rest = Some(stream);
            }
        }
        if body.left == 0
            && let Some(End { read, purpose: Purpose::Deliver, .. }) = body.end.take()
        {
            read.sent();
        }
        Ok(body)
    }

    fn stream(&self, segments: Segments) -> BoxStream<'static, Result<Bytes, ReadError>> {
        let directory = self.directory.clone();
        let pieces = stream::unfold(Some(segments), |state| async move {
            let mut segments = state?;
            match segments.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(segments))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        let reads = pieces.map(move |piece| {
            let directory = directory.clone();
            async move {
                match piece? {
                    Piece::Bytes(bytes) => Ok(bytes),
                    Piece::Chunk(segment) => read_segment(&directory, segment).await,
                }
            }
        });
        reads.buffered(READ_AHEAD_SEGMENTS).boxed()
    }
}

/// The common case of small objects: everything came with the answer.
fn is_payload(segments: &[Segment], payload: &Bytes) -> bool {
    let inline = |s: &Segment| matches!(s, Segment::Inline { .. });
    segments.iter().all(inline) && segments.iter().map(Segment::len).sum::<u64>() == payload.len() as u64
}

fn is_chunk(segment: &Segment) -> bool {
    matches!(segment, Segment::Chunk { .. })
}

/// Whether all servers that these segments are at can be read from, as far as that is known without asking them.
async fn check_servers(directory: &Arc<dyn Directory>, segments: &[Segment]) -> Result<(), ReadError> {
    let mut seen: SmallVec<[NodeId; READ_AHEAD_SEGMENTS]> = SmallVec::new();
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

async fn read_segment(directory: &Arc<dyn Directory>, segment: Segment) -> Result<Bytes, ReadError> {
    let Segment::Chunk { chunk, offset, len } = segment else {
        return Err(ReadError::Inconsistent("a segment that is no chunk was to be read"));
    };
    let ChunkId { server, .. } = chunk;
    let chunks =
        directory.server(server).ok_or_else(|| of_node(directory, server, ReadError::Unreachable(server)))?;
    let read = chunks.read(chunk, offset, len).await;
    let bytes = read.map_err(|error| of_node(directory, server, error.into()))?;
    if bytes.len() == len as usize {
        Ok(bytes)
    } else {
        Err(ReadError::Inconsistent("a chunk was too short"))
    }
}

/// What could not be read from a node is lost where the node is known to be dead: to come again would not help. The
/// object's shard may not have heard of it yet.
fn of_node(directory: &Arc<dyn Directory>, node: NodeId, error: ReadError) -> ReadError {
    if directory.view().is_dead(node) { MetadataError::Lost.into() } else { error }
}

/// What comes next of an object.
enum Piece {
    Bytes(Bytes),
    /// Always a [`Segment::Chunk`].
    Chunk(Segment),
}

/// The segments of one read, in order, over pages and across shards.
struct Segments {
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
    fn new(
        directory: Arc<dyn Directory>,
        job: JobRef,
        lease: Option<Lease>,
        page: SegmentPage,
        payload: Bytes,
    ) -> Self {
        let queue = page.segments.into_vec().into();
        Self { directory, job, lease, payload, queue, next: page.next, begun: false }
    }

    async fn next(&mut self) -> Result<Option<Piece>, ReadError> {
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
                Some(segment @ Segment::Chunk { .. }) => return Ok(Some(Piece::Chunk(segment))),
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
        if page.segments.is_empty() || !page.segments.iter().all(is_chunk) {
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

/// The bytes of a (range of an) object on their way to a client. Its length is known from the start.
pub(crate) struct ObjectBody {
    ready: Bytes,
    rest: Option<BoxStream<'static, Result<Bytes, ReadError>>>,
    left: u64,
    end: Option<End>,
    /// Of a copy, behind each piece.
    pause: Option<BoxFuture<'static, ()>>,
}

struct End {
    read: OpenRead,
    connection: Arc<Connection>,
    purpose: Purpose,
}

impl ObjectBody {
    /// For an answer. What is in memory already, with nothing to be told at its end, goes without a detour.
    pub(crate) fn into_content(self) -> Content {
        let is_plain = self.end.is_none() && self.rest.is_none() && self.ready.len() as u64 == self.left;
        if is_plain { Content::Whole(self.ready) } else { Content::Stream(Box::pin(self)) }
    }
}

impl ObjectBody {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        let this = self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        while this.ready.is_empty() {
            let next = match &mut this.rest {
                Some(rest) => std::task::ready!(rest.poll_next_unpin(cx)),
                None => None,
            };
            match next {
                Some(Ok(bytes)) => this.ready = bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let error = ReadError::Inconsistent("the segments ended before the object did");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        let at_once = match &this.end {
            Some(End { purpose: Purpose::Copy, .. }) => COPIED_AT_ONCE_BYTES,
            _ => usize::MAX,
        };
        let frame = this.ready.split_to(this.ready.len().min(at_once));
        let Some(left) = this.left.checked_sub(frame.len() as u64) else {
            let error = ReadError::Inconsistent("the segments are longer than the object");
            return Poll::Ready(Some(Err(error)));
        };
        this.left = left;
        if let Some(end) = &this.end {
            end.read.progress();
        }
        if left == 0
            && let Some(End { read, connection, purpose: Purpose::Deliver }) = this.end.take()
        {
            read.end_with(&connection);
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for ObjectBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.get_mut().poll_piece(cx);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
