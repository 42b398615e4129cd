//! How the suite speaks to the shard under test: as a gateway does, in few words.

use super::world::{GATEWAY, SERVERS, World};
use crate::conditions::{ReadConditions, WriteCondition};
use crate::hints::{JobHints, ObjectHints};
use crate::ids::{ChunkId, Epoch, JobId, LeaseId, OperationId, Term, WriteId};
use crate::lifecycle::Lifecycle;
use crate::metadata::{
    Answer, Commit, Committed, Delivery, Found, JobRef, JobSpec, List, ListItem, ListPage, ListStart, Lookup,
    Metadata, MetadataError, NewMeta, Order, Reply, Request, Select, ShardReply, ShardRequest, Want,
};
use crate::names::ObjectKey;
use crate::object::{ETag, Extent, NewContent};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One job at the shard under test.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) world: World,
    pub(super) shard: Arc<dyn Metadata>,
    pub(super) job: JobRef,
    pub(super) numbers: Arc<AtomicU64>,
}

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("the suite's keys are good")
}

/// The tag that the suite gives to a write.
pub(super) fn tag(write: WriteId) -> ETag {
    ETag::opaque(write)
}

pub(super) fn lookup(name: &str, want: Want) -> Lookup {
    Lookup {
        key: key(name),
        conditions: ReadConditions::default(),
        select: Select::Whole,
        want,
        wait: Duration::ZERO,
    }
}

impl Client {
    pub(super) async fn open(world: World, shard: Arc<dyn Metadata>) -> Self {
        world.add_shard(world.node(), shard.clone());
        let job = JobRef::new(JobId(100), Epoch(1));
        let client = Self { world, shard, job, numbers: Arc::default() };
        client.open_job(JobId(100), JobHints::default()).await
    }

    /// Another job at the same shard.
    pub(super) async fn open_job(&self, job: JobId, hints: JobHints) -> Self {
        let spec = self.spec(JobRef::new(job, Epoch(1)), hints);
        let opened = self.shard.shard(ShardRequest::Open(self.order(), spec)).await;
        assert_eq!(opened, Ok(ShardReply::Done), "a job is opened");
        Self { job: JobRef::new(job, Epoch(1)), ..self.clone() }
    }

    /// A job at this shard alone.
    pub(super) fn spec(&self, job: JobRef, hints: JobHints) -> Box<JobSpec> {
        let JobRef { job, epoch, .. } = job;
        let lifecycle = Lifecycle::default();
        Box::new(JobSpec {
            job,
            epoch,
            ends_in: hints.ttl,
            hints,
            lifecycle,
            shards: vec![self.world.node()],
        })
    }

    /// The job becomes another epoch.
    pub(super) async fn update(&self, job: JobRef, hints: JobHints) -> ShardReply {
        self.tell(ShardRequest::Update(self.order(), self.spec(job, hints))).await
    }

    /// Of an operation of its own, after all before it.
    pub(super) fn order(&self) -> Order {
        Order { term: Term(1), operation: OperationId(self.number()) }
    }

    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn write_id(&self) -> WriteId {
        WriteId { gateway: GATEWAY, number: self.number() }
    }

    /// Chunks of these sizes, on the servers in turn.
    pub(super) fn chunks(&self, sizes: &[u32]) -> Vec<Extent> {
        let chunk = |server| ChunkId { server, number: self.number() };
        sizes.iter().enumerate().map(|(i, &len)| Extent { chunk: chunk(SERVERS[i % 2]), len }).collect()
    }

