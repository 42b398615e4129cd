//! Frames on their way in: bytes of one connection, cut into decoded messages and payloads. A large payload is
//! received straight into a buffer of its own; nothing is allocated by a length that was not checked.

use crate::frame::{FRAME_HEADER_BYTES, FrameError, FrameHeader};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// What one read takes while headers are expected. Holds a hundred small frames; of a large payload no more than this
/// is copied.
const READ_BUFFER_BYTES: usize = 16 << 10;

/// A payload of at least this much is bulk. Where one comes, more are likely to follow: reads then end shortly behind a
/// payload and begin shortly before one, so that nearly all of it is received where it stays, and still one read takes
/// the end of one and the beginning of the next. Far above what is kept for long, whose buffers have no room to spare.
const BULK_MIN_BYTES: usize = 32 << 10;

/// What a read between bulk payloads takes beyond the one in front: the header and the message of the next one, or the
/// replies of thirty writes.
const BETWEEN_BULK_BYTES: usize = 2 << 10;

/// A payload's buffer has this size at first and doubles as bytes come in: a peer must send to make us allocate.
/// Chunks fit without doubling.
const PAYLOAD_FIRST_BYTES: usize = 1 << 20;

/// A header part, decoded: requests at the server, replies at the client.
pub trait Message: Sized {
    fn decode(header: &FrameHeader, part: &[u8]) -> Result<Self, FrameError>;
}

#[derive(Debug)]
pub struct FrameReader<M> {
    buffer: BytesMut,
    /// The last payload was one.
    in_bulk: bool,
    /// A frame that lacks some of its payload, which then is all that is read.
    filling: Option<Filling<M>>,
}

#[derive(Debug)]
struct Filling<M> {
    header: FrameHeader,
    message: M,
    /// With what was received behind it, once it is complete.
    payload: Vec<u8>,
}

impl<M> Filling<M> {
    fn missing(&self) -> usize {
        (self.header.payload_bytes as usize).saturating_sub(self.payload.len())
    }
}

impl<M> Default for FrameReader<M> {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), in_bulk: false, filling: None }
    }
}

impl<M: Message> FrameReader<M> {
    /// The next frame that is complete, without reading.
    pub fn next_frame(&mut self) -> Result<Option<(FrameHeader, M, Bytes)>, FrameError> {
        if self.filling.as_ref().is_some_and(|f| f.missing() > 0) {
            return Ok(None);
        }
        if let Some(Filling { header, message, mut payload }) = self.filling.take() {
            // The buffer is empty: all that came went into the payload.
            self.buffer.extend_from_slice(&payload[header.payload_bytes as usize..]);
            payload.truncate(header.payload_bytes as usize);
            return Ok(Some((header, message, payload.into())));
        }
        let Some(header) = self.header()? else { return Ok(None) };
        let head = FRAME_HEADER_BYTES + header.header_bytes as usize;
        let Some(part) = self.buffer.get(FRAME_HEADER_BYTES..head) else { return Ok(None) };
        let message = M::decode(&header, part)?;
        self.buffer.advance(head);
        let payload_bytes = header.payload_bytes as usize;
        if let Some(payload) = self.buffer.get(..payload_bytes) {
            // A copy, so that a payload that is kept does not keep the whole buffer.
            let payload = Bytes::copy_from_slice(payload);
            self.buffer.advance(payload_bytes);
            self.in_bulk &= payload_bytes == 0;
            return Ok(Some((header, message, payload)));
        }
        self.in_bulk = payload_bytes >= BULK_MIN_BYTES;
        let capacity = (payload_bytes + self.room_behind()).min(PAYLOAD_FIRST_BYTES);
        let mut payload = Vec::with_capacity(capacity);
        payload.extend_from_slice(&self.buffer);
        self.buffer.clear();
        self.filling = Some(Filling { header, message, payload });
        Ok(None)
    }

