//! Runs jobs, one after another, against two servers: one with room, and a small one to be full.
//!
//! A job sees an empty home, a scratch folder, endpoint, region and credentials, and nothing else of the machine it runs
//! on. Its buckets must be gone when it has ended: a server that still holds bytes then is a failure of the job or of the
//! server.

use super::outcome::{Outcome, Report};
use super::{Client, Need, Shows, steps, toolchains};
use crate::server::{ACCESS_KEY, SECRET_KEY, Server, signal_group};
use crate::workshop::{Missing, Workshop, last_lines};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Room for the largest job: a sort of 1 GB that hands its stages over through a bucket. Memory is taken when it is used.
const CAPACITY: &str = "4GiB";
/// Small enough to be filled in a second.
const SMALL_CAPACITY: &str = "32MiB";
const REGION: &str = "us-east-1";
/// Gauges are set once a second; freed chunks come back in batches.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);
const POLL_EVERY: Duration = Duration::from_millis(20);
/// Lines of a job's output that a failure shows.
const SHOWN_LINES: usize = 40;

/// How much of its job a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// Less of what takes minutes; only such jobs make a difference.
    Short,
    /// Until bytes have come back, in one piece and in parts.
    Brief,
}

/// The two servers.
#[derive(Debug)]
pub struct Servers {
    main: Server,
    small: Server,
}

/// How clients talk to the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Plain,
    /// TLS by an authority of the server's own, which clients trust as the server says when it starts.
    Tls,
}

impl Servers {
    pub fn start(transport: Transport) -> Self {
        let config = format!(
            "region = \"{REGION}\"\n[[tenant]]\nname = \"clients\"\n\
             access-key-id = \"{ACCESS_KEY}\"\nsecret-access-key = \"{SECRET_KEY}\"\n"
        );
        let serve = match transport {
            Transport::Plain => Server::serve,
            Transport::Tls => Server::serve_secure,
        };
        Self { main: serve(CAPACITY, &config), small: serve(SMALL_CAPACITY, &config) }
    }

    /// One file with the authorities of both servers, for jobs that talk to both.
    fn trust(&self, command: &mut Command, folder: &Path) -> Result<(), String> {
        if self.main.scheme == "http" {
            return Ok(());
        }
        let read = |server: &Server| fs::read(server.authority()).map_err(|e| format!("no authority: {e}"));
        let file = folder.join("ca.pem");
        fs::write(&file, [read(&self.main)?, read(&self.small)?].concat()).map_err(|e| format!("{e}"))?;
        // The lines that the server prints, and one for what looks at the clients' work.
        command.env("AWS_CA_BUNDLE", &file).env("SSL_CERT_FILE", &file).env("REQUESTS_CA_BUNDLE", &file);
        Ok(())
    }
}

/// Installs a client and runs its job.
pub fn run(client: &'static Client, part: Part, workshop: &Workshop, servers: &Servers) -> Report {
    match prepare(client, workshop) {
        Err(missing) => Report { client, outcome: Outcome::NotRun(missing), took: Duration::ZERO },
        Ok(mut command) => {
            let name = match part {
                Part::Whole => "whole",
                Part::Short => "short",
                Part::Brief => "brief",
            };
            command.env("POCKET_PART", name);
            let started = Instant::now();
            let outcome = run_job(client, part, command, &workshop.log(client.name), servers)
                .unwrap_or_else(|reason| Outcome::Fail { reason });
            Report { client, outcome, took: started.elapsed() }
        }
    }
}

fn prepare(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    for need in client.needs {
        match need {
            Need::Apt(packages) => toolchains::apt::install(packages)?,
            Need::Fuse if !Path::new("/dev/fuse").exists() => {
                return Err(Missing::new("there is no /dev/fuse"));
            }
            // Whoever makes the job's command looks for these.
            Need::Fuse | Need::Python | Need::Rust | Need::Go | Need::Node | Need::Java => {}
        }
    }
    (client.job)(client, workshop)
}

fn run_job(
    client: &Client,
    part: Part,
    command: Command,
    log: &Path,
    servers: &Servers,
) -> Result<Outcome, String> {
    let scratch = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let output = File::create(log).map_err(|e| format!("{} cannot be written: {e}", log.display()))?;
    let errors = output.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
    let mut command = isolated(command, scratch.path(), servers)?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let before = (servers.main.used_bytes(), servers.small.used_bytes());
    let status = wait(&mut command, Duration::from_secs(client.limit_seconds));
    unmount_all(scratch.path());
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let explained = |reason: String| format!("{reason}\n{}", last_lines(&text, SHOWN_LINES));
    let status = status.map_err(explained)?;
    let count = text.lines().filter(|line| line.starts_with("ok ")).count();
    if !status.success() {
        return Err(explained(format!("ended with {status} after {count} steps")));
    }
    match client.shows {
        Shows::Steps if part == Part::Brief => steps::expect_brief(&text).map_err(explained)?,
        Shows::Steps => steps::expect_all(&text, &steps::lacking(&client.config()?)?).map_err(explained)?,
        Shows::Counts if count == 0 => return Err(explained("ended well without a single step".into())),
        Shows::Counts => {}
    }
    expect_emptied(&servers.main, before.0).map_err(explained)?;
    expect_emptied(&servers.small, before.1).map_err(explained)?;
    let note = text.lines().rev().find_map(|line| line.strip_prefix("note ")).map(str::to_owned);
    Ok(Outcome::Pass { steps: count, note })
}

/// The command with an environment of its own: only what its tool chain set, and what every job is told.
fn isolated(mut command: Command, scratch: &Path, servers: &Servers) -> Result<Command, String> {
    let set: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let (home, work) = (scratch.join("home"), scratch.join("work"));
    for folder in [&home, &work] {
        fs::create_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LANG", "C.UTF-8").env("HOME", &home).env("TMPDIR", &work).env("POCKET_SCRATCH", &work);
    command.env("POCKET_ENDPOINT", servers.main.urls().collect::<String>());
    command.env("POCKET_SMALL_ENDPOINT", servers.small.urls().collect::<String>());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_REGION", REGION).env("AWS_DEFAULT_REGION", REGION);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    servers.trust(&mut command, scratch)?;
    command.envs(set).current_dir(&work);
    Ok(command)
}

/// Waits for the job, and ends it with all its children when its time is over.
fn wait(command: &mut Command, limit: Duration) -> Result<ExitStatus, String> {
    let mut child = command.process_group(0).spawn().map_err(|e| format!("cannot be started: {e}"))?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if started.elapsed() < limit => std::thread::sleep(POLL_EVERY),
            Ok(None) => break Err(format!("not done after {limit:?}")),
            Err(e) => break Err(format!("cannot be waited for: {e}")),
        }
    };
    // Also what a job that ended left running.
    signal_group(child.id(), "KILL");
    let _ = child.wait();
    status
}

/// Takes away what a job left mounted: its folder could not be removed otherwise.
fn unmount_all(scratch: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for folder in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
        if Path::new(folder).starts_with(scratch) {
            let _ = Command::new("fusermount").args(["-u", "-z", folder]).status();
        }
    }
}

fn expect_emptied(server: &Server, before: u64) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let used = server.used_bytes();
        if used <= before {
            return Ok(());
        }
        if started.elapsed() > EMPTY_WITHIN {
            return Err(format!("left {} bytes in the server", used - before));
        }
        std::thread::sleep(POLL_EVERY);
    }
}
