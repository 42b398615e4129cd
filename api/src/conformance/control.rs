//! The promises of [`crate::control::Control`] and [`crate::usage::Usage`].
//!
//! The suite plays every other plane itself, with the stand-ins of [`stubs`]: a controller is made over their
//! directory and a clock that only the suite moves. What a controller does by itself, after time has passed, is
//! awaited and not slept for.

pub mod stubs;

use crate::clock::{Clock, ManualClock, Timestamp};
use crate::cluster::{Directory, NodeSpec, NodeState, Role};
use crate::control::{
    Control, ControlError, EndJob, EndMode, Heartbeat, HeartbeatReply, Placement, Registration,
};
use crate::hints::JobHints;
use crate::ids::{JobId, NodeId};
use crate::limits::{DEAD_AFTER, SUSPECT_AFTER};
use crate::metadata::{MetadataError, ShardRequest};
use crate::names::{BucketName, TenantName};
use crate::settings::JobSettings;
use crate::usage::{JobUse, Usage, UsageReport};
use std::sync::Arc;
use std::time::Duration;
use stubs::{Fault, StubDirectory, StubServer, StubShard};

/// What the suite looks at: a controller, or its two seams seen over the wire.
pub struct Seams {
    pub control: Arc<dyn Control>,
    pub usage: Arc<dyn Usage>,
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
    members_join_and_leave(fresh().await).await;
    a_process_that_joins_again_is_another_node(fresh().await).await;
    strangers_are_told_to_join(fresh().await).await;
    silence_is_suspect_and_then_death(fresh().await).await;
    a_registered_job_is_open_on_its_shards(fresh().await).await;
    a_name_is_one_job(fresh().await).await;
    of_racing_registrations_one_wins(fresh().await).await;
    a_failed_registration_leaves_nothing_behind(fresh().await).await;
    ending_asks_for_the_right_owner_and_life(fresh().await).await;
    a_job_with_objects_ends_by_force_only(fresh().await).await;
    an_unreachable_shard_keeps_the_job(fresh().await).await;
    jobs_are_listed_in_order_and_by_tenant(fresh().await).await;
    heartbeats_learn_what_has_ended(fresh().await).await;
    a_dead_server_makes_a_new_epoch(fresh().await).await;
    a_dead_shard_takes_its_jobs_along(fresh().await).await;
    a_ttl_ends_the_job(fresh().await).await;
    an_idle_job_ends_unless_a_shard_votes_no(fresh().await).await;
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

