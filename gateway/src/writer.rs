//! The object writer: takes the bytes of a PUT, a part or a copy, and leaves them where a commit can name them. Small
//! ones are collected to travel with the commit; large ones go straight to reserved chunks as they come.
//!
//! It never commits, and never decides whether a body is right: its caller does both when the last byte has passed.

mod cursor;

use crate::checksums::Running;
use crate::content_tag::{ContentTag, Passing};
use crate::errors::{self, CallError, s3, slow_down};
use crate::placements::{Bucket, Follow, Placements};
use crate::space::{self, Room, SpaceError};
use crate::transfers::{Ticket, Transfers, Writing};
use bytes::Bytes;
use cursor::Cursor;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt};
use md5::{Digest, Md5};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::budget::{ByteBudget, Share};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm};
use pocket_api::chunks::{ChunkError, Chunks};
use pocket_api::cluster::Directory;
use pocket_api::env::Env;
use pocket_api::hints::ETagRule;
use pocket_api::ids::{NodeId, WriteId};
use pocket_api::limits::{CHANGE_WITHIN, CHUNK_GAPS_MAX};
use pocket_api::metadata::{Answer, Request};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, NewContent};
use pocket_edge::context::Connection;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// Bytes of one body that are on their way to storage servers at once: enough to keep a network of 10 Gb/s and 1 ms
/// busy, small enough for thousands of writers.
const BYTES_IN_FLIGHT_MAX: u64 = 4 << 20;
/// Room that a body must find in the gateway's buffers before it is read: it may have so much on its way to storage whatever others do.
const BYTES_IN_FLIGHT_LEAST: u64 = 64 << 10;
/// Writes of one body that are on their way at once: below [`pocket_api::limits::CHUNK_GAPS_MAX`], because they may
/// arrive in any order.
const WRITES_IN_FLIGHT_MAX: usize = 64;

pub(crate) struct Writer {
    node: NodeId,
    directory: Arc<dyn Directory>,
    transfers: Arc<Transfers>,
    buffers: ByteBudget,
    env: Env,
    next_write: AtomicU64,
}

/// Bytes to be written, and what is known of them beforehand.
pub(crate) struct Source<'a, S> {
    pub(crate) body: S,
    pub(crate) size: u64,
    /// Up to so many bytes travel with their commit: [`pocket_api::limits::INLINE_MAX_BYTES`] or less.
    pub(crate) inline_max_bytes: usize,
    /// From Content-MD5: the edge verifies it.
    pub(crate) md5: Option<[u8; 16]>,
    /// A checksum to be computed, because nobody sends one.
    pub(crate) sum: Option<ChecksumAlgorithm>,
    pub(crate) connection: &'a Arc<Connection>,
}

/// Bytes that were written and wait for their commit. Dropped, they are given back.
pub(crate) struct Written {
    pub(crate) write: WriteId,
    pub(crate) size: u64,
    pub(crate) etag: ETag,
    /// That which was to be computed.
    pub(crate) checksum: Option<Checksum>,
    content: NewContent,
    payload: Bytes,
    /// Absent for inline bytes.
    room: Option<(Room, Writing)>,
}

/// Why bytes could not be written. Nothing of them is left behind.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The body broke off or was found wrong.
    Body(Refusal),
    /// It ended after so many bytes, or went on after them.
    Length(u64),
    /// The gateway's buffers are full.
    Crowded,
    Space(SpaceError),
    Chunk(ChunkError),
    /// A server of the reservation has gone.
    ServerGone(NodeId),
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Body(refusal) => refusal,
            WriteError::Length(bytes) => {
                s3(ErrorCode::IncompleteBody, format!("the body's length is wrong at byte {bytes}"))
            }
            WriteError::Crowded => errors::buffers_are_full(),
            WriteError::Space(SpaceError::NeverFits { capacity_bytes }) => {
                let text = format!(
                    "the object can never fit: all storage servers together hold {capacity_bytes} bytes"
                );
                s3(ErrorCode::EntityTooLarge, text).with("MaxSizeAllowed", capacity_bytes)
            }
            WriteError::Space(SpaceError::Full(Some(shortage))) => {
                slow_down(format!("storage has no room for this at the moment: {shortage}"))
            }
            WriteError::Space(SpaceError::Full(None)) => {
                slow_down("no storage server of this bucket can be asked for room at the moment")
            }
            WriteError::Chunk(error) => errors::from_chunks(error),
            WriteError::ServerGone(node) => {
                errors::unavailable(format!("storage server {node} is not reachable"))
            }
        }
    }
}

