//! A node of another process as a value of its seam: [`Metadata`] and [`Chunks`] over framed connections. Adds what a
//! network adds, `Unavailable`, and nothing else; never retries, because only the caller knows what may be repeated.

use crate::connection::{Answered, CallError, Outgoing, failed};
use crate::handshake::{Identity, Service};
use crate::link::{Link, Target};
use crate::message::{Call, ChunkReply, ChunkRequest, Response};
use crate::secret::ClusterSecret;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::TryFutureExt;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use pocket_api::limits::WAIT_MAX;
use pocket_api::metadata::{Answer, JobRef, Metadata, MetadataError, Request, ShardReply, ShardRequest};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Handle, Id};

/// How long a call may take. Far above what any call needs; a node that is silent for longer is declared dead before.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Runtimes of one process that have a connection of their own to a node; more share them. Enough to fill a network between two
/// processes, and few where a process with many cores has a thousand peers.
pub(crate) const LINKS_MAX: usize = 4;

/// A node, reached over one connection for each runtime that calls: a call wakes no other thread. Calls must be made
/// within a tokio runtime. Connections are made when they are first needed.
#[derive(Debug)]
pub struct PlaneClient {
    target: Arc<Target>,
    /// Replaced as a whole when a runtime makes its first call, which is seldom.
    links: ArcSwap<Vec<(Id, Arc<Link>)>>,
}

impl PlaneClient {
    /// A client of node `node` at `address` (`host:port`), for node `own`.
    pub fn new(own: NodeId, secret: Option<ClusterSecret>, node: NodeId, address: &str) -> Self {
        let own = Identity { service: Service::Planes, node: own, secret };
        let target = Arc::new(Target { node, address: address.into(), own, left: OnceLock::new() });
        Self { target, links: ArcSwap::default() }
    }

    /// The node has left the cluster: calls in flight fail, and so do all that come.
    pub(crate) fn leave(&self, reason: &'static str) {
        self.target.left.get_or_init(|| reason);
        for (_, link) in self.links.load().iter() {
            link.close(reason);
        }
    }

    /// How many runtimes have called.
    #[cfg(test)]
    pub(crate) fn link_count(&self) -> usize {
        self.links.load().len()
    }

    fn link(&self) -> Arc<Link> {
        let runtime = Handle::current().id();
        let find = |links: &[(Id, Arc<Link>)]| {
            links.iter().find(|(id, _)| *id == runtime).map(|(_, link)| link.clone())
        };
        if let Some(link) = find(&self.links.load()) {
            return link;
        }
        let own = Arc::new(Link::new(self.target.clone()));
        self.links.rcu(|links| {
            let mut links = Vec::clone(links);
            if find(&links).is_none() && links.len() < LINKS_MAX {
                links.push((runtime, own.clone()));
            }
            links
        });
        let links = self.links.load();
        find(&links).unwrap_or_else(|| links[shared(runtime, links.len())].1.clone())
    }

    fn call(&self, outgoing: Outgoing) -> impl Future<Output = Answered> {
        let calling = match self.link().connection() {
            Ok(connection) => connection.call(outgoing),
            Err(reason) => failed(CallError::Unavailable(reason)),
        };
        calling.map_err(|e| match e {
            CallError::Unavailable(reason) => {
                CallError::Unavailable(format!("{} at {}: {reason}", self.target.node, self.target.address))
            }
            other => other,
        })
    }

    async fn call_chunks(
        &self,
        request: ChunkRequest,
        payload: Bytes,
        weight_bytes: usize,
    ) -> Result<(ChunkReply, Bytes), ChunkError> {
        let outgoing =
            Outgoing { call: Call::Chunk(request), payload, weight_bytes, deadline: CALL_DEADLINE };
        match self.call(outgoing).await {
            Ok((Response::Chunk(Ok(reply)), payload)) => Ok((reply, payload)),
            Ok((Response::Chunk(Err(e)), _)) => Err(e),
            Ok((other, _)) => Err(ChunkError::Unavailable(foreign(&other))),
            Err(CallError::Unavailable(reason)) => Err(ChunkError::Unavailable(reason)),
            Err(CallError::TooLong(reason)) => Err(ChunkError::BadRequest(reason)),
            Err(CallError::TooManyWaits) => unreachable!("no call of this seam waits"),
        }
    }

