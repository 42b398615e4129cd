//! A whole cluster in one process, without HTTP: the real planes on their in-process seams, and callers that hand
//! typed requests to the operations as s3s does.

use crate::listed::Listed;
use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::checksum::Checksum;
use pocket_api::chunks::Chunks;
use pocket_api::clock::{Clock, SystemClock};
use pocket_api::cluster::{ClusterView, Directory, NodeSpec, Role};
use pocket_api::control::{Control, Heartbeat, JobHolder};
use pocket_api::hints::ObjectHints;
use pocket_api::ids::NodeId;
use pocket_api::limits::HEARTBEAT_EVERY;
use pocket_api::metadata::{
    Answer, JobRef, Metadata, MetadataError, Request, ShardReply, ShardRequest, Want,
};
use pocket_api::names::{ObjectKey, TenantName};
use pocket_api::object::Tags;
use pocket_api::usage::{UsageReport, UsageSource};
use pocket_controller::{Controller, ControllerConfig};
use pocket_gateway::caller::{Caller, Principal};
use pocket_gateway::config::GatewayConfig;
use pocket_gateway::context::{BodyOutcome, Connection, RequestContext};
use pocket_gateway::ops::Operations;
use pocket_gateway::planes::Planes;
use pocket_gateway::refusal::Refusal;
use pocket_metadata::{Shard, ShardConfig};
use pocket_storage::{StorageConfig, StorageServer};
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Of each of the two storage servers.
pub(crate) const CAPACITY_BYTES: u64 = 32 << 20;
/// How long tests wait for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Cluster {
    pub(crate) ops: Arc<Operations>,
    pub(crate) directory: Arc<LocalDirectory>,
    servers: Vec<Arc<StorageServer>>,
    /// Keeps the members alive; aborted with the cluster.
    heartbeats: tokio::task::JoinHandle<()>,
    shards: Vec<Arc<Shard>>,
    pub(crate) controller: Arc<Controller>,
    clock: Arc<dyn Clock>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.heartbeats.abort();
    }
}

/// Finds the planes of this process; a test can make one unreachable.
#[derive(Default)]
pub(crate) struct LocalDirectory {
    shards: Mutex<HashMap<NodeId, Arc<dyn Metadata>>>,
    servers: Mutex<HashMap<NodeId, Arc<dyn Chunks>>>,
    view: Mutex<Arc<ClusterView>>,
}

impl LocalDirectory {
    /// No storage server answers any more, as if all had died a moment ago.
    pub(crate) fn lose_servers(&self) {
        self.servers.lock().clear();
    }

    /// Before a shard looks up bytes, `key` of the bucket gets these tags.
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

