//! The promises of [`crate::control::Control`] and [`crate::usage::Usage`].
//!
//! The suite plays every other plane itself, with the stand-ins of [`stubs`]: a controller is made over their
//! directory and a clock that only the suite moves. What a controller does by itself, after time has passed, is
//! awaited and not slept for.

mod ends;
mod members;
pub mod stubs;

use crate::clock::{Clock, ManualClock, Timestamp};
use crate::cluster::{Directory, NodeSpec, NodeState, Role};
use crate::control::{
    Control, ControlError, EndJob, EndMode, Heartbeat, HeartbeatReply, Placement, Registration,
};
use crate::hints::JobHints;
use crate::ids::{JobId, NodeId};
use crate::limits::{NODE_TIMEOUT, SUSPECT_AFTER};
use crate::metadata::{MetadataError, ShardRequest};
use crate::names::{BucketName, TenantName};
use crate::settings::JobSettings;
use crate::usage::{JobUse, Served, Usage, UsageReport};
use std::sync::Arc;
use std::time::Duration;
use stubs::{Fault, StubDirectory, StubServer, StubShard};

/// What the suite looks at: a controller, or its two seams seen over the wire.
pub struct Seams {
    pub control: Arc<dyn Control>,
    pub usage: Arc<dyn Usage>,
    /// The controller itself, for what only a carrier says to it.
    pub carried: Arc<dyn Control>,
}

/// Runs every case on a controller of its own. `make` builds one, without members, over the given directory and
/// clock. Panics with the promise that does not hold.
pub async fn suite<F, Made>(make: F)
where
    F: Fn(Arc<dyn Directory>, Arc<dyn Clock>) -> Made,
    Made: Future<Output = Seams>,
{
    let fresh = async || {
        let directory = Arc::new(StubDirectory::default());
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let seams = make(directory.clone(), clock.clone()).await;
        Cluster { seams, directory, clock }
    };
    members::members_join_and_leave(fresh().await).await;
    members::a_process_that_joins_again_is_another_node(fresh().await).await;
    members::an_address_is_not_taken_over_from_another_host(fresh().await).await;
    members::an_address_that_refuses_is_evidence_once_the_line_is_closed(fresh().await).await;
    members::what_is_forgotten_is_dead_at_once(fresh().await).await;
    members::silence_of_most_other_hosts_kills_nobody(fresh().await).await;
    members::strangers_are_told_to_join(fresh().await).await;
    members::silence_is_suspect_and_then_death(fresh().await).await;
    a_registered_job_is_open_on_its_shards(fresh().await).await;
    a_name_is_one_job(fresh().await).await;
    of_racing_registrations_one_wins(fresh().await).await;
    a_failed_registration_leaves_nothing_behind(fresh().await).await;
    ends::ending_asks_for_the_right_owner_and_life(fresh().await).await;
    ends::a_job_with_objects_ends_by_force_only(fresh().await).await;
    ends::an_unreachable_shard_keeps_the_job(fresh().await).await;
    jobs_are_listed_in_order_and_by_tenant(fresh().await).await;
    ends::heartbeats_learn_what_has_ended(fresh().await).await;
    a_dead_server_leaves_the_weights_and_the_epoch_stays(fresh().await).await;
    ends::a_dead_shard_takes_its_jobs_along(fresh().await).await;
    ends::a_ttl_ends_the_job(fresh().await).await;
    ends::an_idle_job_ends_unless_a_shard_votes_no(fresh().await).await;
}

/// How long the suite waits for what a controller does by itself; far above any tick, and never reached in success.
const PATIENCE: Duration = Duration::from_secs(20);
const GIB: u64 = 1 << 30;

struct Cluster {
    seams: Seams,
    directory: Arc<StubDirectory>,
    clock: Arc<ManualClock>,
}

impl Cluster {
    fn control(&self) -> &dyn Control {
        &*self.seams.control
    }

    async fn join(&self, role: Role, address: &str) -> NodeId {
        let spec = NodeSpec { role, address: address.into(), host: "host".into(), capacity_bytes: GIB };
        self.control().join(spec).await.expect("a role can join").node
    }

    async fn join_on(&self, host: &str, role: Role, address: &str) -> Result<NodeId, ControlError> {
        let spec = NodeSpec { role, address: address.into(), host: host.into(), capacity_bytes: GIB };
        Ok(self.control().join(spec).await?.node)
    }

