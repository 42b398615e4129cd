//! A new job's place, from its hints and the live nodes, and its way to its shards. What fails on the way leaves nothing
//! behind.

use super::demand::Demand;
use super::event::{AskId, Note, Reply};
use super::job::{Job, Work, granted};
use super::operation::{Cause, Stage};
use super::record::Key;
use super::{JOBS_MAX, SETTINGS_MAX_BYTES, State};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Role;
use pocket_api::control::{ControlError, Registration};
use pocket_api::hints::JobHints;
use pocket_api::ids::{Epoch, JobId, MapId, NodeId, OperationId};
use pocket_api::names::BucketName;
use pocket_api::settings::JobSettings;

/// How many ended jobs are told to every node. Who has missed more finds them by listing its jobs.
const ENDED_MAX: usize = 8_192;

impl State {
    pub(super) fn register(&mut self, ask: AskId, registration: Registration, now: Timestamp) {
        let bucket = registration.bucket.clone();
        match self.place(registration, now) {
            Ok(job) => {
                let operation = self.begin(job, Stage::Opening);
                if let Some(operation) = self.operations.get_mut(&operation) {
                    operation.run.client = Some(ask);
                }
                // Its record is there from its first stage on, so that a restart knows whom to tell that it is off.
                self.changed.insert(Key::Job(job));
            }
            Err(why) => {
                self.note(Note::NotRegistered { bucket, why: why.clone() });
                self.answer(ask, Err(why));
            }
        }
    }

    /// Takes the name for a new job and decides where it will live.
    fn place(&mut self, registration: Registration, now: Timestamp) -> Result<JobId, ControlError> {
        let Registration { tenant, bucket, settings } = registration;
        if let Some(job) = self.named(&bucket) {
            return Err(ControlError::BucketExists { tenant: job.tenant.clone() });
        }
        if self.jobs.len() >= JOBS_MAX {
            return Err(ControlError::Unavailable(format!("there are {JOBS_MAX} jobs already")));
        }
        self.check_settings(&settings, 0)?;
        let shards = self.choose_shards(Demand::of(&settings.asked));
        if shards.is_empty() {
            return Err(ControlError::Unavailable("no live metadata shard".into()));
        }
        let hints = granted(&settings.asked);
        let weights = self.share_map(&hints);
        if self.maps.weights(weights).is_empty() {
            return Err(ControlError::Unavailable("no live storage server".into()));
        }
        let id = JobId(self.issue());
        let job = Job {
            job: id,
            epoch: Epoch(id.0),
            bucket,
            tenant,
            created_at_ms: now.0,
            hints,
            settings: settings.into(),
            shards,
            weights,
            work: Work::default(),
        };
        self.adopt(job);
        Ok(id)
    }

    /// Whether there is room for these settings where others of so many bytes go.
    pub(super) fn check_settings(&self, settings: &JobSettings, go: usize) -> Result<(), ControlError> {
        let used = self.settings_bytes - go;
        match used + settings.size_bytes() <= SETTINGS_MAX_BYTES {
            true => Ok(()),
            false => Err(ControlError::Unavailable(format!(
                "the settings of all jobs have {used} bytes of {SETTINGS_MAX_BYTES} already"
            ))),
        }
    }

    /// One shard for each node's worth of demand, as far as there are any: a shard answers about 100,000 requests a
    /// second, which at 10 KB an object is what one node of the paper carries. The ones with the fewest jobs are
    /// taken; in the order of their ids.
    fn choose_shards(&self, demand: Demand) -> Vec<NodeId> {
        let jobs = |shard: NodeId| self.placed.get(&shard).map_or(0, |jobs| jobs.len());
        let live = self.members.live(Role::Metadata);
        let mut shards: Vec<(usize, NodeId)> = live.map(|(id, _)| (jobs(id), id)).collect();
        shards.sort_unstable();
        shards.truncate((demand.nodes().ceil() as usize).max(1));
        let mut chosen: Vec<NodeId> = shards.into_iter().map(|(_, id)| id).collect();
        chosen.sort_unstable();
        chosen
    }

