//! Frames on their way out of one connection: encoded back to back into one buffer, with large payloads beside it as
//! they are, and sent many at a time in one system call. Never copies a large payload.

use crate::frame::{FRAME_HEADER_BYTES, FrameError, FrameHeader, FrameKind, check_lengths};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Payloads up to this size are copied behind their header: cheaper than two more slices and a reference count.
const COALESCE_MAX_BYTES: usize = 2 << 10;

/// Slices in one system call. Linux takes 1,024; 64 already spread its cost thin and fit the stack.
const SLICES_PER_WRITE: usize = 64;

/// Frames in the order in which they were pushed. Its bounds are the callers': what may be in flight, and at the
/// server the length at which it stops to take requests.
#[derive(Debug, Default)]
pub struct FrameQueue {
    /// Ready to be sent, none empty.
    slices: VecDeque<Bytes>,
    /// Frames behind the last slice.
    tail: BytesMut,
    queued_bytes: usize,
}

impl FrameQueue {
    /// Encodes a frame; refuses one that the peer would refuse, and then queues nothing of it.
    pub fn push<M: Serialize>(
        &mut self,
        kind: FrameKind,
        id: u64,
        deadline_ms: u32,
        message: &M,
        payload: Bytes,
    ) -> Result<(), FrameError> {
        let start = self.tail.len();
        self.tail.put_bytes(0, FRAME_HEADER_BYTES);
        let encoded = postcard::serialize_with_flavor(message, Tail(&mut self.tail))
            .map_err(|e| FrameError::Message(kind, e.to_string()));
        let header_part = self.tail.len() - start - FRAME_HEADER_BYTES;
        if let Err(e) = encoded.and_then(|()| check_lengths(header_part, payload.len())) {
            self.tail.truncate(start);
            return Err(e);
        }
        let header = FrameHeader {
            kind,
            header_bytes: header_part as u32,
            payload_bytes: payload.len() as u32,
            id,
            deadline_ms,
        };
        self.tail[start..start + FRAME_HEADER_BYTES].copy_from_slice(&header.encode());
        self.queued_bytes += FRAME_HEADER_BYTES + header_part + payload.len();
        if payload.len() <= COALESCE_MAX_BYTES {
            self.tail.extend_from_slice(&payload);
        } else {
            self.slices.push_back(self.tail.split().freeze());
            self.slices.push_back(payload);
        }
        Ok(())
    }

    /// Moves all frames of `other` behind these.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else if !other.is_empty() {
            self.seal();
            other.seal();
            self.slices.append(&mut other.slices);
            self.queued_bytes += std::mem::take(&mut other.queued_bytes);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.queued_bytes == 0
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Sends as much as the socket takes in one call; answers how many bytes that were. Not to be called when empty.
    pub fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.seal();
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let count = self.slices.len().min(SLICES_PER_WRITE);
        for (slice, bytes) in slices.iter_mut().zip(&self.slices) {
            *slice = IoSlice::new(bytes);
        }
        let sent = ready!(Pin::new(io).poll_write_vectored(cx, &slices[..count]))?;
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.consume(sent);
        Poll::Ready(Ok(sent))
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.slices.push_back(self.tail.split().freeze());
        }
    }

    fn consume(&mut self, mut sent: usize) {
        self.queued_bytes -= sent;
        while let Some(front) = self.slices.front_mut() {
            if sent < front.len() {
                front.advance(sent);
                return;
            }
            sent -= front.len();
            self.slices.pop_front();
        }
    }
}

/// Lets postcard write behind what is already in the buffer.
struct Tail<'a>(&'a mut BytesMut);

impl Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.put_u8(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
