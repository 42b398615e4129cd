//! The object reader: turns the answer to a lookup into a body. Follows pages and references to where the bytes are,
//! fetches a bounded number of chunks ahead, and gives the lease back when the transfer is over.
//!
//! A read that fails on the way ends the body with an error, so that the connection breaks off before its
//! Content-Length: a body that is short never looks whole.

mod pieces;
mod segments;
mod window;

use crate::errors::{self, unavailable};
use crate::transfers::{Lease, OpenRead, Transfers};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream, StreamExt};
use http_body::{Body, Frame, SizeHint};
use pieces::{Fetch, ahead};
use pocket_access::refusal::Refusal;
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::ChunkError;
use pocket_api::cluster::Directory;
use pocket_api::ids::NodeId;
use pocket_api::limits::TRANSFER_PACE_BYTES;
use pocket_api::metadata::{Found, JobRef, MetadataError, SegmentPage};
use pocket_api::object::Segment;
use pocket_edge::calls::Content;
use pocket_edge::context::Connection;
use segments::{Run, Segments, check_servers};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;

/// Most bytes of a copy that are handed on before others have their turn. To a client a segment goes whole: each write more
/// wakes it once more, which costs a server of 1 MiB objects a quarter of its time.
const COPIED_AT_ONCE_BYTES: usize = TRANSFER_PACE_BYTES;

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
    buffers: ByteBudget,
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
            // Other threads of this CPU too: the scheduler would keep them waiting for milliseconds.
            std::thread::yield_now();
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
    pub(crate) fn new(directory: Arc<dyn Directory>, transfers: Arc<Transfers>, buffers: ByteBudget) -> Self {
        Self { directory, transfers, buffers }
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
            unsaid_bytes: 0,
            end: read.map(|read| End { read, connection: connection.clone(), purpose }),
            pause: None,
        };
        match page {
            SegmentPage { ref segments, next: None } if is_payload(segments, &payload) => {
                body.ready = payload
            }
            page => match self.at_once(&page)? {
                Some(only) => body.ready = only.read().await?,
                None => {
                    check_servers(&self.directory, &page.segments).await?;
                    let directory = self.directory.clone();
                    let segments = Segments::new(directory.clone(), job, lease, page, payload);
                    let mut rest = ahead(directory, self.buffers.clone(), segments);
                    body.ready = rest.next().await.transpose()?.unwrap_or_default();
                    body.rest = Some(rest);
                }
            },
        }
        if body.left == 0
            && let Some(End { read, purpose: Purpose::Deliver, .. }) = body.end.take()
        {
            read.sent();
        }
        Ok(body)
    }

    /// What is to be read, if it is (a part of) one chunk that can be had in one piece.
    fn at_once(&self, page: &SegmentPage) -> Result<Option<Fetch>, ReadError> {
        let only = match &page.segments[..] {
            [only] if page.next.is_none() => Run::of(only),
            _ => None,
        };
        match only {
            Some(run) => Fetch::at_once(&self.directory, &self.buffers, run),
            None => Ok(None),
        }
    }
}

/// The common case of small objects: everything came with the answer.
fn is_payload(segments: &[Segment], payload: &Bytes) -> bool {
    let inline = |s: &Segment| matches!(s, Segment::Inline { .. });
    segments.iter().all(inline) && segments.iter().map(Segment::len).sum::<u64>() == payload.len() as u64
}

/// The bytes of a (range of an) object on their way to a client. Its length is known from the start.
pub(crate) struct ObjectBody {
    ready: Bytes,
    rest: Option<BoxStream<'static, Result<Bytes, ReadError>>>,
    left: u64,
    /// Handed out since the transfer was last said to move.
    unsaid_bytes: usize,
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
        this.unsaid_bytes += frame.len();
        if this.unsaid_bytes >= TRANSFER_PACE_BYTES
            && let Some(end) = &this.end
        {
            end.read.progress();
            this.unsaid_bytes = 0;
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