    /// The weight map that a job would get now.
    pub(super) fn share_map(&mut self, hints: &JobHints) -> MapId {
        let weights = self.maps.weigh(Demand::of(hints), &self.servers());
        let fresh = MapId(self.issue());
        let id = self.maps.share(weights, fresh);
        if id == fresh {
            self.changed.insert(Key::Weights(id));
        }
        id
    }

    /// Live storage servers, with what they can hold.
    pub(super) fn servers(&self) -> Vec<(NodeId, u64)> {
        self.members.live(Role::Storage).map(|(id, spec)| (id, spec.capacity_bytes)).collect()
    }

    /// A job that is new here.
    pub(super) fn adopt(&mut self, job: Job) {
        let id = job.job;
        self.names.insert(job.bucket.clone(), id);
        self.maps.enter(job.weights, Demand::of(&job.hints));
        for &shard in &job.shards {
            self.placed.entry(shard).or_default().insert(id);
        }
        self.settings_bytes += job.settings.size_bytes();
        self.ends.extend(job.ends_at().map(|at| (at, id)));
        self.jobs.insert(id, job);
    }

    /// The job is over for everybody but its shards; its name is free where nobody can find it there any more. Once a job.
    pub(super) fn retire(&mut self, id: JobId, name_is_free: bool, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let (bucket, work, was_over) = (job.bucket.clone(), job.work, job.work.is_over);
        job.work.is_over = true;
        if !was_over {
            let (map, demand, ends_at) = (job.weights, Demand::of(&job.hints), job.ends_at());
            self.settings_bytes -= job.settings.size_bytes();
            for shard in &job.shards {
                let is_empty = self.placed.get_mut(shard).is_none_or(|jobs| {
                    jobs.remove(&id);
                    jobs.is_empty()
                });
                if is_empty {
                    self.placed.remove(shard);
                }
            }
            if self.maps.leave(map, demand) {
                self.changed.insert(Key::Weights(map));
            }
            if let Some(at) = ends_at {
                self.ends.remove(&(at, id));
            }
            let number = self.issue();
            self.ended.insert(number, id);
            if self.ended.len() > ENDED_MAX {
                self.ended.pop_first();
            }
            // Whatever is dropped needs no more.
            [work.thawing, work.renewing].into_iter().flatten().for_each(|beside| self.close(beside));
        }
        if name_is_free && self.names.get(&bucket) == Some(&id) {
            self.names.remove(&bucket);
            self.wake(&bucket, now);
        }
    }

    /// No shard has it any more.
    pub(super) fn forget_job(&mut self, id: JobId) -> Option<BucketName> {
        let job = self.jobs.remove(&id)?;
        if self.names.get(&job.bucket) == Some(&id) {
            self.names.remove(&job.bucket);
        }
        self.changed.insert(Key::Job(id));
        Some(job.bucket)
    }

    /// What an operation has opened, or updated, is on disk; or is not known to be.
    pub(super) fn finish(&mut self, id: OperationId, kept: Result<(), ControlError>, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let (job, opened) = (operation.job, operation.stage == Stage::Opened);
        let Some(found) = self.jobs.get(&job) else { return };
        let bucket = found.bucket.clone();
        match kept {
            Ok(()) => {
                let placement = found.placement(self.maps.shown(found.weights));
                if let Some(client) = operation.run.client.take() {
                    self.answer(client, Ok(Reply::Placement(placement)));
                }
                self.note(match opened {
                    true => Note::Registered { job, bucket },
                    false => Note::Configured { job, bucket },
                });
            }
            Err(why) => {
                operation.run.refused = Some(why);
                if opened {
                    return self.abandon(id);
                }
                // It holds at all shards. The record is tried again with the next one, or after a restart.
                self.changed.insert(Key::Job(job));
            }
        }
        self.close(id);
        self.free_again(job, now);
    }

    fn abandon(&mut self, id: OperationId) {
        self.turn_to(id, Stage::Dropping { cause: Cause::Abandoned, name_is_free: true });
    }
}