    async fn shard(&self) -> (NodeId, Arc<StubShard>) {
        let (node, shard) = (self.join(Role::Metadata, "").await, Arc::new(StubShard::default()));
        self.directory.put_shard(node, shard.clone());
        (node, shard)
    }

    async fn server(&self) -> (NodeId, Arc<StubServer>) {
        let (node, server) = (self.join(Role::Storage, "").await, Arc::new(StubServer::default()));
        self.directory.put_server(node, server.clone());
        (node, server)
    }

    async fn register(&self, name: &str) -> Result<Placement, ControlError> {
        self.register_with(name, JobHints::default()).await
    }

    async fn register_with(&self, name: &str, hints: JobHints) -> Result<Placement, ControlError> {
        let registration = Registration {
            tenant: tenant("alice"),
            bucket: bucket(name),
            settings: JobSettings::asking(hints),
        };
        self.control().register(registration).await
    }

    async fn end(&self, name: &str, mode: EndMode) -> Result<(), ControlError> {
        self.control().end(EndJob { tenant: None, bucket: bucket(name), job: None, mode }).await
    }

    async fn placement(&self, name: &str) -> Result<Placement, ControlError> {
        self.control().placement(&bucket(name)).await
    }

    /// As the carrier of the seam says it, on the controller's side.
    fn hung_up(&self, node: NodeId) {
        self.seams.carried.hung_up(node);
    }

    async fn heartbeat(&self, node: NodeId, jobs: Vec<JobId>) -> Result<HeartbeatReply, ControlError> {
        self.control().heartbeat(Heartbeat { jobs, ..Heartbeat::first(node) }).await
    }

    /// Lets time pass in small steps while these nodes go on beating.
    async fn pass(&self, time: Duration, alive: &[NodeId]) {
        let step = SUSPECT_AFTER / 3;
        for _ in 0..time.as_millis().div_ceil(step.as_millis()) {
            self.clock.advance(step);
            for &node in alive {
                self.heartbeat(node, Vec::new()).await.expect("a beating node stays a member");
            }
        }
    }

    /// State of a node as `status` shows it; `None` once it is dead.
    async fn state(&self, node: NodeId) -> Option<NodeState> {
        let status = self.control().status().await.expect("status answers");
        status.nodes.iter().find(|(n, _)| n.id == node).map(|(n, _)| n.state)
    }
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("a good name")
}

fn tenant(name: &str) -> TenantName {
    TenantName::parse(name).expect("a good name")
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never came true: {what}");
}

async fn a_registered_job_is_open_on_its_shards(c: Cluster) {
    assert!(matches!(c.register("early").await, Err(ControlError::Unavailable(_))), "no shard, no server");
    let (shard, stub) = c.shard().await;
    assert!(matches!(c.register("early").await, Err(ControlError::Unavailable(_))), "no server");
    assert_eq!(c.placement("early").await, Err(ControlError::NoSuchBucket));
    let (server, _) = c.server().await;

    let hints = JobHints { workers: Some(4), ttl: Some(Duration::from_secs(60)), ..JobHints::default() };
    let placed = c.register_with("data", hints.clone()).await.unwrap();
    assert_eq!((placed.shards.as_slice(), placed.weights[0].server), ([shard].as_slice(), server));
    assert_eq!(placed.created_at_ms, c.clock.now().0);
    assert_eq!((placed.hints.workers, placed.hints.ttl), (hints.workers, hints.ttl));
    assert!(placed.hints.capacity.is_some() && placed.hints.throughput.is_some(), "derived of the workers");
    let opened = stub.asked().into_iter().find_map(|asked| match asked {
        ShardRequest::Open(_, spec) => Some(*spec),
        _ => None,
    });
    let opened = opened.expect("the shard was told to open the job");
    assert_eq!((opened.job, opened.epoch, opened.ends_in), (placed.job, placed.epoch, hints.ttl));
    assert_eq!((opened.hints, opened.shards), (placed.hints.clone(), placed.shards.clone()));
    assert_eq!(c.placement("data").await, Ok(placed));
}

async fn a_name_is_one_job(c: Cluster) {
    c.shard().await;
    c.server().await;
    let first = c.register("data").await.unwrap();
    let taken = ControlError::BucketExists { tenant: tenant("alice") };
    assert_eq!(c.register("data").await, Err(taken.clone()));
    let by_bob =
        Registration { tenant: tenant("bob"), bucket: bucket("data"), settings: JobSettings::default() };
    assert_eq!(c.control().register(by_bob).await, Err(taken));
    assert_eq!(c.placement("data").await, Ok(first.clone()));
    c.end("data", EndMode::IfEmpty).await.unwrap();
    let second = c.register("data").await.unwrap();
    assert!(second.job > first.job, "the name is free at once, the job is a new one");
}

