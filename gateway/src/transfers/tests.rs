//! What becomes of leases and writes over minutes, by a clock that only the test moves. Shards answer as the test says.

use super::*;
use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::clock::Clock;
use pocket_api::cluster::ClusterView;
use pocket_api::hints::JobHints;
use pocket_api::ids::{ChunkId, Epoch, Term};
use pocket_api::metadata::{Answer, Metadata, MetadataError};
use pocket_api::names::{BucketName, TenantName};
use tokio::time::Instant;

const JOB: JobId = JobId(1);
const QUICK: NodeId = NodeId(1);
const HUNG: NodeId = NodeId(2);

/// A node that answers at once, or never. Keeps what it was asked for, and when.
struct Node {
    hangs: bool,
    calls: Mutex<Vec<(Duration, Called)>>,
    started: Instant,
    /// Leases that the shard does not know any more.
    lapsed: Mutex<Vec<(JobId, LeaseId)>>,
    /// So many calls of the shard that come next fail at once.
    failures: AtomicU64,
}

#[derive(Clone, Debug, PartialEq)]
enum Called {
    Renew(Vec<LeaseId>),
    Release(Vec<(LeaseId, Delivery)>),
    Ping,
    Touch,
}

impl Node {
    async fn called(&self, call: Called) {
        self.calls.lock().push((self.started.elapsed(), call));
        if self.hangs {
            std::future::pending::<()>().await;
        }
    }

    fn check_failure(&self) -> Result<(), MetadataError> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err(MetadataError::Unavailable("it broke off".into())))
    }

    fn times(&self, of: impl Fn(&Called) -> bool) -> Vec<u64> {
        let calls = self.calls.lock();
        calls.iter().filter(|(_, call)| of(call)).map(|(at, _)| at.as_millis() as u64).collect()
    }
}

#[async_trait]
impl Metadata for Node {
    async fn job(&self, _: JobRef, request: Request, _: Bytes) -> Result<Answer, MetadataError> {
        assert_eq!(request, Request::Ping);
        self.called(Called::Ping).await;
        Err(MetadataError::StaleEpoch(Epoch(9)))
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        match request {
            ShardRequest::Renew(leases) => {
                self.called(Called::Renew(leases.iter().map(|(_, id)| *id).collect())).await;
                self.check_failure()?;
                Ok(ShardReply::LeasesEnded(self.lapsed.lock().clone()))
            }
            ShardRequest::Release(leases) => {
                self.called(Called::Release(leases.into_iter().map(|(_, id, how)| (id, how)).collect()))
                    .await;
                self.check_failure()?;
                Ok(ShardReply::Done)
            }
            other => unreachable!("transfers do not ask for {other:?}"),
        }
    }
}

#[async_trait]
impl Chunks for Node {
    async fn allocate(&self, _: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        unreachable!("the writer does that")
    }

    async fn write(&self, _: ChunkId, _: u32, _: Bytes) -> Result<(), ChunkError> {
        unreachable!("the writer does that")
    }

    async fn read(&self, _: ChunkId, _: u32, _: u32) -> Result<Bytes, ChunkError> {
        unreachable!("the reader does that")
    }

    async fn free(&self, _: Vec<ChunkId>) -> Result<(), ChunkError> {
        unreachable!("the writer does that")
    }

    async fn touch(&self, _: Vec<WriteId>) -> Result<(), ChunkError> {
        self.called(Called::Touch).await;
        Ok(())
    }

    async fn end_jobs(&self, _: Term, _: Vec<JobId>) -> Result<(), ChunkError> {
        unreachable!("the controller does that")
    }
}

/// Each is a shard and a storage server.
struct Nodes(BTreeMap<NodeId, Arc<Node>>);

impl Directory for Nodes {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.0.get(&node).map(|node| node.clone() as Arc<dyn Metadata>)
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.0.get(&node).map(|node| node.clone() as Arc<dyn Chunks>)
    }

    fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }

    fn update(&self, _: ClusterView) {}
}

/// Moves with the runtime's, which the test has paused.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.elapsed().as_millis() as u64)
    }
}

struct World {
    transfers: Arc<Transfers>,
    quick: Arc<Node>,
    hung: Arc<Node>,
}

impl World {
    fn start() -> Self {
        let started = Instant::now();
        let node = |hangs| {
            let (calls, lapsed, failures) = Default::default();
            Arc::new(Node { hangs, calls, started, lapsed, failures })
        };
        let (quick, hung) = (node(false), node(true));
        let nodes = Nodes(BTreeMap::from([(QUICK, quick.clone()), (HUNG, hung.clone())]));
        let transfers = Transfers::start(Arc::new(nodes), Env::with_clock(Arc::new(RuntimeClock(started))));
        Self { transfers, quick, hung }
    }