    async fn heartbeat(&self, node: NodeId, jobs: Vec<JobId>) -> Result<HeartbeatReply, ControlError> {
        self.control().heartbeat(Heartbeat { node, view_version: 0, jobs }).await
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

async fn members_join_and_leave(c: Cluster) {
    let spec = NodeSpec { role: Role::Gateway, address: "a:1".into(), host: "h".into(), capacity_bytes: 0 };
    let first = c.control().join(spec.clone()).await.unwrap();
    let second = c.control().join(NodeSpec { address: "a:2".into(), ..spec.clone() }).await.unwrap();
    assert!(second.node > first.node, "ids grow with time");
    assert!(second.view.version > first.view.version, "a join makes a newer view");
    assert_eq!(second.view.newest, second.node);
    assert_eq!(second.view.node(first.node).unwrap().spec, spec);

    let beat = |node, view_version| Heartbeat { node, view_version, jobs: Vec::new() };
    let old = c.control().heartbeat(beat(first.node, first.view.version)).await.unwrap();
    assert_eq!(old.view, Some(second.view.clone()), "a heartbeat brings the newer view");
    let new = c.control().heartbeat(beat(first.node, second.view.version)).await.unwrap();
    assert_eq!(new.view, None, "a view that is known is not sent again");

    c.control().leave(first.node).await.unwrap();
    let after = c.heartbeat(second.node, Vec::new()).await.unwrap().view.unwrap();
    assert!(after.is_dead(first.node) && !after.is_dead(second.node));
    assert_eq!(c.directory.view().version, after.version, "the controller's own directory follows");
}

async fn a_process_that_joins_again_is_another_node(c: Cluster) {
    let old = c.join(Role::Storage, "10.0.0.1:7").await;
    let other_role = c.join(Role::Metadata, "10.0.0.1:7").await;
    let new = c.join(Role::Storage, "10.0.0.1:7").await;
    assert!(new > old);
    assert_eq!(c.heartbeat(old, Vec::new()).await, Err(ControlError::NotAMember), "the older one is dead");
    assert!(c.heartbeat(other_role, Vec::new()).await.is_ok(), "another role at the address is not");
    let (a, b) = (c.join(Role::Storage, "").await, c.join(Role::Storage, "").await);
    assert!(c.heartbeat(a, Vec::new()).await.is_ok(), "no address: {a} and {b} live in one process");
}

async fn strangers_are_told_to_join(c: Cluster) {
    let node = c.join(Role::Gateway, "").await;
    c.control().leave(node).await.unwrap();
    for stranger in [node, NodeId(node.0 + 1_000)] {
        assert_eq!(c.heartbeat(stranger, Vec::new()).await, Err(ControlError::NotAMember));
        assert_eq!(c.control().leave(stranger).await, Err(ControlError::NotAMember));
        let report = c.seams.usage.report(stranger, UsageReport::default()).await;
        assert_eq!(report, Err(ControlError::NotAMember));
    }
}

async fn silence_is_suspect_and_then_death(c: Cluster) {
    let (silent, beating) = (c.join(Role::Gateway, "").await, c.join(Role::Gateway, "").await);
    c.pass(SUSPECT_AFTER * 4 / 3, &[beating]).await;
    eventually("a silent node is suspect", async || c.state(silent).await == Some(NodeState::Suspect)).await;
    assert_eq!(c.state(beating).await, Some(NodeState::Live));
    c.heartbeat(silent, Vec::new()).await.unwrap();
    assert_eq!(c.state(silent).await, Some(NodeState::Live), "one heartbeat clears it");
    c.pass(DEAD_AFTER + SUSPECT_AFTER, &[beating]).await;
    eventually("a silent node dies", async || c.state(silent).await.is_none()).await;
    assert_eq!(c.heartbeat(silent, Vec::new()).await, Err(ControlError::NotAMember), "death is for good");
    assert_eq!(c.state(beating).await, Some(NodeState::Live));
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
    assert!(placed.hints.capacity.is_some() && placed.hints.throughput.is_some(), "granted: both are there");
    let opened = stub.asked().into_iter().find_map(|asked| match asked {
        ShardRequest::Open(spec) => Some(*spec),
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
    for fault in [Fault::Error(MetadataError::Full), Fault::LostReply] {
        bad.fail(move |request| matches!(request, ShardRequest::Open(_)).then(|| fault.clone()));
        assert!(matches!(c.register("data").await, Err(ControlError::Unavailable(_))));
        assert_eq!(c.placement("data").await, Err(ControlError::NoSuchBucket));
        assert_eq!((good.jobs(), bad.jobs()), (vec![], vec![]), "no shard keeps a job that nobody knows");
        assert_eq!(c.control().jobs(None).await.unwrap(), []);
    }
    bad.heal();
    c.register("data").await.expect("the name was not left behind");
}

async fn ending_asks_for_the_right_owner_and_life(c: Cluster) {
    c.shard().await;
    c.server().await;
    assert_eq!(c.end("none", EndMode::Force).await, Err(ControlError::NoSuchBucket));
    let placed = c.register("data").await.unwrap();
    let end = |who: Option<&str>, job| EndJob {
        tenant: who.map(tenant),
        bucket: bucket("data"),
        job,
        mode: EndMode::Force,
    };
    assert_eq!(c.control().end(end(Some("bob"), None)).await, Err(ControlError::WrongTenant));
    let other_life = Some(JobId(placed.job.0 + 1));
    assert_eq!(c.control().end(end(Some("alice"), other_life)).await, Err(ControlError::NoSuchBucket));
    assert_eq!(c.placement("data").await, Ok(placed.clone()), "nothing of that touched the job");
    assert_eq!(c.control().end(end(Some("alice"), Some(placed.job))).await, Ok(()));
    assert_eq!(c.placement("data").await, Err(ControlError::NoSuchBucket));
}

async fn a_job_with_objects_ends_by_force_only(c: Cluster) {
    let ((_, one), (_, two)) = (c.shard().await, c.shard().await);
    let ((_, near), (_, far)) = (c.server().await, c.server().await);
    let job = c.register("data").await.unwrap().job;
    two.change(job, |j| j.objects = 1);
    assert_eq!(c.end("data", EndMode::IfEmpty).await, Err(ControlError::NotEmpty));
    assert!([&one, &two].iter().all(|s| !s.job(job).unwrap().frozen), "a job that stays is thawed");
    assert!(c.placement("data").await.is_ok());
    c.end("data", EndMode::Force).await.unwrap();
    assert_eq!((one.jobs(), two.jobs()), (vec![], vec![]), "every shard is fenced before the answer");
    assert_eq!((near.ended(), far.ended()), (vec![job], vec![job]), "servers are told before the answer");
    let again = c.register("data").await.unwrap();
    c.end("data", EndMode::IfEmpty).await.expect("a new job has none of the old one's objects");
    assert!(!one.jobs().contains(&again.job));
}

async fn an_unreachable_shard_keeps_the_job(c: Cluster) {
    let ((_, one), (_, two), _) = (c.shard().await, c.shard().await, c.server().await);
    let placed = c.register("data").await.unwrap();
    two.cut_off();
    for mode in [EndMode::IfEmpty, EndMode::Force] {
        assert!(matches!(c.end("data", mode).await, Err(ControlError::Unavailable(_))));
        assert_eq!(c.placement("data").await, Ok(placed.clone()), "the job remains");
        assert!(!one.job(placed.job).unwrap().frozen, "and is thawed");
    }
    two.heal();
    c.end("data", EndMode::IfEmpty).await.unwrap();
    assert_eq!((one.jobs(), two.jobs()), (vec![], vec![]));
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
    let report = UsageReport { jobs, ..UsageReport::default() };
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
    assert_eq!(reported.as_ref(), Some(&report));
}

async fn heartbeats_learn_what_has_ended(c: Cluster) {
    let (_, (server, _)) = (c.shard().await, c.server().await);
    let kept = c.register("kept").await.unwrap().job;
    let gone = c.register("gone").await.unwrap().job;
    c.end("gone", EndMode::Force).await.unwrap();
    let reply = c.heartbeat(server, vec![kept, gone, JobId(1)]).await.unwrap();
    assert_eq!(reply.ended, [gone, JobId(1)], "known jobs go on; what is not known has ended");
}

async fn a_dead_server_makes_a_new_epoch(c: Cluster) {
    let ((shard, stub), (stays, _), (dies, _)) = (c.shard().await, c.server().await, c.server().await);
    let before = c.register("data").await.unwrap();
    assert_eq!(before.weights.len(), 2, "a job without hints uses every server");
    c.pass(DEAD_AFTER + SUSPECT_AFTER, &[shard, stays]).await;
    eventually("the dead server leaves the weights", async || {
        c.placement("data").await.unwrap().weights.iter().all(|w| w.server == stays)
    })
    .await;
    let after = c.placement("data").await.unwrap();
    assert!(after.epoch > before.epoch, "changed only as a new epoch; {dies} is out");
    assert_eq!((after.job, &after.shards), (before.job, &before.shards));
    assert_eq!(stub.job(after.job).unwrap().epoch, after.epoch, "the shard knows it before any gateway");
}

async fn a_dead_shard_takes_its_jobs_along(c: Cluster) {
    let ((stays, one), (dies, two), (server, stub)) = (c.shard().await, c.shard().await, c.server().await);
    let job = c.register("data").await.unwrap().job;
    c.pass(SUSPECT_AFTER * 4 / 3, &[stays, server]).await;
    assert!(c.placement("data").await.is_ok(), "placed until the shard is declared dead");
    two.cut_off();
    c.pass(DEAD_AFTER, &[stays, server]).await;
    eventually("the lost job's name is free", async || c.register("data").await.is_ok()).await;
    assert!(!one.jobs().contains(&job), "what survived of it was ended");
    eventually("its chunks are given back", async || stub.ended().contains(&job)).await;
    assert!(!c.placement("data").await.unwrap().shards.contains(&dies));
}

async fn a_ttl_ends_the_job(c: Cluster) {
    let ((shard, stub), (server, _)) = (c.shard().await, c.server().await);
    let ttl = Duration::from_secs(2);
    let hints = JobHints { ttl: Some(ttl), ..JobHints::default() };
    let job = c.register_with("brief", hints).await.unwrap().job;
    stub.change(job, |j| j.objects = 7);
    c.pass(ttl - Duration::from_secs(1), &[shard, server]).await;
    assert!(c.placement("brief").await.is_ok(), "not early");
    c.pass(Duration::from_secs(1), &[shard, server]).await;
    assert_eq!(c.placement("brief").await, Err(ControlError::NoSuchBucket), "not late");
    eventually("the shard is fenced", async || stub.jobs().is_empty()).await;
    c.register("brief").await.expect("the name is free");
}

async fn an_idle_job_ends_unless_a_shard_votes_no(c: Cluster) {
    let ((one, stub_one), (two, stub_two), (server, _)) =
        (c.shard().await, c.shard().await, c.server().await);
    let idle_ttl = Duration::from_secs(30);
    let hints = JobHints { idle_ttl: Some(idle_ttl), ..JobHints::default() };
    let job = c.register_with("lazy", hints).await.unwrap().job;
    let idle = |ms| UsageReport {
        jobs: vec![JobUse { job, objects: 5, bytes: 5, idle_ms: ms }],
        ..UsageReport::default()
    };
    // Only one shard found it idle: nobody is even asked.
    c.seams.usage.report(one, idle(31_000)).await.unwrap();
    c.seams.usage.report(two, idle(29_000)).await.unwrap();
    // All did, but one has seen a request since: it votes no, and the job goes on.
    stub_two.change(job, |j| j.busy = true);
    c.seams.usage.report(two, idle(31_000)).await.unwrap();
    let voted = |stub: &StubShard| {
        stub.asked()
            .iter()
            .any(|asked| matches!(asked, ShardRequest::Freeze { idle_for: Some(d), .. } if *d == idle_ttl))
    };
    eventually("the shards are asked to vote", async || voted(&stub_two)).await;
    eventually("a no thaws the job", async || !stub_one.job(job).unwrap().frozen).await;
    assert!(c.placement("lazy").await.is_ok());
    // The transfer is over and time passes: idle on all shards.
    stub_two.change(job, |j| j.busy = false);
    c.pass(Duration::from_secs(2), &[one, two, server]).await;
    c.seams.usage.report(one, idle(33_000)).await.unwrap();
    c.seams.usage.report(two, idle(33_000)).await.unwrap();
    eventually("the idle job ends", async || c.placement("lazy").await == Err(ControlError::NoSuchBucket))
        .await;
    eventually("on every shard", async || stub_one.jobs().is_empty() && stub_two.jobs().is_empty()).await;
}
