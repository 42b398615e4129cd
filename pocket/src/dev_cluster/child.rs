//! One child process: started, heard, and stopped.
//!
//! A child ends when its standard input does, so that none outlives this process however this one dies.

use super::plan::{Program, RolePlan};
use crate::config::CLUSTER_SECRET_VARIABLE;
use crate::config::credentials::{ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE};
use crate::output::complain;
use crate::ready_line::ReadyLine;
use anyhow::{Context, bail};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a child may take to be ready. A second is the rule; a busy machine may need more.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a child may take to end in good order before it is killed. Members and then the controller fit into
/// [`crate::shutdown::END_WITHIN`].
const END_WITHIN: Duration = Duration::from_millis(3_500);
/// Read by tokio, when a runtime is built that was not told how many threads it has.
const RUNTIME_THREADS_VARIABLE: &str = "TOKIO_WORKER_THREADS";
/// Longest line taken from a child; a longer one is cut in two.
const LINE_MAX_BYTES: u64 = 64 << 10;

/// A child that is ready. Dropping it kills it.
pub(super) struct Child {
    pub(super) ready: ReadyLine,
    name: String,
    process: tokio::process::Child,
    stdin: ChildStdin,
}

impl Child {
    /// Starts a role and waits until it says that it is ready.
    pub(super) async fn start(program: &Program, plan: &RolePlan) -> anyhow::Result<Self> {
        let name = plan.name.clone();
        let mut process = Command::new(&program.executable)
            .arg(plan.role.as_str())
            .arg("--config")
            .arg(&program.config)
            .args(["--log", &program.log, "--json", "--end-with-stdin"])
            .args(&plan.options)
            .envs(threads(program.threads))
            // What they say is in the file already, where it is meant for these processes.
            .env_remove(ACCESS_KEY_VARIABLE)
            .env_remove(SECRET_KEY_VARIABLE)
            .env_remove(CLUSTER_SECRET_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for this process, which stops the children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdin = process.stdin.take().context("no standard input")?;
        let stdout = process.stdout.take().context("no standard output")?;
        let stderr = process.stderr.take().context("no standard error")?;
        let last_words = tokio::spawn(forward(stderr, name.clone()));
        let line = match timeout(
            READY_WITHIN,
            BufReader::new(stdout.take(LINE_MAX_BYTES)).lines().next_line(),
        )
        .await
        {
            Ok(line) => line.with_context(|| format!("cannot hear {name}"))?,
            Err(_) => bail!("{name} was not ready within {}s", READY_WITHIN.as_secs()),
        };
        let Some(line) = line else { bail!("{name} did not start: {}", reason(process, last_words).await) };
        let ready = serde_json::from_str(&line).with_context(|| format!("{name} said {line:?}"))?;
        Ok(Self { ready, name, process, stdin })
    }
}

/// How many threads the runtime of a child has, unless whoever started this process said so.
fn threads(of_each: usize) -> Option<(&'static str, String)> {
    std::env::var_os(RUNTIME_THREADS_VARIABLE)
        .is_none()
        .then(|| (RUNTIME_THREADS_VARIABLE, of_each.to_string()))
}

/// Why a child ended before it was ready: its own words, as far as it found any.
async fn reason(mut process: tokio::process::Child, last_words: JoinHandle<String>) -> String {
    let _ = process.start_kill();
    let status = process.wait().await;
    let said = timeout(END_WITHIN, last_words).await.ok().and_then(Result::ok).unwrap_or_default();
    match said.strip_prefix("pocket: ") {
        Some(why) => why.to_owned(),
        None => status.map_or_else(|e| e.to_string(), how_it_ended),
    }
}

/// Passes a child's log on, line by line under its name. Returns the last line.
async fn forward(stderr: impl AsyncRead + Unpin, name: String) -> String {
    let mut reader = BufReader::new(stderr);
    let mut last = String::new();
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_MAX_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => last = String::from_utf8_lossy(&line).trim_end().to_owned(),
        }
        complain(&format!("{name:>10} | {last}"));
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    status.to_string()
}

/// Watches over a child.
pub(super) struct Keeper {
    child: Child,
    /// Cancelled when the whole cluster ends: from then on nobody wonders why children do.
    ending: CancellationToken,
}

impl Keeper {
    pub(super) fn of(child: Child, ending: CancellationToken) -> Self {
        Self { child, ending }
    }

    /// Waits for the child's end; once `stop` is cancelled, brings it about.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let Child { name, mut process, stdin, ready } = self.child;
        tokio::select! {
            status = process.wait() => {
                let how = status.map_or_else(|e| e.to_string(), how_it_ended);
                if !self.ending.is_cancelled() {
                    warn!("{name} (pid {}) has ended: {how}; the cluster goes on without it", ready.pid);
                }
                return;
            }
            () = stop.cancelled() => drop(stdin),
        }
        if timeout(END_WITHIN, process.wait()).await.is_err() {
            warn!("{name} (pid {}) does not end: killing it", ready.pid);
            if let Err(why) = process.kill().await {
                info!("{name} (pid {}) could not be killed: {why}", ready.pid);
            }
        }
    }
}
