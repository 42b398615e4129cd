//! How operations go from stage to stage: a stage is kept, its shards are called, their answers judged, and then it is done, or
//! goes back, or is tried again.

use super::event::{CallId, Effect, Lane, Note, Reply};
use super::job::Job;
use super::operation::{Cause, Change, Judged, Operation, Stage, Wish};
use super::record::Key;
use super::{Follow, State};
use pocket_api::clock::Timestamp;
use pocket_api::control::ControlError;
use pocket_api::ids::{Epoch, JobId, NodeId, OperationId};
use pocket_api::metadata::{MetadataError, Order, ShardReply, ShardRequest};
use std::collections::BTreeSet;
use std::time::Duration;

/// For what a shard only notes down: opening, freezing, thawing, epochs.
pub(crate) const NOTE_DEADLINE: Duration = Duration::from_secs(2);
/// For a drop, which may be of a large job.
pub(crate) const DROP_DEADLINE: Duration = Duration::from_secs(4);
/// Who has not answered is asked again after this.
pub(crate) const RETRY_EVERY: Duration = Duration::from_millis(500);

impl State {
    /// Begins an operation on a job that has none. It is written down first.
    pub(super) fn begin(&mut self, job: JobId, stage: Stage) -> OperationId {
        let id = OperationId(self.issue());
        let shards = self.standing_shards(job);
        self.operations.insert(id, Operation::new(id, job, stage, shards));
        if let Some(job) = self.jobs.get_mut(&job) {
            job.work.running = Some(id);
        }
        self.keep_stage(id);
        id
    }

    /// The operations of an earlier start go on: what had not been decided goes back, where that loses nothing.
    pub(super) fn resume(&mut self, operations: Vec<Operation>, now: Timestamp) {
        for operation in operations {
            let (id, job) = (operation.id, operation.job);
            let Some(found) = self.jobs.get_mut(&job) else { continue };
            match operation.stage {
                Stage::Thawing => found.work.thawing = Some(id),
                Stage::Renewing => found.work.renewing = Some(id),
                _ => found.work.running = Some(id),
            }
            let stage = operation.stage.clone();
            self.operations.insert(id, operation);
            match stage {
                // Nobody was told of it.
                Stage::Opening | Stage::Opened => self.turn_to(id, abandoned()),
                Stage::Updating(_) | Stage::Updated => self.take_back(id, now),
                Stage::Freezing(_) => self.thaw(id, now),
                // Where all freezes hold it ends. Where one does not it goes back.
                Stage::Fencing(_) => self.keep_stage(id),
                Stage::Dropping { name_is_free, .. } => {
                    self.retire(job, name_is_free, now);
                    self.keep_stage(id);
                }
                Stage::Thawing | Stage::Renewing => self.enter(id, 0, now),
            }
        }
        let all: Vec<JobId> = self.jobs.keys().copied().collect();
        all.into_iter().for_each(|job| self.look_after(job, now));
    }

    /// The shards of a job that are not dead: those that an operation has to reach.
    pub(super) fn standing_shards(&self, job: JobId) -> BTreeSet<NodeId> {
        let shards = self.jobs.get(&job).map(|job| &job.shards[..]).unwrap_or_default();
        shards.iter().copied().filter(|&shard| self.members.contains(shard)).collect()
    }

    pub(super) fn running(&self, job: &Job) -> Option<&Operation> {
        self.operations.get(&job.work.running?)
    }

    /// The stage as it is now is written down, and entered then.
    fn keep_stage(&mut self, id: OperationId) {
        let Some(operation) = self.operations.get(&id) else { return };
        let round = operation.run.round;
        self.changed.insert(Key::Operation(id));
        self.when_kept(Follow::Enter(id, round));
    }

    /// The next stage, at all shards of the job; written down first.
    pub(super) fn turn_to(&mut self, id: OperationId, stage: Stage) {
        let Some(job) = self.operations.get(&id).map(|operation| operation.job) else { return };
        let shards = self.standing_shards(job);
        if let Some(operation) = self.operations.get_mut(&id) {
            operation.turn_to(stage, shards);
        }
        self.keep_stage(id);
    }

