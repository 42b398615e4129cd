//! The binary as a child process, on free ports, in a home of its own.

// Every test file takes what it needs of this one.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const ACCESS_KEY: &str = "POCKETTESTS";
pub const SECRET_KEY: &str = "secret-of-the-tests";

/// Far more than anything takes: a bound on hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program with nothing of its caller's settings, at home in `home`.
pub fn pocket(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pocket"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POCKET_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("XDG_STATE_HOME", home.join("state")).stdin(Stdio::null());
    command
}

/// The same with credentials in its environment.
pub fn pocket_with_credentials(home: &Path) -> Command {
    let mut command = pocket(home);
    command.env("POCKET_ACCESS_KEY_ID", ACCESS_KEY).env("POCKET_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

/// A program that goes on running, and what it says.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub home: TempDir,
}

impl Running {
    pub fn start(mut command: Command, home: TempDir) -> Self {
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, home }
    }

    /// `pocket serve` on free ports with 64 MiB.
    pub fn serve(options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = pocket_with_credentials(home.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
        command.args(options);
        Self::start(command, home)
    }

    /// As if the process at its other end had died.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line on standard output; `None` at its end.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Reads the banner of `serve` up to its last line.
    pub fn banner(&mut self) -> Banner {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            let last = line.trim_start().starts_with("pocket status");
            lines.push(line);
            if last {
                return Banner(lines);
            }
        }
        panic!("no banner but {lines:?}");
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "process {} does not end", self.pid());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            let started = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && started.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What `pocket serve` prints.
pub struct Banner(pub Vec<String>);

impl Banner {
    /// The value of a line `name  value`.
    pub fn value(&self, name: &str) -> &str {
        let line = self.0.iter().find_map(|line| line.trim_start().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {:?}", self.0)).trim()
    }

    /// `host:port` of the endpoint.
    pub fn endpoint(&self) -> &str {
        self.value("endpoint").trim_start_matches("http://")
    }

    /// `host:port` of the admin port.
    pub fn admin(&self) -> &str {
        self.value("admin").trim_start_matches("http://")
    }
}

/// Sends a signal, such as `TERM`, to one process.
pub fn signal(pid: u32, name: &str) {
    let kill = format!("kill -s {name} {pid}");
    assert!(Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap().success());
}

/// Whether a process is there and has not ended: one that nobody has waited for yet is gone.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}

/// Polls until `done` answers something. For what happens in another process, of which nothing tells.
#[track_caller]
pub fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs to the end. For commands that end by themselves.
pub fn output(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr }
}

/// Holds a port so that nobody else can listen on it.
pub fn taken_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}
