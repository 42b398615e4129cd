//! Cost of a frame without a socket: encoding a lookup and its answer into the queue of a connection, and cutting them
//! out of the stream again.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pocket_api::conditions::ReadConditions;
use pocket_api::ids::{Epoch, JobId};
use pocket_api::metadata::{JobRef, Lookup, Request, Select, Want};
use pocket_api::names::ObjectKey;
use pocket_wire::codec::{FrameError, FrameHeader, FrameKind, FrameQueue, FrameReader, Message};
use std::hint::black_box;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

struct JobCall(JobRef, Request);

impl Message for JobCall {
    fn decode(header: &FrameHeader, part: &[u8]) -> Result<Self, FrameError> {
        match postcard::from_bytes(part) {
            Ok((job, request)) => Ok(Self(job, request)),
            Err(e) => Err(FrameError::Message(header.kind, e.to_string())),
        }
    }
}

fn lookup() -> (JobRef, Request) {
    let lookup = Lookup {
        key: ObjectKey::parse("stage-3/shuffle/part-00017-of-02048").expect("a good key"),
        conditions: ReadConditions::default(),
        select: Select::Whole,
        want: Want::Data,
        wait: Duration::ZERO,
    };
    (JobRef::new(JobId(1 << 60), Epoch(1)), Request::Lookup(lookup))
}

/// So many frames are queued together when a connection is busy.
const BATCH: u64 = 32;

fn fill(queue: &mut FrameQueue, call: &(JobRef, Request), payload: &Bytes) {
    for id in 0..BATCH {
        queue.push(FrameKind::JobRequest, id, 10_000, call, payload.clone()).expect("it fits");
    }
}

fn drain(queue: &mut FrameQueue, sink: &mut Vec<u8>) {
    let mut context = Context::from_waker(Waker::noop());
    sink.clear();
    while !queue.is_empty() {
        assert!(matches!(queue.poll_write(sink, &mut context), Poll::Ready(Ok(_))));
    }
}

fn frames(c: &mut Criterion) {
    let call = lookup();
    for (name, payload) in [("lookup", Bytes::new()), ("commit_1k", Bytes::from(vec![7; 1 << 10]))] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(BATCH));
        let (mut queue, mut stream) = (FrameQueue::default(), Vec::new());
        group.bench_function("encode", |b| {
            b.iter(|| {
                fill(&mut queue, &call, &payload);
                drain(&mut queue, &mut stream);
            });
        });
        fill(&mut queue, &call, &payload);
        drain(&mut queue, &mut stream);
        group.bench_function("decode", |b| {
            let mut reader = FrameReader::<JobCall>::default();
            let mut context = Context::from_waker(Waker::noop());
            b.iter(|| {
                let mut source = &stream[..];
                let mut found = 0;
                while found < BATCH {
                    match reader.next_frame().expect("our own frames") {
                        Some((_, JobCall(job, request), payload)) => {
                            black_box((job, request, payload));
                            found += 1;
                        }
                        None => {
                            assert!(matches!(
                                reader.poll_fill(&mut source, &mut context),
                                Poll::Ready(Ok(1..))
                            ))
                        }
                    }
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
