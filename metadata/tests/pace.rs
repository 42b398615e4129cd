//! A shard shares its threads with everything else: whatever is long it does in steps, and ends its poll after a few. Counted
//! in polls, because times say little on a busy machine.

use bytes::Bytes;
use pocket_api::budget::ByteBudget;
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::conditions::WriteCondition;
use pocket_api::conformance::metadata::world::{SERVERS, World};
use pocket_api::env::Env;
use pocket_api::hints::{JobHints, Limit, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, LeaseId, NodeId, WriteId};
use pocket_api::lifecycle::{Lifecycle, LifecycleFilter, LifecycleRule, LifecycleUnit};
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::{
    Answer, Commit, CreateUpload, Delivery, JobRef, JobSpec, List, ListPage, ListStart, ListUploads, Lookup,
    Metadata, NewMeta, Order, Reply, Request, Select, ShardReply, ShardRequest, UploadsPage, UploadsStart,
    Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent};
use pocket_api::usage::{UsageReport, UsageSource};
use pocket_metadata::{Shard, ShardConfig};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const JOB: JobRef = JobRef::new(JobId(1), Epoch(1));
/// So many that a shard which went through them in one go would need several milliseconds.
const MANY: u64 = 20_000;
/// Keys that a poll of a list goes by at most.
const KEYS_PER_POLL: u64 = 1_024;
/// Jobs that a poll of a report goes by at most.
const JOBS_PER_POLL: u64 = 512;
/// Items of a batch that a poll handles at most.
const ITEMS_PER_POLL: u64 = 1_024;

struct Served {
    shard: Arc<Shard>,
    clock: Arc<ManualClock>,
    /// Never driven: what has ended stays where it is, as it would under a busy runtime.
    _runtime: Runtime,
}

impl Served {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let world = World::new();
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let shard = {
            let _entered = runtime.enter();
            let config = ShardConfig { budget: ByteBudget::new(1 << 30) };
            Shard::start(config, world.node(), world.directory(), Env::with_clock(clock.clone()))
        };
        let served = Self { shard, clock, _runtime: runtime };
        served.open(JOB.job, world.node());
        served
    }

    fn open(&self, job: JobId, node: NodeId) {
        let (opened, _) = self.tell(ShardRequest::Open(
            Order::default(),
            Box::new(JobSpec {
                job,
                epoch: JOB.epoch,
                hints: JobHints::default(),
                lifecycle: aborting_uploads(),
                shards: vec![node],
                ends_in: None,
            }),
        ));
        assert_eq!(opened, ShardReply::Done);
    }

    /// The answer, and how many polls it took.
    fn ask(&self, request: Request) -> (Answer, u64) {
        let (answer, polls) = polled(self.shard.job(JOB, request, Bytes::new()));
        (answer.unwrap(), polls)
    }

    fn tell(&self, request: ShardRequest) -> (ShardReply, u64) {
        let (reply, polls) = polled(self.shard.shard(request));
        (reply.unwrap(), polls)
    }

    fn commit(&self, key: ObjectKey, number: u64, size: u64, content: NewContent, hints: ObjectHints) {
        let write = WriteId { gateway: NodeId(9), number };
        let meta = NewMeta { etag: ETag::opaque(write), checksum: None, headers: None, hints };
        let condition = WriteCondition::None;
        self.ask(Request::Commit(Commit { key, write, size, content, meta, condition }));
    }

    /// Leases on one object, as many as asked for.
    fn leases(&self, count: u64) -> Vec<LeaseId> {
        let extents = vec![Extent { chunk: ChunkId { server: SERVERS[0], number: 1 }, len: 1 }];
        self.commit(key(0), 1, 1, NewContent::Chunks { extents }, ObjectHints::default());
        let lookup = Lookup {
            key: key(0),
            conditions: Default::default(),
            select: Select::Whole,
            want: Want::Data,
            wait: Duration::ZERO,
        };
        let lease = |_| match self.ask(Request::Lookup(lookup.clone())).0.reply {
            Reply::Found(found) => found.lease.unwrap(),
            other => panic!("a lookup was answered with {other:?}"),
        };
        (0..count).map(lease).collect()
    }
}

