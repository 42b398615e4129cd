//! The real binary as child processes on loopback ports of their own; they end with the value.

use crate::http;
use crate::metrics;
use crate::s3::Client;
use crate::workshop::profile_folder;
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

pub const ACCESS_KEY: &str = "POCKETCOMPATTESTS";
pub const SECRET_KEY: &str = "compat/tests+secret/key+of/forty+letters";
/// Of the tenant `other`, whom servers know beside the default one.
pub const OTHER_ACCESS_KEY: &str = "POCKETOTHERTENANT";
pub const OTHER_SECRET_KEY: &str = "another/secret+key+of/the+compat+tests";

/// A server that is not ready by then will not be: the bound is for machines that are busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Time to stop in good order before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Longer than any process waits before it sets its gauges again.
const GAUGES_EVERY: Duration = Duration::from_millis(1_500);
/// Enough for every test, little enough for any machine.
const CAPACITY: &str = "512MiB";

/// A running Pocket: one process or many.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `host:port` of each gateway.
    pub endpoints: Vec<String>,
    /// What they speak: `http` or `https`.
    pub scheme: &'static str,
    /// `host:port`
    pub admin: String,
    /// One for `pocket serve`, one a role for a cluster.
    pub processes: Vec<RoleProcess>,
    /// Configuration and credentials of this server alone.
    folder: tempfile::TempDir,
}

/// A process of a cluster.
#[derive(Clone, Debug, Deserialize)]
pub struct RoleProcess {
    pub role: String,
    pub pid: u32,
    pub address: String,
    /// Its own admin port, as `http://host:port`.
    pub admin: Option<String>,
}

#[derive(Deserialize)]
struct Cluster {
    endpoints: Vec<String>,
    admin: String,
    processes: Vec<RoleProcess>,
}