impl From<SpaceError> for WriteError {
    fn from(error: SpaceError) -> Self {
        Self::Space(error)
    }
}

impl From<ChunkError> for WriteError {
    fn from(error: ChunkError) -> Self {
        Self::Chunk(error)
    }
}

impl Writer {
    pub(crate) fn new(
        node: NodeId,
        directory: Arc<dyn Directory>,
        transfers: Arc<Transfers>,
        buffers: ByteBudget,
        env: Env,
    ) -> Self {
        Self { node, directory, transfers, buffers, env, next_write: AtomicU64::new(1) }
    }

    /// A new act of writing.
    pub(crate) fn mint(&self) -> WriteId {
        WriteId { gateway: self.node, number: self.next_write.fetch_add(1, Ordering::Relaxed) }
    }

    /// Writes a body for a key of `bucket`. Space is reserved before the first byte of it is asked for.
    pub(crate) async fn write<S>(
        &self,
        bucket: &Bucket<'_>,
        key: &ObjectKey,
        source: Source<'_, S>,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    {
        let hints = &bucket.placement.hints;
        let rule = hints.etag;
        let shard = bucket.shard(key);
        if source.size <= source.inline_max_bytes as u64 {
            let mut passing = Passing::new(content_tag(source.md5, rule, ETagRule::Md5), source.sum);
            let write = self.mint();
            // Nothing has to be kept alive for it but a job that ends by idleness.
            let writing = hints.idle_ttl.map(|_| {
                let asked = self.env.now();
                self.transfers.write(&bucket.placement, shard, write, Vec::new(), asked, source.connection)
            });
            let body =
                source.body.inspect(|_| writing.iter().for_each(|writing| writing.ticket().progress()));
            let payload = collect(body, source.size as usize, &self.buffers).await?;
            passing.update(&payload);
            let (etag, checksum) = passing.finish(source.size);
            let content = NewContent::Inline;
            return Ok(Written { write, size: source.size, etag, checksum, content, payload, room: None });
        }
        self.write_chunks(bucket, key, source, Length::Exact).await
    }

    /// Writes a body that may end before `source.size` bytes. What was reserved in excess is given back.
    pub(crate) async fn write_at_most<S>(
        &self,
        bucket: &Bucket<'_>,
        key: &ObjectKey,
        source: Source<'_, S>,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    {
        let Source { mut body, size, inline_max_bytes, md5, sum, connection } = source;
        // A small one is written as one whose length is known.
        let room = room(&self.buffers, inline_max_bytes as u64)?;
        let mut begun = Vec::new();
        while begun.len() <= inline_max_bytes {
            match body.next().await {
                Some(frame) => begun.extend_from_slice(&frame.map_err(WriteError::Body)?),
                None => {
                    let size = begun.len() as u64;
                    let body = stream::iter([Ok(Bytes::from(begun))]);
                    let source = Source { body, size, inline_max_bytes, md5, sum, connection };
                    return self.write(bucket, key, source).await;
                }
            }
        }
        drop(room);
        let body = stream::iter([Ok(Bytes::from(begun))]).chain(body);
        let source = Source { body, size, inline_max_bytes, md5, sum, connection };
        self.write_chunks(bucket, key, source, Length::AtMost).await
    }

