//! What is around a shard under test: a clock moved by hand, a budget, storage servers that write down what is freed,
//! another shard that answers as it is told.

use crate::budget::ByteBudget;
use crate::chunks::{Allocate, ChunkError, Chunks};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::cluster::{ClusterView, Directory, Node, NodeSpec, NodeState, Role};
use crate::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use crate::metadata::{
    Answer, Arrive, Committed, Fate, JobRef, Metadata, MetadataError, Reply, Request, ShardReply,
    ShardRequest,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The shard under test.
pub const SHARD: NodeId = NodeId(1);
/// The other shard.
pub const OTHER: NodeId = NodeId(2);
/// Two storage servers.
pub const SERVERS: [NodeId; 2] = [NodeId(3), NodeId(4)];
/// Whose write ids the suite uses.
pub const GATEWAY: NodeId = NodeId(5);

/// Memory of the shard. Small enough to be filled.
const BUDGET_BYTES: u64 = 4 << 20;
/// How long the suite waits for what a shard does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clones are the same world.
#[derive(Clone)]
pub struct World {
    clock: Arc<ManualClock>,
    budget: ByteBudget,
    directory: Arc<Surroundings>,
}

impl World {
    #[expect(clippy::new_without_default)]
    pub fn new() -> Self {
        let role = |id: NodeId| match id {
            SHARD | OTHER => Role::Metadata,
            GATEWAY => Role::Gateway,
            _ => Role::Storage,
        };
        let node = |id: u64| Node {
            id: NodeId(id),
            spec: NodeSpec {
                role: role(NodeId(id)),
                address: String::new(),
                host: String::new(),
                capacity_bytes: 0,
            },
            state: NodeState::Live,
        };
        let view = ClusterView {
            version: 1,
            newest: GATEWAY,
            nodes: (1..=GATEWAY.0).map(node).collect(),
            ..ClusterView::default()
        };
        let other = Arc::new(OtherShard::default());
        let shards = BTreeMap::from([(OTHER, other.clone() as Arc<dyn Metadata>)]);
        Self {
            clock: Arc::new(ManualClock::at(Timestamp(1_800_000_000_000))),
            budget: ByteBudget::new(BUDGET_BYTES),
            directory: Arc::new(Surroundings {
                view: Mutex::new(Arc::new(view)),
                shards: Mutex::new(shards),
                freed: Arc::default(),
                other,
            }),
        }
    }

    /// Who the shard under test is.
    pub fn node(&self) -> NodeId {
        SHARD
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    pub fn directory(&self) -> Arc<dyn Directory> {
        self.directory.clone()
    }

    pub fn budget(&self) -> ByteBudget {
        self.budget.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(super) fn add_shard(&self, node: NodeId, shard: Arc<dyn Metadata>) {
        lock(&self.directory.shards).insert(node, shard);
    }

    /// Declares a node dead.
    pub(super) fn kill(&self, node: NodeId) {
        let mut view = lock(&self.directory.view);
        let nodes = view.nodes.iter().filter(|n| n.id != node).cloned().collect();
        *view = Arc::new(ClusterView { version: view.version + 1, nodes, ..ClusterView::clone(&view) });
    }

    /// Chunks that were freed so far, each once however often it was said.
    pub(super) fn freed(&self) -> BTreeSet<ChunkId> {
        lock(&self.directory.freed).clone()
    }

    pub(super) fn other(&self) -> &OtherShard {
        &self.directory.other
    }
}

/// Awaits what a shard does by itself.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < until, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Surroundings {
    view: Mutex<Arc<ClusterView>>,
    shards: Mutex<BTreeMap<NodeId, Arc<dyn Metadata>>>,
    freed: Arc<Mutex<BTreeSet<ChunkId>>>,
    other: Arc<OtherShard>,
}

impl Directory for Surroundings {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        lock(&self.shards).get(&node).cloned()
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        SERVERS.contains(&node).then(|| Arc::new(Server { node, freed: self.freed.clone() }) as _)
    }

    fn view(&self) -> Arc<ClusterView> {
        lock(&self.view).clone()
    }

    fn update(&self, view: ClusterView) {
        *lock(&self.view) = Arc::new(view);
    }
}

/// A storage server that only writes down what is freed.
struct Server {
    node: NodeId,
    freed: Arc<Mutex<BTreeSet<ChunkId>>>,
}

fn not_here<T>() -> Result<T, ChunkError> {
    Err(ChunkError::BadRequest("a shard only frees".into()))
}

#[async_trait]
impl Chunks for Server {
    async fn allocate(&self, _: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        not_here()
    }

    async fn write(&self, _: ChunkId, _: u32, _: Bytes) -> Result<(), ChunkError> {
        not_here()
    }

    async fn read(&self, _: ChunkId, _: u32, _: u32) -> Result<Bytes, ChunkError> {
        not_here()
    }

    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError> {
        assert!(chunks.iter().all(|chunk| chunk.server == self.node), "{chunks:?} freed at {}", self.node);
        lock(&self.freed).extend(chunks);
        Ok(())
    }

    async fn touch(&self, _: Vec<WriteId>) -> Result<(), ChunkError> {
        not_here()
    }

    async fn end_jobs(&self, _: Term, _: Vec<JobId>) -> Result<(), ChunkError> {
        not_here()
    }
}

/// What the other shard does with objects that arrive there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Welcome {
    #[default]
    Taken,
    Refused,
    /// Taken, but the answer is lost.
    TakenUnheard,
    /// Lost on the way.
    NotHeard,
    /// Nothing is answered at all.
    Silence,
}