    fn read(&self, shard: NodeId, id: u64, counted: bool, connection: &Arc<Connection>) -> OpenRead {
        self.transfers.read(JOB, Lease { shard, id: LeaseId(id) }, counted, connection)
    }
}

async fn is_cut(connection: &Connection) -> bool {
    tokio::time::timeout(Duration::ZERO, connection.until_cut()).await.is_ok()
}

fn is_release(call: &Called) -> bool {
    matches!(call, Called::Release(_))
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_for_as_long_as_its_transfer_moves_and_given_back_once_at_its_end() {
    let world = World::start();
    let connection = Arc::default();
    let read = world.read(QUICK, 7, false, &connection);
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        read.progress();
    }
    let renewals = world.quick.times(|call| *call == Called::Renew(vec![LeaseId(7)]));
    let longest = renewals.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(renewals.len() >= 7 && longest <= READ_LEASE.as_millis() as u64 / 3, "{renewals:?}");
    assert!(!is_cut(&connection).await);
    read.sent();
    tokio::time::sleep(2 * RENEW_EVERY).await;
    assert_eq!(world.quick.times(|call| *call == Called::Renew(vec![LeaseId(7)])), renewals);
    let released: Vec<_> =
        world.quick.calls.lock().iter().map(|(_, call)| call.clone()).filter(is_release).collect();
    assert_eq!(released, [Called::Release(vec![(LeaseId(7), Delivery::Sent)])]);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_whose_lease_has_ended_is_cut_at_the_next_renewal_and_others_go_on() {
    let world = World::start();
    let (ended, going_on) = (Arc::default(), Arc::default());
    let reads = [world.read(QUICK, 1, false, &ended), world.read(QUICK, 2, false, &going_on)];
    world.quick.lapsed.lock().push((JOB, LeaseId(1)));
    tokio::time::sleep(RENEW_EVERY + Duration::from_secs(1)).await;
    assert_eq!((is_cut(&ended).await, is_cut(&going_on).await), (true, false));
    drop(reads);
}

#[tokio::test(start_paused = true)]
async fn a_lease_outlives_renewals_that_did_not_arrive() {
    let world = World::start();
    let connection = Arc::default();
    world.quick.failures.store(2, Ordering::SeqCst);
    let read = world.read(QUICK, 1, false, &connection);
    let renewals = || world.quick.times(|call| *call == Called::Renew(vec![LeaseId(1)]));
    while renewals().len() < 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        read.progress();
    }
    let third = renewals()[2];
    assert!(
        third < READ_LEASE.as_millis() as u64,
        "the third came while the lease of the lookup lasted: {third}"
    );
    assert!(!is_cut(&connection).await);
    read.sent();
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_moves_a_little_before_it_would_be_cut_goes_on() {
    let world = World::start();
    let connection = Arc::default();
    let read = world.read(QUICK, 1, false, &connection);
    for _ in 0..5 {
        tokio::time::sleep(TRANSFER_STALL).await;
        assert!(!is_cut(&connection).await);
        read.progress();
    }
    tokio::time::sleep(TRANSFER_STALL + 2 * SWEEP_EVERY).await;
    assert!(is_cut(&connection).await);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_stands_still_is_cut_in_time_and_its_lease_goes_back() {
    let world = World::start();
    let connection = Arc::new(Connection::default());
    let read = world.read(QUICK, 1, true, &connection);
    tokio::time::sleep(TRANSFER_STALL).await;
    assert!(!is_cut(&connection).await);
    tokio::time::sleep(2 * SWEEP_EVERY).await;
    assert!(is_cut(&connection).await);
    // As the server does with a connection that is cut.
    drop(read);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let calls = world.quick.calls.lock();
    assert_eq!(calls.last().unwrap().1, Called::Release(vec![(LeaseId(1), Delivery::Failed)]));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_one_long_piece_slowly_goes_on_and_one_that_takes_a_trickle_of_it_is_cut() {
    let world = World::start();
    let (slow, trickle) = (Arc::new(Connection::default()), Arc::new(Connection::default()));
    let reads = [world.read(QUICK, 1, false, &slow), world.read(QUICK, 2, false, &trickle)];
    for _ in 0..6 {
        tokio::time::sleep(TRANSFER_STALL / 2).await;
        slow.sent(128 << 10);
        trickle.sent(127 << 10);
    }
    assert_eq!((is_cut(&slow).await, is_cut(&trickle).await), (false, true));
    drop(reads);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_hangs_delays_no_release_at_another() {
    let world = World::start();
    let connection = Arc::default();
    drop(world.read(HUNG, 1, true, &connection));
    tokio::time::sleep(Duration::from_millis(10)).await;
    for id in 2..5 {
        drop(world.read(QUICK, id, false, &connection));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.quick.times(is_release), [12, 22, 32]);
    assert_eq!(world.hung.times(is_release).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_hangs_delays_no_settling_of_a_read_at_another() {
    let world = World::start();
    let connection = Arc::default();
    let before = world.transfers.settled();
    world.read(HUNG, 1, true, &connection).sent();
    world.read(QUICK, 2, true, &connection).sent();
    let asked = Instant::now();
    assert!(world.transfers.settle(QUICK, before).await, "it was not told before the lookup");
    assert!(asked.elapsed() < Duration::from_millis(10), "{:?}", asked.elapsed());
    assert_eq!(world.quick.times(is_release).len(), 1, "it is told now");
    let after = world.transfers.settled();
    assert!(!world.transfers.settle(QUICK, after).await, "a lookup after that saw it");
    let asked = Instant::now();
    assert!(world.transfers.settle(HUNG, after).await);
    assert!(asked.elapsed() <= Duration::from_secs(4), "a wait has a bound: {:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_began_before_a_read_was_settled_is_told_so_afterwards_too() {
    let world = World::start();
    let connection = Arc::default();
    let before = world.transfers.settled();
    world.read(QUICK, 1, true, &connection).sent();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(world.transfers.settle(QUICK, before).await);
    assert!(!world.transfers.settle(HUNG, before).await, "nothing ended there");
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_read_that_its_shard_does_not_take_is_said_again_a_few_times_and_a_failed_one_is_not() {
    let world = World::start();
    let connection = Arc::default();
    world.read(HUNG, 1, true, &connection).sent();
    drop(world.read(HUNG, 2, true, &connection));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let said: Vec<Vec<_>> = world
        .hung
        .calls
        .lock()
        .iter()
        .filter_map(|(_, call)| match call {
            Called::Release(reads) => Some(reads.iter().map(|(id, _)| id.0).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(said, [vec![1, 2], vec![1], vec![1], vec![1], vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn reads_that_end_while_another_waits_to_be_said_again_go_at_once() {
    let world = World::start();
    let connection = Arc::default();
    world.quick.failures.store(1, Ordering::SeqCst);
    world.read(QUICK, 1, true, &connection).sent();
    tokio::time::sleep(Duration::from_millis(10)).await;
    for id in 2..5 {
        world.read(QUICK, id, true, &connection).sent();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.quick.times(is_release), [0, 10, 20, 30]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let last = world.quick.calls.lock().iter().rfind(|(_, call)| is_release(call)).unwrap().1.clone();
    assert_eq!(last, Called::Release(vec![(LeaseId(1), Delivery::Sent)]));
    assert_eq!(world.quick.times(is_release).len(), 5, "once each, and the first once more");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_delays_no_renewal_touch_or_ping_of_another() {
    let world = World::start();
    let connection = Arc::default();
    let hints = JobHints { idle_ttl: Some(Duration::from_secs(3)), ..JobHints::default() };
    let placement = Placement {
        job: JOB,
        epoch: Epoch(1),
        bucket: BucketName::parse("data").unwrap(),
        tenant: TenantName::parse("alice").unwrap(),
        created_at_ms: 0,
        hints,
        settings: Arc::default(),
        shards: vec![QUICK, HUNG],
        weights: pocket_api::control::WeightMap::default(),
    };
    let mut tickets = Vec::new();
    let mut reads = Vec::new();
    for (number, node) in [(1, HUNG), (2, QUICK)] {
        let write = WriteId { gateway: NodeId(9), number };
        tickets.push(world.transfers.write(&placement, node, write, vec![node], Timestamp(0), &connection));
        reads.push(world.read(node, number, false, &connection));
    }
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tickets.iter().for_each(|writing| writing.ticket().progress());
        reads.iter().for_each(OpenRead::progress);
    }
    for node in [&world.quick, &world.hung] {
        let most = |of: fn(&Called) -> bool, every: Duration| {
            let times = node.times(of);
            assert!(!times.is_empty() && times[0] <= every.as_millis() as u64, "{times:?}");
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(longest <= every.as_millis() as u64 + 1, "every {every:?}: {times:?}");
        };
        most(|call| matches!(call, Called::Renew(_)), RENEW_EVERY);
        most(|call| *call == Called::Touch, WRITE_TOUCH_EVERY);
        most(|call| *call == Called::Ping, Duration::from_secs(1) + PING_TICK);
    }
    let [of_hung, of_quick] = &tickets[..] else { panic!("two writes") };
    let since = world.transfers.env.now().since(of_quick.heard().unwrap());
    assert!(since <= WRITE_TOUCH_EVERY, "{since:?}");
    assert_eq!(of_hung.heard(), Some(Timestamp(0)), "who does not answer may not have heard");
}
