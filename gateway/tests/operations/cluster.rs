//! What the tests of the operations ask of a cluster, in their words: requests for buckets and objects, planes that fail, space
//! that comes back.

use crate::in_process::ask::{Ask, path_of};
use crate::in_process::planes::LocalDirectory;
pub(crate) use crate::in_process::planes::{CAPACITY_BYTES, Cluster};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use http::Method;
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::{ClusterView, Directory, Role};
use pocket_api::env::Env;
use pocket_api::hints::ObjectHints;
use pocket_api::ids::NodeId;
use pocket_api::metadata::{
    Answer, JobRef, Metadata, MetadataError, Request, ShardReply, ShardRequest, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::Tags;
use pocket_api::usage::{UsageReport, UsageSource};
use pocket_edge::config::EdgeConfig;
use pocket_gateway::config::GatewayConfig;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long tests wait for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(20);
/// Hints by which a job is spread over all shards.
pub(crate) const WIDE: (&str, &str) = ("x-pocket-workers", "100");
pub(crate) const FORCE: (&str, &str) = ("x-pocket-force-delete", "true");

impl LocalDirectory {
    /// No storage server answers any more, as if all had died a moment ago.
    pub(crate) fn lose_servers(&self) {
        self.servers.lock().clear();
    }

    /// As [`Self::lose_servers`], for one of them; what brings it back.
    pub(crate) fn lose_server(&self, nth: usize) -> impl FnOnce() {
        let mut servers = self.servers.lock();
        let mut nodes: Vec<NodeId> = servers.keys().copied().collect();
        nodes.sort();
        let node = nodes[nth];
        let server = servers.remove(&node).unwrap();
        move || drop(self.servers.lock().insert(node, server))
    }

    /// Before a shard looks up bytes of `key`, or refers to them, the object gets these tags.
    pub(crate) fn tag_before_lookups(&self, key: &str, tags: &[(&str, &str)]) {
        let key = ObjectKey::parse(key).unwrap();
        let tags: Tags = tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        for shard in self.shards.lock().values_mut() {
            *shard = Arc::new(TagsFirst { shard: shard.clone(), key: key.clone(), tags: tags.clone() });
        }
    }

    /// Refusals of shards take a while on their way back, as they do over a network.
    pub(crate) fn delay_refusals(&self) {
        for shard in self.shards.lock().values_mut() {
            *shard = Arc::new(SlowRefusals(shard.clone()));
        }
    }

    /// Watches how many keys shards are told to delete in one call.
    pub(crate) fn count_deletions(&self) -> Arc<AtomicUsize> {
        let most = Arc::new(AtomicUsize::new(0));
        for shard in self.shards.lock().values_mut() {
            *shard = Arc::new(Deletions { shard: shard.clone(), most: most.clone() });
        }
        most
    }

    /// One of the shards takes what it is asked and never answers; what it was asked by then.
    pub(crate) fn hang_a_shard(&self) -> Arc<Hung> {
        let hung = Arc::new(Hung::default());
        *self.shards.lock().values_mut().next().unwrap() = hung.clone();
        hung
    }

    /// All storage servers are dead, and that is known here; views that come later are passed over.
    pub(crate) fn bury_servers(&self) {
        self.lose_servers();
        let mut view = ClusterView::clone(&self.view());
        view.version = u64::MAX;
        view.nodes.retain(|node| node.spec.role != Role::Storage);
        self.update(view);
    }
}

struct TagsFirst {
    shard: Arc<dyn Metadata>,
    key: ObjectKey,
    tags: Tags,
}

#[async_trait::async_trait]
impl Metadata for TagsFirst {
    async fn job(&self, job: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        let takes_bytes = match &request {
            Request::Lookup(lookup) => lookup.want != Want::Meta && lookup.key == self.key,
            Request::AddReference(add) => add.key == self.key,
            _ => false,
        };
        if takes_bytes {
            let (key, tags) = (self.key.clone(), self.tags.clone());
            let set = Request::SetTags { key, tags, hints: ObjectHints::default() };
            self.shard.job(job, set, Bytes::new()).await?;
        }
        self.shard.job(job, request, payload).await
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        self.shard.shard(request).await
    }
}

struct Deletions {
    shard: Arc<dyn Metadata>,
    /// Keys of one call.
    most: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Metadata for Deletions {
    async fn job(&self, job: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        if let Request::DeleteMany { keys } = &request {
            self.most.fetch_max(keys.len(), Ordering::SeqCst);
        }
        self.shard.job(job, request, payload).await
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        self.shard.shard(request).await
    }
}

/// A shard that never answers.
#[derive(Default)]
pub(crate) struct Hung {
    /// Requests for its jobs.
    pub(crate) requests: AtomicUsize,
    /// Calls that are not for a job alone, such as the end of reads.
    pub(crate) calls: AtomicUsize,
}

#[async_trait::async_trait]
impl Metadata for Hung {
    async fn job(&self, _: JobRef, _: Request, _: Bytes) -> Result<Answer, MetadataError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    async fn shard(&self, _: ShardRequest) -> Result<ShardReply, MetadataError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

struct SlowRefusals(Arc<dyn Metadata>);

#[async_trait::async_trait]
impl Metadata for SlowRefusals {
    async fn job(&self, job: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        let answer = self.0.job(job, request, payload).await;
        if answer.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        answer
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        self.0.shard(request).await
    }
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::in_region("us-east-1").await
    }

    pub(crate) async fn in_region(region: &str) -> Self {
        let edge = EdgeConfig { region: region.into(), ..EdgeConfig::default() };
        let config = GatewayConfig { edge, ..GatewayConfig::default() };
        Self::start_with(config, Env::system()).await
    }

    /// With so much memory for bodies that pass.
    pub(crate) async fn with_buffers(buffers: &ByteBudget) -> Self {
        let edge = EdgeConfig { buffers: buffers.clone(), ..EdgeConfig::default() };
        let config = GatewayConfig { edge, ..GatewayConfig::default() };
        Self::start_with(config, Env::system()).await
    }

    /// Bytes that chunks take on all servers.
    pub(crate) fn used_bytes(&self) -> u64 {
        let mut report = UsageReport::default();
        self.servers.iter().for_each(|server| server.fill(&mut report).now_or_never().unwrap());
        report.tiers.iter().map(|tier| tier.used_bytes).sum()
    }

    /// For how long the only job was not used, as the shard has it that it was used at last.
    pub(crate) fn idle_ms(&self) -> u64 {
        let mut report = UsageReport::default();
        self.shards.iter().for_each(|shard| shard.fill(&mut report).now_or_never().unwrap());
        report.jobs.iter().map(|job| job.idle_ms).min().unwrap()
    }

    pub(crate) fn create_bucket(&self, bucket: &str) -> Ask {
        self.ask(Method::PUT, format!("/{bucket}"))
    }

    pub(crate) fn head_bucket(&self, bucket: &str) -> Ask {
        self.ask(Method::HEAD, format!("/{bucket}"))
    }

    pub(crate) fn delete_bucket(&self, bucket: &str) -> Ask {
        self.ask(Method::DELETE, format!("/{bucket}"))
    }

    /// A list of what is in it, or one of its settings, as parameters say.
    pub(crate) fn get_bucket(&self, bucket: &str) -> Ask {
        self.ask(Method::GET, format!("/{bucket}"))
    }

    pub(crate) fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> Ask {
        self.ask(Method::PUT, path_of(bucket, key)).body(body)
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Ask {
        self.ask(Method::GET, path_of(bucket, key))
    }

    pub(crate) fn head(&self, bucket: &str, key: &str) -> Ask {
        self.ask(Method::HEAD, path_of(bucket, key))
    }

    pub(crate) fn delete(&self, bucket: &str, key: &str) -> Ask {
        self.ask(Method::DELETE, path_of(bucket, key))
    }

    pub(crate) fn post(&self, bucket: &str, key: &str) -> Ask {
        self.ask(Method::POST, path_of(bucket, key))
    }

    /// All keys of a document at once; see [`deletion`].
    pub(crate) fn delete_many(&self, bucket: &str, document: String) -> Ask {
        let md5 = BASE64_STANDARD.encode(<md5::Md5 as md5::Digest>::digest(&document));
        self.post(bucket, "").query("delete", "").body(document).header("content-md5", md5)
    }

    /// `source` and `target` as `bucket/key`.
    pub(crate) fn copy(&self, source: &str, target: &str) -> Ask {
        self.ask(Method::PUT, format!("/{target}")).header("x-amz-copy-source", source)
    }

    /// Gives `source` another key of its bucket.
    pub(crate) fn rename(&self, bucket: &str, source: &str, target: &str) -> Ask {
        let rename = self.ask(Method::PUT, path_of(bucket, target)).query("renameObject", "");
        rename.header("x-amz-rename-source", source)
    }

    /// A bucket that is there from now on.
    pub(crate) async fn bucket(&self, name: &str) {
        self.bucket_with(name, &[]).await;
    }

    /// With hints, as `x-pocket-*` headers.
    pub(crate) async fn bucket_with(&self, name: &str, hints: &[(&'static str, &str)]) {
        self.create_bucket(name).headers(hints).await.ok();
    }

    /// An object that is there from now on; its ETag.
    pub(crate) async fn stored(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> String {
        self.put(bucket, key, body).await.ok().tag()
    }

    /// All keys of a bucket, in one page.
    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        self.get_bucket(bucket).query("list-type", 2).await.ok().texts("Contents/Key")
    }
}

/// A document that asks for these keys to be deleted, each with the ETag that it must have.
pub(crate) fn deletion(keys: &[(&str, Option<&str>)], is_quiet: bool) -> String {
    let object = |(key, tag): &(&str, Option<&str>)| {
        let tag = tag.map(|tag| format!("<ETag>{tag}</ETag>")).unwrap_or_default();
        format!("<Object><Key>{key}</Key>{tag}</Object>")
    };
    let quiet = if is_quiet { "<Quiet>true</Quiet>" } else { "" };
    format!("<Delete>{}{quiet}</Delete>", keys.iter().map(object).collect::<String>())
}

/// Bytes that differ everywhere.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// Waits until something that happens in the background has happened.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