    pub(super) async fn request(&self, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        self.shard.job(self.job, request, payload).await
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Reply, MetadataError> {
        Ok(self.request(request, Bytes::new()).await?.reply)
    }

    pub(super) async fn tell(&self, request: ShardRequest) -> ShardReply {
        let reply = self.shard.shard(request).await;
        reply.expect("a batch is answered")
    }

    /// A commit to be changed by the case.
    pub(super) fn new_commit(&self, name: &str, size: u64, content: NewContent) -> Commit {
        let write = self.write_id();
        let meta = NewMeta { etag: tag(write), checksum: None, headers: None, hints: ObjectHints::default() };
        Commit { key: key(name), write, size, content, meta, condition: WriteCondition::None }
    }

    pub(super) async fn commit(&self, commit: Commit, payload: &[u8]) -> Result<Committed, MetadataError> {
        match self.request(Request::Commit(commit), Bytes::copy_from_slice(payload)).await?.reply {
            Reply::Committed(committed) => Ok(committed),
            other => panic!("a commit was answered with {other:?}"),
        }
    }

    pub(super) async fn put(&self, name: &str, bytes: &[u8]) -> Committed {
        let commit = self.new_commit(name, bytes.len() as u64, NewContent::Inline);
        self.commit(commit, bytes).await.expect("an inline object is stored")
    }

    /// With hints of its own.
    pub(super) async fn put_with(&self, name: &str, bytes: &[u8], hints: ObjectHints) -> Committed {
        let mut commit = self.new_commit(name, bytes.len() as u64, NewContent::Inline);
        commit.meta.hints = hints;
        self.commit(commit, bytes).await.expect("an object with hints is stored")
    }

    /// An object of chunks; its write and its chunks.
    pub(super) async fn put_chunks(&self, name: &str, sizes: &[u32]) -> (WriteId, Vec<Extent>) {
        let extents = self.chunks(sizes);
        let size = sizes.iter().map(|&s| u64::from(s)).sum();
        let commit = self.new_commit(name, size, NewContent::Chunks { extents: extents.clone() });
        let write = commit.write;
        self.commit(commit, b"").await.expect("an object of chunks is stored");
        (write, extents)
    }

    pub(super) async fn look(&self, lookup: Lookup) -> Result<(Found, Bytes), MetadataError> {
        let answer = self.request(Request::Lookup(lookup), Bytes::new()).await?;
        match answer.reply {
            Reply::Found(found) => Ok((*found, answer.payload)),
            other => panic!("a lookup was answered with {other:?}"),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<(Found, Bytes), MetadataError> {
        self.look(lookup(name, Want::Data)).await
    }

    pub(super) async fn head(&self, name: &str) -> Result<Found, MetadataError> {
        Ok(self.look(lookup(name, Want::Meta)).await?.0)
    }

    /// What `get` must answer, by what is not there.
    pub(super) async fn get_error(&self, name: &str) -> Option<MetadataError> {
        self.get(name).await.err()
    }

    pub(super) async fn release(&self, lease: Option<LeaseId>, delivery: Delivery) {
        let lease = lease.expect("a lease was granted");
        let reply = self.tell(ShardRequest::Release(vec![(self.job.job, lease, delivery)])).await;
        assert_eq!(reply, ShardReply::Done);
    }

    /// Whether the lease could be renewed.
    pub(super) async fn renew(&self, lease: LeaseId) -> bool {
        let one = vec![(self.job.job, lease)];
        match self.tell(ShardRequest::Renew(one.clone())).await {
            ShardReply::LeasesEnded(ended) if ended.is_empty() => true,
            ShardReply::LeasesEnded(ended) if ended == one => false,
            other => panic!("a renewal was answered with {other:?}"),
        }
    }

    pub(super) async fn delete(&self, name: &str) -> bool {
        let condition = WriteCondition::None;
        match self.ask(Request::Delete { key: key(name), condition }).await {
            Ok(Reply::Deleted { existed }) => existed,
            other => panic!("a delete was answered with {other:?}"),
        }
    }

    pub(super) async fn list(&self, list: List) -> ListPage {
        match self.ask(Request::List(list)).await {
            Ok(Reply::Listed(page)) => page,
            other => panic!("a list was answered with {other:?}"),
        }
    }

    /// Names of everything, prefixes included.
    pub(super) async fn names(&self, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
        let list = List {
            prefix: prefix.into(),
            start: ListStart::Beginning,
            delimiter: delimiter.map(Into::into),
            max: 1_000,
        };
        let page = self.list(list).await;
        assert!(!page.more, "the suite lists little");
        page.items.iter().map(ListItem::name).map(Into::into).collect()
    }

    pub(super) fn were_freed(&self, extents: &[Extent]) -> bool {
        let freed = self.world.freed();
        extents.iter().all(|extent| freed.contains(&extent.chunk))
    }

    pub(super) fn was_any_freed(&self, extents: &[Extent]) -> bool {
        let freed = self.world.freed();
        extents.iter().any(|extent| freed.contains(&extent.chunk))
    }

    pub(super) async fn freed_soon(&self, extents: &[Extent]) {
        super::world::eventually("chunks are freed", async || self.were_freed(extents)).await;
    }
}