    /// Writes a body into chunks, whatever its size.
    async fn write_chunks<S>(
        &self,
        bucket: &Bucket<'_>,
        key: &ObjectKey,
        source: Source<'_, S>,
        length: Length,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    {
        let in_flight = room(&self.buffers, BYTES_IN_FLIGHT_LEAST)?;
        let shard = bucket.shard(key);
        let asked = self.env.now();
        let (write, mut room) =
            space::reserve(&self.directory, &self.env, bucket, shard, || self.mint(), source.size).await?;
        let servers = room.servers();
        let writing =
            self.transfers.write(&bucket.placement, shard, write, servers, asked, source.connection);
        let tag = content_tag(source.md5, bucket.placement.hints.etag, ETagRule::Fast);
        let mut passing = Passing::new(tag, source.sum);
        let size = self.fill(&room, writing.ticket(), source.body, in_flight, &mut passing).await?;
        match length {
            Length::Exact if size < source.size => return Err(WriteError::Length(size)),
            Length::Exact => {}
            Length::AtMost => room.shorten(size).await?,
        }
        let (etag, checksum) = passing.finish(size);
        let content = NewContent::Chunks { extents: room.extents().collect() };
        Ok(Written {
            write,
            size,
            etag,
            checksum,
            content,
            payload: Bytes::new(),
            room: Some((room, writing)),
        })
    }

    /// Moves a body into its chunks, several writes in flight; answers with its length. `window`: what may be in flight, but for the
    /// last frame; it grows where there is room.
    async fn fill<S>(
        &self,
        room: &Room,
        ticket: &Ticket,
        mut body: S,
        mut window: Share,
        passing: &mut Passing,
    ) -> Result<u64, WriteError>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    {
        let mut cursor = Cursor::new(room.extents());
        let mut server: Option<(NodeId, Arc<dyn Chunks>)> = None;
        const { assert!(WRITES_IN_FLIGHT_MAX < CHUNK_GAPS_MAX) }
        let mut in_flight: FuturesUnordered<WriteFuture> = FuturesUnordered::new();
        let mut bytes_in_flight = 0;
        let mut ended = false;
        while !ended || !in_flight.is_empty() {
            if bytes_in_flight >= window.bytes() && bytes_in_flight < BYTES_IN_FLIGHT_MAX {
                // Where there is no room it goes on with what it has.
                let _ = window.grow(BYTES_IN_FLIGHT_LEAST);
            }
            let is_hungry = bytes_in_flight < window.bytes() && in_flight.len() < WRITES_IN_FLIGHT_MAX;
            tokio::select! {
                biased;
                Some((len, outcome)) = in_flight.next(), if !in_flight.is_empty() => {
                    outcome?;
                    bytes_in_flight -= len as u64;
                    if bytes_in_flight == 0 {
                        window.shrink(BYTES_IN_FLIGHT_LEAST);
                    }
                    ticket.progress();
                }
                frame = body.next(), if !ended && is_hungry => {
                    let Some(frame) = frame else {
                        ended = true;
                        continue;
                    };
                    let frame = frame.map_err(WriteError::Body)?;
                    ticket.progress();
                    passing.update(&frame);
                    let mut rest = frame;
                    while !rest.is_empty() {
                        let (at, offset, len) = cursor.advance(rest.len()).ok_or(WriteError::Length(cursor.passed))?;
                        let data = rest.split_to(len);
                        let node = at.chunk.server;
                        if server.as_ref().is_none_or(|(current, _)| *current != node) {
                            let found = self.directory.server(node).ok_or(WriteError::ServerGone(node))?;
                            server = Some((node, found));
                        }
                        let Some((_, chunks)) = &server else { continue };
                        let chunks = chunks.clone();
                        let mut write: WriteFuture =
                            Box::pin(async move { (len, chunks.write(at.chunk, offset, data).await) });
                        // In one process a write is a copy and ends at once.
                        match futures::poll!(&mut write) {
                            Poll::Ready((_, outcome)) => outcome?,
                            Poll::Pending => {
                                bytes_in_flight += len as u64;
                                in_flight.push(write);
                            }
                        }
                    }
                }
            }
        }
        Ok(cursor.passed)
    }
}

/// `otherwise`: the rule for where the client decides and has not sent Content-MD5.
fn content_tag(md5: Option<[u8; 16]>, rule: ETagRule, otherwise: ETagRule) -> ContentTag {
    let rule = if rule == ETagRule::ByClient { otherwise } else { rule };
    match (md5, rule) {
        (Some(digest), _) => ContentTag::Known(digest),
        (None, ETagRule::Md5) => ContentTag::Md5(Md5::new()),
        (None, ETagRule::ByClient | ETagRule::Fast) => ContentTag::cheap(),
    }
}

/// What the size of a source says of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Exact,
    AtMost,
}

type WriteFuture = Pin<Box<dyn Future<Output = (usize, Result<(), ChunkError>)> + Send>>;

