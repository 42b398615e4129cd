//! What a large cluster costs its controller: `cargo run --release -p pocket-controller --example large_cluster`.
//!
//! A real controller with a state file, and nodes that only beat and report, as often as real ones do. Prints CPU of the
//! controller a second, bytes of heartbeats a second, and how long a server's death takes to be told to all.

use pocket_api::cluster::{ClusterView, Directory, NodeSpec, Role};
use pocket_api::conformance::control::stubs::{StubDirectory, StubServer, StubShard};
use pocket_api::control::{Control, Heartbeat, Registration};
use pocket_api::env::Env;
use pocket_api::hints::JobHints;
use pocket_api::ids::{JobId, NodeId};
use pocket_api::limits::HEARTBEAT_EVERY;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::settings::JobSettings;
use pocket_api::usage::{JobUse, Usage, UsageReport};
use pocket_controller::{Controller, ControllerConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const GATEWAYS: usize = 100;
const SHARDS: usize = 100;
const SERVERS: usize = 1_000;
const JOBS: usize = 10_000;
/// As nodes list their jobs.
const JOBS_A_BEAT: usize = 32;
const ROUNDS: u32 = 10;

struct Node {
    id: NodeId,
    role: Role,
    jobs: Vec<JobId>,
    next_job: usize,
    view: ClusterView,
    ended_seen: u64,
    weights_seen: u64,
}

#[derive(Default)]
struct Cost {
    time: Duration,
    bytes: usize,
}

impl Node {
    fn heartbeat(&mut self) -> Heartbeat {
        let from = self.next_job.min(self.jobs.len());
        let jobs = self.jobs[from..(from + JOBS_A_BEAT).min(self.jobs.len())].to_vec();
        self.next_job = if from + JOBS_A_BEAT >= self.jobs.len() { 0 } else { from + JOBS_A_BEAT };
        Heartbeat {
            node: self.id,
            term: self.view.term,
            view_version: self.view.version,
            jobs,
            ended_seen: self.ended_seen,
            weights_seen: self.weights_seen,
        }
    }

    async fn beat(&mut self, controller: &Controller, cost: &mut Cost) {
        let heartbeat = self.heartbeat();
        cost.bytes += encoded_bytes(&heartbeat);
        let began = Instant::now();
        let reply = controller.heartbeat(heartbeat).await.expect("it is a member");
        cost.time += began.elapsed();
        cost.bytes += encoded_bytes(&reply);
        if let Some(view) = reply.view.and_then(|update| update.onto(&self.view)) {
            self.view = view;
        }
        (self.ended_seen, self.weights_seen) = (reply.ended_seen, reply.weights_seen);
    }

    async fn report(&self, controller: &Controller, cost: &mut Cost) {
        let used = |&job: &JobId| JobUse { job, objects: 1_000, bytes: 1 << 30, idle_ms: 10 };
        let jobs =
            if self.role == Role::Metadata { self.jobs.iter().map(used).collect() } else { Vec::new() };
        let report = UsageReport { jobs, ..UsageReport::default() };
        cost.bytes += encoded_bytes(&report);
        let began = Instant::now();
        controller.report(self.id, report).await.expect("it is a member");
        cost.time += began.elapsed();
    }
}

/// About what a message has on the wire: numbers as long as they are large, as there.
fn encoded_bytes(message: &impl serde::Serialize) -> usize {
    postcard::to_allocvec(message).expect("messages know their lengths").len()
}

/// CPU time of this thread, which is all that runs but the disk.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("a Linux system");
    Duration::from_nanos(stat.split(' ').next().and_then(|n| n.parse().ok()).expect("a number"))
}

