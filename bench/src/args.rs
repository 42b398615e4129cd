//! The command line of `pocket bench`, checked before the first byte is sent.

use crate::mix::{Mix, Sizes};
use anyhow::{Context, bail};
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use pocket_api::duration::parse_duration;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// Most connections of one run: beyond it the client measures its own scheduler.
const CONCURRENCY_MAX: usize = 10_000;
/// Most threads of one run.
const THREADS_MAX: usize = 64;
/// Most keys of one run: each costs the client nothing, but filling more than this takes hours.
const KEYS_MAX: u64 = 100_000_000;

/// Drive an S3 endpoint with signed requests and measure it.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Where the endpoint listens (plain HTTP).
    #[arg(long, default_value = "http://127.0.0.1:9000")]
    pub endpoint: String,
    /// Access key; else POCKET_ACCESS_KEY_ID or AWS_ACCESS_KEY_ID.
    #[arg(long)]
    pub access_key: Option<String>,
    /// Secret key; else POCKET_SECRET_ACCESS_KEY or AWS_SECRET_ACCESS_KEY.
    #[arg(long)]
    pub secret_key: Option<String>,
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Made when it is missing, and then removed at the end.
    #[arg(long, default_value = "pocket-bench")]
    pub bucket: String,
    /// Object size, or sizes with weights: "64KiB" or "1KiB:70,64KiB:25,1MiB:5".
    #[arg(long, default_value = "1KiB")]
    pub size: Sizes,
    /// Number of different keys.
    #[arg(long, default_value_t = 1_000, conflicts_with = "working_set")]
    pub keys: u64,
    /// As many keys as hold this many bytes at the mean size.
    #[arg(long)]
    pub working_set: Option<ByteSize>,
    /// Operations with weights, such as "get:90,put:10", or one of: put, get, head, list, delete, delete-many,
    /// copy, mixed.
    #[arg(long, default_value = "get")]
    pub mix: Mix,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 16)]
    pub concurrency: usize,
    /// Threads that the connections are spread over.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Requests a second to start, whatever the answers do (open loop). Without it, each connection sends its next
    /// request when it has its answer (closed loop).
    #[arg(long)]
    pub rate: Option<f64>,
    /// Length of the measured part.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// End after this many requests, or after the duration, whichever comes first.
    #[arg(long)]
    pub requests: Option<u64>,
    /// Time before the measured part.
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub warm_up: Duration,
    /// A request that takes longer is an error.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Sign in the query instead of by header.
    #[arg(long)]
    pub presigned: bool,
    /// What vouches for the bytes of a PUT.
    #[arg(long, value_enum, default_value_t = ChecksumForm::None)]
    pub checksum: ChecksumForm,
    /// Compare every byte that comes back.
    #[arg(long)]
    pub verify: bool,
    /// Do not put the keys first where the mix reads them.
    #[arg(long)]
    pub no_fill: bool,
    /// Leave the bucket and its objects behind.
    #[arg(long)]
    pub keep: bool,
    /// Processes of the server, as `pidof` prints them or with commas: their CPU time a request and their memory are reported.
    #[arg(long = "pid", num_args = 1.., value_name = "PID")]
    pub pids: Vec<Pids>,
    /// Print one line of JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Process ids in one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pids(Vec<i32>);

impl FromStr for Pids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split([',', ' ', '\n']).filter(|word| !word.is_empty());
        let pids: Vec<i32> = words
            .map(|word| word.parse().map_err(|_| format!("{word:?} is not the id of a process")))
            .collect::<Result<_, _>>()?;
        if pids.is_empty() {
            return Err("no process is named".into());
        }
        Ok(Self(pids))
    }
}

/// The payload form of a PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChecksumForm {
    /// UNSIGNED-PAYLOAD and nothing beside it.
    None,
    /// UNSIGNED-PAYLOAD and Content-MD5.
    Md5,
    /// UNSIGNED-PAYLOAD and x-amz-checksum-crc32.
    Crc32,
    /// The body's digest in x-amz-content-sha256.
    Sha256,
}

/// Arguments that hold together.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// As the Host header says it.
    pub(crate) host: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    /// At least 1.
    pub(crate) keys: u64,
}

impl BenchArgs {
    /// Of the server.
    pub(crate) fn processes(&self) -> impl Iterator<Item = i32> {
        self.pids.iter().flat_map(|pids| pids.0.iter().copied())
    }

