//! What the requests that fill a shard's day allocate, counted at its seam. A count is the same on every machine, so each
//! has a limit that is what it is today.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use futures::FutureExt;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::conformance::metadata::world::{SERVERS, World};
use pocket_api::env::Env;
use pocket_api::hints::{JobHints, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, NodeId, WriteId};
use pocket_api::lifecycle::Lifecycle;
use pocket_api::metadata::{
    Answer, Commit, Delivery, JobRef, JobSpec, Lookup, Metadata, NewMeta, Order, Reply, Request, Select,
    ShardReply, ShardRequest, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent, ObjectHeaders};
use pocket_metadata::{Shard, ShardConfig};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const JOB: JobRef = JobRef::new(JobId(1), Epoch(1));
const SMALL: &[u8] = &[7; 1 << 10];
const LARGE_BYTES: u32 = 64 << 10;
/// Requests that go before one is counted: by then the tables have the size that they keep.
const WARM_UP: u64 = 100;

struct Served {
    shard: Arc<dyn Metadata>,
    /// Never driven, so that nothing but the request runs.
    _runtime: Runtime,
}

impl Served {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let world = World::new();
        let config = ShardConfig { budget: world.budget() };
        let shard = {
            let _entered = runtime.enter();
            Shard::start(config, world.node(), world.directory(), Env::with_clock(world.clock()))
        };
        let served = Self { shard, _runtime: runtime };
        served.tell(ShardRequest::Open(
            Order::default(),
            Box::new(JobSpec {
                job: JOB.job,
                epoch: JOB.epoch,
                hints: JobHints::default(),
                lifecycle: Lifecycle::default(),
                shards: vec![world.node()],
                ends_in: None,
            }),
        ));
        served
    }

    /// Every request here is answered at once: a shard that waits has nothing to wait for.
    fn ask(&self, request: Request, payload: Bytes) -> Answer {
        self.shard.job(JOB, request, payload).now_or_never().expect("an answer at once").expect("a good one")
    }

    fn tell(&self, request: ShardRequest) {
        let reply = self.shard.shard(request).now_or_never().expect("an answer at once");
        assert_eq!(reply, Ok(ShardReply::Done));
    }
}

fn key() -> ObjectKey {
    ObjectKey::parse("stage-1/part-000000001").unwrap()
}

fn lookup() -> Request {
    lookup_waiting(Duration::ZERO)
}

fn lookup_waiting(wait: Duration) -> Request {
    Request::Lookup(Lookup {
        key: key(),
        conditions: ReadConditions::default(),
        select: Select::Whole,
        want: Want::Data,
        wait,
    })
}

fn commit(number: u64, size: u64, content: NewContent) -> Request {
    let write = WriteId { gateway: NodeId(9), number };
    let headers = ObjectHeaders { content_type: Some("text/plain".into()), ..ObjectHeaders::default() };
    let meta = NewMeta {
        etag: ETag::opaque(write),
        checksum: None,
        headers: Some(Arc::new(headers)),
        hints: ObjectHints::default(),
    };
    Request::Commit(Commit { key: key(), write, size, content, meta, condition: WriteCondition::None })
}

fn commit_small(number: u64) -> Request {
    commit(number, SMALL.len() as u64, NewContent::Inline)
}

#[track_caller]
fn at_most(limit: u64, what: &str, used: AllocationInfo) {
    println!("{what}: {} allocations of {} bytes", used.count_total, used.bytes_total);
    assert!(used.count_total <= limit, "{what}: {used:?}, {limit} allocations allowed");
}

#[test]
fn a_read_of_a_small_object_allocates_its_call_and_its_answer() {
    let served = Served::new();
    served.ask(commit_small(1), Bytes::from_static(SMALL));
    // Bytes that were read once carry their counter.
    served.ask(lookup(), Bytes::new());
    for (wait, what) in [(0, "lookup of inline bytes"), (10, "lookup that need not wait for them")] {
        let request = lookup_waiting(Duration::from_secs(wait));
        let used = measure(|| assert_eq!(served.ask(request, Bytes::new()).payload, SMALL));
        at_most(2, what, used);
    }
}

#[test]
fn a_write_of_a_small_object_allocates_its_call_and_what_is_kept() {
    let served = Served::new();
    for number in 0..WARM_UP {
        served.ask(commit_small(number), Bytes::from_static(SMALL));
    }
    let request = commit_small(WARM_UP);
    let used = measure(|| {
        served.ask(request, Bytes::from_static(SMALL));
    });
    at_most(2, "commit of inline bytes over others", used);
}

#[test]
fn a_read_of_a_large_object_allocates_its_calls_and_its_answer() {
    let served = Served::new();
    let chunk = ChunkId { server: SERVERS[0], number: 1 };
    let extents = vec![Extent { chunk, len: LARGE_BYTES }];
    served.ask(commit(1, LARGE_BYTES.into(), NewContent::Chunks { extents }), Bytes::new());
    let read = |request, mut releases: Vec<_>| {
        let Reply::Found(found) = served.ask(request, Bytes::new()).reply else {
            unreachable!("it is there")
        };
        releases.push((JOB.job, found.lease.expect("a lease on a chunk"), Delivery::Sent));
        served.tell(ShardRequest::Release(releases));
    };
    for _ in 0..WARM_UP {
        read(lookup(), Vec::new());
    }
    let (request, releases) = (lookup(), Vec::with_capacity(1));
    let used = measure(|| read(request, releases));
    at_most(3, "lookup with a lease, and its release", used);
}
