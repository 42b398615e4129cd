use super::*;
use crate::server::StorageConfig;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::clock::{Clock, ManualClock};
use pocket_api::cluster::{ClusterView, Directory};
use pocket_api::control::JobHolder;
use pocket_api::env::Env;
use pocket_api::ids::{ChunkId, JobId, WriteId};
use pocket_api::limits::WRITE_IDLE_BEFORE_ASKING;
use pocket_api::metadata::{Answer, Fate, JobRef, Metadata, Request};
use std::collections::HashMap;

const SERVER: NodeId = NodeId(7);
const SHARD: NodeId = NodeId(5);
const JOB: JobId = JobId(1);

/// A cluster with one shard that knows some writes, or does not answer.
#[derive(Default)]
struct Cluster {
    known: Mutex<HashMap<WriteId, Fate>>,
    asked: Mutex<Vec<Vec<WriteId>>>,
    answers: Mutex<Answers>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Answers {
    #[default]
    Well,
    Not,
    TooFew,
}

struct Shard(Arc<Cluster>);

#[async_trait]
impl Metadata for Shard {
    async fn job(&self, _: JobRef, _: Request, _: Bytes) -> Result<Answer, MetadataError> {
        Err(MetadataError::NoSuchJob)
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        let ShardRequest::AskWrites(writes) = request else { panic!("{request:?}") };
        let fate = |write| self.0.known.lock().get(write).copied().unwrap_or(Fate::Never);
        let mut known: Vec<Fate> = writes.iter().map(|(_, write)| fate(write)).collect();
        self.0.asked.lock().push(writes.into_iter().map(|(_, write)| write).collect());
        match *self.0.answers.lock() {
            Answers::Well => {}
            Answers::Not => return Err(MetadataError::Unavailable("a fault".into())),
            Answers::TooFew => known.truncate(known.len() - 1),
        }
        Ok(ShardReply::Known(known))
    }
}

struct Nodes(Arc<Cluster>);

impl Directory for Nodes {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        (node == SHARD).then(|| Arc::new(Shard(self.0.clone())) as Arc<dyn Metadata>)
    }

    fn server(&self, _: NodeId) -> Option<Arc<dyn Chunks>> {
        None
    }

    fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }

    fn update(&self, _: ClusterView) {}
}

struct Fixture {
    server: Arc<StorageServer>,
    cluster: Arc<Cluster>,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        let (cluster, clock) = (Arc::<Cluster>::default(), Arc::new(ManualClock::at(Timestamp(1_000))));
        let budget = ByteBudget::new(16 << 20);
        let config = StorageConfig { capacity_bytes: 16 << 20, budget, ready_bytes: 0 };
        let nodes = Arc::new(Nodes(cluster.clone()));
        let server = StorageServer::start(config, SERVER, nodes, Env::with_clock(clock.clone())).unwrap();
        Self { server, cluster, clock }
    }

    async fn allocate(&self, write: u64, shard: NodeId) -> ChunkId {
        let (write, sizes) = (write_id(write), vec![1_000]);
        self.server.allocate(Allocate { job: JOB, write, shard, sizes, is_last: true }).await.unwrap()[0]
    }

    /// Lets time pass and sweeps.
    async fn sweep_after(&self, time: Duration) {
        self.clock.advance(time);
        sweep(&self.server, self.clock.now()).await;
    }

    async fn holds(&self, chunk: ChunkId) -> bool {
        match self.server.read(chunk, 0, 1).await {
            Err(ChunkError::NoSuchChunk) => false,
            Err(ChunkError::BadRequest(_)) => true,
            other => panic!("read of an empty chunk: {other:?}"),
        }
    }

    fn asked(&self) -> Vec<Vec<WriteId>> {
        std::mem::take(&mut *self.cluster.asked.lock())
    }
}

fn write_id(number: u64) -> WriteId {
    WriteId { gateway: NodeId(9), number }
}

#[tokio::test(start_paused = true)]
async fn what_the_shard_does_not_know_is_freed_and_what_it_knows_stays() {
    let fixture = Fixture::new();
    let (known, unknown) = (fixture.allocate(1, SHARD).await, fixture.allocate(2, SHARD).await);
    fixture.cluster.known.lock().insert(write_id(1), Fate::Held);
    fixture.sweep_after(WRITE_IDLE_BEFORE_ASKING - Duration::from_millis(1)).await;
    assert!(fixture.asked().is_empty());
    fixture.sweep_after(Duration::from_millis(1)).await;
    assert_eq!(fixture.asked(), [[write_id(1), write_id(2)]], "one request for both");
    assert_eq!((fixture.holds(known).await, fixture.holds(unknown).await), (true, false));
    fixture.sweep_after(WRITE_IDLE_BEFORE_ASKING).await;
    assert!(fixture.asked().is_empty(), "asked once");
    assert!(fixture.holds(known).await);
}

