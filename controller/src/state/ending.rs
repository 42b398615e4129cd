//! How jobs end: asked for, idle, expired, or lost with a shard.
//!
//! 1. *Freeze* all shards: none takes a write any more. One that does not answer, is in use (idle TTL) or not empty (plain
//!    delete) calls it off.
//! 2. *Fence* all shards: none serves anything. A fence names its freeze, and is refused where that has lapsed, because
//!    somebody may have written since. Until all are fenced nothing is dropped, and all of it can be undone.
//! 3. *Drop* it at all shards. It is decided, and written down, before the first hears of it; the name is free. Storage servers
//!    are told before the answer, so that the space is back by then.
//!
//! A job whose TTL is over, or that lost a shard, goes straight to 3. Then its shards are not fenced, so its name is taken
//! until all have answered.

use super::State;
use super::event::{AskId, Effect, Note};
use super::operation::{Cause, Stage, Wish};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Role;
use pocket_api::control::{ControlError, EndJob, EndMode};
use pocket_api::ids::{JobId, NodeId, OperationId};
use std::time::Duration;

/// A report that is older says nothing about idleness now: reports come once a second, and two may be lost.
const REPORT_FRESH: Duration = Duration::from_secs(3);
/// As many storage servers are told of an end at once, whether or not chunks of the job lie there. In a larger cluster those
/// that its new chunks go to are told, and the others hear it with their next heartbeat.
const TOLD_MAX: usize = 64;

impl State {
    /// What a client or the operator asked for.
    pub(super) fn end(&mut self, ask: AskId, end: EndJob) {
        let job = match self.to_end(&end) {
            Ok(job) => job,
            Err(why) => return self.answer(ask, Err(why)),
        };
        let wish = match end.mode {
            EndMode::Force => Wish::Force,
            EndMode::IfEmpty => Wish::IfEmpty,
        };
        let operation = self.begin(job, Stage::Freezing(wish));
        if let Some(operation) = self.operations.get_mut(&operation) {
            operation.run.client = Some(ask);
        }
    }

    /// The job that an end is meant for.
    fn to_end(&self, end: &EndJob) -> Result<JobId, ControlError> {
        let job = self.named(&end.bucket).ok_or(ControlError::NoSuchBucket)?;
        if end.tenant.as_ref().is_some_and(|tenant| *tenant != job.tenant) {
            return Err(ControlError::WrongTenant);
        }
        if end.job.is_some_and(|life| life != job.job) {
            return Err(ControlError::NoSuchBucket);
        }
        Ok(job.job)
    }

    /// Ends a job with which nothing else happens, where its TTL is over or a shard of it is dead.
    pub(super) fn look_after(&mut self, id: JobId, now: Timestamp) {
        let Some(job) = self.jobs.get(&id).filter(|job| job.work.running.is_none()) else { return };
        let is_lost = job.shards.iter().any(|&shard| !self.members.contains(shard));
        let cause = match job.has_expired(now) {
            _ if is_lost => Cause::Lost,
            true => Cause::Expired,
            false => return,
        };
        self.begin(id, Stage::Dropping { cause, name_is_free: false });
    }

    /// Asks the shards of a job whether it is idle, where it seems so by the latest reports of all of them.
    pub(super) fn consider_idle(&mut self, id: JobId, now: Timestamp) {
        let Some(job) = self.jobs.get(&id) else { return };
        let Some(idle_ttl) = job.hints.idle_ttl else { return };
        let is_early = job.work.idle_vote_at.is_some_and(|at| now < at);
        if is_early || job.work.running.is_some() || !self.seems_idle(id, &job.shards, idle_ttl, now) {
            return;
        }
        self.begin(id, Stage::Freezing(Wish::IfIdle(idle_ttl)));
    }

    fn seems_idle(&self, job: JobId, shards: &[NodeId], idle_ttl: Duration, now: Timestamp) -> bool {
        shards.iter().all(|shard| {
            let Some(latest) = self.reports.get(shard).filter(|r| now.since(r.at) <= REPORT_FRESH) else {
                return false;
            };
            let jobs = &latest.report.jobs;
            let found = jobs.binary_search_by_key(&job, |used| used.job);
            found.is_ok_and(|i| u128::from(jobs[i].idle_ms) >= idle_ttl.as_millis())
        })
    }

    /// Every shard was asked to drop the job.
    pub(super) fn tell_servers(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get(&id) else { return };
        let Stage::Dropping { cause, .. } = operation.stage else { return };
        let Some(job) = self.jobs.get(&operation.job) else { return };
        if cause == Cause::Abandoned {
            return self.told(id, now);
        }
        let all: Vec<NodeId> = self.members.with_role(Role::Storage).collect();
        let servers = match all.len() <= TOLD_MAX {
            true => all,
            false => self.maps.weights(job.weights).iter().map(|weight| weight.server).collect(),
        };
        let job = job.job;
        self.effects.push(Effect::TellEnded { operation: id, term: self.term, job, servers });
    }

    /// Storage servers were told, as far as they can be reached.
    pub(super) fn told(&mut self, id: OperationId, now: Timestamp) {
        self.tell_client(id);
        let Some(operation) = self.operations.get(&id) else { return };
        if operation.left.is_empty() {
            return self.gone(id, now);
        }
        // It takes its time: whoever waits for the name is told.
        if let Some(bucket) = self.jobs.get(&operation.job).map(|job| job.bucket.clone()) {
            self.wake(&bucket, now);
        }
    }

    /// Every shard has dropped the job, or is dead.
    pub(super) fn gone(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get(&id) else { return };
        let (job, stage) = (operation.job, operation.stage.clone());
        self.close(id);
        let Some(bucket) = self.forget_job(job) else { return };
        if let Stage::Dropping { cause, .. } = stage
            && cause != Cause::Abandoned
        {
            self.note(Note::Ended { job, bucket: bucket.clone(), cause });
        }
        self.wake(&bucket, now);
    }
}
