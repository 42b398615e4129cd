//! The servers that are compared, as child processes on loopback ports of their own. They end with the value.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const ACCESS_KEY: &str = "bars";
pub(crate) const SECRET_KEY: &str = "bars-secret-key";

/// A server that is not ready by then will not be.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Time to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    child: Child,
    pub(crate) endpoint: String,
    /// `host:port`; empty where there is none.
    pub(crate) admin: String,
    /// All processes that work for it.
    pub(crate) pids: Vec<u32>,
    /// The one that clients are connected to.
    pub(crate) gateway: u32,
}

#[derive(Deserialize)]
struct Cluster {
    endpoints: Vec<String>,
    admin: String,
    processes: Vec<ClusterProcess>,
}

#[derive(Deserialize)]
struct ClusterProcess {
    role: String,
    pid: u32,
}

impl Server {
    /// Bare hyper, answering `size` bytes.
    pub(crate) fn floor_hyper(size: &str) -> anyhow::Result<Self> {
        Self::floor_hyper_with(&["--size", size])
    }

    /// Bare hyper as the options say.
    pub(crate) fn floor_hyper_with(options: &[&str]) -> anyhow::Result<Self> {
        let listen = free_address()?;
        let mut command = Command::new(program("examples/floor_hyper")?);
        command.args(["--listen", &listen]).args(options);
        Self::start(command, listen, String::new())
    }

    /// s3s over a map.
    pub(crate) fn floor_s3s() -> anyhow::Result<Self> {
        let listen = free_address()?;
        let mut command = Command::new(program("examples/floor_s3s")?);
        command.args(["--listen", &listen, "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]);
        Self::start(command, listen, String::new())
    }

    /// Pocket in one process.
    pub(crate) fn embedded(capacity: &str) -> anyhow::Result<Self> {
        Self::serve(&["--capacity", capacity])
    }

    /// `pocket serve` on ports of its own, and else as the options say.
    pub(crate) fn serve(options: &[&str]) -> anyhow::Result<Self> {
        let (listen, admin) = (free_address()?, free_address()?);
        let mut command = pocket()?;
        command.args(["serve", "--listen", &listen, "--admin", &admin]).args(options);
        Self::start(command, listen, admin)
    }

    /// Pocket with one process a role.
    pub(crate) fn cluster() -> anyhow::Result<Self> {
        let listen = free_address()?;
        let mut command = pocket()?;
        command.args(["dev-cluster", "--gateways", "1", "--metadata", "1", "--storage", "1"]);
        command.args(["--listen", &listen, "--admin", "127.0.0.1:0", "--json"]).stdout(Stdio::piped());
        let mut server = Self::start(command, listen, String::new())?;
        let mut line = String::new();
        let stdout = server.child.stdout.as_mut().context("the cluster's output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let cluster: Cluster =
            serde_json::from_str(&line).with_context(|| format!("dev-cluster said {line:?}"))?;
        server.endpoint = cluster.endpoints.first().context("dev-cluster named no endpoint")?.clone();
        server.admin = cluster.admin;
        server.pids = cluster.processes.iter().map(|p| p.pid).collect();
        let gateway = cluster.processes.iter().find(|p| p.role == "gateway");
        server.gateway = gateway.context("dev-cluster named no gateway")?.pid;
        Ok(server)
    }

    fn start(mut command: Command, listen: String, admin: String) -> anyhow::Result<Self> {
        if command.get_args().all(|arg| arg != "--json") {
            command.stdout(Stdio::null());
        }
        let child = command.stderr(Stdio::null()).spawn().with_context(|| format!("{command:?}"))?;
        let gateway = child.id();
        let endpoint = format!("http://{listen}");
        let mut server = Self { child, endpoint, admin, pids: vec![gateway], gateway };
        let started = Instant::now();
        while TcpStream::connect(&listen).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended at once: {status}");
            }
            if started.elapsed() > READY_WITHIN {
                bail!("{command:?} is not ready after {READY_WITHIN:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM first: a cluster stops its own processes.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
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

/// The program, with the bars' credentials.
pub(crate) fn pocket() -> anyhow::Result<Command> {
    let mut command = Command::new(program("pocket")?);
    command.env("POCKET_ACCESS_KEY_ID", ACCESS_KEY).env("POCKET_SECRET_ACCESS_KEY", SECRET_KEY);
    Ok(command)
}

/// A program that was built beside this one.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder =
        own.parent().and_then(|examples| examples.parent()).context("this program is in no folder")?;
    let path = folder.join(name);
    if !path.exists() {
        bail!(
            "{} is missing: cargo build --release -p pocket -p pocket-bench --bins --examples",
            path.display()
        );
    }
    Ok(path)
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
