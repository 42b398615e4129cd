//! A job's life at a shard: opened, changed as a new epoch, frozen, thawed, ended. The controller's side of the metadata seam.

use crate::effects::Output;
use crate::job::Job;
use crate::shard::Shard;
use crate::state::{Command, JobState};
use pocket_api::ids::JobId;
use pocket_api::metadata::{JobSpec, MetadataError, ShardReply};
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// How many ended jobs are remembered: an Open that comes later than so many other ends has timed out long ago. The ids
/// grow with time, so the smallest are the oldest.
const ENDED_MAX: usize = 1 << 16;

impl Shard {
    /// Opening again is harmless.
    pub(crate) fn open(&self, spec: &JobSpec) -> Result<ShardReply, MetadataError> {
        let mut jobs = self.jobs.write();
        // Looked at under the lock that an end takes, or a job could come back.
        if self.ended.lock().contains(&spec.job) {
            return Err(MetadataError::NoSuchJob);
        }
        if let Entry::Vacant(free) = jobs.entry(spec.job) {
            let state = JobState::open(spec, self.home.clone(), self.directory.view(), self.clock.now());
            free.insert(Arc::new(Job::new(state, self.clock.clone(), self.waiting.clone())));
        }
        Ok(ShardReply::Done)
    }

    fn job_or_none(&self, job: JobId) -> Result<Arc<Job>, MetadataError> {
        let found = self.find(job).ok_or(MetadataError::NoSuchJob)?;
        if found.state.read().is_over(self.clock.now()) {
            return Err(MetadataError::NoSuchJob);
        }
        Ok(found)
    }

    /// In steps where the job's rules change and the old ones have much to end.
    pub(crate) async fn update(&self, spec: Box<JobSpec>) -> Result<ShardReply, MetadataError> {
        let found = self.job_or_none(spec.job)?;
        while found.state.read().must_settle(&spec.lifecycle, self.clock.now()) {
            if let Output::Swept { expired, .. } = self.apply(&found, Command::SettleRules)? {
                self.metrics.count_expired(expired);
            }
            tokio::task::yield_now().await;
        }
        self.apply(&found, Command::Update(spec))?;
        found.waiters.wake_all();
        Ok(ShardReply::Done)
    }

    pub(crate) fn freeze(&self, job: JobId, idle_for: Option<Duration>) -> Result<ShardReply, MetadataError> {
        match self.job_or_none(job)?.freeze(idle_for)? {
            Output::Frozen { objects } => Ok(ShardReply::Frozen { objects }),
            other => unreachable!("a freeze was answered with {other:?}"),
        }
    }

    pub(crate) fn thaw(&self, job: JobId) -> Result<ShardReply, MetadataError> {
        let found = self.job_or_none(job)?;
        self.apply(&found, Command::Thaw)?;
        Ok(ShardReply::Done)
    }

    /// O(1) for the caller, whatever the job holds: the memory is dropped behind its back.
    pub(crate) fn end(&self, job: JobId, only_frozen: bool) -> Result<ShardReply, MetadataError> {
        let Some(found) = self.find(job) else {
            self.remember_end(job);
            return Ok(ShardReply::Done);
        };
        let remains = found.end(only_frozen)?;
        self.remember_end(job);
        self.runtime.spawn_blocking(move || drop(remains));
        Ok(ShardReply::Done)
    }

    fn remember_end(&self, job: JobId) {
        let mut jobs = self.jobs.write();
        jobs.remove(&job);
        let mut ended = self.ended.lock();
        ended.insert(job);
        if ended.len() > ENDED_MAX {
            ended.pop_first();
        }
    }
}