static EMBEDDED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static CLUSTER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// `pocket serve`, shared by the tests that run at the same time. For tests that only use buckets of their own.
    pub fn embedded() -> Arc<Self> {
        shared(&EMBEDDED, || Self::serve(CAPACITY, ""))
    }

    /// `pocket dev-cluster`, shared likewise.
    pub fn cluster() -> Arc<Self> {
        shared(&CLUSTER, Self::own_cluster)
    }

    /// `pocket serve` for one test alone. `config`: text of a configuration file, may be empty; with tenants of its
    /// own, the credentials of [`Server::client`] are not known to it.
    pub fn serve(capacity: &str, config: &str) -> Self {
        Self::serve_with(capacity, config, "http", &[])
    }

    /// As [`Server::serve`], in TLS by an authority of its own: see [`Server::authority`].
    pub fn serve_secure(capacity: &str, config: &str) -> Self {
        Self::serve_with(capacity, config, "https", &["--tls", "auto"])
    }

    fn serve_with(capacity: &str, config: &str, scheme: &'static str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (listen, admin) = (free_address(), free_address());
        let mut command = command(folder.path());
        command.args(["serve", "--listen", &listen, "--admin", &admin, "--capacity", capacity]).args(options);
        if config.is_empty() {
            command.arg("--config").arg(other_tenant(folder.path(), ""));
        } else {
            let path = folder.path().join("pocket.toml");
            std::fs::write(&path, config).expect("the folder can be written to");
            command.arg("--config").arg(path);
            command.env_remove("POCKET_ACCESS_KEY_ID").env_remove("POCKET_SECRET_ACCESS_KEY");
        }
        let child = command.stdout(Stdio::null()).spawn().expect("pocket can be started");
        let process = RoleProcess {
            role: "serve".into(),
            pid: child.id(),
            address: listen.clone(),
            admin: Some(admin.clone()),
        };
        let server = Self { child, endpoints: vec![listen], scheme, admin, processes: vec![process], folder };
        server.wait_until_ready()
    }

    /// `pocket dev-cluster` for one test alone: two gateways, two metadata shards, three storage servers.
    pub fn own_cluster() -> Self {
        Self::cluster_with(&[])
    }

    /// As [`Server::own_cluster`], with more options.
    pub fn cluster_with(options: &[&str]) -> Self {
        Self::start_cluster("", options)
    }

    /// As [`Server::own_cluster`], where nodes die of that much silence, such as `3s`.
    pub fn impatient_cluster(node_timeout: &str) -> Self {
        Self::start_cluster(&format!("controller.node-timeout = \"{node_timeout}\"\n"), &[])
    }

    fn start_cluster(settings: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = command(folder.path());
        command.args(["dev-cluster", "--gateways", "2", "--metadata", "2", "--storage", "3", "--json"]);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "256MiB"]);
        command.arg("--config").arg(other_tenant(folder.path(), settings)).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("pocket can be started");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("the output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the output can be read");
        let cluster: Cluster =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("dev-cluster said {line:?}: {e}"));
        let server = Self {
            child,
            endpoints: cluster.endpoints.iter().map(|url| plain(url)).collect(),
            scheme: "http",
            admin: plain(&cluster.admin),
            processes: cluster.processes,
            folder,
        };
        server.wait_until_ready()
    }

    /// The URL of each gateway.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.endpoints.iter().map(|endpoint| format!("{}://{endpoint}", self.scheme))
    }

    /// What clients have to trust, where the scheme is `https`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("pocket/ca.pem")
    }

    /// A client of the first gateway.
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    /// A client of one gateway.
    pub fn client_of(&self, gateway: usize) -> Client {
        Client::new(&self.endpoints[gateway], ACCESS_KEY, SECRET_KEY)
    }

    /// Processes of a role, in the order in which they were started.
    pub fn role(&self, role: &str) -> Vec<&RoleProcess> {
        self.processes.iter().filter(|p| p.role == role).collect()
    }

    /// Bytes that objects take, over all processes that are alive.
    pub fn used_bytes(&self) -> u64 {
        let admins = self.processes.iter().filter_map(|p| p.admin.as_deref());
        admins.filter_map(|admin| metrics::try_used_bytes(&plain(admin))).sum()
    }

    /// As [`Server::used_bytes`], when the gauges have caught up with the last request: shards set theirs once a second
    /// at the latest.
    pub fn settled_used_bytes(&self) -> u64 {
        let mut before = self.used_bytes();
        loop {
            std::thread::sleep(GAUGES_EVERY);
            let now = self.used_bytes();
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// Panics unless the used bytes become exactly `expected` within the time.
    #[track_caller]
    pub fn expect_used_within(&self, expected: u64, time: Duration) {
        let started = Instant::now();
        while self.used_bytes() != expected {
            let used = self.used_bytes();
            assert!(started.elapsed() < time, "{used} used bytes instead of {expected} after {time:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_ready(mut self) -> Self {
        let started = Instant::now();
        loop {
            if http::get(&self.admin, "/readyz").is_ok_and(|r| r.status == 200) {
                return self;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("pocket ended at once: {status}");
            }
            assert!(started.elapsed() < READY_WITHIN, "pocket is not ready after {READY_WITHIN:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(self.child.id(), "TERM");
        let asked = Instant::now();
        while asked.elapsed() < STOP_WITHIN {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `host:port` of a URL.
fn plain(url: &str) -> String {
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// Sends a signal, such as `KILL`, to one process.
pub fn signal(pid: u32, name: &str) {
    kill(name, &pid.to_string());
}

/// Sends a signal to all processes of a group.
pub fn signal_group(leader: u32, name: &str) {
    kill(name, &format!("-{leader}"));
}

fn kill(name: &str, whom: &str) {
    let sent = Command::new("kill").args(["-s", name, "--", whom]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "kill cannot be run");
}

/// The program under test. The first call builds it.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let profile = profile_folder();
        let binary = profile.join("pocket");
        if !is_fresh(&binary) {
            build(&profile);
        }
        binary
    })
}

fn build(profile: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "pocket", "--bin", "pocket"]).arg("--target-dir");
    cargo.arg(profile.parent().expect("tests lie in <target>/<profile>/deps"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo can be run");
    assert!(built.success(), "the program under test does not build");
}

/// Whether the program is newer than everything that it is made of. Plain `cargo test` has just built it, with the features
/// of the whole workspace; building the package alone would compile half of its dependencies once more.
fn is_fresh(binary: &Path) -> bool {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let Some(built) = modified(binary) else { return false };
    let mut folders = vec![workspace];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the workspace can be read") {
            let path = entry.expect("the workspace can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_source = [".rs", ".toml", ".lock", ".proto"].iter().any(|ending| name.ends_with(ending));
            if path.is_dir() {
                // Tests and benches are no part of it.
                if !["target", "tests", "benches", "examples", "compat-tests", "fuzz"].contains(&&*name)
                    && !name.starts_with('.')
                {
                    folders.push(path);
                }
            } else if is_source && modified(&path).is_none_or(|changed| changed >= built) {
                return false;
            }
        }
    }
    true
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// The program with the tests' credentials and nothing of its caller's settings.
pub fn command(home: &Path) -> Command {
    with_credentials(Command::new(binary()), home)
}

/// As [`command`], for one that runs the program through another.
pub(crate) fn with_credentials(mut command: Command, home: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POCKET_") || name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("POCKET_ACCESS_KEY_ID", ACCESS_KEY).env("POCKET_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("HOME", home).env("XDG_STATE_HOME", home).stdin(Stdio::null());
    if std::env::var_os("COMPAT_LOG").is_none() {
        command.stderr(Stdio::null());
    }
    command
}

/// A configuration with one more tenant, after these `settings`.
fn other_tenant(folder: &Path, settings: &str) -> PathBuf {
    let path = folder.join("other.toml");
    let text = format!(
        "{settings}[[tenant]]\nname = \"other\"\naccess-key-id = \"{OTHER_ACCESS_KEY}\"\n\
         secret-access-key = \"{OTHER_SECRET_KEY}\"\n"
    );
    std::fs::write(&path, text).expect("the folder can be written to");
    path
}

fn shared(slot: &Mutex<Weak<Server>>, start: impl FnOnce() -> Server) -> Arc<Server> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = slot.upgrade() {
        return server;
    }
    let server = Arc::new(start());
    *slot = Arc::downgrade(&server);
    server
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound port").port()
}