async fn of_racing_registrations_one_wins(c: Cluster) {
    let ((_, stub), _) = (c.shard().await, c.server().await);
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let control = c.seams.control.clone();
            let registration = Registration {
                tenant: tenant("alice"),
                bucket: bucket("race"),
                settings: JobSettings::default(),
            };
            tokio::spawn(async move { control.register(registration).await })
        })
        .collect();
    let mut won = Vec::new();
    for racer in racers {
        match racer.await.unwrap() {
            Ok(placement) => won.push(placement),
            Err(error) => assert_eq!(error, ControlError::BucketExists { tenant: tenant("alice") }),
        }
    }
    assert_eq!(won.len(), 1, "one of the racing registrations wins");
    assert_eq!(stub.jobs(), [won[0].job], "the others left nothing at the shard");
}

async fn a_failed_registration_leaves_nothing_behind(c: Cluster) {
    let ((_, good), (_, bad), _) = (c.shard().await, c.shard().await, c.server().await);
    for fault in [Fault::Error(MetadataError::Crowded), Fault::LostReply] {
        bad.fail(move |request| matches!(request, ShardRequest::Open(..)).then(|| fault.clone()));
        assert!(matches!(c.register("data").await, Err(ControlError::Unavailable(_))));
        assert_eq!(c.placement("data").await, Err(ControlError::NoSuchBucket));
        assert_eq!((good.jobs(), bad.jobs()), (vec![], vec![]), "no shard keeps a job that nobody knows");
        assert_eq!(c.control().jobs(None).await.unwrap(), []);
    }
    bad.heal();
    c.register("data").await.expect("the name was not left behind");
}

async fn jobs_are_listed_in_order_and_by_tenant(c: Cluster) {
    let ((shard, _), _) = (c.shard().await, c.server().await);
    let mut made = Vec::new();
    for (name, who) in [("ccc", "alice"), ("aaa", "bob"), ("bbb", "alice")] {
        let hints = JobHints { ttl: Some(Duration::from_secs(60)), ..JobHints::default() };
        let registration =
            Registration { tenant: tenant(who), bucket: bucket(name), settings: JobSettings::asking(hints) };
        made.push(c.control().register(registration).await.unwrap());
    }
    let jobs = vec![JobUse { job: made[0].job, objects: 3, bytes: 500, idle_ms: 0 }];
    let report = UsageReport { jobs, served: Some(Served::default()), ..UsageReport::default() };
    c.seams.usage.report(shard, report.clone()).await.unwrap();

    let listed = c.control().jobs(None).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|j| j.bucket.as_str()).collect();
    assert_eq!(names, ["aaa", "bbb", "ccc"]);
    let ccc = &listed[2];
    assert_eq!((ccc.job, ccc.objects, ccc.bytes), (made[0].job, 3, 500), "use comes from the latest reports");
    assert_eq!((ccc.shards, ccc.servers, ccc.ends_in), (1, 1, Some(Duration::from_secs(60))));
    let of_alice = c.control().jobs(Some(&tenant("alice"))).await.unwrap();
    assert_eq!(of_alice.iter().map(|j| j.bucket.as_str()).collect::<Vec<_>>(), ["bbb", "ccc"]);

    let status = c.control().status().await.unwrap();
    assert_eq!(status.jobs, listed);
    let (_, reported) = status.nodes.iter().find(|(n, _)| n.id == shard).unwrap();
    assert_eq!(reported.as_ref(), Some(&report.without_jobs()));
}

async fn a_dead_server_leaves_the_weights_and_the_epoch_stays(c: Cluster) {
    let ((shard, stub), (stays, _), (dies, _)) = (c.shard().await, c.server().await, c.server().await);
    let before = c.register("data").await.unwrap();
    assert_eq!(before.weights.len(), 2, "a job without hints uses every server");
    let told = stub.asked().len();
    c.pass(NODE_TIMEOUT + SUSPECT_AFTER, &[shard, stays]).await;
    eventually("the dead server leaves the weights", async || {
        c.placement("data").await.unwrap().weights.iter().all(|w| w.server == stays)
    })
    .await;
    let after = c.placement("data").await.unwrap();
    assert_eq!((after.epoch, stub.asked().len()), (before.epoch, told), "{dies} is no matter of shards");
    assert_eq!((after.job, &after.shards), (before.job, &before.shards));
}
