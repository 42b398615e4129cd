//! What a cluster makes of a network that fails: real processes on hosts of their own, whose links are cut and slowed. What
//! each state means is in docs/operations.md. The same and far more, in virtual time, is in `sim/`.

use pocket_compat_tests::network::{Host, Network, Process, is_inside};
use pocket_compat_tests::objects::{BACK_WITHIN, Objects};
use pocket_compat_tests::s3::Client;
use pocket_compat_tests::{bytes, unique_bucket};
use serde_json::Value;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const CUT_FOR: Duration = Duration::from_secs(10);

/// A controller with its host to itself, and three hosts with everything else.
struct Cluster {
    network: Network,
    control: Host,
    hosts: Vec<Host>,
    controller: Process,
    others: Vec<Process>,
}

/// Of `role` on `host`, with ports that are the same on every host: nobody says which address others call.
fn options(role: &str, control: &Host) -> String {
    let (port, admin) = match role {
        "gateway" => (9000, 9001),
        "metadata" => (9020, 9021),
        _ => (9030, 9031),
    };
    let memory = match role {
        "gateway" => "",
        "metadata" => "--memory 64MiB",
        _ => "--capacity 64MiB",
    };
    format!("--listen 0.0.0.0:{port} --admin 127.0.0.1:{admin} --controller {}:9010 {memory}", control.ip)
}

fn controller_options(folder: &Path, node_timeout: &str) -> String {
    let state_file = folder.join("controller.state").display().to_string();
    let at = "--listen 0.0.0.0:9010 --admin 127.0.0.1:9011";
    format!("{at} --node-timeout {node_timeout} --state-file {state_file}")
}

impl Cluster {
    /// Nodes die of that much silence.
    fn new(node_timeout: &str) -> Self {
        let network = Network::make();
        let folder = network.folder().to_owned();
        Self::with_state_in(&folder, network, node_timeout)
    }

    fn with_state_in(folder: &Path, mut network: Network, node_timeout: &str) -> Self {
        let control = network.host("control");
        let hosts: Vec<Host> = ["one", "two", "three"].map(|name| network.host(name)).into();
        let controller = network.start(&control, "controller", &controller_options(folder, node_timeout));
        let mut others = Vec::new();
        for host in &hosts {
            // One shard, so that a bucket outlives the end of any other host.
            let roles: &[&str] = match host.name.as_str() {
                "one" => &["metadata", "storage", "gateway"],
                "two" => &["storage", "gateway"],
                _ => &["storage"],
            };
            for role in roles {
                others.push(network.start(host, role, &options(role, &control)));
            }
        }
        // Every gateway hears of whoever joined last with its next heartbeat, and only then writes to it.
        thread::sleep(Duration::from_secs(1));
        Self { network, control, hosts, controller, others }
    }

    fn gateways(&self) -> [Client; 2] {
        [self.hosts[0].client(9000), self.hosts[1].client(9000)]
    }

    fn status(&self) -> Value {
        self.network.status(&self.control, 9011)
    }

