//! A run from beginning to end: bucket, filling, warm-up, the measured part, tidying up.

use crate::args::{BenchArgs, ChecksumForm, Target};
use crate::client::{Connection, Sink};
use crate::content::Content;
use crate::load::{Load, Phase};
use crate::mix::{Mix, Operation, Sizes};
use crate::process::ProcessUse;
use crate::progress::{self, Goal};
use crate::record::Record;
use crate::report::Report;
use crate::response::error_code;
use crate::signer::{EMPTY_SHA256, Request, Signer};
use crate::worker::Worker;
use anyhow::{Context, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longest time that filling, or tidying up, may take.
const FILL_MAX: Duration = Duration::from_secs(1_800);
/// What a path may show as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Runs the load of `args` and says what was measured. `show_progress`: a bar on standard error.
///
/// Takes, at most, the warm-up, the duration and one request's timeout, with the filling and tidying up beside them.
pub async fn measure(args: &BenchArgs, show_progress: bool) -> anyhow::Result<Report> {
    let run = Run { args, target: args.check()?, show_progress };
    for pid in args.processes() {
        ProcessUse::of(pid)?;
    }
    let created = run.open_bucket().await?;
    let measured = run.fill_and_measure().await;
    if created && !args.keep {
        // A run that failed says why; that its bucket stayed behind is the lesser news.
        let closed = run.close_bucket().await;
        if measured.is_ok() {
            closed?;
        }
    }
    measured
}

struct Run<'a> {
    args: &'a BenchArgs,
    target: Target,
    show_progress: bool,
}

/// A load that has ended.
struct Ended {
    record: Record,
    /// Length of the counted part.
    window: Duration,
    before: Vec<ProcessUse>,
    after: Vec<ProcessUse>,
}