    /// Reads once; 0 is the end of the stream. To be called when [`Self::next_frame`] has nothing left.
    pub fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let (io, behind) = (Pin::new(io), self.room_behind());
        if let Some(filling) = &mut self.filling {
            let wanted = filling.missing() + behind;
            let payload = &mut filling.payload;
            if payload.len() == payload.capacity() {
                payload.reserve_exact(wanted.min(payload.len()));
            }
            return poll_read_buf(io, cx, &mut payload.limit(wanted));
        }
        if self.buffer.is_empty() && self.buffer.capacity() > 4 * READ_BUFFER_BYTES {
            // Grown for one long message: back to normal.
            self.buffer = BytesMut::new();
        }
        let wanted = self.wanted_bytes();
        self.buffer.reserve(wanted);
        poll_read_buf(io, cx, &mut (&mut self.buffer).limit(wanted))
    }

    /// Bytes that are in the buffer or a payload and belong to a frame that is not complete.
    pub(crate) fn has_partial_frame(&self) -> bool {
        self.filling.is_some() || !self.buffer.is_empty()
    }

    /// What a read may take behind the payload that it completes.
    fn room_behind(&self) -> usize {
        if self.in_bulk { BETWEEN_BULK_BYTES } else { 0 }
    }

    fn header(&self) -> Result<Option<FrameHeader>, FrameError> {
        self.buffer.first_chunk().map(FrameHeader::decode).transpose()
    }

    /// How much room the next read gets: what the message in front still lacks, and never less than a buffer.
    fn wanted_bytes(&self) -> usize {
        let header_part = match self.header() {
            Ok(Some(header)) => header.header_bytes as usize,
            _ => 0,
        };
        let least = if self.in_bulk { BETWEEN_BULK_BYTES } else { READ_BUFFER_BYTES };
        (FRAME_HEADER_BYTES + header_part).saturating_sub(self.buffer.len()).max(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameKind, HEADER_PART_MAX_BYTES};
    use crate::queue::FrameQueue;
    use proptest::prelude::*;
    use std::task::Waker;
    use tokio::io::ReadBuf;

    /// Any bytes, as postcard writes them.
    #[derive(Debug, PartialEq)]
    struct Text(String);

    impl Message for Text {
        fn decode(header: &FrameHeader, part: &[u8]) -> Result<Self, FrameError> {
            let bad = |e: postcard::Error| FrameError::Message(header.kind, e.to_string());
            postcard::from_bytes(part).map(Self).map_err(bad)
        }
    }

    /// A stream that hands its bytes out in pieces of given sizes, over and over, and then ends.
    struct Pieces {
        bytes: Bytes,
        sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let size = self.sizes.next().unwrap_or(1).min(buf.remaining()).min(self.bytes.len());
            buf.put_slice(&self.bytes.split_to(size));
            Poll::Ready(Ok(()))
        }
    }

    type Frames = Vec<(u64, Text, Bytes)>;

    /// Everything that comes out of `bytes`, and how it ended: an error, or whether a frame was left incomplete.
    fn read_all(bytes: Bytes, sizes: Vec<usize>) -> (Frames, Result<bool, FrameError>) {
        let mut stream = Pieces { bytes, sizes: sizes.into_iter().cycle() };
        let mut reader = FrameReader::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut frames = Vec::new();
        loop {
            match reader.next_frame() {
                Err(e) => return (frames, Err(e)),
                Ok(Some((header, text, payload))) => frames.push((header.id, text, payload)),
                Ok(None) => match reader.poll_fill(&mut stream, &mut context) {
                    Poll::Ready(Ok(0)) => return (frames, Ok(reader.has_partial_frame())),
                    Poll::Ready(Ok(_)) => {}
                    other => unreachable!("{other:?}"),
                },
            }
        }
    }

    fn sent(queue: &mut FrameQueue) -> Bytes {
        let mut bytes = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while !queue.is_empty() {
            assert!(matches!(queue.poll_write(&mut bytes, &mut context), Poll::Ready(Ok(1..))));
        }
        bytes.into()
    }

    fn frames() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        let payload = prop_oneof![
            Just(Vec::new()),
            proptest::collection::vec(any::<u8>(), 0..5_000),
            (0..200_000_usize).prop_map(|n| vec![7; n]),
        ];
        proptest::collection::vec((".{0,60}", payload), 0..6)
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_cuts_them(
            frames in frames(),
            sizes in proptest::collection::vec(1..40_000_usize, 1..6),
            split: usize,
        ) {
            let (mut first, mut second) = (FrameQueue::default(), FrameQueue::default());
            let split = split % (frames.len() + 1);
            let mut expected = Vec::new();
            for (i, (text, payload)) in frames.into_iter().enumerate() {
                let queue = if i < split { &mut first } else { &mut second };
                let payload = Bytes::from(payload);
                queue.push(FrameKind::JobRequest, i as u64, 9, &text, payload.clone()).unwrap();
                expected.push((i as u64, Text(text), payload));
            }
            first.append(&mut second);
            prop_assert!(second.is_empty());
            let (found, end) = read_all(sent(&mut first), sizes);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(end, Ok(false));
        }

        #[test]
        fn a_stream_cut_anywhere_yields_whole_frames_only(frames in frames(), cut: usize) {
            let mut queue = FrameQueue::default();
            let mut ends = vec![0];
            for (text, payload) in frames {
                queue.push(FrameKind::ChunkReply, 1, 0, &text, payload.into()).unwrap();
                ends.push(queue.queued_bytes());
            }
            let bytes = sent(&mut queue);
            let cut = cut % (bytes.len() + 1);
            let (found, end) = read_all(bytes.slice(..cut), vec![16 << 10]);
            prop_assert_eq!(found.len(), ends.iter().filter(|e| **e <= cut).count() - 1);
            prop_assert_eq!(end, Ok(!ends.contains(&cut)));
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 32..4_000),
            well_begun: bool,
        ) {
            let mut bytes = bytes;
            if well_begun {
                let (kind, id) = (FrameKind::JobReply, 1);
                let header = FrameHeader { kind, header_bytes: 40, payload_bytes: 3_000, id, deadline_ms: 0 };
                bytes[..32].copy_from_slice(&header.encode());
            } else {
                bytes[0] = 0;
            }
            let (found, end) = read_all(bytes.into(), vec![100]);
            prop_assert!(well_begun || (found.is_empty() && end.is_err()));
        }
    }

    #[test]
    fn a_length_that_lies_does_not_allocate_what_it_says() {
        let (kind, id) = (FrameKind::JobRequest, 1);
        let header =
            FrameHeader { kind, header_bytes: 1, payload_bytes: 16 << 20, id, deadline_ms: 0 }.encode();
        let mut stream: &[u8] = &[&header[..], &[0], &[1; 100]].concat();
        let mut reader = FrameReader::<Text>::default();
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(reader.poll_fill(&mut stream, &mut context), Poll::Ready(Ok(133))));
        assert_eq!(reader.next_frame(), Ok(None));
        let allocated = reader.filling.as_ref().unwrap().payload.capacity();
        assert!((100..=PAYLOAD_FIRST_BYTES).contains(&allocated), "{allocated}");
    }

    #[test]
    fn of_bulk_little_is_copied_and_each_read_begins_the_next_frame() {
        const FRAMES: usize = 8;
        let mut queue = FrameQueue::default();
        for _ in 0..FRAMES {
            queue.push(FrameKind::ChunkReply, 1, 0, &"text", vec![7; 64 << 10].into()).unwrap();
        }
        queue.push(FrameKind::ChunkReply, 1, 0, &"text", vec![7; 100].into()).unwrap();
        let bytes = sent(&mut queue);
        let (mut stream, mut reader) = (&bytes[..], FrameReader::<Text>::default());
        let mut context = Context::from_waker(Waker::noop());
        let (mut frames, mut reads) = (0, 0);
        while frames <= FRAMES {
            if reader.next_frame().unwrap().is_some() {
                frames += 1;
                continue;
            }
            assert!(matches!(reader.poll_fill(&mut stream, &mut context), Poll::Ready(Ok(1..))));
            reads += 1;
            let copied = reader.buffer.len();
            assert!(reads == 1 || copied <= BETWEEN_BULK_BYTES, "{copied} bytes lie where they cannot stay");
        }
        assert_eq!(reads, 1 + FRAMES, "one for the first header, then one a payload");
        assert!(!reader.in_bulk && reader.wanted_bytes() == READ_BUFFER_BYTES, "small frames come in tens");
    }

    #[test]
    fn what_the_peer_would_refuse_is_not_queued() {
        let mut queue = FrameQueue::default();
        queue.push(FrameKind::JobRequest, 1, 0, &"before", Bytes::from_static(b"x")).unwrap();
        let long = "x".repeat(HEADER_PART_MAX_BYTES);
        let refused = queue.push(FrameKind::JobRequest, 2, 0, &long, Bytes::new());
        assert!(matches!(refused, Err(FrameError::HeaderTooLong(_))), "{refused:?}");
        let huge = Bytes::from(vec![0; crate::frame::PAYLOAD_MAX_BYTES + 1]);
        let refused = queue.push(FrameKind::JobRequest, 3, 0, &"text", huge);
        assert!(matches!(refused, Err(FrameError::PayloadTooLong(_))), "{refused:?}");
        queue.push(FrameKind::JobRequest, 4, 0, &"after", Bytes::new()).unwrap();
        let (found, end) = read_all(sent(&mut queue), vec![1000]);
        assert_eq!(found.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(end, Ok(false));
    }
}