async fn join(controller: &Controller, role: Role, number: usize) -> Node {
    let spec = NodeSpec {
        role,
        address: format!("10.0.{}.{}:9000", number / 256, number % 256),
        host: format!("host-{number}"),
        capacity_bytes: 100 << 30,
    };
    let joined = controller.join(spec).await.expect("there is room");
    let (jobs, view) = (Vec::new(), joined.view);
    Node { id: joined.node, role, jobs, next_job: 0, view, ended_seen: 0, weights_seen: 0 }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = Arc::new(StubDirectory::default());
    let state_file = Some(folder.path().join("state.json"));
    let config = ControllerConfig { state_file, ..ControllerConfig::default() };
    let controller = Controller::start(config, directory.clone(), Env::system()).expect("it starts");

    let mut nodes = Vec::new();
    let roles = [(Role::Gateway, GATEWAYS), (Role::Metadata, SHARDS), (Role::Storage, SERVERS)];
    for (role, count) in roles {
        for _ in 0..count {
            let node = join(&controller, role, nodes.len()).await;
            match role {
                Role::Metadata => directory.put_shard(node.id, Arc::new(StubShard::default())),
                Role::Storage => directory.put_server(node.id, Arc::new(StubServer::default())),
                _ => {}
            }
            nodes.push(node);
        }
    }
    let places: BTreeMap<NodeId, usize> = nodes.iter().enumerate().map(|(i, node)| (node.id, i)).collect();

    let (began, mut beaten) = (Instant::now(), Instant::now());
    for i in 0..JOBS {
        // Each job knows how much it needs: one shard, and a part of a server.
        let hints = JobHints { capacity: Some(5 << 30), throughput: Some(1 << 20), ..JobHints::default() };
        let registration = Registration {
            tenant: TenantName::parse("bench").expect("a name"),
            bucket: BucketName::parse(&format!("bucket-{i}")).expect("a name"),
            settings: JobSettings::asking(hints),
        };
        let placed = controller.register(registration).await.expect("there is room");
        let holders = placed.shards.iter().copied().chain(placed.weights.iter().map(|w| w.server));
        for node in holders {
            nodes[places[&node]].jobs.push(placed.job);
        }
        nodes[i % GATEWAYS].jobs.push(placed.job);
        // As they would beat beside it.
        if beaten.elapsed() > HEARTBEAT_EVERY {
            beaten = Instant::now();
            for node in &mut nodes {
                node.beat(&controller, &mut Cost::default()).await;
            }
        }
    }
    println!("{JOBS} jobs registered: {:?} each", began.elapsed() / JOBS as u32);

    let (mut beats, mut reports) = (Cost::default(), Cost::default());
    let mut idle_cpu = Duration::ZERO;
    for round in 0..ROUNDS {
        let began = Instant::now();
        for node in &mut nodes {
            node.beat(&controller, &mut beats).await;
            if round % 2 == 0 {
                node.report(&controller, &mut reports).await;
            }
        }
        let cpu_before = cpu();
        tokio::time::sleep(HEARTBEAT_EVERY.saturating_sub(began.elapsed())).await;
        idle_cpu += cpu() - cpu_before;
    }
    let seconds = f64::from(ROUNDS) * HEARTBEAT_EVERY.as_secs_f64();
    let a_second = |time: Duration| time.as_secs_f64() / seconds;
    println!(
        "controller CPU a second: {:.3} s (heartbeats {:.3}, reports {:.3}, by itself {:.3})",
        a_second(beats.time + reports.time + idle_cpu),
        a_second(beats.time),
        a_second(reports.time),
        a_second(idle_cpu)
    );
    println!("heartbeat bytes a second: {:.2} MB", beats.bytes as f64 / seconds / 1e6);
    println!("report bytes a second: {:.2} MB", reports.bytes as f64 / seconds / 1e6);

    let doomed = nodes.pop().expect("a server").id;
    let mut told = Cost::default();
    let (began, cpu_before) = (Instant::now(), cpu());
    controller.forget(doomed).await.expect("it was a member");
    loop {
        for node in &mut nodes {
            node.beat(&controller, &mut told).await;
        }
        if nodes.iter().all(|node| node.view.is_dead(doomed)) && directory.view().is_dead(doomed) {
            break;
        }
        tokio::time::sleep(HEARTBEAT_EVERY).await;
    }
    println!(
        "a server's death told to all: {:?} beside the {HEARTBEAT_EVERY:?} between heartbeats, CPU {:?}, {:.2} MB",
        began.elapsed(),
        cpu() - cpu_before,
        told.bytes as f64 / 1e6
    );
}