impl Run<'_> {
    async fn fill_and_measure(&self) -> anyhow::Result<Report> {
        let args = self.args;
        if args.mix.reads() && !args.no_fill {
            let fill = self
                .load(Mix::only(Operation::Put), &args.size, args.checksum)
                .limited(Some(self.target.keys));
            let ended =
                self.drive("fill", fill, Duration::ZERO, FILL_MAX, Goal::Requests(self.target.keys)).await?;
            if let Some((error, count)) = ended.record.errors.first_key_value() {
                bail!("{count} of {} keys could not be put: {error}", self.target.keys);
            }
        }
        let load =
            self.load(args.mix.clone(), &args.size, args.checksum).limited(args.requests).paced(args.rate);
        let goal = args.requests.map_or(Goal::Time(args.warm_up + args.duration), Goal::Requests);
        let ended = self.drive("measure", load, args.warm_up, args.duration, goal).await?;
        let requests = ended.record.requests();
        let mut costs: Vec<_> = ended
            .before
            .iter()
            .zip(&ended.after)
            .map(|(before, after)| after.cost_since(before, requests))
            .collect();
        let client = costs.pop().context("this process measures itself")?;
        Ok(Report::new(&args.endpoint, &ended.record, ended.window, args.rate, costs, &client))
    }

    fn load(&self, mix: Mix, sizes: &Sizes, form: ChecksumForm) -> Load {
        let content = Content::new(sizes, form);
        Load::new(mix, self.target.keys, content, self.bucket_path(), self.args.timeout, self.args.verify)
    }

    fn bucket_path(&self) -> String {
        format!("/{}", utf8_percent_encode(&self.args.bucket, PLAIN))
    }

    fn signer(&self) -> Signer {
        let target = &self.target;
        Signer::new(
            &target.host,
            &target.access_key,
            &target.secret_key,
            &self.args.region,
            self.args.presigned,
        )
    }

    /// Runs a load on all threads and connections.
    async fn drive(
        &self,
        what: &'static str,
        load: Load,
        warm_up: Duration,
        duration: Duration,
        goal: Goal,
    ) -> anyhow::Result<Ended> {
        let load = Arc::new(load);
        if warm_up.is_zero() {
            load.enter(Phase::Counted);
        }
        let mut started = Instant::now();
        let mut before = self.processes()?;
        let mut threads = self.start_threads(&load)?;
        let mut record = Record::default();
        let bar = async {
            match self.show_progress {
                true => progress::show(what, &load, goal).await,
                false => std::future::pending().await,
            }
        };
        let counted = async {
            if !warm_up.is_zero() {
                tokio::time::sleep(warm_up).await;
                before = self.processes()?;
                started = Instant::now();
                load.enter(Phase::Counted);
            }
            // A load that has sent all it may is over before the time is.
            let all = async {
                while let Some(thread) = threads.join_next().await {
                    record.merge(thread.context("a client thread failed")??);
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(duration, all).await.unwrap_or(Ok(()))?;
            load.enter(Phase::Over);
            anyhow::Ok((started.elapsed(), self.processes()?))
        };
        let (window, after) = tokio::select! {
            counted = counted => counted?,
            () = bar => unreachable!("a bar never ends by itself"),
        };
        while let Some(thread) = threads.join_next().await {
            record.merge(thread.context("a client thread failed")??);
        }
        Ok(Ended { record, window, before, after })
    }

    /// One runtime a thread, each with its share of the connections.
    fn start_threads(&self, load: &Arc<Load>) -> anyhow::Result<JoinSet<anyhow::Result<Record>>> {
        let mut set = JoinSet::new();
        let threads = self.args.threads;
        for thread in 0..threads {
            let connections = (thread..self.args.concurrency).step_by(threads);
            let workers: Vec<Worker> = connections
                .map(|n| {
                    Worker::new(load.clone(), Connection::new(self.target.address), self.signer(), n as u64)
                })
                .collect();
            set.spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    let mut record = Record::default();
                    let mut tasks: JoinSet<Record> = workers.into_iter().map(Worker::work).collect();
                    while let Some(task) = tasks.join_next().await {
                        record.merge(task.context("a connection's task failed")?);
                    }
                    Ok(record)
                })
            });
        }
        Ok(set)
    }

    /// The server's, then this one.
    fn processes(&self) -> anyhow::Result<Vec<ProcessUse>> {
        let own = std::process::id() as i32;
        self.args.processes().chain([own]).map(ProcessUse::of).collect()
    }

    /// True when the bucket was missing and is made now.
    async fn open_bucket(&self) -> anyhow::Result<bool> {
        match self.call("HEAD", None).await? {
            (200, _) => return Ok(false),
            (404, _) => {}
            // An answer to HEAD cannot say why: one to GET does.
            (status, _) => {
                let (_, code) = self.call("GET", None).await?;
                let (endpoint, bucket) = (&self.args.endpoint, &self.args.bucket);
                bail!("{}", refused(endpoint, bucket, &self.target.access_key, status, &code))
            }
        }
        match self.call("PUT", None).await? {
            (200, _) => Ok(true),
            (status, error) => bail!("bucket {:?} could not be made: {status} {error}", self.args.bucket),
        }
    }

    async fn close_bucket(&self) -> anyhow::Result<()> {
        // One request where the server is a Pocket; others refuse the header or the bucket that is not empty.
        if matches!(self.call("DELETE", Some(("x-pocket-force-delete", "true"))).await?, (204, _)) {
            return Ok(());
        }
        let keys = self.target.keys;
        let sweep =
            self.load(Mix::only(Operation::Delete), &Sizes::only(0), ChecksumForm::None).limited(Some(keys));
        self.drive("tidy", sweep, Duration::ZERO, FILL_MAX, Goal::Requests(keys)).await?;
        match self.call("DELETE", None).await? {
            (204, _) => Ok(()),
            (status, error) => bail!("bucket {:?} could not be removed: {status} {error}", self.args.bucket),
        }
    }

    /// A request for the bucket itself: status and error code.
    async fn call(
        &self,
        method: &'static str,
        header: Option<(&str, &str)>,
    ) -> anyhow::Result<(u16, String)> {
        let path = self.bucket_path();
        let content_length = (method == "PUT").then_some(0);
        let request =
            Request { method, path: &path, query: "", header, payload: EMPTY_SHA256, content_length };
        let mut head = String::new();
        self.signer().write_head(&request, SystemTime::now(), &mut head);
        let mut connection = Connection::new(self.target.address);
        let mut sink = Sink::default();
        let exchange = connection.exchange(head.as_bytes(), &[], method == "HEAD", &mut sink);
        let status = tokio::time::timeout(self.args.timeout, exchange)
            .await
            .with_context(|| format!("{} did not answer in {:?}", self.args.endpoint, self.args.timeout))?
            .with_context(|| format!("{} does not answer", self.args.endpoint))?;
        Ok((status, error_code(&sink.error).unwrap_or_default().to_owned()))
    }
}

/// Why a run cannot begin, for whoever typed the keys. `code`: S3's, may be empty.
fn refused(endpoint: &str, bucket: &str, access_key: &str, status: u16, code: &str) -> String {
    match code {
        "SignatureDoesNotMatch" => {
            format!("the secret is wrong for the access key {access_key} at {endpoint} ({status} {code})")
        }
        "InvalidAccessKeyId" => {
            format!("the access key {access_key} is unknown at {endpoint} ({status} {code})")
        }
        _ => format!("{endpoint} answers {status} {code} for the bucket {bucket:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_refused_says_which_key_is_wrong() {
        let said = |code| refused("http://h:1", "b", "KEY", 403, code);
        assert!(said("SignatureDoesNotMatch").starts_with("the secret is wrong for the access key KEY"));
        assert!(said("InvalidAccessKeyId").starts_with("the access key KEY is unknown"));
        assert_eq!(said("AccessDenied"), "http://h:1 answers 403 AccessDenied for the bucket \"b\"");
    }
}