#[tokio::test(start_paused = true)]
async fn what_may_still_be_committed_stays_and_is_asked_about_again() {
    let fixture = Fixture::new();
    let chunk = fixture.allocate(1, SHARD).await;
    fixture.cluster.known.lock().insert(write_id(1), Fate::Open);
    fixture.sweep_after(WRITE_IDLE_BEFORE_ASKING).await;
    assert!(fixture.asked().len() == 1 && fixture.holds(chunk).await);
    fixture.cluster.known.lock().clear();
    fixture.sweep_after(ASK_AGAIN_AFTER / 2).await;
    assert!(fixture.asked().is_empty() && fixture.holds(chunk).await);
    fixture.sweep_after(ASK_AGAIN_AFTER / 2).await;
    assert!(fixture.asked().len() == 1 && !fixture.holds(chunk).await);
}

#[tokio::test(start_paused = true)]
async fn a_touched_write_is_not_asked_about() {
    let fixture = Fixture::new();
    let chunk = fixture.allocate(1, SHARD).await;
    for _ in 0..4 {
        fixture.clock.advance(WRITE_IDLE_BEFORE_ASKING / 2);
        fixture.server.touch(vec![write_id(1), write_id(99)]).await.unwrap();
        fixture.sweep_after(Duration::ZERO).await;
    }
    assert!(fixture.asked().is_empty() && fixture.holds(chunk).await);
    fixture.sweep_after(WRITE_IDLE_BEFORE_ASKING).await;
    assert!(!fixture.holds(chunk).await);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_nothing_is_freed_and_the_question_comes_again() {
    let fixture = Fixture::new();
    let (chunk, elsewhere) = (fixture.allocate(1, SHARD).await, fixture.allocate(2, NodeId(66)).await);
    fixture.clock.advance(WRITE_IDLE_BEFORE_ASKING);
    for answers in [Answers::Not, Answers::TooFew] {
        *fixture.cluster.answers.lock() = answers;
        fixture.sweep_after(Duration::ZERO).await;
        assert_eq!(fixture.asked().len(), 1);
        fixture.sweep_after(ASK_AGAIN_AFTER / 2).await;
        assert!(fixture.asked().is_empty(), "not before its time");
        assert!(fixture.holds(chunk).await);
        fixture.clock.advance(ASK_AGAIN_AFTER / 2);
    }
    *fixture.cluster.answers.lock() = Answers::Well;
    fixture.sweep_after(Duration::ZERO).await;
    assert!(!fixture.holds(chunk).await, "the shard did not know it");
    assert!(fixture.holds(elsewhere).await, "its shard was never reached");
}

#[tokio::test(start_paused = true)]
async fn writes_of_an_ended_job_are_forgotten() {
    let fixture = Fixture::new();
    fixture.allocate(1, SHARD).await;
    assert_eq!(fixture.server.jobs(), [JOB]);
    fixture.server.drop_jobs(&[JOB]);
    assert!(fixture.server.jobs().is_empty());
    fixture.sweep_after(WRITE_IDLE_BEFORE_ASKING).await;
    assert!(fixture.asked().is_empty());
    assert_eq!(fixture.server.writes.lock().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn sweeps_come_by_themselves_and_end_with_the_server() {
    let fixture = Fixture::new();
    let chunk = fixture.allocate(1, SHARD).await;
    fixture.clock.advance(WRITE_IDLE_BEFORE_ASKING);
    while fixture.holds(chunk).await {
        tokio::time::advance(SWEEP_EVERY).await;
    }
    drop(fixture);
    // Were the task never to end, neither would this test.
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::time::advance(SWEEP_EVERY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_between_the_many_writes_of_one_sweep() {
    let fixture = Fixture::new();
    // The server's own first sweep finds nothing.
    tokio::task::yield_now().await;
    let writes = 3 * WRITES_AT_ONCE as u64;
    for write in 0..writes {
        fixture.allocate(write, SHARD).await;
    }
    fixture.clock.advance(WRITE_IDLE_BEFORE_ASKING);
    let mut sweep = std::pin::pin!(sweep(&fixture.server, fixture.clock.now()));
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        assert!(fixture.server.writes.try_lock().is_some());
        sweep.as_mut().poll(cx)
    })
    .await;
    assert_eq!(polls, 3);
    let asked = fixture.asked();
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [WRITES_AT_ONCE; 3]);
    assert_eq!(fixture.server.arena.look(|space| space.used_bytes()), 0);
}
