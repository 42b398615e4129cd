//! Hosts of their own on one machine: a network namespace each, all on a bridge, so that links can be cut and slowed
//! beneath real processes. What a link carries is lost in silence, as in a network, and nobody is told.
//!
//! Needs Linux with `unshare` (util-linux) and `ip` (iproute2) and the right to make user namespaces, root or not.

use crate::s3::Client;
use crate::server::{ACCESS_KEY, SECRET_KEY, binary, with_credentials};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Set where a test runs inside.
const INSIDE: &str = "POCKET_TEST_INSIDE_NETWORK";
/// Of planes that prove to each other that they belong together.
const CLUSTER_SECRET: &str = "secret of the hosts of a test";
const BRIDGE: &str = "hosts";

/// Runs the rest of a test in namespaces of its own, which take all its processes and links with them when it ends: true inside.
/// Outside it waits for that and passes on how it ended; on a machine that has no namespaces it says so, and the test is not run.
pub fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // Built out here, where crates can be fetched.
    binary();
    let unshare =
        ["--map-root-user", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "--"];
    let can =
        Command::new("unshare").args(unshare).args(["ip", "link", "add", BRIDGE, "type", "bridge"]).output();
    match can {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => {
            println!("NOT RUN: {}", String::from_utf8_lossy(&tried.stderr).trim());
            return false;
        }
        Err(e) => {
            println!("NOT RUN: unshare: {e}");
            return false;
        }
    }
    let this = std::env::current_exe().expect("the test's own program");
    let mut inside = Command::new("unshare");
    inside.args(unshare).arg(this).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
    let status = inside.status().expect("unshare ran a moment ago");
    assert!(status.success(), "{test} failed in its namespaces");
    false
}

/// The bridge and its hosts, while a test is inside.
#[derive(Debug)]
pub struct Network {
    folder: tempfile::TempDir,
    hosts: u8,
}

/// One machine of the network.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    pub ip: String,
}

/// A process on a host; killed with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Network {
    /// Without hosts yet. Only where [`is_inside`].
    pub fn make() -> Self {
        run("mount -t tmpfs none /run");
        run(&format!("ip link add {BRIDGE} type bridge"));
        run(&format!("ip addr add 10.77.0.254/24 dev {BRIDGE}"));
        run(&format!("ip link set {BRIDGE} up"));
        run("ip link set lo up");
        Self { folder: tempfile::tempdir().expect("a temporary folder"), hosts: 0 }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn host(&mut self, name: &str) -> Host {
        self.hosts += 1;
        let ip = format!("10.77.0.{}", self.hosts);
        run(&format!("ip netns add {name}"));
        run(&format!("ip link add to-{name} type veth peer name eth0 netns {name}"));
        run(&format!("ip link set to-{name} master {BRIDGE} up"));
        run(&format!("ip -n {name} addr add {ip}/24 dev eth0"));
        run(&format!("ip -n {name} link set eth0 up"));
        run(&format!("ip -n {name} link set lo up"));
        Host { name: name.to_owned(), ip }
    }

    /// Starts a role and waits until it is ready. `options`: as on the command line, parted by spaces.
    pub fn start(&self, host: &Host, role: &str, options: &str) -> Process {
        self.begin(host, role, options).when_ready()
    }

    /// As [`Network::start`], for what is not ready yet.
    pub fn begin(&self, host: &Host, role: &str, options: &str) -> Process {
        let child = self.spawn(host, role, options).stdout(Stdio::piped()).spawn();
        Process { child: child.expect("ip can be run") }
    }

    /// A process that is to be refused: all that it said until it ended or `marker` came.
    pub fn complaint(&self, host: &Host, role: &str, options: &str, marker: &str) -> String {
        let mut command = self.spawn(host, role, options);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("ip can be run");
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok) {
            said += &format!("{line}\n");
            if line.contains(marker) {
                break;
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        said
    }

    fn spawn(&self, host: &Host, role: &str, options: &str) -> Command {
        let mut command = self.pocket(host);
        command.args([role, "--json", "--host", &host.name]).args(options.split_whitespace());
        command
    }

    fn pocket(&self, host: &Host) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &host.name]).arg(binary());
        let mut command = with_credentials(command, self.folder.path());
        command.env("POCKET_CLUSTER_SECRET", CLUSTER_SECRET);
        command
    }

    /// `pocket status --json` on the host of a process with its admin port at this one.
    pub fn status(&self, host: &Host, port: u16) -> serde_json::Value {
        let mut command = self.pocket(host);
        let asked = command.args(["status", "--json", "--admin", &format!("127.0.0.1:{port}")]).output();
        let said = asked.expect("ip can be run").stdout;
        serde_json::from_slice(&said).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&said)))
    }

    /// A disk of this size, such as `256k`.
    pub fn disk(&self, name: &str, size: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("the folder can be written to");
        run(&format!("mount -t tmpfs -o size={size} none {}", folder.display()));
        folder
    }

    /// Fills a disk with a file, whose path this is.
    pub fn fill(disk: &Path) -> PathBuf {
        let path = disk.join("filler");
        let mut file = std::fs::File::create(&path).expect("an empty file");
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }

    /// Nothing passes from or to the host any more, and nobody is told.
    pub fn cut(&self, host: &Host) {
        run(&format!("bridge link set dev to-{} state 0", host.name));
    }

    pub fn mend(&self, host: &Host) {
        run(&format!("bridge link set dev to-{} state 3", host.name));
    }

    /// What the host receives comes at this rate, such as `2mbit`, from now on.
    pub fn slow(&self, host: &Host, rate: &str) {
        run(&format!("tc qdisc add dev to-{} root tbf rate {rate} burst 16k latency 400ms", host.name));
    }
}

impl Process {
    /// Panics with what it said where it ends instead.
    #[must_use]
    pub fn when_ready(mut self) -> Self {
        let mut line = String::new();
        let stdout = self.child.stdout.as_mut().expect("the output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the output can be read");
        assert!(line.starts_with('{'), "it said {line:?}");
        self
    }

    /// As kill -9 does it.
    pub fn kill(&mut self) {
        // `ip netns exec` becomes the program: it is one process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Host {
    pub fn client(&self, port: u16) -> Client {
        Client::new(&format!("{}:{port}", self.ip), ACCESS_KEY, SECRET_KEY)
    }
}

/// Panics with what it said unless the command succeeds. Words are parted by spaces.
fn run(command: &str) {
    let mut words = command.split_whitespace();
    let ran = Command::new(words.next().unwrap_or_default()).args(words).output();
    let ran = ran.unwrap_or_else(|e| panic!("{command}: {e}"));
    assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
}
