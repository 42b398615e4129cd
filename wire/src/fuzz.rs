//! Fuzz targets for what a peer of the framed seam sends: streams of frames, and the messages within them. What is
//! taken reads back the same after it is written again, however the stream was cut.

pub(crate) mod handshake;

use crate::frame::{FRAME_HEADER_BYTES, FrameError, FrameHeader, FrameKind};
use crate::message::{Call, Response};
use crate::queue::FrameQueue;
use crate::reader::{FrameReader, Message};
use crate::seeds::{calls, responses};
use bytes::Bytes;
use pocket_fuzz::{Mutant, Mutants, check, produce, within_memory};
use std::task::{Context, Poll, Waker};

/// A byte may be the length of an empty name, and a list of names holds a few words for each.
const MEMORY_FACTOR: usize = 64;
/// A payload's first buffer, and what serde takes before it has seen the items of a list that claims to be long.
const BUFFERS_BYTES: usize = 4 << 20;

/// Writes one frame.
pub(crate) trait Written {
    fn push_to(&self, queue: &mut FrameQueue, header: &FrameHeader, payload: Bytes)
    -> Result<(), FrameError>;
}

impl Written for Call {
    fn push_to(
        &self,
        queue: &mut FrameQueue,
        header: &FrameHeader,
        payload: Bytes,
    ) -> Result<(), FrameError> {
        self.push(queue, header.id, header.deadline_ms, payload)
    }
}

impl Written for Response {
    fn push_to(
        &self,
        queue: &mut FrameQueue,
        header: &FrameHeader,
        payload: Bytes,
    ) -> Result<(), FrameError> {
        self.push(queue, header.id, payload)
    }
}

pub(crate) fn bytes_of(mut queue: FrameQueue) -> Vec<u8> {
    let (mut bytes, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
    while !queue.is_empty() {
        assert!(queue.poll_write(&mut bytes, &mut cx).is_ready());
    }
    bytes
}

/// Streams of one to four frames, some with payloads.
fn streams<M: Written>(messages: &[M]) -> Mutants {
    let header =
        |id| FrameHeader { kind: FrameKind::Cancel, header_bytes: 0, payload_bytes: 0, id, deadline_ms: 9 };
    let stream = |messages: &[M]| {
        let mut queue = FrameQueue::default();
        for (id, message) in messages.iter().enumerate() {
            let payload = Bytes::from(vec![7; [0, 5, 3_000][id % 3]]);
            message.push_to(&mut queue, &header(id as u64), payload).unwrap();
        }
        bytes_of(queue)
    };
    Mutants::of(messages.chunks(1).chain(messages.chunks(4)).map(stream).collect::<Vec<_>>())
}

/// What came out of a stream, and how it ended: whether a frame was left incomplete, or what was wrong.
#[derive(Debug, PartialEq)]
struct Read {
    /// Header, message and payload as text.
    frames: Vec<String>,
    end: Result<bool, FrameError>,
}

/// Reads a stream that comes in pieces of these sizes, over and over; `seen` gets every frame.
fn read<M: Message + std::fmt::Debug>(
    stream: &[u8],
    sizes: &[u8],
    mut seen: impl FnMut(&FrameHeader, &M, &Bytes),
) -> Read {
    let (mut reader, mut cx) = (FrameReader::<M>::default(), Context::from_waker(Waker::noop()));
    let mut sizes = sizes.iter().map(|&size| usize::from(size).max(1)).cycle();
    let (mut frames, mut rest) = (Vec::new(), stream);
    loop {
        match reader.next_frame() {
            Ok(Some((header, message, payload))) => {
                assert_eq!(header.payload_bytes as usize, payload.len());
                seen(&header, &message, &payload);
                frames.push(format!("{header:?} {message:?} {payload:?}"));
            }
            Ok(None) if rest.is_empty() => return Read { frames, end: Ok(reader.has_partial_frame()) },
            Ok(None) => {
                let size = sizes.next().unwrap_or(usize::MAX).min(rest.len());
                let mut piece = &rest[..size];
                assert!(matches!(reader.poll_fill(&mut piece, &mut cx), Poll::Ready(Ok(read)) if read > 0));
                rest = &rest[size - piece.len()..];
            }
            Err(error) => return Read { frames, end: Err(error) },
        }
    }
}

fn check_streams<M: Message + Written + std::fmt::Debug>(stream: &[u8], sizes: &[u8]) {
    let whole =
        within_memory(stream.len() + BUFFERS_BYTES, MEMORY_FACTOR, || read::<M>(stream, &[], |_, _, _| {}));
    assert_eq!(read::<M>(stream, sizes, |_, _, _| {}), whole);
    // Written again and read again it is the same; lengths may be written shorter.
    read::<M>(stream, &[], |header, message, payload| {
        let mut queue = FrameQueue::default();
        message.push_to(&mut queue, header, payload.clone()).unwrap();
        let written = bytes_of(queue);
        let again = read::<M>(&written, &[], |again, same, _| {
            assert_eq!((again.kind, again.id), (header.kind, header.id));
            assert_eq!(format!("{same:?}"), format!("{message:?}"));
        });
        assert_eq!((again.frames.len(), again.end), (1, Ok(false)));
    });
}

#[test]
fn streams_of_calls_are_read_alike_however_they_are_cut() {
    let input = (streams(&calls()), produce::<Vec<u8>>());
    check!(10_000, input, |(stream, sizes): &(Mutant, Vec<u8>)| check_streams::<Call>(stream, sizes));
}

#[test]
fn streams_of_responses_are_read_alike_however_they_are_cut() {
    let input = (streams(&responses()), produce::<Vec<u8>>());
    check!(10_000, input, |(stream, sizes): &(Mutant, Vec<u8>)| check_streams::<Response>(stream, sizes));
}

#[test]
fn a_message_that_claims_to_be_long_takes_memory_only_as_it_comes() {
    let seeds = streams(&calls())
        .seeds()
        .chain(streams(&responses()).seeds())
        .map(|stream| {
            let header = FrameHeader::decode(stream.first_chunk().unwrap()).unwrap();
            stream[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + header.header_bytes as usize].to_vec()
        })
        .collect::<Vec<_>>();
    let kinds = [
        FrameKind::JobRequest,
        FrameKind::ShardRequest,
        FrameKind::ChunkRequest,
        FrameKind::JobReply,
        FrameKind::ShardReply,
        FrameKind::ChunkReply,
    ];
    check!(10_000, Mutants::of(seeds), |part: &Mutant| {
        for kind in kinds {
            let header = FrameHeader {
                kind,
                header_bytes: part.len() as u32,
                payload_bytes: 0,
                id: 1,
                deadline_ms: 0,
            };
            let bytes = part.len() + BUFFERS_BYTES / MEMORY_FACTOR;
            let taken = within_memory(bytes, MEMORY_FACTOR, || Call::decode(&header, part).is_ok());
            let answered = within_memory(bytes, MEMORY_FACTOR, || Response::decode(&header, part).is_ok());
            assert!(!(taken && answered), "{kind:?} is for both sides");
        }
    });
}
