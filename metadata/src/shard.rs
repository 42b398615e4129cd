//! The shard: serves the metadata seam from the jobs that it holds. Finds the job, lets the pure state decide, carries out
//! what that leaves to be done. Calls other planes only through the directory, and never under a lock.

use crate::job::Job;
use crate::jobs::{JOBS_PER_POLL, Jobs};
use crate::metrics::ShardMetrics;
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::state::effects::{Effects, Output};
use crate::state::list::{Listing, STEPS_PER_POLL, UPLOAD_STEPS_PER_POLL, UploadsListing};
use crate::state::upload_id::UploadIds;
use crate::state::{Command, Home};
use crate::waiters::WaiterCount;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::Directory;
use pocket_api::control::JobHolder;
use pocket_api::env::Env;
use pocket_api::ids::{Epoch, JobId, NodeId};
use pocket_api::limits::WAIT_MAX;
use pocket_api::metadata::{
    Answer, JobRef, List, ListUploads, Lookup, Metadata, MetadataError, Reply, Request, ShardReply,
    ShardRequest,
};
use pocket_api::usage::{UsageReport, UsageSource};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What a shard is made with.
#[derive(Debug)]
pub struct ShardConfig {
    /// What metadata and inline bytes may take; shared with the arena where both live in one process.
    pub budget: ByteBudget,
}

/// A shard of the metadata plane, in memory: it ends with its process, and its successor is another node.
pub struct Shard {
    pub(crate) home: Home,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) env: Env,
    pub(crate) jobs: Jobs,
    /// Of the newest controller that was heard of.
    pub(crate) newest_term: AtomicU64,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) waiting: WaiterCount,
    pub(crate) metrics: ShardMetrics,
}

impl Shard {
    /// Starts a shard that is `node`. Its timers run until it is dropped.
    pub fn start(config: ShardConfig, node: NodeId, directory: Arc<dyn Directory>, env: Env) -> Arc<Self> {
        let mut key = [0; 32];
        key.as_chunks_mut().0.iter_mut().for_each(|word| *word = env.draw().to_be_bytes());
        let shard = Arc::new(Self {
            home: Home { node, upload_ids: UploadIds::new(key), budget: config.budget },
            outbox: Outbox::new(directory.clone(), env.clone()),
            directory,
            env,
            jobs: Jobs::new(),
            newest_term: AtomicU64::new(0),
            waiting: WaiterCount::default(),
            metrics: ShardMetrics::new(),
        });
        shard.env.spawn(crate::timers::run(Arc::downgrade(&shard)));
        shard
    }

    /// How many chunks of each storage server something here refers to. At rest that is what the servers have, over all
    /// shards. Looks at every job.
    pub fn chunks_by_server(&self) -> BTreeMap<NodeId, u64> {
        let mut chunks = BTreeMap::new();
        for part in self.jobs.parts() {
            for job in part.values() {
                let state = job.state.read();
                state
                    .manifests
                    .servers()
                    .for_each(|(server, of_job)| *chunks.entry(server).or_default() += of_job);
            }
        }
        chunks
    }

    /// Applies a command to a job and sees to its effects.
    pub(crate) fn apply(&self, job: &Job, command: Command) -> Result<Output, MetadataError> {
        let (output, effects) = job.apply(command);
        self.carry_out(job.id, effects);
        output
    }

    pub(crate) fn carry_out(&self, job: JobId, effects: Effects) {
        self.outbox.post(job, &effects);
        if !effects.asked.is_empty() {
            self.ask_holders(job, effects.asked);
        }
        if let Some(retired) = effects.retired {
            self.env.beside(move || drop(retired));
        }
    }

    /// A request that is answered at once.
    fn serve(
        &self,
        job: &Job,
        by: JobRef,
        request: Request,
        payload: Bytes,
    ) -> Result<Answer, MetadataError> {
        match job.query(by.epoch, &request) {
            Some(answer) => answer,
            None => self.change(job, by, request, payload),
        }
    }

    /// A request that may change something, answered at once.
    fn change(
        &self,
        job: &Job,
        by: JobRef,
        request: Request,
        payload: Bytes,
    ) -> Result<Answer, MetadataError> {
        match self.apply(job, Command::Request { epoch: by.epoch, until: by.until, request, payload })? {
            Output::Answer(answer) => Ok(answer),
            other => unreachable!("a request was answered with {other:?}"),
        }
    }

    /// A request that may have to wait, or that lets others in between its steps.
    async fn attend(
        &self,
        job: Arc<Job>,
        by: JobRef,
        request: Request,
        payload: Bytes,
    ) -> Result<Answer, MetadataError> {
        job.touch(self.env.now());
        if job.is_moving() {
            self.until_settled(&job, &request).await;
        }
        match request {
            Request::Rename(rename) => self.rename(job, by, rename).await,
            Request::Lookup(lookup) if !lookup.wait.is_zero() => self.lookup(&job, by, lookup).await,
            Request::List(list) => self.list(&job, by.epoch, list).await,
            Request::ListUploads(list) => self.list_uploads(&job, by.epoch, list).await,
            request => self.serve(&job, by, request, payload),
        }
    }