/// The shard that copies come from and go to.
#[derive(Default)]
pub(super) struct OtherShard {
    welcome: Mutex<Welcome>,
    arrived: Mutex<BTreeMap<WriteId, (Arrive, Bytes)>>,
    forgotten: Mutex<BTreeSet<WriteId>>,
    held: Mutex<BTreeSet<WriteId>>,
    asked: Mutex<Vec<WriteId>>,
    released: Mutex<Vec<WriteId>>,
    lost: Mutex<BTreeSet<(WriteId, WriteId)>>,
}

impl OtherShard {
    /// From now on it says that it holds this reference.
    pub(super) fn hold(&self, reference: WriteId) {
        lock(&self.held).insert(reference);
    }

    pub(super) fn welcome(&self, welcome: Welcome) {
        *lock(&self.welcome) = welcome;
    }

    /// An object that was taken, with its inline bytes.
    pub(super) fn arrived(&self, rename: WriteId) -> Option<(Arrive, Bytes)> {
        lock(&self.arrived).get(&rename).cloned()
    }

    /// Whether it was told that the shard which an object left knows.
    pub(super) fn may_forget(&self, rename: WriteId) -> bool {
        lock(&self.forgotten).contains(&rename)
    }

    fn arrive(&self, arrive: Arrive, payload: Bytes) -> Result<Reply, MetadataError> {
        let welcome = *lock(&self.welcome);
        let committed = committed(&arrive);
        if matches!(welcome, Welcome::Taken | Welcome::TakenUnheard) {
            lock(&self.arrived).insert(arrive.rename, (arrive, payload));
        }
        match welcome {
            Welcome::Taken => Ok(Reply::Committed(committed)),
            Welcome::Refused => Err(MetadataError::PreconditionFailed),
            Welcome::TakenUnheard | Welcome::NotHeard | Welcome::Silence => {
                Err(MetadataError::Unavailable("the suite says so".into()))
            }
        }
    }

    fn ask_arrival(&self, rename: WriteId) -> Result<Reply, MetadataError> {
        if *lock(&self.welcome) == Welcome::Silence {
            return Err(MetadataError::Unavailable("the suite says so".into()));
        }
        Ok(Reply::Arrived(self.arrived(rename).map(|(arrive, _)| Box::new(committed(&arrive)))))
    }

    pub(super) fn was_asked(&self, reference: WriteId) -> bool {
        lock(&self.asked).contains(&reference)
    }

    /// Whether it was told that bytes of the manifest that a reference names are lost.
    pub(super) fn was_told_lost(&self, reference: WriteId, manifest: WriteId) -> bool {
        lock(&self.lost).contains(&(reference, manifest))
    }

    /// How often it was told that a reference is not held any more.
    pub(super) fn releases(&self, reference: WriteId) -> usize {
        lock(&self.released).iter().filter(|r| **r == reference).count()
    }
}

#[async_trait]
impl Metadata for OtherShard {
    async fn job(&self, _: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        let reply = match request {
            Request::Arrive(arrive) => self.arrive(*arrive, payload),
            Request::AskArrival { rename } => self.ask_arrival(rename),
            other => Err(MetadataError::BadRequest(format!("{other:?} from a shard"))),
        };
        reply.map(Answer::from)
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        match request {
            ShardRequest::AskReferences(references) => {
                let ids: Vec<WriteId> = references.into_iter().map(|(_, id)| id).collect();
                let held = lock(&self.held);
                let fate = |id| if held.contains(id) { Fate::Held } else { Fate::Never };
                let known = ids.iter().map(fate).collect();
                lock(&self.asked).extend(ids);
                Ok(ShardReply::Known(known))
            }
            ShardRequest::ReleaseReferences(references) => {
                lock(&self.released).extend(references.into_iter().map(|(_, id)| id));
                Ok(ShardReply::Done)
            }
            ShardRequest::ReferencesLost(references) => {
                lock(&self.lost).extend(references.into_iter().map(|(_, id, manifest)| (id, manifest)));
                Ok(ShardReply::Done)
            }
            ShardRequest::ForgetArrivals(renames) => {
                lock(&self.forgotten).extend(renames.into_iter().map(|(_, id)| id));
                Ok(ShardReply::Done)
            }
            other => Err(MetadataError::BadRequest(format!("{other:?} from a shard"))),
        }
    }
}

fn committed(arrive: &Arrive) -> Committed {
    Committed {
        etag: arrive.etag,
        checksum: arrive.checksum.clone(),
        size: arrive.size,
        last_modified: arrive.last_modified,
        expires_at: None,
        rule_end: None,
    }
}
