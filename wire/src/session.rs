//! One connection at the server. Decodes calls, polls the plane in place, sends the replies of a round in one system
//! call. Everything happens in the connection's own task: a call that is ready at once costs no wake-up.
//!
//! Holds to its bounds whatever the peer does: it stops to read while too much is in flight or the peer does not take
//! its replies.

use crate::frame::{FrameError, FrameHeader, FrameKind};
use crate::message::{Call, ChunkReply, ChunkRequest, Response};
use crate::metrics::ServerMetrics;
use crate::queue::FrameQueue;
use crate::reader::FrameReader;
use crate::server::ServedPlanes;
use bytes::Bytes;
use futures::future::{AbortHandle, FutureExt, abortable};
use futures::stream::{FuturesUnordered, StreamExt};
use pocket_api::chunks::{ChunkError, Chunks};
use pocket_api::limits::WAIT_MAX;
use pocket_api::metadata::MetadataError;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;

/// Calls that one connection may have in flight, waiting lookups apart. Far more than a core keeps busy with; few
/// enough that a thousand connections stay harmless. The client holds to the same number.
pub(crate) const IN_FLIGHT_MAX: usize = 512;

/// Bytes that the calls in flight of one connection may carry, one way or the other. At 2.5 GB/s this is 13 ms of
/// loopback, so it never slows a transfer down.
pub(crate) const IN_FLIGHT_MAX_BYTES: usize = 32 << 20;

/// Lookups that may wait for their keys on one connection. They sleep for minutes, so they have a bound of their own;
/// whoever comes beyond it is told [`MetadataError::Full`] at once.
pub(crate) const WAITING_MAX: usize = 4_096;

/// No call outlives this, whatever its caller says: the longest wait and what a call takes beside it.
const CALL_MAX: Duration = WAIT_MAX.saturating_add(Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("bad frame: {0}")]
    Frame(#[from] FrameError),
    #[error("peer left in the middle of a frame")]
    Truncated,
}

/// A call that has come to its end.
struct Finished {
    id: u64,
    response: Response,
    payload: Bytes,
    /// What the call weighed against [`IN_FLIGHT_MAX_BYTES`].
    request_bytes: usize,
}

type Running = Pin<Box<dyn Future<Output = Finished> + Send>>;

pub(crate) struct Session {
    stream: TcpStream,
    planes: ServedPlanes,
    reader: FrameReader<Call>,
    replies: FrameQueue,
    in_flight: FuturesUnordered<Running>,
    in_flight_bytes: usize,
    waiting: FuturesUnordered<Running>,
    /// Of waiting lookups only.
    cancels: HashMap<u64, AbortHandle>,
    /// False once the server is shutting down.
    takes_calls: bool,
    metrics: ServerMetrics,
}

impl Session {
    pub(crate) fn new(stream: TcpStream, planes: ServedPlanes, metrics: ServerMetrics) -> Self {
        metrics.connections.increment(1);
        Self {
            stream,
            planes,
            reader: FrameReader::default(),
            replies: FrameQueue::default(),
            in_flight: FuturesUnordered::new(),
            in_flight_bytes: 0,
            waiting: FuturesUnordered::new(),
            cancels: HashMap::new(),
            takes_calls: true,
            metrics,
        }
    }

