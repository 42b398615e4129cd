//! The hot paths of a shard, through its seam: lookups, commits, pages of lists, at ten thousand and a million objects.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pocket_api::budget::ByteBudget;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::conformance::metadata::world::{SERVERS, World};
use pocket_api::env::Env;
use pocket_api::hints::{JobHints, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, NodeId, WriteId};
use pocket_api::lifecycle::{Lifecycle, LifecycleEnd, LifecycleFilter, LifecycleRule};
use pocket_api::metadata::{
    Answer, Commit, Delivery, JobRef, JobSpec, List, ListStart, Lookup, Metadata, NewMeta, Order, Reply,
    Request, Select, ShardRequest, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent};
use pocket_metadata::{Shard, ShardConfig};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const JOB: JobRef = JobRef::new(JobId(1), Epoch(1));
/// Objects in one directory of the delimited list.
const DIRECTORY: u64 = 100;

struct Bench {
    shard: Arc<Shard>,
    /// Runs the shard's timers.
    _runtime: Runtime,
    objects: u64,
    next: Cell<u64>,
}

fn key(number: u64) -> ObjectKey {
    let name = format!("dir-{:06}/part-{:03}", number / DIRECTORY, number % DIRECTORY);
    ObjectKey::parse(&name).expect("a good key")
}

/// A rule for each directory, that ends nothing while this runs.
fn lifecycle(rules: u64) -> Lifecycle {
    let rule = |directory: u64| {
        let prefix = key(directory * DIRECTORY).as_str().rsplit_once('/').map_or("", |(name, _)| name).into();
        LifecycleRule {
            id: directory.to_string().into(),
            filter: LifecycleFilter { prefix, ..LifecycleFilter::default() },
            expires: Some(LifecycleEnd::After(3_650)),
            aborts_uploads_after: Some(3_650),
        }
    };
    Lifecycle { rules: (0..rules).map(rule).collect(), ..Lifecycle::default() }
}

impl Bench {
    /// A job with so many objects of 16 bytes, and so many lifecycle rules.
    fn new(objects: u64, rules: u64) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let world = World::new();
        let config = ShardConfig { budget: ByteBudget::new(8 << 30) };
        let shard = runtime.block_on(async {
            Shard::start(config, world.node(), world.directory(), Env::with_clock(world.clock()))
        });
        let spec = JobSpec {
            job: JOB.job,
            epoch: JOB.epoch,
            hints: JobHints::default(),
            lifecycle: lifecycle(rules),
            shards: vec![world.node()],
            ends_in: None,
        };
        let opened =
            futures::executor::block_on(shard.shard(ShardRequest::Open(Order::default(), Box::new(spec))));
        opened.expect("an open job");
        let bench = Self { shard, _runtime: runtime, objects, next: Cell::new(0) };
        for number in 0..objects {
            bench.commit(number, b"sixteen bytes ok", NewContent::Inline);
        }
        bench
    }

    fn number(&self) -> u64 {
        // Far from the last one, so that no cache helps more than it would.
        let next = (self.next.get() + 7_919 * 101) % self.objects;
        self.next.set(next);
        next
    }

    fn ask(&self, request: Request, payload: Bytes) -> Answer {
        let answer = futures::executor::block_on(self.shard.job(JOB, request, payload));
        answer.expect("a good request")
    }

    fn commit(&self, number: u64, payload: &'static [u8], content: NewContent) {
        let write = WriteId { gateway: NodeId(9), number };
        let size = match &content {
            NewContent::Chunks { extents } => extents.iter().map(|e| u64::from(e.len)).sum(),
            _ => payload.len() as u64,
        };
        let meta = NewMeta {
            etag: ETag::opaque(write),
            checksum: None,
            headers: None,
            hints: ObjectHints::default(),
        };
        let condition = WriteCondition::None;
        let commit = Commit { key: key(number), write, size, content, meta, condition };
        self.ask(Request::Commit(commit), Bytes::from_static(payload));
    }

    fn lookup(&self, number: u64) -> Answer {
        let lookup = Lookup {
            key: key(number),
            conditions: ReadConditions::default(),
            select: Select::Whole,
            want: Want::Data,
            wait: Duration::ZERO,
        };
        self.ask(Request::Lookup(lookup), Bytes::new())
    }

    /// A page of objects, or of directories.
    fn list(&self, delimiter: Option<&str>) -> Answer {
        let start = ListStart::After(key(self.objects / 3).to_string());
        let max = if delimiter.is_some() { 50 } else { 1_000 };
        let list = List { prefix: String::new(), start, delimiter: delimiter.map(Into::into), max };
        self.ask(Request::List(list), Bytes::new())
    }
}

fn shard(c: &mut Criterion) {
    let mut group = c.benchmark_group("shard");
    for objects in [10_000, 1_000_000] {
        let bench = Bench::new(objects, 0);
        group.bench_function(BenchmarkId::new("list_1000", objects), |b| {
            b.iter(|| black_box(bench.list(None)));
        });
        group.bench_function(BenchmarkId::new("list_50_directories", objects), |b| {
            b.iter(|| black_box(bench.list(Some("/"))));
        });
        group.bench_function(BenchmarkId::new("lookup_inline", objects), |b| {
            b.iter(|| black_box(bench.lookup(bench.number())));
        });
        group.bench_function(BenchmarkId::new("commit_inline", objects), |b| {
            b.iter(|| bench.commit(bench.number(), b"another 16 bytes", NewContent::Inline));
        });
        // Replaced in any order, the objects are strewn over memory.
        group.bench_function(BenchmarkId::new("list_1000_strewn", objects), |b| {
            b.iter(|| black_box(bench.list(None)));
        });
        let chunk = ChunkId { server: SERVERS[0], number: 1 };
        let extents = vec![Extent { chunk, len: 1 << 20 }];
        bench.commit(0, b"", NewContent::Chunks { extents });
        group.bench_function(BenchmarkId::new("lookup_chunk_and_release", objects), |b| {
            b.iter(|| {
                let Reply::Found(found) = bench.lookup(0).reply else { unreachable!("object 0 is there") };
                let lease = found.lease.expect("a lease on a chunk");
                let release = ShardRequest::Release(vec![(JOB.job, lease, Delivery::Sent)]);
                futures::executor::block_on(bench.shard.shard(release)).expect("a released lease");
            });
        });
    }
    // As many rules as a bucket may have.
    let bench = Bench::new(10_000, 1_000);
    group.bench_function("list_1000_under_1000_rules", |b| b.iter(|| black_box(bench.list(None))));
    group.bench_function("lookup_inline_under_1000_rules", |b| {
        b.iter(|| black_box(bench.lookup(bench.number())));
    });
    group.finish();
}

criterion_group!(benches, shard);
criterion_main!(benches);