    async fn done(&self, request: ChunkRequest, payload: Bytes) -> Result<(), ChunkError> {
        let weight_bytes = payload.len();
        match self.call_chunks(request, payload, weight_bytes).await? {
            (ChunkReply::Done, _) => Ok(()),
            (other, _) => Err(ChunkError::Unavailable(foreign(&other))),
        }
    }
}

/// Which of so many links a runtime that has none of its own goes over: always the same one.
fn shared(runtime: Id, links: usize) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    runtime.hash(&mut hasher);
    (hasher.finish() % links as u64) as usize
}

/// A peer that answers another question than it was asked.
fn foreign(reply: &dyn std::fmt::Debug) -> String {
    let mut text = format!("the answer belongs to another call: {reply:?}");
    text.truncate(text.floor_char_boundary(200));
    text
}

impl From<CallError> for MetadataError {
    fn from(e: CallError) -> Self {
        match e {
            CallError::Unavailable(reason) => Self::Unavailable(reason),
            CallError::TooManyWaits => Self::Crowded,
            CallError::TooLong(reason) => Self::BadRequest(reason),
        }
    }
}

/// How long a request may take: what it asked to wait for comes on top.
fn deadline_of(request: &Request) -> Duration {
    match request {
        Request::Lookup(lookup) => lookup.wait.min(WAIT_MAX) + CALL_DEADLINE,
        _ => CALL_DEADLINE,
    }
}

#[async_trait]
impl Metadata for PlaneClient {
    async fn job(&self, job: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        let (deadline, weight_bytes) = (deadline_of(&request), payload.len());
        let outgoing = Outgoing { call: Call::Job(job, request), payload, weight_bytes, deadline };
        match self.call(outgoing).await? {
            (Response::Job(Ok(reply)), payload) => Ok(Answer { reply, payload }),
            (Response::Job(Err(e)), _) => Err(e),
            (other, _) => Err(MetadataError::Unavailable(foreign(&other))),
        }
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        let call = Call::Shard(request);
        let outgoing = Outgoing { call, payload: Bytes::new(), weight_bytes: 0, deadline: CALL_DEADLINE };
        match self.call(outgoing).await? {
            (Response::Shard(answer), _) => answer,
            (other, _) => Err(MetadataError::Unavailable(foreign(&other))),
        }
    }
}

#[async_trait]
impl Chunks for PlaneClient {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        match self.call_chunks(ChunkRequest::Allocate(request), Bytes::new(), 0).await? {
            (ChunkReply::Allocated(chunks), _) => Ok(chunks),
            (other, _) => Err(ChunkError::Unavailable(foreign(&other))),
        }
    }

    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError> {
        self.done(ChunkRequest::Write { chunk, offset }, data).await
    }

    async fn read(&self, chunk: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        let request = ChunkRequest::Read { chunk, offset, len };
        let (_, payload) = self.call_chunks(request, Bytes::new(), len as usize).await?;
        if payload.len() != len as usize {
            let reason = format!("{} bytes came instead of {len}", payload.len());
            return Err(ChunkError::Unavailable(reason));
        }
        Ok(payload)
    }

    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError> {
        self.done(ChunkRequest::Free(chunks), Bytes::new()).await
    }

    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError> {
        self.done(ChunkRequest::Touch(writes), Bytes::new()).await
    }

    async fn end_jobs(&self, term: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        self.done(ChunkRequest::EndJobs(term, jobs), Bytes::new()).await
    }

    async fn is_away(&self) -> bool {
        self.link().is_away().await
    }
}