    /// Serves until the peer leaves. Can be dropped between polls and called again.
    pub(crate) async fn run(&mut self) -> Result<(), SessionError> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Takes no more calls, finishes those in flight and gives up those that wait.
    pub(crate) async fn drain(&mut self) -> Result<(), SessionError> {
        self.takes_calls = false;
        self.waiting.clear();
        self.run().await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        loop {
            let mut progress = self.collect(cx);
            if self.takes_calls {
                progress |= self.take_calls()?;
                if self.has_room()
                    && let Poll::Ready(read) = self.reader.poll_fill(&mut self.stream, cx)
                {
                    match read? {
                        0 if self.reader.has_partial_frame() => {
                            return Poll::Ready(Err(SessionError::Truncated));
                        }
                        0 => return Poll::Ready(Ok(())),
                        bytes => self.metrics.received_bytes.increment(bytes as u64),
                    }
                    self.take_calls()?;
                    progress = true;
                }
            } else if self.in_flight.is_empty() && self.replies.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !self.replies.is_empty()
                && let Poll::Ready(sent) = self.replies.poll_write(&mut self.stream, cx)
            {
                self.metrics.sent_bytes.increment(sent? as u64);
                progress = true;
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Below all bounds: one more call may be taken.
    fn has_room(&self) -> bool {
        self.in_flight.len() < IN_FLIGHT_MAX
            && self.in_flight_bytes < IN_FLIGHT_MAX_BYTES
            && self.replies.queued_bytes() < IN_FLIGHT_MAX_BYTES
    }

    /// Queues the replies of calls that were pending and are not any more.
    fn collect(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while self.replies.queued_bytes() < IN_FLIGHT_MAX_BYTES {
            if let Poll::Ready(Some(finished)) = self.in_flight.poll_next_unpin(cx) {
                self.in_flight_bytes -= finished.request_bytes;
                self.reply(finished);
            } else if let Poll::Ready(Some(finished)) = self.waiting.poll_next_unpin(cx) {
                self.cancels.remove(&finished.id);
                self.reply(finished);
            } else {
                break;
            }
            progress = true;
        }
        progress
    }

    /// Starts what has been received, as far as there is room.
    fn take_calls(&mut self) -> Result<bool, FrameError> {
        let mut progress = false;
        while self.has_room()
            && let Some((header, call, payload)) = self.reader.next_frame()?
        {
            self.start(header, call, payload);
            progress = true;
        }
        Ok(progress)
    }

    fn start(&mut self, header: FrameHeader, call: Call, payload: Bytes) {
        let id = header.id;
        if matches!(call, Call::Cancel) {
            if let Some(handle) = self.cancels.remove(&id) {
                handle.abort();
            }
            return;
        }
        self.metrics.calls.increment(1);
        let waits = call.waits();
        // A lookup has no payload; one that waits must not keep what a peer made up.
        let payload = if waits { Bytes::new() } else { payload };
        let request_bytes = payload.len();
        let planes = self.planes.clone();
        let mut running: Running = Box::pin(async move {
            let (response, payload) = perform(&planes, header.kind, call, payload).await;
            Finished { id, response, payload, request_bytes }
        });
        // Most calls are ready here. The others are polled again where a wake-up reaches them.
        if let Some(finished) = (&mut running).now_or_never() {
            return self.reply(finished);
        }
        let time = Duration::from_millis(header.deadline_ms.into()).min(CALL_MAX);
        let give_up = move || {
            let response = refusal(header.kind, "the deadline has passed");
            Finished { id, response, payload: Bytes::new(), request_bytes }
        };
        let running = tokio::time::timeout(time, running);
        if !waits {
            self.in_flight_bytes += request_bytes;
            self.in_flight.push(Box::pin(async move { running.await.unwrap_or_else(|_| give_up()) }));
        } else if self.waiting.len() < WAITING_MAX {
            let (running, handle) = abortable(running);
            self.cancels.insert(id, handle);
            self.waiting.push(Box::pin(async move {
                match running.await {
                    Ok(Ok(finished)) => finished,
                    _ => give_up(),
                }
            }));
        } else {
            let response = Response::Job(Err(MetadataError::Full));
            self.reply(Finished { id, response, payload: Bytes::new(), request_bytes });
        }
    }

    fn reply(&mut self, finished: Finished) {
        let Finished { id, response, payload, .. } = finished;
        if let Err(e) = response.push(&mut self.replies, id, payload) {
            let text = format!("the answer cannot be sent: {e}");
            let refusal = match response {
                Response::Job(_) => Response::Job(Err(MetadataError::BadRequest(text))),
                Response::Shard(_) => Response::Shard(Err(MetadataError::BadRequest(text))),
                Response::Chunk(_) => Response::Chunk(Err(ChunkError::BadRequest(text))),
            };
            refusal.push(&mut self.replies, id, Bytes::new()).expect("a line of text fits a frame");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.metrics.connections.decrement(1);
    }
}

/// `Unavailable` in the words of the seam that a frame of this kind belongs to.
fn refusal(kind: FrameKind, text: &str) -> Response {
    match kind {
        FrameKind::JobRequest => Response::Job(Err(MetadataError::Unavailable(text.into()))),
        FrameKind::ShardRequest => Response::Shard(Err(MetadataError::Unavailable(text.into()))),
        _ => Response::Chunk(Err(ChunkError::Unavailable(text.into()))),
    }
}

async fn perform(planes: &ServedPlanes, kind: FrameKind, call: Call, payload: Bytes) -> (Response, Bytes) {
    match (call, &planes.metadata, &planes.chunks) {
        (Call::Job(job, request), Some(metadata), _) => match metadata.job(job, request, payload).await {
            Ok(answer) => (Response::Job(Ok(answer.reply)), answer.payload),
            Err(e) => (Response::Job(Err(e)), Bytes::new()),
        },
        (Call::Shard(request), Some(metadata), _) => {
            (Response::Shard(metadata.shard(request).await), Bytes::new())
        }
        (Call::Chunk(request), _, Some(chunks)) => {
            match perform_chunk(chunks.as_ref(), request, payload).await {
                Ok((reply, payload)) => (Response::Chunk(Ok(reply)), payload),
                Err(e) => (Response::Chunk(Err(e)), Bytes::new()),
            }
        }
        _ => (refusal(kind, "this plane is not served here"), Bytes::new()),
    }
}

async fn perform_chunk(
    chunks: &dyn Chunks,
    request: ChunkRequest,
    payload: Bytes,
) -> Result<(ChunkReply, Bytes), ChunkError> {
    let done = |()| (ChunkReply::Done, Bytes::new());
    match request {
        ChunkRequest::Allocate(request) => {
            chunks.allocate(request).await.map(|ids| (ChunkReply::Allocated(ids), Bytes::new()))
        }
        ChunkRequest::Write { chunk, offset } => chunks.write(chunk, offset, payload).await.map(done),
        ChunkRequest::Read { chunk, offset, len } => {
            chunks.read(chunk, offset, len).await.map(|bytes| (ChunkReply::Done, bytes))
        }
        ChunkRequest::Free(ids) => chunks.free(ids).await.map(done),
        ChunkRequest::Touch(writes) => chunks.touch(writes).await.map(done),
        ChunkRequest::EndJobs(jobs) => chunks.end_jobs(jobs).await.map(done),
    }
}
