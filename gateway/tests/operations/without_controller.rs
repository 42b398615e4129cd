//! What a gateway does while the controller is away.

use crate::cluster::{Cluster, WIDE, pattern};
use async_trait::async_trait;
use bytes::Bytes;
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::cluster::NodeSpec;
use pocket_api::control::{
    ClusterStatus, Configuration, Control, ControlError, EndJob, Forgotten, Heartbeat, HeartbeatReply,
    JobSummary, Joined, Placement, Registration,
};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::names::{BucketName, TenantName};
use pocket_gateway::config::GatewayConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::Instant;

/// As long as a call waits for a controller that does not answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A controller that stops to answer.
struct Away {
    controller: Arc<dyn Control>,
    is_away: AtomicBool,
}

impl Away {
    async fn reach(&self) -> Result<&dyn Control, ControlError> {
        if self.is_away.load(SeqCst) {
            tokio::time::sleep(DEADLINE).await;
            return Err(ControlError::Unavailable("no answer".into()));
        }
        Ok(&*self.controller)
    }
}

#[async_trait]
impl Control for Away {
    async fn register(&self, registration: Registration) -> Result<Placement, ControlError> {
        self.reach().await?.register(registration).await
    }

    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        self.reach().await?.placement(bucket).await
    }

    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        self.reach().await?.configure(configuration).await
    }

    async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        self.reach().await?.end(end).await
    }

    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        self.reach().await?.jobs(tenant).await
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        self.reach().await?.join(spec).await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        self.reach().await?.heartbeat(heartbeat).await
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        self.reach().await?.leave(node).await
    }

    async fn forget(&self, node: NodeId) -> Result<Forgotten, ControlError> {
        self.reach().await?.forget(node).await
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        self.reach().await?.status().await
    }
}

/// Moves with the runtime's, which the test has paused.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000 + self.0.elapsed().as_millis() as u64)
    }
}

#[tokio::test(start_paused = true)]
async fn data_goes_on_while_the_controller_is_away_for_ten_minutes() {
    let clock = Arc::new(RuntimeClock(Instant::now()));
    let cluster = Cluster::start_with(GatewayConfig::default(), Env::with_clock(clock)).await;
    cluster.bucket_with("busy", &[WIDE]).await;
    cluster.bucket("quiet").await;
    cluster.bucket("unseen").await;
    let control = Arc::new(Away { controller: cluster.controller(), is_away: false.into() });
    let gateway = cluster.another_gateway_with(control.clone()).await;
    let put =
        async |bucket: &str, key: &str, body: Bytes| cluster.put(bucket, key, body).to(&gateway).await.code();
    for bucket in ["busy", "quiet"] {
        assert_eq!(put(bucket, "first", pattern(2 << 20)).await, "no error");
    }
    control.is_away.store(true, SeqCst);
    for second in 0..600 {
        let started = Instant::now();
        let key = format!("k{second}");
        let size = if second % 60 == 0 { 2 << 20 } else { 100 };
        assert_eq!(put("busy", &key, pattern(size)).await, "no error", "after {second} s");
        let found = cluster.get("busy", &key).to(&gateway).await.ok();
        assert_eq!(found.body, pattern(size));
        assert!(started.elapsed() < Duration::from_secs(1), "nobody waits for the controller");
        cluster.delete("busy", &key).to(&gateway).await.ok();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Also where nobody asked for anything all the time.
    assert_eq!(cluster.get("quiet", "first").to(&gateway).await.code(), "no error");
    // What this gateway has never heard of, nobody else can tell it.
    assert_eq!(put("unseen", "k", "x".into()).await, "ServiceUnavailable");
    control.is_away.store(false, SeqCst);
    assert_eq!(put("unseen", "k", "x".into()).await, "no error");
}