    /// Each node that is not dead, as [id, address, state].
    fn nodes(&self) -> Vec<[String; 3]> {
        let status = self.status();
        let nodes = status["nodes"].as_array().expect("nodes").iter();
        nodes
            .map(|node| {
                ["id", "address", "state"].map(|name| node[name].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    fn ids(&self) -> Vec<String> {
        self.nodes().into_iter().map(|[id, ..]| id).collect()
    }

    fn is_held(&self) -> bool {
        !self.status()["held_for_seconds"].is_null()
    }
}

/// The status of the answer to a new bucket.
fn make(client: &Client) -> u16 {
    client.request("PUT", &format!("/{}", unique_bucket("new"))).send().status
}

/// Time until it holds; panics after the time that it may take.
#[track_caller]
fn until(what: &str, within: Duration, holds: impl Fn() -> bool) -> Duration {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < within, "{what}: not after {within:?}");
        thread::sleep(Duration::from_millis(20));
    }
    println!("{what}: after {:?}", since.elapsed());
    since.elapsed()
}

#[test]
fn two_gateways_that_listen_everywhere_live_side_by_side() {
    if !is_inside("two_gateways_that_listen_everywhere_live_side_by_side") {
        return;
    }
    let cluster = Cluster::new("2s");
    let objects = Objects::put(&cluster.gateways()[0], "everywhere");
    let before = cluster.nodes();
    for address in ["10.77.0.2:9000", "10.77.0.3:9000"] {
        assert!(before.iter().any(|[_, at, _]| at.contains(address)), "{address} is not among {before:?}");
    }
    // Several times over what it takes to die.
    thread::sleep(Duration::from_secs(6));
    assert_eq!(cluster.nodes(), before);
    assert!(cluster.gateways().iter().all(|client| objects.are_served(client)));

    // What others cannot call is refused, with what to set.
    let two = &cluster.hosts[1];
    let only_here = format!("--listen 127.0.0.1:9040 --admin off --controller {}:9010", cluster.control.ip);
    let said =
        cluster.network.complaint(two, "storage", &format!("{only_here} --capacity 16MiB"), "advertise");
    assert!(said.contains("127.0.0.1:9040") && said.contains("--advertise"), "{said}");
    assert_eq!(cluster.nodes(), before);
}

#[test]
fn a_host_that_is_cut_off_for_a_while_loses_nothing() {
    if !is_inside("a_host_that_is_cut_off_for_a_while_loses_nothing") {
        return;
    }
    let cluster = Cluster::new("30s");
    let gateways = cluster.gateways();
    let objects = Objects::put(&gateways[0], "host");
    let before = cluster.ids();
    cluster.network.cut(&cluster.hosts[2]);
    let cut = Instant::now();
    until("its node is suspect", Duration::from_secs(5), || {
        cluster.nodes().iter().any(|[.., state]| state.contains("suspect"))
    });
    let mut written = 0;
    while cut.elapsed() < CUT_FOR {
        let path = format!("/{}/meanwhile-{}", objects.bucket, written % 4);
        gateways[written % 2].put(&path, &bytes(written as u64, 3_000_000)).expect(200);
        written += 1;
        thread::sleep(Duration::from_millis(100));
    }
    cluster.network.mend(&cluster.hosts[2]);
    println!(
        "served again {:?} after {CUT_FOR:?} without a link; {written} written meanwhile",
        objects.back_after(&gateways)
    );
    assert_eq!(cluster.ids(), before, "nobody had to join again");
}

#[test]
fn a_controller_that_is_cut_off_declares_nobody_dead() {
    if !is_inside("a_controller_that_is_cut_off_declares_nobody_dead") {
        return;
    }
    let cluster = Cluster::new("3s");
    let gateways = cluster.gateways();
    let objects = Objects::put(&gateways[0], "control");
    objects.back_after(&gateways);
    let before = cluster.ids();
    cluster.network.cut(&cluster.control);
    let cut = Instant::now();
    while cut.elapsed() < 2 * CUT_FOR {
        assert!(gateways.iter().all(|client| objects.are_served(client)), "data goes on without it");
        thread::sleep(Duration::from_millis(200));
    }
    cluster.network.mend(&cluster.control);
    until("buckets are made again", BACK_WITHIN, || gateways.iter().all(|client| make(client) == 200));
    until("no longer held", BACK_WITHIN, || !cluster.is_held());
    // Whoever it would have declared dead would be gone by now.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(cluster.ids(), before);
    assert!(gateways.iter().all(|client| objects.are_served(client)));
}

#[test]
fn a_host_without_power_is_dead_of_silence_and_joins_again_at_its_address() {
    if !is_inside("a_host_without_power_is_dead_of_silence_and_joins_again_at_its_address") {
        return;
    }
    let mut cluster = Cluster::new("3s");
    let gateways = cluster.gateways();
    let objects = Objects::put(&gateways[0], "power");
    let wide = format!("/{}/wide", objects.bucket);
    gateways[0].put(&wide, &bytes(77, 24 << 20)).expect(200);
    let before = cluster.ids();
    cluster.network.cut(&cluster.hosts[2]);
    cluster.others.last_mut().expect("its storage server").kill();
    let is_lost = || gateways.iter().all(|client| client.head(&wide).header("x-pocket-lost") == Some("true"));
    let after = until("its objects are lost", Duration::from_secs(10), is_lost);
    assert!(after > Duration::from_secs(2), "a host that refuses nothing is not dead at once: {after:?}");
    assert_eq!(cluster.ids().len(), before.len() - 1);

    cluster.network.mend(&cluster.hosts[2]);
    let host = &cluster.hosts[2];
    let again = cluster.network.start(host, "storage", &options("storage", &cluster.control));
    until("it is there again", BACK_WITHIN, || cluster.ids().len() == before.len());
    assert!(!before.contains(&cluster.nodes().last().expect("nodes")[0]), "as another node");
    gateways[1].put(&wide, &bytes(78, 24 << 20)).expect(200);
    drop(again);
}

#[test]
fn a_slow_link_is_no_silence() {
    if !is_inside("a_slow_link_is_no_silence") {
        return;
    }
    let cluster = Cluster::new("3s");
    let gateways = cluster.gateways();
    let objects = Objects::put(&gateways[0], "slow");
    let before = cluster.ids();
    cluster.network.slow(&cluster.hosts[2], "2mbit");
    let slowed = Instant::now();
    while slowed.elapsed() < CUT_FOR {
        // Large ones fill the link's queue, which heartbeats share.
        let path = format!("/{}/through", objects.bucket);
        let put = gateways[0].request("PUT", &path).body(&bytes(1, 3_000_000)).send();
        assert!(matches!(put.status, 200 | 503), "{} {}", put.status, put.text());
    }
    assert_eq!(cluster.ids(), before);
    assert!(objects.are_served(&gateways[1]));
}

#[test]
fn a_controller_with_a_full_disk_keeps_what_it_has() {
    if !is_inside("a_controller_with_a_full_disk_keeps_what_it_has") {
        return;
    }
    let network = Network::make();
    let disk = network.disk("small", "256k");
    let mut cluster = Cluster::with_state_in(&disk, network, "3s");
    let gateways = cluster.gateways();
    let objects = Objects::put(&gateways[0], "kept");
    let make = |client: &Client| client.request("PUT", &format!("/{}", unique_bucket("disk"))).send().status;

    let filler = Network::fill(&disk);
    until("a bucket that cannot be written down is not made", BACK_WITHIN, || make(&gateways[0]) == 503);
    assert!(objects.are_served(&gateways[1]), "data goes on");
    cluster.controller.kill();
    let options = controller_options(&disk, "3s");
    let again = cluster.network.begin(&cluster.control, "controller", &options);
    // Whatever it would have ended or declared dead would be gone by now.
    thread::sleep(Duration::from_secs(5));
    assert!(
        gateways.iter().all(|client| objects.are_served(client)),
        "jobs outlive a restart with a full disk"
    );
    assert_eq!(make(&gateways[1]), 503);
    std::fs::remove_file(filler).expect("the filler is there");
    let again = again.when_ready();
    until("buckets are made again", BACK_WITHIN, || make(&gateways[1]) == 200);
    objects.back_after(&gateways);
    gateways[0].end_bucket(&objects.bucket);
    drop(again);
}
