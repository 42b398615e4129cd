//! A job's life at a shard: opened, changed as a new epoch, frozen, fenced, thawed, ended. The controller's side of the metadata
//! seam.

use crate::job::Job;
use crate::shard::Shard;
use crate::state::effects::Output;
use crate::state::{Command, JobState};
use crate::waiters::Call;
use pocket_api::ids::{JobId, OperationId, Term};
use pocket_api::metadata::{JobSpec, MetadataError, ShardReply};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long old rules may take to end what is due before new ones are refused: shorter than the controller waits for it. What was
/// ended meanwhile has ended.
const UPDATE_WITHIN: Duration = Duration::from_millis(1_500);

impl Shard {
    /// Whether nobody newer has been heard of than who orders something.
    pub(crate) fn heed(&self, term: Term) -> Result<(), MetadataError> {
        let told = Term(self.newest_term.fetch_max(term.0, Ordering::Relaxed));
        let newest = told.max(self.directory.view().term);
        if term < newest { Err(MetadataError::StaleTerm(newest)) } else { Ok(()) }
    }

    /// Opening again is harmless.
    pub(crate) fn open(&self, spec: &JobSpec) -> Result<ShardReply, MetadataError> {
        self.jobs.open(spec.job, || {
            let state = JobState::open(spec, self.home.clone(), self.directory.view(), self.env.now());
            Job::new(state, self.env.clone(), self.waiting.clone())
        })?;
        Ok(ShardReply::Done)
    }

    fn job_or_none(&self, job: JobId) -> Result<Arc<Job>, MetadataError> {
        let found = self.jobs.get(job).ok_or(MetadataError::NoSuchJob)?;
        if found.state.read().is_over(self.env.now()) {
            return Err(MetadataError::NoSuchJob);
        }
        Ok(found)
    }

    /// In steps where the job's rules change and the old ones have much to end.
    pub(crate) async fn update(&self, spec: Box<JobSpec>) -> Result<ShardReply, MetadataError> {
        let found = self.job_or_none(spec.job)?;
        let (spec, give_up_at) = (Arc::new(*spec), self.env.now() + UPDATE_WITHIN);
        while let Output::Swept { expired, .. } = self.apply(&found, Command::Update(spec.clone()))? {
            self.metrics.count_expired(expired);
            if self.env.now() >= give_up_at {
                return Err(MetadataError::Busy);
            }
            tokio::task::yield_now().await;
        }
        found.wake(Call::all());
        Ok(ShardReply::Done)
    }

    pub(crate) fn freeze(
        &self,
        by: OperationId,
        job: JobId,
        idle_for: Option<Duration>,
    ) -> Result<ShardReply, MetadataError> {
        match self.job_or_none(job)?.freeze(by, idle_for)? {
            Output::Frozen { objects } => Ok(ShardReply::Frozen { objects }),
            other => unreachable!("a freeze was answered with {other:?}"),
        }
    }

    /// Who waits is told at once; who reads finds out at the next request.
    pub(crate) fn fence(&self, by: OperationId, job: JobId) -> Result<ShardReply, MetadataError> {
        let found = self.job_or_none(job)?;
        self.apply(&found, Command::Fence(by))?;
        found.wake(Call::all());
        Ok(ShardReply::Done)
    }

    pub(crate) fn thaw(&self, by: OperationId, job: JobId) -> Result<ShardReply, MetadataError> {
        let found = self.job_or_none(job)?;
        self.apply(&found, Command::Thaw(by))?;
        Ok(ShardReply::Done)
    }

    /// O(1) for the caller, whatever the job holds: what is more than a little is dropped behind its back.
    pub(crate) fn end(&self, job: JobId) -> ShardReply {
        let Some(found) = self.jobs.get(job) else {
            self.jobs.end(job);
            return ShardReply::Done;
        };
        let remains = found.end();
        self.jobs.end(job);
        if !remains.are_few() {
            self.env.beside(move || drop(remains));
        }
        ShardReply::Done
    }
}
