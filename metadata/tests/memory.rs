//! A million small objects are a normal load: what one costs is held here. Alone in its process, because it measures what
//! the process takes from the system.

use bytes::Bytes;
use pocket_api::budget::ByteBudget;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::conformance::metadata::world::World;
use pocket_api::env::Env;
use pocket_api::hints::{JobHints, ObjectHints};
use pocket_api::ids::{Epoch, JobId, NodeId, WriteId};
use pocket_api::lifecycle::Lifecycle;
use pocket_api::metadata::{
    Commit, JobRef, JobSpec, Lookup, Metadata, NewMeta, Order, Request, Select, ShardRequest, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, NewContent};
use pocket_metadata::{Shard, ShardConfig};
use std::time::Duration;

const OBJECTS: u64 = 60_000;
const OBJECT_BYTES: u64 = 1_024;
/// The bar: metadata of one object, key included, beside its data.
const METADATA_MAX_BYTES: u64 = 300;

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size of the process");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib * 1_024
}

#[tokio::test]
async fn a_small_object_costs_at_most_300_bytes_beside_its_data() {
    let world = World::new();
    let budget = ByteBudget::new(1 << 30);
    let config = ShardConfig { budget: budget.clone() };
    let shard = Shard::start(config, world.node(), world.directory(), Env::with_clock(world.clock()));
    let job = JobRef::new(JobId(1), Epoch(1));
    let spec = JobSpec {
        job: job.job,
        epoch: job.epoch,
        hints: JobHints::default(),
        lifecycle: Lifecycle::default(),
        shards: vec![world.node()],
        ends_in: None,
    };
    shard.shard(ShardRequest::Open(Order::default(), Box::new(spec))).await.unwrap();
    let payload = Bytes::from(vec![7; OBJECT_BYTES as usize]);
    let key = |number| ObjectKey::parse(&format!("stage-1/part-{number:09}")).unwrap();
    let put = async |number| {
        let write = WriteId { gateway: NodeId(9), number };
        let meta = NewMeta {
            etag: ETag::md5([number as u8; 16]),
            checksum: None,
            headers: None,
            hints: ObjectHints::default(),
        };
        let commit = Commit {
            key: key(number),
            write,
            size: OBJECT_BYTES,
            content: NewContent::Inline,
            meta,
            condition: WriteCondition::None,
        };
        shard.job(job, Request::Commit(commit), payload.clone()).await.unwrap();
        // Bytes that were read once carry their counter.
        let lookup = Lookup {
            key: key(number),
            conditions: ReadConditions::default(),
            select: Select::Whole,
            want: Want::Data,
            wait: Duration::ZERO,
        };
        shard.job(job, Request::Lookup(lookup), Bytes::new()).await.unwrap();
    };
    for number in 0..1_000 {
        put(number).await;
    }
    let (resident_before, charged_before) = (resident(), budget.used_bytes());
    for number in 1_000..OBJECTS {
        put(number).await;
    }
    let objects = OBJECTS - 1_000;
    let taken = (resident() - resident_before) / objects - OBJECT_BYTES;
    let charged = (budget.used_bytes() - charged_before) / objects - OBJECT_BYTES;
    println!("{taken} bytes of metadata an object in memory, {charged} charged");
    assert!(taken <= METADATA_MAX_BYTES && charged <= METADATA_MAX_BYTES, "{taken} taken, {charged} charged");
    assert!(charged + 16 >= taken, "{taken} bytes taken are more than {charged} charged");
}
