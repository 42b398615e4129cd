//! A new epoch for a job whose settings change: its shards learn it first, so that whoever still has the old placement is
//! refused and asks again, and then the placement changes. Chunks that are written stay where they are.

use super::State;
use super::demand::Demand;
use super::event::AskId;
use super::job::granted;
use super::operation::{Change, Stage};
use super::record::Key;
use pocket_api::clock::Timestamp;
use pocket_api::control::{Configuration, ControlError};
use pocket_api::ids::{Epoch, JobId};

impl State {
    pub(super) fn configure(&mut self, ask: AskId, configuration: Configuration, now: Timestamp) {
        if let Err(why) = self.check_configuration(&configuration, now) {
            return self.answer(ask, Err(why));
        }
        let Configuration { job, settings, .. } = configuration;
        let epoch = Epoch(self.issue());
        let change = Change { epoch, hints: granted(&settings.asked), settings: settings.into() };
        let operation = self.begin(job, Stage::Updating(Box::new(change)));
        if let Some(operation) = self.operations.get_mut(&operation) {
            operation.run.client = Some(ask);
        }
    }

    fn check_configuration(&self, wanted: &Configuration, now: Timestamp) -> Result<(), ControlError> {
        let found = self.shown_job(&wanted.bucket, now)?;
        match found {
            job if job.job != wanted.job => Err(ControlError::NoSuchBucket),
            job if job.epoch != wanted.epoch => Err(ControlError::Stale),
            job => self.check_settings(&wanted.settings, job.settings.size_bytes()),
        }
    }

    /// All shards go by the new settings.
    pub(super) fn settle(&mut self, id: JobId, change: Change) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let (old_end, old_hints) = (job.ends_at(), job.hints.clone());
        self.settings_bytes -= job.settings.size_bytes();
        self.settings_bytes += change.settings.size_bytes();
        *job = super::stages::changed(job, &change);
        let (new_end, map, hints) = (job.ends_at(), job.weights, job.hints.clone());
        if let Some(at) = old_end {
            self.ends.remove(&(at, id));
        }
        self.ends.extend(new_end.map(|at| (at, id)));
        // Chunks go on to the same servers unless the job needs more or less than before.
        if (old_hints.capacity, old_hints.throughput) != (hints.capacity, hints.throughput) {
            if self.maps.leave(map, Demand::of(&old_hints)) {
                self.changed.insert(Key::Weights(map));
            }
            let map = self.share_map(&hints);
            self.maps.enter(map, Demand::of(&hints));
            if let Some(job) = self.jobs.get_mut(&id) {
                job.weights = map;
            }
        }
        self.changed.insert(Key::Job(id));
    }
}
