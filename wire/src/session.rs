//! One connection at the server. Decodes calls, polls the plane in place, sends the replies of a round in one system
//! call. Everything happens in the connection's own task: a call that is ready at once costs no wake-up.
//!
//! Holds to its bounds whatever the peer does: it stops to read while too much is in flight or the peer does not take
//! its replies. After a bounded part of what it sent, other connections have their turn.

use crate::frame::{FrameError, FrameHeader, FrameKind};
use crate::message::{Call, ChunkReply, ChunkRequest, Response};
use crate::metrics::ServerMetrics;
use crate::queue::FrameQueue;
use crate::reader::FrameReader;
use crate::server::ServedPlanes;
use crate::turn::Turn;
use bytes::Bytes;
use futures::future::{AbortHandle, BoxFuture, FutureExt, abortable};
use futures::stream::{FuturesUnordered, StreamExt};
use pocket_api::chunks::{ChunkError, Chunks};
use pocket_api::limits::WAIT_MAX;
use pocket_api::metadata::MetadataError;
use std::collections::HashMap;
use std::future;
use std::io;
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
/// whoever comes beyond it is told [`MetadataError::Crowded`] at once.
pub(crate) const WAITING_MAX: usize = 4_096;

/// Calls that are started or ended in one poll: most take microseconds, a slice of a list a fifth of a millisecond.
pub(crate) const TURN_CALLS: usize = 16;

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

/// A call as it was taken.
struct Started {
    header: FrameHeader,
    waits: bool,
    request_bytes: usize,
}

pub(crate) struct Session<'a> {
    stream: TcpStream,
    planes: &'a ServedPlanes,
    reader: FrameReader<Call>,
    replies: FrameQueue,
    in_flight: FuturesUnordered<BoxFuture<'a, Finished>>,
    in_flight_bytes: usize,
    waiting: FuturesUnordered<BoxFuture<'a, Finished>>,
    /// Of waiting lookups only.
    cancels: HashMap<u64, AbortHandle>,
    /// False once the server is shutting down.
    takes_calls: bool,
    metrics: ServerMetrics,
}