/// Within a second.
fn aborting_uploads() -> Lifecycle {
    let rule = LifecycleRule {
        id: "uploads".into(),
        filter: LifecycleFilter::default(),
        expires: None,
        aborts_uploads_after: Some(1),
    };
    let unit = LifecycleUnit::Of(Duration::from_secs(1));
    Lifecycle { rules: vec![rule], unit, job_ends: None }
}

fn polled<T>(future: impl Future<Output = T>) -> (T, u64) {
    let mut future = pin!(future);
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return (value, polls);
        }
    }
}

fn key(number: u64) -> ObjectKey {
    ObjectKey::parse(&format!("{number:06}")).unwrap()
}

#[test]
fn a_report_of_many_jobs_lets_others_in() {
    let served = Served::new();
    let jobs = 5 * JOBS_PER_POLL;
    for number in 2..=jobs {
        served.open(JobId(number), NodeId(1));
    }
    let mut report = UsageReport::default();
    let ((), polls) = polled(served.shard.fill(&mut report));
    assert_eq!(report.jobs.len() as u64, jobs);
    assert!(polls > jobs / JOBS_PER_POLL, "{polls} polls for {jobs} jobs");
}

#[test]
fn a_list_over_many_keys_that_have_ended_lets_others_in() {
    let served = Served::new();
    let hints = ObjectHints { ttl: Some(Limit::Of(Duration::from_secs(1))), reads: None };
    for number in 0..MANY {
        served.commit(key(number), number, 0, NewContent::Inline, hints.clone());
    }
    served.clock.advance(Duration::from_secs(2));
    let start = ListStart::Beginning;
    let list = List { prefix: String::new(), start, delimiter: None, max: LIST_MAX_KEYS };
    let (answer, polls) = served.ask(Request::List(list));
    assert_eq!(answer.reply, Reply::Listed(ListPage::default()));
    assert!(polls >= MANY / KEYS_PER_POLL, "{polls} polls for {MANY} keys");
}

#[test]
fn a_list_over_many_uploads_that_have_ended_lets_others_in() {
    let served = Served::new();
    for number in 0..MANY {
        let hints = ObjectHints::default();
        let create = CreateUpload { key: key(number), headers: None, hints, checksum: None };
        served.ask(Request::CreateUpload(create));
    }
    served.clock.advance(Duration::from_secs(2));
    let start = UploadsStart::Beginning;
    let list = ListUploads { prefix: String::new(), start, delimiter: None, max: LIST_MAX_KEYS };
    let (answer, polls) = served.ask(Request::ListUploads(list));
    assert_eq!(answer.reply, Reply::Uploads(UploadsPage::default()));
    assert!(polls >= MANY / KEYS_PER_POLL, "{polls} polls for {MANY} uploads");
}

#[test]
fn a_long_batch_of_released_leases_lets_others_in() {
    let served = Served::new();
    let leases = served.leases(MANY);
    let batch = |leases: &[LeaseId]| {
        let release = |&lease: &LeaseId| (JOB.job, lease, Delivery::Sent);
        ShardRequest::Release(leases.iter().map(release).collect())
    };
    let (first, others) = leases.split_at(100);
    assert_eq!(served.tell(batch(first)), (ShardReply::Done, 1), "a short one is done at once");
    let (_, polls) = served.tell(batch(others));
    assert!(polls >= MANY / ITEMS_PER_POLL, "{polls} polls for {MANY} leases");
    let renew = leases.iter().map(|&lease| (JOB.job, lease)).collect();
    let (ended, polls) = served.tell(ShardRequest::Renew(renew));
    assert!(matches!(ended, ShardReply::LeasesEnded(ended) if ended.len() == leases.len()));
    assert!(polls >= MANY / ITEMS_PER_POLL, "{polls} polls for {MANY} leases");
}

#[test]
fn a_long_batch_of_questions_lets_others_in() {
    let served = Served::new();
    let writes: Vec<_> = (0..MANY).map(|number| (JOB.job, WriteId { gateway: NodeId(9), number })).collect();
    for request in [
        ShardRequest::AskWrites(writes.clone()),
        ShardRequest::AskReferences(writes.clone()),
        ShardRequest::ConfirmReferences(writes.clone()),
        ShardRequest::ReleaseReferences(writes.clone()),
        ShardRequest::ForgetArrivals(writes.clone()),
    ] {
        let (_, polls) = served.tell(request);
        assert!(polls >= MANY / ITEMS_PER_POLL, "{polls} polls for {MANY} items");
    }
}