    /// As [`Self::lose_servers`], for one of them; what brings it back.
    pub(crate) fn lose_server(&self, nth: usize) -> impl FnOnce() {
        let mut servers = self.servers.lock();
        let mut nodes: Vec<NodeId> = servers.keys().copied().collect();
        nodes.sort();
        let node = nodes[nth];
        let server = servers.remove(&node).unwrap();
        move || drop(self.servers.lock().insert(node, server))
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
        if matches!(&request, Request::Lookup(lookup) if lookup.want != Want::Meta && lookup.key == self.key)
        {
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

impl Directory for LocalDirectory {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.shards.lock().get(&node).cloned()
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.servers.lock().get(&node).cloned()
    }

    fn view(&self) -> Arc<ClusterView> {
        self.view.lock().clone()
    }

    fn update(&self, view: ClusterView) {
        let mut current = self.view.lock();
        if view.version > current.version {
            *current = Arc::new(view);
        }
    }
}

impl Cluster {
    /// Two shards, two storage servers, one gateway.
    pub(crate) async fn start() -> Self {
        Self::in_region("us-east-1").await
    }

    pub(crate) async fn in_region(region: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let directory = Arc::new(LocalDirectory::default());
        let seam: Arc<dyn Directory> = directory.clone();
        let config = ControllerConfig { state_file: None };
        let controller = Controller::start(config, seam.clone(), clock.clone()).unwrap();
        let mut members: Vec<(NodeId, Arc<dyn JobHolder>)> = Vec::new();
        let (mut shards, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let node = join(&*controller, Role::Metadata, 64 << 20).await;
            let config = ShardConfig { budget: ByteBudget::new(64 << 20) };
            let shard = Shard::start(config, node, seam.clone(), clock.clone());
            directory.shards.lock().insert(node, shard.clone());
            members.push((node, shard.clone()));
            shards.push(shard);
            beat_all(&controller, &directory, &members).await;

            let node = join(&*controller, Role::Storage, CAPACITY_BYTES).await;
            let config =
                StorageConfig { capacity_bytes: CAPACITY_BYTES, budget: ByteBudget::new(CAPACITY_BYTES) };
            let server = StorageServer::start(config, node, seam.clone(), clock.clone()).unwrap();
            directory.servers.lock().insert(node, server.clone());
            members.push((node, server.clone()));
            servers.push(server);
            // Making its memory takes a busy machine seconds, and nobody else has a turn before this.
            beat_all(&controller, &directory, &members).await;
        }
        let node = join(&*controller, Role::Gateway, 0).await;
        directory.update(controller.heartbeat(beat(node, vec![])).await.unwrap().view.unwrap());
        let planes = Planes { node, control: controller.clone(), directory: seam, clock: clock.clone() };
        let config = GatewayConfig { region: region.into(), ..GatewayConfig::default() };
        let ops = Operations::start(&config, planes);
        let heartbeats =
            tokio::spawn(keep_alive(controller.clone(), directory.clone(), members, node, ops.clone()));
        Self { ops, directory, servers, heartbeats, shards, controller, clock }
    }

    /// Another gateway of the same cluster.
    pub(crate) async fn another_gateway(&self) -> Arc<Operations> {
        self.gateway_with(self.controller.clone(), self.clock.clone()).await
    }

    /// One that sees the controller so, and goes by this clock.
    pub(crate) async fn gateway_with(
        &self,
        control: Arc<dyn Control>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Operations> {
        let node = join(&*self.controller, Role::Gateway, 0).await;
        let planes = Planes { node, control, directory: self.directory.clone(), clock };
        Operations::start(&GatewayConfig::default(), planes)
    }

    /// Bytes that chunks take on all servers.
    pub(crate) fn used_bytes(&self) -> u64 {
        let mut report = UsageReport::default();
        self.servers.iter().for_each(|server| server.fill(&mut report));
        report.tiers.iter().map(|tier| tier.used_bytes).sum()
    }

    /// For how long the only job was not used, as the shard has it that it was used at last.
    pub(crate) fn idle_ms(&self) -> u64 {
        let mut report = UsageReport::default();
        self.shards.iter().for_each(|shard| shard.fill(&mut report));
        report.jobs.iter().map(|job| job.idle_ms).min().unwrap()
    }

    pub(crate) async fn bucket(&self, name: &str) {
        self.bucket_with(name, &[]).await;
    }

    /// With hints, as `x-pocket-*` headers.
    pub(crate) async fn bucket_with(&self, name: &str, hints: &[(&'static str, &str)]) {
        let call = hints.iter().fold(Call::new(), |call, (header, value)| call.header(header, value));
        let input = CreateBucketInput { bucket: name.into(), ..Default::default() };
        self.ops.create_bucket(call.with(input)).await.unwrap();
    }

    pub(crate) async fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> String {
        let output = self.put_with(Call::new(), bucket, key, body.into()).await.unwrap();
        tag(&output.output.e_tag)
    }

    pub(crate) async fn put_with(
        &self,
        call: Call,
        bucket: &str,
        key: &str,
        body: Bytes,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = PutObjectInput {
            bucket: bucket.into(),
            key: key.into(),
            content_length: Some(body.len() as i64),
            body: Some(blob(vec![body])),
            ..Default::default()
        };
        self.ops.put_object(call.with(input)).await
    }

    pub(crate) async fn get(&self, bucket: &str, key: &str) -> S3Result<Bytes> {
        self.get_with(Call::new(), bucket, key).await
    }

    /// All of it, as a client that reads to the end.
    pub(crate) async fn get_with(&self, call: Call, bucket: &str, key: &str) -> S3Result<Bytes> {
        let connection = call.connection.clone();
        let answer = self.ops.get_object(call.with(get_input(bucket, key))).await?;
        Ok(read(answer.output, &connection).await)
    }

    pub(crate) async fn head(&self, bucket: &str, key: &str) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = HeadObjectInput { bucket: bucket.into(), key: key.into(), ..Default::default() };
        self.ops.head_object(Call::new().with(input)).await
    }

    pub(crate) async fn delete(&self, bucket: &str, key: &str) {
        let input = DeleteObjectInput { bucket: bucket.into(), key: key.into(), ..Default::default() };
        self.ops.delete_object(Call::new().with(input)).await.unwrap();
    }

    /// All keys of a bucket, in one page.
    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let input = ListObjectsV2Input { bucket: bucket.into(), ..Default::default() };
        Listed::of(&self.ops.list_objects_v2(Call::new().with(input)).await.unwrap()).keys()
    }
}

async fn join(controller: &dyn Control, role: Role, capacity_bytes: u64) -> NodeId {
    let spec = NodeSpec { role, address: String::new(), host: "here".into(), capacity_bytes };
    controller.join(spec).await.unwrap().node
}

fn beat(node: NodeId, jobs: Vec<pocket_api::ids::JobId>) -> Heartbeat {
    Heartbeat { node, view_version: 0, jobs }
}

async fn beat_all(
    controller: &Controller,
    directory: &LocalDirectory,
    members: &[(NodeId, Arc<dyn JobHolder>)],
) {
    for (node, holder) in members {
        if let Ok(reply) = controller.heartbeat(beat(*node, holder.jobs())).await {
            reply.view.into_iter().for_each(|view| directory.update(view));
            holder.drop_jobs(&reply.ended);
        }
    }
}

async fn keep_alive(
    controller: Arc<Controller>,
    directory: Arc<LocalDirectory>,
    members: Vec<(NodeId, Arc<dyn JobHolder>)>,
    gateway: NodeId,
    ops: Arc<Operations>,
) {
    loop {
        beat_all(&controller, &directory, &members).await;
        if let Ok(reply) = controller.heartbeat(beat(gateway, ops.jobs())).await {
            ops.drop_jobs(&reply.ended);
        }
        tokio::time::sleep(HEARTBEAT_EVERY).await;
    }
}

/// One request without its input: who sends it, with which headers, on which connection.
pub(crate) struct Call {
    pub(crate) connection: Arc<Connection>,
    caller: Caller,
    headers: HeaderMap,
    verdict: Result<Option<Checksum>, Refusal>,
}

impl Call {
    pub(crate) fn new() -> Self {
        Self {
            connection: Arc::default(),
            caller: Caller::Anonymous,
            headers: HeaderMap::new(),
            verdict: Ok(None),
        }
        .of("alice")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn of(mut self, tenant: &'static str) -> Self {
        let tenant = TenantName::parse(tenant).unwrap();
        self.caller = Caller::Key(Arc::new(Principal { tenant, access_key_id: "AKIA".into() }));
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.caller = Caller::Anonymous;
        self
    }

    /// What the edge finds out about the body.
    pub(crate) fn verdict(mut self, verdict: Result<Option<Checksum>, Refusal>) -> Self {
        self.verdict = verdict;
        self
    }

    pub(crate) fn with<I>(self, input: I) -> S3Request<I> {
        let body = BodyOutcome::default();
        body.settle(self.verdict);
        let context = RequestContext {
            request_id: "0000000000000000".into(),
            caller: self.caller,
            connection: self.connection,
            signing: None,
            body_max_bytes: None,
            body,
            refusal: OnceLock::new(),
        };
        let mut extensions = http::Extensions::new();
        extensions.insert(Arc::new(context));
        S3Request {
            input,
            method: Method::GET,
            uri: Uri::from_static("/"),
            headers: self.headers,
            extensions,
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        }
    }
}

pub(crate) fn get_input(bucket: &str, key: &str) -> GetObjectInput {
    GetObjectInput { bucket: bucket.into(), key: key.into(), ..Default::default() }
}

pub(crate) fn blob(frames: Vec<Bytes>) -> StreamingBlob {
    StreamingBlob::wrap(futures::stream::iter(frames.into_iter().map(Ok::<_, std::io::Error>)))
}

/// The body of an answer, received to its end.
pub(crate) async fn read(output: GetObjectOutput, connection: &Connection) -> Bytes {
    let length = output.content_length;
    let frames: Vec<Bytes> = output.body.unwrap().try_collect().await.unwrap();
    connection.flushed();
    let body = frames.concat();
    assert_eq!(length, Some(body.len() as i64));
    body.into()
}

pub(crate) fn tag(tag: &Option<ETag>) -> String {
    tag.as_ref().unwrap().value().to_owned()
}

/// The code of what must be an error.
pub(crate) fn code<T>(outcome: S3Result<T>) -> String {
    match outcome {
        Ok(_) => "no error".into(),
        Err(error) => error.code().as_str().to_owned(),
    }
}

pub(crate) fn status(error: &S3Error) -> u16 {
    error.status_code().unwrap().as_u16()
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