impl<'a> Session<'a> {
    pub(crate) fn new(stream: TcpStream, planes: &'a ServedPlanes, metrics: ServerMetrics) -> Self {
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
        future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Takes no more calls, finishes those in flight and gives up those that wait.
    pub(crate) async fn drain(&mut self) -> Result<(), SessionError> {
        self.takes_calls = false;
        self.waiting.clear();
        self.run().await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        let mut turn = Turn::new(TURN_CALLS);
        loop {
            let mut progress = self.collect(&mut turn, cx);
            if self.takes_calls {
                progress |= self.take_calls(&mut turn)?;
                if self.has_room()
                    && !turn.is_over()
                    && let Poll::Ready(read) = self.reader.poll_fill(&mut self.stream, cx)
                {
                    match read? {
                        0 if self.reader.has_partial_frame() => {
                            return Poll::Ready(Err(SessionError::Truncated));
                        }
                        0 => return Poll::Ready(Ok(())),
                        bytes => self.metrics.received_bytes.increment(bytes as u64),
                    }
                    self.take_calls(&mut turn)?;
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
            if turn.is_over() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
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
    fn collect(&mut self, turn: &mut Turn, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while !turn.is_over() && self.replies.queued_bytes() < IN_FLIGHT_MAX_BYTES {
            if let Poll::Ready(Some(finished)) = self.in_flight.poll_next_unpin(cx) {
                self.in_flight_bytes -= finished.request_bytes;
                turn.spend(finished.payload.len());
                self.reply(finished);
            } else if let Poll::Ready(Some(finished)) = self.waiting.poll_next_unpin(cx) {
                self.cancels.remove(&finished.id);
                turn.spend(finished.payload.len());
                self.reply(finished);
            } else {
                break;
            }
            progress = true;
        }
        progress
    }

    /// Starts what has been received, as far as there is room and this turn goes.
    fn take_calls(&mut self, turn: &mut Turn) -> Result<bool, FrameError> {
        let (mut progress, mut calls) = (false, 0);
        while self.has_room()
            && !turn.is_over()
            && let Some((header, call, payload)) = self.reader.next_frame()?
        {
            calls += u64::from(!matches!(call, Call::Cancel));
            let (received, queued) = (payload.len(), self.replies.queued_bytes());
            self.start(header, call, payload);
            turn.spend(received + self.replies.queued_bytes() - queued);
            progress = true;
        }
        if calls > 0 {
            // Together, because all connections share the counter.
            self.metrics.calls.increment(calls);
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
        let waits = call.waits();
        // A lookup has no payload; one that waits must not keep what a peer made up.
        let payload = if waits { Bytes::new() } else { payload };
        let request_bytes = payload.len();
        let started = Started { header, waits, request_bytes };
        match (call, &self.planes.metadata, &self.planes.chunks) {
            (Call::Job(job, request), Some(metadata), _) => {
                self.perform(started, metadata.job(job, request, payload), |answer| match answer {
                    Ok(answer) => (Response::Job(Ok(answer.reply)), answer.payload),
                    Err(e) => (Response::Job(Err(e)), Bytes::new()),
                });
            }
            (Call::Shard(request), Some(metadata), _) => {
                let conclude = |answer| (Response::Shard(answer), Bytes::new());
                self.perform(started, metadata.shard(request), conclude);
            }
            (Call::Chunk(request), _, Some(chunks)) => {
                self.perform_chunk(started, chunks.as_ref(), request, payload)
            }
            _ => {
                let response = refusal(header.kind, "this plane is not served here");
                self.reply(Finished { id, response, payload: Bytes::new(), request_bytes });
            }
        }
    }

    fn perform_chunk(
        &mut self,
        started: Started,
        chunks: &'a dyn Chunks,
        request: ChunkRequest,
        payload: Bytes,
    ) {
        fn conclude(answer: Result<ChunkReply, ChunkError>) -> (Response, Bytes) {
            (Response::Chunk(answer), Bytes::new())
        }
        let done = |answer: Result<(), ChunkError>| conclude(answer.map(|()| ChunkReply::Done));
        match request {
            ChunkRequest::Allocate(request) => {
                let allocated = |answer: Result<_, _>| conclude(answer.map(ChunkReply::Allocated));
                self.perform(started, chunks.allocate(request), allocated);
            }
            ChunkRequest::Write { chunk, offset } => {
                self.perform(started, chunks.write(chunk, offset, payload), done)
            }
            ChunkRequest::Read { chunk, offset, len } => {
                self.perform(started, chunks.read(chunk, offset, len), |answer| match answer {
                    Ok(bytes) => (Response::Chunk(Ok(ChunkReply::Done)), bytes),
                    Err(e) => conclude(Err(e)),
                });
            }
            ChunkRequest::Free(ids) => self.perform(started, chunks.free(ids), done),
            ChunkRequest::Touch(writes) => self.perform(started, chunks.touch(writes), done),
            ChunkRequest::EndJobs(term, jobs) => self.perform(started, chunks.end_jobs(term, jobs), done),
        }
    }

    /// Replies at once to what is ready, as most calls are. The others are kept, and polled again where a wake-up
    /// reaches them.
    fn perform<T: 'a>(
        &mut self,
        started: Started,
        mut work: BoxFuture<'a, T>,
        conclude: impl FnOnce(T) -> (Response, Bytes) + Send + 'a,
    ) {
        let Started { header: FrameHeader { id, kind, deadline_ms, .. }, waits, request_bytes } = started;
        let finished = move |(response, payload)| Finished { id, response, payload, request_bytes };
        if let Some(answer) = (&mut work).now_or_never() {
            return self.reply(finished(conclude(answer)));
        }
        let give_up = move || finished((refusal(kind, "the deadline has passed"), Bytes::new()));
        let time = Duration::from_millis(deadline_ms.into()).min(CALL_MAX);
        let running = tokio::time::timeout(time, work.map(conclude).map(finished));
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
            self.reply(finished((Response::Job(Err(MetadataError::Crowded)), Bytes::new())));
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

impl Drop for Session<'_> {
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