    /// A lookup that waits for its key.
    async fn lookup(&self, job: &Job, by: JobRef, lookup: Lookup) -> Result<Answer, MetadataError> {
        let look = |lookup| self.serve(job, by, Request::Lookup(lookup), Bytes::new());
        let deadline = self.env.now() + lookup.wait.min(WAIT_MAX);
        match look(lookup.clone()) {
            Err(MetadataError::NoSuchKey) => {}
            found => return found,
        }
        let ends_at = job.state.read().ends_at();
        let subscription =
            job.waiters.subscribe(lookup.key.as_str(), ends_at.map_or(deadline, |at| at.min(deadline)))?;
        let found = loop {
            match look(lookup.clone()) {
                Err(MetadataError::NoSuchKey) if self.env.now() < deadline => subscription.woken().await,
                found => break found,
            }
        };
        job.touch(self.env.now());
        found
    }

    /// Takes the lock anew for each step, so that a long list keeps nobody from writing; and ends its poll after a few, so
    /// that it keeps nobody from this thread.
    async fn list(&self, job: &Job, epoch: Epoch, list: List) -> Result<Answer, MetadataError> {
        let mut listing = Listing::new(list)?;
        let mut pace = Pace::new(STEPS_PER_POLL);
        while !listing.step(&job.state.read(), epoch, self.env.now())? {
            pace.step().await;
        }
        Ok(Reply::Listed(listing.into_page()).into())
    }

    async fn list_uploads(
        &self,
        job: &Job,
        epoch: Epoch,
        list: ListUploads,
    ) -> Result<Answer, MetadataError> {
        let mut listing = UploadsListing::new(list)?;
        let mut pace = Pace::new(UPLOAD_STEPS_PER_POLL);
        while !listing.step(&job.state.read(), epoch, self.env.now())? {
            pace.step().await;
        }
        Ok(Reply::Uploads(listing.into_page()).into())
    }
}

#[async_trait]
impl Metadata for Shard {
    /// Most requests wait for nothing and are answered in the call itself: what is awaited then is the answer alone.
    fn job<'a, 'b>(
        &'a self,
        job: JobRef,
        request: Request,
        payload: Bytes,
    ) -> BoxFuture<'b, Result<Answer, MetadataError>>
    where
        'a: 'b,
        Self: 'b,
    {
        self.metrics.count(&request);
        let by = job;
        let answer = self.jobs.with(by.job, |found| {
            let may_wait = may_wait(&request);
            if !found.is_moving() {
                match found.query(by.epoch, &request) {
                    // It may come.
                    Some(Err(MetadataError::NoSuchKey)) if may_wait => {}
                    Some(answer) => return ready(answer).boxed(),
                    None if may_wait => {}
                    None => return ready(self.change(found, by, request, payload)).boxed(),
                }
            }
            self.attend(found.clone(), by, request, payload).boxed()
        });
        answer.unwrap_or_else(|| ready(Err(MetadataError::NoSuchJob)).boxed())
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        if let Some(order) = request.order() {
            self.heed(order.term)?;
        }
        match request {
            ShardRequest::Open(_, spec) => self.open(&spec),
            ShardRequest::Update(_, spec) => self.update(spec).await,
            ShardRequest::Freeze { order, job, idle_for } => self.freeze(order.operation, job, idle_for),
            ShardRequest::Fence { order, job } => self.fence(order.operation, job),
            ShardRequest::Thaw { order, job } => self.thaw(order.operation, job),
            ShardRequest::End { job, .. } => Ok(self.end(job)),
            ShardRequest::Renew(leases) => Ok(self.renew(leases).await),
            ShardRequest::Release(leases) => Ok(self.release(leases).await),
            ShardRequest::AskWrites(writes) => Ok(self.ask(writes, Command::AskWrite).await),
            ShardRequest::AskReferences(references) => Ok(self.ask(references, Command::AskReference).await),
            ShardRequest::ConfirmReferences(references) => Ok(self.references_held(references, true).await),
            ShardRequest::ReleaseReferences(references) => Ok(self.references_held(references, false).await),
            ShardRequest::ReferencesLost(references) => Ok(self.references_lost(references).await),
            ShardRequest::ForgetArrivals(renames) => Ok(self.forget_arrivals(renames).await),
        }
    }
}

impl JobHolder for Shard {
    fn jobs(&self) -> Vec<JobId> {
        self.jobs.ids()
    }

    fn drop_jobs(&self, ended: &[JobId]) {
        for &job in ended {
            self.end(job);
        }
    }
}

#[async_trait]
impl UsageSource for Shard {
    async fn fill(&self, report: &mut UsageReport) {
        let mut pace = Pace::new(JOBS_PER_POLL);
        for part in self.jobs.parts() {
            for job in part.values() {
                let (used, space) = job.usage();
                report.jobs.push(used);
                report.space += space;
                pace.step().await;
            }
        }
    }
}

/// Whether a request may have to wait for somebody, whatever the state of its job.
fn may_wait(request: &Request) -> bool {
    match request {
        Request::Lookup(lookup) => !lookup.wait.is_zero(),
        Request::Rename(_) | Request::List(_) | Request::ListUploads(_) => true,
        _ => false,
    }
}

/// How often a shard looks what is due.
pub(crate) const TICK: Duration = Duration::from_millis(50);
