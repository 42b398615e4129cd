//! The seams as they look from another process: the same traits, over the world's network. Errors are those of `wire`'s clients.

use super::directory::{Registry, Seam};
use super::net::Unanswered;
use super::process::{OsProcess, Place};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::cluster::NodeSpec;
use pocket_api::control::{
    ClusterStatus, Configuration, Control, ControlError, EndJob, Forgotten, Heartbeat, HeartbeatReply,
    JobSummary, Joined, Placement, Registration,
};
use pocket_api::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use pocket_api::metadata::{Answer, JobRef, Metadata, MetadataError, Request, ShardReply, ShardRequest};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::{Usage, UsageReport};
use pocket_controller::Controller;
use std::sync::Arc;

pub(super) struct RemoteMetadata {
    pub(super) registry: Arc<Registry>,
    pub(super) own: Place,
    pub(super) node: NodeId,
}

impl RemoteMetadata {
    async fn ask<T: Send + 'static>(
        registry: Arc<Registry>,
        (own, node): (Place, NodeId),
        what: &'static str,
        deed: impl FnOnce(Arc<dyn Metadata>) -> BoxFuture<'static, Result<T, MetadataError>> + Send + 'static,
    ) -> Result<T, MetadataError> {
        let refused = || MetadataError::Unavailable("another incarnation answers".into());
        let (process, found) = registry.find(node).ok_or_else(refused)?;
        let deed = async move {
            match found {
                Some(Seam::Shard(shard)) => deed(shard).await,
                _ => Err(MetadataError::Unavailable("another incarnation answers".into())),
            }
        };
        let answer = registry.net.call(own, &process, what, deed.boxed()).await;
        answer.unwrap_or_else(|why| Err(MetadataError::Unavailable(why.text())))
    }
}

#[async_trait]
impl Metadata for RemoteMetadata {
    fn job<'a, 'b>(
        &'a self,
        job: JobRef,
        request: Request,
        payload: Bytes,
    ) -> BoxFuture<'b, Result<Answer, MetadataError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let what = kind_of(&request);
        let deed =
            move |shard: Arc<dyn Metadata>| async move { shard.job(job, request, payload).await }.boxed();
        Self::ask(self.registry.clone(), (self.own, self.node), what, deed).boxed()
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        let deed = move |shard: Arc<dyn Metadata>| async move { shard.shard(request).await }.boxed();
        Self::ask(self.registry.clone(), (self.own, self.node), "shard", deed).await
    }
}

/// As traces name it.
fn kind_of(request: &Request) -> &'static str {
    match request {
        Request::Lookup(_) => "lookup",
        Request::Commit(_) => "commit",
        Request::Append(_) => "append",
        Request::Rename(_) | Request::Arrive(_) => "rename",
        Request::Delete { .. } | Request::DeleteMany { .. } => "delete",
        Request::List(_) | Request::ListUploads(_) => "list",
        Request::Complete(_) => "complete",
        _ => "job",
    }
}

pub(super) struct RemoteChunks {
    pub(super) registry: Arc<Registry>,
    pub(super) own: Place,
    pub(super) node: NodeId,
}

impl RemoteChunks {
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        deed: impl FnOnce(Arc<dyn Chunks>) -> BoxFuture<'static, Result<T, ChunkError>> + Send + 'static,
    ) -> Result<T, ChunkError> {
        let away = || ChunkError::Unavailable("another incarnation answers".into());
        let (process, found) = self.registry.find(self.node).ok_or_else(away)?;
        let deed = async move {
            match found {
                Some(Seam::Server(server)) => deed(server).await,
                _ => Err(ChunkError::Unavailable("another incarnation answers".into())),
            }
        };
        let answer = self.registry.net.call(self.own, &process, what, deed.boxed()).await;
        answer.unwrap_or_else(|why| Err(ChunkError::Unavailable(why.text())))
    }
}

#[async_trait]
impl Chunks for RemoteChunks {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        self.ask("allocate", |server| async move { server.allocate(request).await }.boxed()).await
    }

    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError> {
        self.ask("write", move |server| async move { server.write(chunk, offset, data).await }.boxed()).await
    }

    /// What comes over a wire is a copy: the memory may be another chunk's by the time that it is looked at.
    async fn read(&self, chunk: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        let read = move |server: Arc<dyn Chunks>| async move {
            server.read(chunk, offset, len).await.map(|bytes| Bytes::copy_from_slice(&bytes))
        };
        self.ask("read", move |server| read(server).boxed()).await
    }

    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError> {
        self.ask("free", |server| async move { server.free(chunks).await }.boxed()).await
    }

    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError> {
        self.ask("touch", |server| async move { server.touch(writes).await }.boxed()).await
    }

    async fn end_jobs(&self, term: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        self.ask("end-jobs", move |server| async move { server.end_jobs(term, jobs).await }.boxed()).await
    }

    /// As a connection that was refused or cut is known to be.
    async fn is_away(&self) -> bool {
        let found = self.registry.find(self.node);
        found
            .is_none_or(|(process, seam)| seam.is_none() || self.registry.net.is_cut(self.own, process.place))
    }
}

pub(super) struct RemoteControl {
    pub(super) registry: Arc<Registry>,
    pub(super) own: Place,
}

impl RemoteControl {
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        deed: impl FnOnce(Arc<Controller>) -> BoxFuture<'static, Result<T, ControlError>> + Send + 'static,
    ) -> Result<T, ControlError> {
        let away = |why: Unanswered| ControlError::Unavailable(why.text());
        let (process, controller): (Arc<OsProcess>, _) =
            self.registry.controller().ok_or_else(|| away(Unanswered::Refused))?;
        let answer = self.registry.net.call(self.own, &process, what, deed(controller)).await;
        answer.unwrap_or_else(|why| Err(away(why)))
    }
}

#[async_trait]
impl Control for RemoteControl {
    async fn register(&self, registration: Registration) -> Result<Placement, ControlError> {
        self.ask("register", |c| async move { c.register(registration).await }.boxed()).await
    }

    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        let bucket = bucket.clone();
        self.ask("placement", |c| async move { c.placement(&bucket).await }.boxed()).await
    }

    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        self.ask("configure", |c| async move { c.configure(configuration).await }.boxed()).await
    }

    async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        self.ask("end", |c| async move { c.end(end).await }.boxed()).await
    }

    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        let tenant = tenant.cloned();
        self.ask("jobs", |c| async move { c.jobs(tenant.as_ref()).await }.boxed()).await
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        self.ask("join", |c| async move { c.join(spec).await }.boxed()).await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        self.ask("heartbeat", |c| async move { c.heartbeat(heartbeat).await }.boxed()).await
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        self.ask("leave", move |c| async move { c.leave(node).await }.boxed()).await
    }

    async fn forget(&self, node: NodeId) -> Result<Forgotten, ControlError> {
        self.ask("forget", move |c| async move { c.forget(node).await }.boxed()).await
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        self.ask("status", |c| async move { c.status().await }.boxed()).await
    }
}

#[async_trait]
impl Usage for RemoteControl {
    async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError> {
        self.ask("report", move |c| async move { Usage::report(&*c, node, report).await }.boxed()).await
    }
}
