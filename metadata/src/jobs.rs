//! All jobs of a shard, and which have ended. Every request looks its job up here, so that takes no lock and writes to no
//! memory that other threads use; a job that begins or ends pays for it with a copy of its part of the table.

use crate::job::Job;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pocket_api::ids::{IdMap, JobId};
use pocket_api::metadata::MetadataError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Parts of the table: with a hundred thousand jobs, one that begins or ends copies some 400 entries.
const PARTS: usize = 256;
/// How many ended jobs are remembered: an Open that comes later than so many other ends has timed out long ago. The ids
/// grow with time, so the smallest are the oldest.
const ENDED_MAX: usize = 1 << 16;

/// Jobs that are looked at in one poll by whoever looks at all, where nothing is due: some 0.5 us each.
pub(crate) const JOBS_PER_POLL: u32 = 512;

pub(crate) type Part = IdMap<JobId, Arc<Job>>;

pub(crate) struct Jobs {
    parts: Box<[ArcSwap<Part>]>,
    /// So that a late Open does not bring one back. Whoever changes a part holds this lock.
    ended: Mutex<BTreeSet<JobId>>,
}

impl Jobs {
    pub(crate) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| ArcSwap::default()).collect(), ended: Mutex::default() }
    }

    fn part(&self, job: JobId) -> &ArcSwap<Part> {
        &self.parts[job.0 as usize % PARTS]
    }

    pub(crate) fn get(&self, job: JobId) -> Option<Arc<Job>> {
        self.part(job).load().get(&job).cloned()
    }

    /// As [`Self::get`], where the job is not needed for longer: its counter, which all threads share, stays as it is.
    pub(crate) fn with<T>(&self, job: JobId, use_it: impl FnOnce(&Arc<Job>) -> T) -> Option<T> {
        self.part(job).load().get(&job).map(use_it)
    }

    /// Adds a job unless it is there already; one that has ended does not come back.
    pub(crate) fn open(&self, job: JobId, make: impl FnOnce() -> Arc<Job>) -> Result<(), MetadataError> {
        let ended = self.ended.lock();
        if ended.contains(&job) {
            return Err(MetadataError::NoSuchJob);
        }
        let part = self.part(job);
        if !part.load().contains_key(&job) {
            let mut changed = Part::clone(&part.load());
            changed.insert(job, make());
            part.store(Arc::new(changed));
        }
        Ok(())
    }

    pub(crate) fn end(&self, job: JobId) {
        let mut ended = self.ended.lock();
        let part = self.part(job);
        if part.load().contains_key(&job) {
            let mut changed = Part::clone(&part.load());
            changed.remove(&job);
            part.store(Arc::new(changed));
        }
        ended.insert(job);
        if ended.len() > ENDED_MAX {
            ended.pop_first();
        }
    }

    pub(crate) fn ids(&self) -> Vec<JobId> {
        let ids = |part: &ArcSwap<Part>| part.load().keys().copied().collect::<Vec<_>>();
        self.parts.iter().flat_map(ids).collect()
    }

    /// All jobs, a part of the table after the other, each as it is when its turn has come: whoever looks at all of them does
    /// so over many polls, and some end meanwhile.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Arc<Part>> {
        self.parts.iter().map(ArcSwap::load_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::model::empty_job;
    use crate::waiters::WaiterCount;
    use pocket_api::budget::ByteBudget;
    use pocket_api::clock::{ManualClock, Timestamp};
    use pocket_api::env::Env;

    #[tokio::test]
    async fn jobs_are_found_from_their_opening_to_their_end_and_never_again() {
        let jobs = Jobs::new();
        let env = Env::with_clock(Arc::new(ManualClock::at(Timestamp(0))));
        let state = || empty_job(ByteBudget::new(0), Timestamp(0));
        let make = || Job::new(state(), env.clone(), WaiterCount::default());
        let many = 2 * PARTS as u64;
        for id in 0..many {
            jobs.open(JobId(id), make).unwrap();
        }
        let first = jobs.get(JobId(1)).unwrap();
        jobs.open(JobId(1), || unreachable!("it is there")).unwrap();
        assert_eq!(jobs.with(JobId(1), |same| Arc::ptr_eq(same, &first)), Some(true));
        jobs.end(JobId(1));
        jobs.end(JobId(many));
        assert!(jobs.get(JobId(1)).is_none());
        for ended in [1, many] {
            assert_eq!(jobs.open(JobId(ended), make), Err(MetadataError::NoSuchJob));
        }
        let mut ids = jobs.ids();
        ids.sort_unstable();
        assert_eq!(ids, (0..many).filter(|id| *id != 1).map(JobId).collect::<Vec<_>>());
        assert_eq!(jobs.parts().map(|part| part.len()).sum::<usize>(), ids.len());
    }
}