fn room(buffers: &ByteBudget, bytes: u64) -> Result<Share, WriteError> {
    buffers.share(bytes).ok_or(WriteError::Crowded)
}

/// A small body in memory of exactly its size, so that no larger buffer of the connection stays alive with it. One that is
/// not here yet needs room while it comes.
async fn collect<S>(mut body: S, size: usize, buffers: &ByteBudget) -> Result<Bytes, WriteError>
where
    S: Stream<Item = Result<Bytes, Refusal>> + Unpin,
{
    let mut collected = Vec::with_capacity(size);
    let mut held = None;
    loop {
        let frame = match futures::poll!(body.next()) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                if held.is_none() {
                    held = Some(room(buffers, size as u64)?);
                }
                body.next().await
            }
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(WriteError::Body)?;
        if collected.len() + frame.len() > size {
            return Err(WriteError::Length(collected.len() as u64));
        }
        collected.extend_from_slice(&frame);
    }
    if collected.len() == size {
        Ok(collected.into())
    } else {
        Err(WriteError::Length(collected.len() as u64))
    }
}

impl Written {
    /// The same bytes once more where they travel with their commit, to be committed again if that is refused.
    pub(crate) fn small(&self) -> Option<Self> {
        let Self { write, size, etag, ref checksum, ref content, ref payload, ref room } = *self;
        let (checksum, content, payload) = (checksum.clone(), content.clone(), payload.clone());
        room.is_none().then(|| Self { write, size, etag, checksum, content, payload, room: None })
    }

    /// With another checksum; for small ones, whose bytes are at hand.
    pub(crate) fn summed_by(self, algorithm: ChecksumAlgorithm) -> Self {
        let mut running = Running::new(algorithm);
        running.update(&self.payload);
        Self { checksum: Some(running.finish()), ..self }
    }

    /// Sends what `make` builds of these bytes to the shard that they were written for. Whatever becomes of it, space
    /// is neither lost nor freed twice.
    pub(crate) async fn commit(
        self,
        placements: &Placements,
        bucket: &mut Bucket<'_>,
        key: &ObjectKey,
        make: impl Fn(NewContent) -> Request + Send + Sync,
    ) -> Result<Answer, CallError> {
        let Self { content, payload, room, .. } = self;
        let follow = if room.is_some() { Follow::SameShard } else { Follow::Key };
        // From here on the shard may know the chunks, also if this future is dropped before it has answered.
        let room = room.map(|(mut room, writing)| {
            room.keep();
            // Its servers may give the chunks up when they have not heard of the write for a while.
            bucket.until = writing.heard().map_or(bucket.until, |heard| heard + CHANGE_WITHIN);
            (room, writing)
        });
        let outcome = placements.call(bucket, key, follow, payload, || make(content.clone())).await;
        if let (Some((room, _)), Err(error)) = (room, &outcome)
            && !error.outcome_is_unknown()
        {
            room.give_back();
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_small_body_is_collected_only_at_its_exact_length() {
        let body = |pieces: &'static [&'static str]| {
            stream::iter(pieces.iter().map(|p| Ok::<_, Refusal>(Bytes::from_static(p.as_bytes()))))
        };
        let full = ByteBudget::new(0);
        assert_eq!(collect(body(&["ab", "", "c"]), 3, &full).await.unwrap(), "abc");
        for (pieces, size) in [(&["ab"][..], 3), (&["ab", "cd"], 3), (&["a"], 0)] {
            assert!(matches!(collect(body(pieces), size, &full).await, Err(WriteError::Length(_))));
        }
    }

    #[tokio::test]
    async fn a_small_body_that_has_to_be_waited_for_needs_room() {
        let late = || {
            Box::pin(stream::once(async {
                tokio::task::yield_now().await;
                Ok::<_, Refusal>(Bytes::from_static(b"abc"))
            }))
        };
        let buffers = ByteBudget::new(3);
        assert_eq!(collect(late(), 3, &buffers).await.unwrap(), "abc");
        assert_eq!(buffers.used_bytes(), 0);
        let others = buffers.share(1).unwrap();
        assert!(matches!(collect(late(), 3, &buffers).await, Err(WriteError::Crowded)));
        drop(others);
        assert_eq!(buffers.used_bytes(), 0);
    }
}
