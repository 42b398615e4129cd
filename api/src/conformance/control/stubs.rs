//! Stand-ins for the planes that a controller talks to: shards and storage servers that know nothing but the lives
//! of jobs, fail on demand, and remember what they were asked. They keep the promises of
//! [`ShardRequest`] about a job's life and serve no data.

use crate::budget::ByteBudget;
use crate::chunks::{Allocate, ChunkError, Chunks};
use crate::cluster::{ClusterView, Directory, NodeSpec};
use crate::ids::{ChunkId, Epoch, JobId, NodeId, OperationId, Term, WriteId};
use crate::metadata::{Answer, JobRef, Metadata, MetadataError, Reply, Request, ShardReply, ShardRequest};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused and has no effect.
    Error(MetadataError),
    /// It has its effect, and the answer is lost.
    LostReply,
    /// It has no effect and is never answered.
    Hang,
}

/// What holds up a job's requests; freezes do not lapse by themselves here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Free,
    Frozen(OperationId),
    Fenced(OperationId),
}

/// A job at a [`StubShard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StubJob {
    pub epoch: Epoch,
    pub hold: Hold,
    /// What a freeze finds.
    pub objects: u64,
    /// In use: does not vote for an end by idleness.
    pub busy: bool,
}

type Trouble = Box<dyn Fn(&ShardRequest) -> Option<Fault> + Send>;

/// A shard that opens, freezes and ends jobs.
#[derive(Default)]
pub struct StubShard(Mutex<ShardState>);

#[derive(Default)]
struct ShardState {
    jobs: BTreeMap<JobId, StubJob>,
    ended: BTreeSet<JobId>,
    /// The latest operation that was undone, by job.
    undone: BTreeMap<JobId, OperationId>,
    newest_term: Term,
    trouble: Option<Trouble>,
    asked: Vec<ShardRequest>,
}

impl StubShard {
    fn with<R>(&self, f: impl FnOnce(&mut ShardState) -> R) -> R {
        f(&mut self.0.lock().expect("no panic while locked"))
    }

    /// From now on requests go wrong as `trouble` says.
    pub fn fail(&self, trouble: impl Fn(&ShardRequest) -> Option<Fault> + Send + 'static) {
        self.with(|s| s.trouble = Some(Box::new(trouble)));
    }

    /// From now on every request is refused as if the shard could not be reached.
    pub fn cut_off(&self) {
        self.fail(|_| Some(Fault::Error(MetadataError::Unavailable("cut off".into()))));
    }

    pub fn heal(&self) {
        self.with(|s| s.trouble = None);
    }

    pub fn job(&self, job: JobId) -> Option<StubJob> {
        self.with(|s| s.jobs.get(&job).copied())
    }

    /// Jobs that are open here.
    pub fn jobs(&self) -> Vec<JobId> {
        self.with(|s| s.jobs.keys().copied().collect())
    }

    pub fn change(&self, job: JobId, change: impl FnOnce(&mut StubJob)) {
        self.with(|s| change(s.jobs.get_mut(&job).expect("the job is open here")));
    }

    /// Every request so far, those that failed included.
    pub fn asked(&self) -> Vec<ShardRequest> {
        self.with(|s| s.asked.clone())
    }
}

impl ShardState {
    fn apply(&mut self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        if let Some(order) = request.order() {
            if order.term < self.newest_term {
                return Err(MetadataError::StaleTerm(self.newest_term));
            }
            self.newest_term = order.term;
        }
        match request {
            ShardRequest::Open(_, spec) => {
                if self.ended.contains(&spec.job) {
                    return Err(MetadataError::NoSuchJob);
                }
                let job = StubJob { epoch: spec.epoch, hold: Hold::Free, objects: 0, busy: false };
                self.jobs.entry(spec.job).or_insert(job);
            }
            ShardRequest::Update(_, spec) => {
                let job = self.jobs.get_mut(&spec.job).ok_or(MetadataError::NoSuchJob)?;
                job.epoch = job.epoch.max(spec.epoch);
            }
            ShardRequest::Freeze { order, job, idle_for } => {
                let undone = self.undone.get(&job).is_some_and(|undone| order.operation <= *undone);
                let job = self.jobs.get_mut(&job).ok_or(MetadataError::NoSuchJob)?;
                if undone || idle_for.is_some() && job.busy {
                    return Err(MetadataError::Busy);
                }
                match job.hold {
                    Hold::Fenced(own) if own != order.operation => return Err(MetadataError::Busy),
                    Hold::Fenced(_) => {}
                    Hold::Free | Hold::Frozen(_) => job.hold = Hold::Frozen(order.operation),
                }
                return Ok(ShardReply::Frozen { objects: Some(job.objects) });
            }
            ShardRequest::Fence { order, job } => {
                let job = self.jobs.get_mut(&job).ok_or(MetadataError::NoSuchJob)?;
                if !matches!(job.hold, Hold::Frozen(own) | Hold::Fenced(own) if own == order.operation) {
                    return Err(MetadataError::Busy);
                }
                job.hold = Hold::Fenced(order.operation);
            }
            ShardRequest::Thaw { order, job } => {
                let undone = self.undone.entry(job).or_default();
                *undone = order.operation.max(*undone);
                if let Some(job) = self.jobs.get_mut(&job)
                    && matches!(job.hold, Hold::Frozen(own) | Hold::Fenced(own) if own <= *undone)
                {
                    job.hold = Hold::Free;
                }
            }
            ShardRequest::End { order: _, job } => {
                self.jobs.remove(&job);
                self.ended.insert(job);
            }
            other => return Err(MetadataError::BadRequest(format!("not for a stub: {other:?}"))),
        }
        Ok(ShardReply::Done)
    }
}

