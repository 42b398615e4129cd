//! `pocket dev-cluster`: real processes, watched from outside.

mod support;

use pocket_compat_tests::http;
use pocket_compat_tests::s3::Client;
use serde::Deserialize;
use support::{
    ACCESS_KEY, Running, SECRET_KEY, eventually, is_alive, output, pocket_with_credentials, signal,
    taken_port,
};

#[derive(Deserialize)]
struct Cluster {
    endpoints: Vec<String>,
    admin: String,
    processes: Vec<Process>,
}

#[derive(Deserialize)]
struct Process {
    role: String,
    pid: u32,
    address: String,
    admin: String,
}

impl Cluster {
    fn client(&self, gateway: usize) -> Client {
        Client::new(self.endpoints[gateway].trim_start_matches("http://"), ACCESS_KEY, SECRET_KEY)
    }

    fn admin(&self) -> &str {
        self.admin.trim_start_matches("http://")
    }

    fn first(&self, role: &str) -> &Process {
        self.processes.iter().find(|process| process.role == role).unwrap()
    }

    /// Nodes that are not dead, as pairs of address and id.
    fn nodes(&self) -> Vec<(String, u64)> {
        let status: serde_json::Value =
            serde_json::from_str(&http::get(self.admin(), "/v1/status").unwrap().expect(200).text()).unwrap();
        let nodes = status["nodes"].as_array().unwrap().iter().map(|pair| &pair[0]);
        nodes
            .map(|node| (node["spec"]["address"].as_str().unwrap().into(), node["id"].as_u64().unwrap()))
            .collect()
    }

    fn all_gone(&self) -> bool {
        self.processes.iter().all(|process| !is_alive(process.pid))
    }
}

fn start(options: &[&str]) -> (Running, Cluster) {
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket_with_credentials(home.path());
    command.args(["dev-cluster", "--listen", "127.0.0.1:0", "--capacity", "64MiB", "--json"]).args(options);
    let mut running = Running::start(command, home);
    let line = running.line().expect("a line of JSON");
    let cluster = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    (running, cluster)
}

#[test]
fn all_roles_run_and_end_together() {
    let (mut running, cluster) = start(&[]);
    let count = |role| cluster.processes.iter().filter(|process| process.role == role).count();
    let counts = ["controller", "gateway", "metadata", "storage", "monitor"].map(count);
    assert_eq!((counts, cluster.endpoints.len()), ([1, 2, 2, 3, 1], 2));
    for process in &cluster.processes {
        http::get(process.admin.trim_start_matches("http://"), "/readyz").unwrap().expect(200);
    }
    cluster.client(0).create_bucket("shared", &[]).expect(200);
    let body = vec![42; 5 << 20];
    cluster.client(0).put("/shared/large", &body).expect(200);
    assert!(cluster.client(1).get("/shared/large").expect(200).body == body);

    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    assert!(cluster.all_gone());
}

#[test]
fn no_process_outlives_a_parent_that_is_killed() {
    let (mut running, cluster) = start(&["--gateways", "1", "--metadata", "1", "--storage", "1"]);
    running.signal("KILL");
    running.wait();
    eventually("the end of all processes", || cluster.all_gone().then_some(()));
}

#[test]
fn the_cluster_goes_on_without_a_process_that_died() {
    let (mut running, cluster) = start(&["--metadata", "1", "--storage", "2"]);
    let victim = cluster.first("storage");
    signal(victim.pid, "KILL");
    // Until it is declared dead, some writes meet it.
    eventually("writes go elsewhere", || {
        let dead = !cluster.nodes().iter().any(|(address, _)| *address == victim.address);
        dead.then_some(())
    });
    cluster.client(0).create_bucket("later", &[]).expect(200);
    cluster.client(1).put("/later/large", &vec![1; 2 << 20]).expect(200);
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    assert!(cluster.all_gone());
}

#[test]
fn a_process_that_stood_still_too_long_comes_back_as_another_node() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("impatient.toml");
    std::fs::write(&config, "controller.node-timeout = \"3s\"").unwrap();
    let config = config.to_str().unwrap();
    let (_running, cluster) =
        start(&["--gateways", "1", "--metadata", "1", "--storage", "2", "--config", config]);
    let victim = cluster.first("storage");
    let id_of = |address: &str| cluster.nodes().into_iter().find(|(at, _)| at == address).map(|(_, id)| id);
    let before = id_of(&victim.address).unwrap();
    signal(victim.pid, "STOP");
    eventually("the node is declared dead", || id_of(&victim.address).is_none().then_some(()));
    signal(victim.pid, "CONT");
    let after = eventually("the process joins again", || id_of(&victim.address));
    assert!(after > before);
    cluster.client(0).create_bucket("afterwards", &[]).expect(200);
    for i in 0..8 {
        cluster.client(0).put(&format!("/afterwards/{i}"), &vec![i; 1 << 20]).expect(200);
    }
}

#[test]
fn a_gateway_port_in_use_ends_it_all_with_one_line() {
    let (_held, taken) = taken_port();
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket_with_credentials(home.path());
    command.args(["dev-cluster", "--listen", &taken, "--gateways", "1", "--metadata", "1", "--storage", "1"]);
    command.args(["--capacity", "64MiB", "--json", "--log", "off"]);
    let ended = output(command);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stdout.is_empty());
    let stderr = String::from_utf8(ended.stderr).unwrap();
    let last = stderr.lines().last().unwrap();
    assert!(
        last.starts_with("pocket: gateway-1") && last.contains(&taken) && last.contains("in use"),
        "{stderr}"
    );
}
