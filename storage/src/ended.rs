//! Jobs that have ended lately, so that a late request does not bring one back. Pure.

use pocket_api::ids::JobId;
use std::collections::{HashSet, VecDeque};

/// How many ended jobs are remembered. A request that is under way when its job ends arrives within seconds: at a
/// thousand ends a second this is sixteen of them. What comes later still is found by its shard's answer "unknown".
const ENDED_JOBS_REMEMBERED: usize = 16_384;

#[derive(Default)]
pub(crate) struct EndedJobs {
    jobs: HashSet<JobId>,
    /// Oldest first.
    order: VecDeque<JobId>,
}

impl EndedJobs {
    pub(crate) fn contains(&self, job: JobId) -> bool {
        self.jobs.contains(&job)
    }

    pub(crate) fn remember(&mut self, job: JobId) {
        if !self.jobs.insert(job) {
            return;
        }
        self.order.push_back(job);
        if self.order.len() > ENDED_JOBS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.jobs.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_ends_are_remembered_and_the_memory_is_bounded() {
        let mut ended = EndedJobs::default();
        let jobs = 3 * ENDED_JOBS_REMEMBERED as u64;
        for job in 0..jobs {
            ended.remember(JobId(job));
            ended.remember(JobId(job));
        }
        let kept = jobs - ENDED_JOBS_REMEMBERED as u64;
        assert!((kept..jobs).all(|job| ended.contains(JobId(job))) && !ended.contains(JobId(kept - 1)));
        assert_eq!((ended.jobs.len(), ended.order.len()), (ENDED_JOBS_REMEMBERED, ENDED_JOBS_REMEMBERED));
    }
}