#[async_trait]
impl Metadata for StubShard {
    async fn job(&self, job: JobRef, request: Request, _: Bytes) -> Result<Answer, MetadataError> {
        match (self.job(job.job), request) {
            (None, _) => Err(MetadataError::NoSuchJob),
            (Some(open), _) if job.epoch < open.epoch => Err(MetadataError::StaleEpoch(open.epoch)),
            (Some(_), Request::Ping) => Ok(Reply::Done.into()),
            (Some(_), other) => Err(MetadataError::BadRequest(format!("not for a stub: {other:?}"))),
        }
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        let answer = self.with(|s| {
            s.asked.push(request.clone());
            match s.trouble.as_ref().and_then(|trouble| trouble(&request)) {
                None => Some(s.apply(request)),
                Some(Fault::Error(error)) => Some(Err(error)),
                Some(Fault::LostReply) => {
                    let _lost = s.apply(request);
                    Some(Err(MetadataError::Unavailable("answer lost".into())))
                }
                Some(Fault::Hang) => None,
            }
        });
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }
}

/// A storage server that only learns which jobs ended.
#[derive(Default)]
pub struct StubServer(Mutex<Vec<JobId>>);

impl StubServer {
    /// Jobs that it was told have ended, in the order of the calls.
    pub fn ended(&self) -> Vec<JobId> {
        self.0.lock().expect("no panic while locked").clone()
    }
}

#[async_trait]
impl Chunks for StubServer {
    async fn allocate(&self, _: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        Err(ChunkError::Full(ByteBudget::new(0).shortage()))
    }

    async fn write(&self, _: ChunkId, _: u32, _: Bytes) -> Result<(), ChunkError> {
        Err(ChunkError::NoSuchChunk)
    }

    async fn read(&self, _: ChunkId, _: u32, _: u32) -> Result<Bytes, ChunkError> {
        Err(ChunkError::NoSuchChunk)
    }

    async fn free(&self, _: Vec<ChunkId>) -> Result<(), ChunkError> {
        Ok(())
    }

    async fn touch(&self, _: Vec<WriteId>) -> Result<(), ChunkError> {
        Ok(())
    }

    async fn end_jobs(&self, _: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        self.0.lock().expect("no panic while locked").extend(jobs);
        Ok(())
    }
}

/// Finds the stubs by the ids that they were given.
#[derive(Default)]
pub struct StubDirectory(Mutex<Stubs>);

#[derive(Default)]
struct Stubs {
    shards: BTreeMap<NodeId, Arc<StubShard>>,
    servers: BTreeMap<NodeId, Arc<StubServer>>,
    view: Arc<ClusterView>,
    refusals: BTreeMap<String, VecDeque<bool>>,
}

impl StubDirectory {
    fn with<R>(&self, f: impl FnOnce(&mut Stubs) -> R) -> R {
        f(&mut self.0.lock().expect("no panic while locked"))
    }

    pub fn put_shard(&self, node: NodeId, shard: Arc<StubShard>) {
        self.with(|s| s.shards.insert(node, shard));
    }

    pub fn put_server(&self, node: NodeId, server: Arc<StubServer>) {
        self.with(|s| s.servers.insert(node, server));
    }

    /// What the next questions whether this address refuses are answered with; after them it does not.
    pub fn refuse(&self, address: &str, answers: &[bool]) {
        self.with(|s| s.refusals.insert(address.into(), answers.iter().copied().collect()));
    }

    /// How many of these answers nobody has asked for.
    pub fn unasked(&self, address: &str) -> usize {
        self.with(|s| s.refusals.get(address).map_or(0, VecDeque::len))
    }
}

#[async_trait]
impl Directory for StubDirectory {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.with(|s| s.shards.get(&node).map(|shard| shard.clone() as Arc<dyn Metadata>))
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.with(|s| s.servers.get(&node).map(|server| server.clone() as Arc<dyn Chunks>))
    }

    fn view(&self) -> Arc<ClusterView> {
        self.with(|s| s.view.clone())
    }

    fn update(&self, view: ClusterView) {
        self.with(|s| {
            if view.follows(&s.view) {
                s.view = Arc::new(view);
            }
        });
    }

    async fn refuses(&self, node: &NodeSpec) -> bool {
        self.with(|s| s.refusals.get_mut(&node.address).and_then(VecDeque::pop_front).unwrap_or_default())
    }
}