    /// Refuses what cannot run, naming the argument.
    pub(crate) fn check(&self) -> anyhow::Result<Target> {
        let Some(host) = self.endpoint.strip_prefix("http://") else {
            bail!("--endpoint {:?} must begin with http:// (TLS is not supported)", self.endpoint);
        };
        let host = host.trim_end_matches('/').to_owned();
        if host.contains('/') {
            bail!("--endpoint {:?} must not have a path", self.endpoint);
        }
        let with_port = if has_port(&host) { host.clone() } else { format!("{host}:80") };
        let address = with_port
            .to_socket_addrs()
            .with_context(|| format!("--endpoint {:?} does not resolve", self.endpoint))?
            .next()
            .with_context(|| format!("--endpoint {:?} has no address", self.endpoint))?;
        let either = |given: &Option<String>, flag: &str, name: &str| {
            let env = |prefix: &str| std::env::var(format!("{prefix}_{name}")).ok().filter(|v| !v.is_empty());
            given
                .clone()
                .or_else(|| env("POCKET"))
                .or_else(|| env("AWS"))
                .with_context(|| format!("no credentials: give {flag} or set POCKET_{name} or AWS_{name}"))
        };
        let access_key = either(&self.access_key, "--access-key", "ACCESS_KEY_ID")?;
        let secret_key = either(&self.secret_key, "--secret-key", "SECRET_ACCESS_KEY")?;
        let keys = match self.working_set {
            Some(bytes) => (bytes.as_u64() as f64 / self.size.mean().max(1.0)).round().max(1.0) as u64,
            None => self.keys,
        };
        in_range("--keys", keys, 1, KEYS_MAX)?;
        in_range("--concurrency", self.concurrency as u64, 1, CONCURRENCY_MAX as u64)?;
        in_range("--threads", self.threads as u64, 1, THREADS_MAX.min(self.concurrency) as u64)?;
        if self.rate.is_some_and(|r| !r.is_finite() || r <= 0.0) {
            bail!("--rate must be above 0");
        }
        if self.duration.is_zero() {
            bail!("--duration must be above 0");
        }
        if self.requests == Some(0) {
            bail!("--requests must be above 0");
        }
        if self.bucket.is_empty() || self.bucket.contains('/') {
            bail!("--bucket {:?} is not a bucket name", self.bucket);
        }
        Ok(Target { address, host, access_key, secret_key, keys })
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn in_range(flag: &str, value: u64, least: u64, most: u64) -> anyhow::Result<()> {
    if value < least || value > most {
        bail!("{flag} {value} is out of range: {least} to {most}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parse(args: &[&str]) -> anyhow::Result<Target> {
        let keys = ["bench", "--access-key", "a", "--secret-key", "b"];
        Line::try_parse_from(keys.iter().chain(args))?.bench.check()
    }

    #[test]
    fn times_are_written_as_everywhere_in_pocket() {
        let duration =
            |text| Line::try_parse_from(["bench", "--duration", text]).map(|line| line.bench.duration);
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        let refused = duration("15M").unwrap_err().to_string();
        assert!(refused.contains("15M") && refused.contains("d, h, m, s or ms"), "{refused}");
    }

    #[test]
    fn the_defaults_can_run() {
        let target = parse(&[]).unwrap();
        assert_eq!((target.host.as_str(), target.keys), ("127.0.0.1:9000", 1_000));
    }

    #[test]
    fn processes_are_taken_as_pidof_prints_them() {
        for args in [
            &["--pid", "12 7"][..],
            &["--pid", "12", "7"],
            &["--pid", "12,7"],
            &["--pid", "12", "--pid", "7\n"],
        ] {
            let line = Line::try_parse_from(["bench"].iter().chain(args)).unwrap();
            assert_eq!(line.bench.processes().collect::<Vec<_>>(), [12, 7], "{args:?}");
        }
        for pid in ["", " ", "12 pocket"] {
            let error = Line::try_parse_from(["bench", "--pid", pid]).map(drop).expect_err(pid).to_string();
            assert!(error.contains("--pid"), "{error}");
        }
    }

    #[test]
    fn a_working_set_is_turned_into_keys_of_the_mean_size() {
        assert_eq!(parse(&["--working-set", "256MiB", "--size", "1MiB"]).unwrap().keys, 256);
        assert_eq!(parse(&["--working-set", "4KiB", "--size", "1KiB:1,3KiB:1"]).unwrap().keys, 2);
        assert_eq!(parse(&["--working-set", "1KiB", "--size", "1MiB"]).unwrap().keys, 1);
    }

    #[test]
    fn what_cannot_run_is_refused_by_the_name_of_its_flag() {
        for (args, named) in [
            (&["--endpoint", "https://127.0.0.1"][..], "--endpoint"),
            (&["--endpoint", "http://127.0.0.1/path"], "--endpoint"),
            (&["--concurrency", "0"], "--concurrency"),
            (&["--threads", "17"], "--threads"),
            (&["--keys", "0"], "--keys"),
            (&["--rate", "0"], "--rate"),
            (&["--duration", "0s"], "--duration"),
            (&["--requests", "0"], "--requests"),
            (&["--bucket", ""], "--bucket"),
            (&["--size", "tiny"], "--size"),
            (&["--mix", "get:0"], "--mix"),
        ] {
            let error = parse(args).expect_err(named).to_string();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}