    /// The stage is on disk.
    pub(super) fn enter(&mut self, id: OperationId, round: u32, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id).filter(|o| o.run.round == round) else { return };
        operation.run.is_kept = true;
        let (job, stage) = (operation.job, operation.stage.clone());
        if let Stage::Dropping { name_is_free, .. } = stage {
            self.retire(job, name_is_free, now);
        }
        self.call_those_left(id, now);
        self.look_at(id, now);
    }

    /// It is not on disk, or may be.
    pub(super) fn not_entered(&mut self, id: OperationId, round: u32, why: &ControlError, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id).filter(|o| o.run.round == round) else { return };
        match operation.stage {
            // Nothing has left.
            Stage::Opening | Stage::Freezing(_) | Stage::Updating(_) => {
                let (job, was_opening) = (operation.job, operation.stage == Stage::Opening);
                operation.run.refused = Some(why.clone());
                self.close(id);
                if was_opening {
                    self.retire(job, true, now);
                    self.forget_job(job);
                }
                self.free_again(job, now);
            }
            Stage::Fencing(_) => self.refuse(id, why.clone(), now),
            // It may be found on disk, and then there is no way back: on and on until it is certain.
            _ => {
                if let Some(client) = operation.run.client.take() {
                    self.answer(client, Err(why.clone()));
                }
                self.stuck.insert(id);
            }
        }
    }

    /// Tries again to write down what has no way back.
    pub(super) fn keep_the_stuck(&mut self) {
        std::mem::take(&mut self.stuck).into_iter().for_each(|id| self.keep_stage(id));
    }

    /// Asks the shards that have yet to answer.
    fn call_those_left(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get(&id) else { return };
        let round = operation.run.round;
        let to_ask: Vec<NodeId> = operation.left.difference(&operation.run.in_flight).copied().collect();
        let lane = if operation.run.client.is_some() { Lane::Asked } else { Lane::Background };
        let deadline = match operation.stage {
            Stage::Dropping { .. } => DROP_DEADLINE,
            _ => NOTE_DEADLINE,
        };
        if !to_ask.is_empty()
            && let Some(request) = self.request_of(operation, now)
        {
            for &shard in &to_ask {
                let call = CallId { operation: id, round, shard };
                self.effects.push(Effect::Call { call, request: request.clone(), deadline, lane });
            }
        }
        if let Some(operation) = self.operations.get_mut(&id) {
            operation.run.in_flight.extend(to_ask);
        }
    }

    fn request_of(&self, operation: &Operation, now: Timestamp) -> Option<ShardRequest> {
        let (order, job) = (Order { term: self.term, operation: operation.id }, operation.job);
        let found = self.jobs.get(&job)?;
        Some(match &operation.stage {
            Stage::Opening => ShardRequest::Open(order, found.spec(now)),
            Stage::Updating(change) => ShardRequest::Update(order, changed(found, change).spec(now)),
            Stage::Renewing => ShardRequest::Update(order, found.spec(now)),
            Stage::Freezing(wish) => ShardRequest::Freeze { order, job, idle_for: wish.idle_for() },
            Stage::Fencing(_) => ShardRequest::Fence { order, job },
            Stage::Thawing => ShardRequest::Thaw { order, job },
            Stage::Dropping { .. } => ShardRequest::End { order, job },
            Stage::Opened | Stage::Updated => return None,
        })
    }

    pub(super) fn answered(
        &mut self,
        call: CallId,
        answer: Result<ShardReply, MetadataError>,
        now: Timestamp,
    ) {
        if let Err(MetadataError::StaleTerm(newer)) = answer {
            self.depose(newer);
        }
        let CallId { operation: id, round, shard } = call;
        let Some(operation) = self.operations.get_mut(&id) else { return };
        if operation.run.round != round || !operation.run.in_flight.remove(&shard) {
            return;
        }
        match operation.stage.judge(answer) {
            Judged::Done { objects } => {
                operation.left.remove(&shard);
                operation.run.objects += objects;
            }
            Judged::Again => {}
            Judged::Refused(why) => return self.refuse(id, why, now),
        }
        self.look_at(id, now);
    }

    /// Whether the stage, or a round of it, is over.
    pub(super) fn look_at(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id).filter(|o| o.run.is_kept) else { return };
        if !operation.run.in_flight.is_empty() {
            return;
        }
        if operation.left.is_empty() {
            return self.done(id, now);
        }
        // Only a stage that is repeated has anybody left then. Who has answered need not be asked after a restart.
        let at = now + RETRY_EVERY;
        operation.run.retry_at = Some(at);
        self.retries.insert((at, id));
        self.changed.insert(Key::Operation(id));
        self.round_over(id, now);
    }

    /// Time to ask again.
    pub(super) fn retry(&mut self, at: Timestamp, id: OperationId, now: Timestamp) {
        if let Some(operation) = self.operations.get_mut(&id).filter(|o| o.run.retry_at == Some(at)) {
            operation.run.retry_at = None;
            self.call_those_left(id, now);
        }
    }

    /// All shards have answered.
    fn done(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        match &operation.stage {
            Stage::Opening => {
                operation.turn_to(Stage::Opened, BTreeSet::new());
                self.changed.extend([Key::Operation(id), Key::Job(operation.job)]);
                self.when_kept(Follow::Finish(id));
            }
            Stage::Updating(change) => {
                let (job, change) = (operation.job, change.clone());
                operation.turn_to(Stage::Updated, BTreeSet::new());
                self.changed.insert(Key::Operation(id));
                self.settle(job, *change);
                self.when_kept(Follow::Finish(id));
            }
            Stage::Freezing(wish) => {
                let wish = *wish;
                match wish.check(operation.run.objects) {
                    Ok(()) => self.turn_to(id, Stage::Fencing(wish)),
                    Err(why) => self.refuse(id, why, now),
                }
            }
            Stage::Fencing(wish) => {
                let dropping = Stage::Dropping { cause: wish.cause(), name_is_free: true };
                self.turn_to(id, dropping);
            }
            Stage::Thawing | Stage::Renewing => {
                self.round_over(id, now);
                self.close(id);
            }
            Stage::Dropping { .. } if operation.run.is_told => self.gone(id, now),
            Stage::Dropping { .. } => self.round_over(id, now),
            Stage::Opened | Stage::Updated => {}
        }
    }

    /// Every shard was asked at least once. Whoever waits for an operation that is repeated waits for that.
    fn round_over(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get(&id).filter(|o| !o.run.is_told) else { return };
        match operation.stage {
            Stage::Dropping { .. } => self.tell_servers(id, now),
            _ => self.tell_client(id),
        }
    }

    /// Who waits for the operation hears what came of it; once.
    pub(super) fn tell_client(&mut self, id: OperationId) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        operation.run.is_told = true;
        let outcome = operation.run.refused.clone().map_or(Ok(Reply::Done), Err);
        if let Some(client) = operation.run.client.take() {
            self.answer(client, outcome);
        }
    }

    /// A shard refuses what the stage asks: the operation goes back.
    pub(super) fn refuse(&mut self, id: OperationId, why: ControlError, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        operation.run.refused = Some(why.clone());
        let job = operation.job;
        match operation.stage {
            Stage::Opening => {
                if let Some(job) = self.jobs.get(&job) {
                    let bucket = job.bucket.clone();
                    self.note(Note::NotRegistered { bucket, why });
                }
                self.turn_to(id, abandoned());
            }
            Stage::Updating(_) => self.take_back(id, now),
            _ => {
                if let Some(job) = self.jobs.get(&job) {
                    let bucket = job.bucket.clone();
                    self.note(Note::Spared { job: job.job, bucket, why });
                }
                self.thaw(id, now);
            }
        }
    }

    /// An end goes back. Its holds are undone beside whatever comes next, which has a later operation of its own.
    fn thaw(&mut self, id: OperationId, now: Timestamp) {
        let Some(operation) = self.operations.get(&id) else { return };
        if matches!(operation.stage, Stage::Freezing(Wish::IfIdle(_)) | Stage::Fencing(Wish::IfIdle(_)))
            && let Some(job) = self.jobs.get_mut(&operation.job)
        {
            job.work.idle_vote_at = Some(now + RETRY_EVERY);
        }
        self.go_on_beside(id, Stage::Thawing, now);
    }

    /// A change goes back, as a newer epoch than any shard may have heard of. It is shown from here on: a shard takes what
    /// is newer than what it knows.
    fn take_back(&mut self, id: OperationId, now: Timestamp) {
        let epoch = Epoch(self.issue());
        let Some(operation) = self.operations.get(&id) else { return };
        let job = operation.job;
        if let Some(found) = self.jobs.get_mut(&job) {
            found.epoch = epoch;
            let bucket = found.bucket.clone();
            self.note(Note::Renewed { job, bucket, epoch });
        }
        self.changed.insert(Key::Job(job));
        self.go_on_beside(id, Stage::Renewing, now);
    }

    /// From here on the job may be changed by others. One of an earlier operation like it is not needed any more.
    fn go_on_beside(&mut self, id: OperationId, stage: Stage, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let job = operation.job;
        let round = operation.run.round + 1;
        let shards = self.standing_shards(job);
        let is_thaw = stage == Stage::Thawing;
        if let Some(operation) = self.operations.get_mut(&id) {
            operation.turn_to(stage, shards);
        }
        self.changed.insert(Key::Operation(id));
        let earlier = self.jobs.get_mut(&job).and_then(|job| {
            job.work.running = None;
            let place = if is_thaw { &mut job.work.thawing } else { &mut job.work.renewing };
            place.replace(id)
        });
        if let Some(earlier) = earlier.filter(|earlier| *earlier != id) {
            self.close(earlier);
            if let Some(job) = self.jobs.get_mut(&job) {
                let place = if is_thaw { &mut job.work.thawing } else { &mut job.work.renewing };
                *place = Some(id);
            }
        }
        self.enter(id, round, now);
        self.free_again(job, now);
    }

    /// The operation is over, and has no record any more.
    pub(super) fn close(&mut self, id: OperationId) {
        self.tell_client(id);
        let Some(operation) = self.operations.remove(&id) else { return };
        self.changed.insert(Key::Operation(id));
        if let Some(job) = self.jobs.get_mut(&operation.job) {
            for place in [&mut job.work.running, &mut job.work.thawing, &mut job.work.renewing] {
                if *place == Some(id) {
                    *place = None;
                }
            }
        }
    }

    /// Nothing runs that changes the job: whoever waited has a turn, unless the job is over.
    pub(super) fn free_again(&mut self, job: JobId, now: Timestamp) {
        self.look_after(job, now);
        if let Some(bucket) = self.jobs.get(&job).map(|job| job.bucket.clone()) {
            self.wake(&bucket, now);
        }
    }

    /// These are dead: nobody waits for them.
    pub(super) fn ask_no_more(&mut self, dead: &[NodeId], now: Timestamp) {
        let touched: Vec<OperationId> = self
            .operations
            .values_mut()
            .filter_map(|operation| {
                let before = operation.left.len();
                operation.left.retain(|shard| !dead.contains(shard));
                operation.run.in_flight.retain(|shard| !dead.contains(shard));
                (operation.left.len() < before).then_some(operation.id)
            })
            .collect();
        for id in touched {
            self.changed.insert(Key::Operation(id));
            self.look_at(id, now);
        }
    }
}

fn abandoned() -> Stage {
    Stage::Dropping { cause: Cause::Abandoned, name_is_free: true }
}

/// The job as it will be.
pub(super) fn changed(job: &Job, change: &Change) -> Job {
    Job { epoch: change.epoch, hints: change.hints.clone(), settings: change.settings.clone(), ..job.clone() }
}
