//! The state file: what survives a restart of the controller, as JSON, replaced in one step.
//!
//! Saves are grouped: whoever comes while one is under way shares the next. Never called with the state locked.

use crate::controller::ControllerError;
use crate::state::Kept;
use pocket_api::disk::Disk;
use pocket_api::env::Env;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

/// Format of the file; another one is refused.
const FORMAT: u32 = 2;

pub(crate) struct StateFile {
    env: Env,
    path: PathBuf,
    /// Revision of the state that is on disk.
    saved: Mutex<u64>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    state: Kept,
}

impl StateFile {
    /// `None` where there is no file yet.
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> Result<Option<Kept>, ControllerError> {
        let failed = |source| ControllerError::StateFile { path: path.into(), source };
        let Some(text) = disk.read(path).map_err(failed)? else { return Ok(None) };
        let bad = |reason| ControllerError::BadStateFile { path: path.into(), reason };
        let document: Document = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        if document.format != FORMAT {
            return Err(bad(format!("format {} where {FORMAT} is known", document.format)));
        }
        Ok(Some(document.state))
    }

    /// Writes the first state, so that a file that cannot be written is found at the start.
    pub(crate) fn create(
        env: Env,
        path: PathBuf,
        (revision, kept): (u64, Kept),
    ) -> Result<Self, ControllerError> {
        match write(&*env.disk(), &path, kept) {
            Ok(()) => Ok(Self { env, path, saved: Mutex::new(revision) }),
            Err(source) => Err(ControllerError::StateFile { path, source }),
        }
    }

    /// Returns when the state of `revision`, or a later one, is on disk.
    pub(crate) async fn save(
        &self,
        revision: u64,
        latest: impl FnOnce() -> (u64, Kept),
    ) -> Result<(), io::Error> {
        let mut saved = self.saved.lock().await;
        if *saved >= revision {
            return Ok(());
        }
        let (revision, kept) = latest();
        let (disk, path) = (self.env.disk(), self.path.clone());
        self.env.beside(move || write(&*disk, &path, kept)).await.map_err(io::Error::other)??;
        *saved = revision;
        Ok(())
    }
}

fn write(disk: &dyn Disk, path: &Path, state: Kept) -> io::Result<()> {
    disk.replace(path, serde_json::to_vec(&Document { format: FORMAT, state })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{START, registration, state_with};
    use crate::job::Phase;
    use crate::state::State;
    use pocket_api::disk::FileSystem;
    use pocket_api::hints::JobHints;

    #[tokio::test]
    async fn what_was_saved_is_loaded_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert!(StateFile::load(&FileSystem, &path).unwrap().is_none());
        let mut state = state_with(2, 3);
        let file = StateFile::create(Env::system(), path.clone(), state.kept()).unwrap();
        let job = state.plan(registration("data", JobHints::default()), START).unwrap().placement;
        state.set_phase(job.job, Phase::Live);
        file.save(state.revision(), || state.kept()).await.unwrap();
        let loaded = State::restored(StateFile::load(&FileSystem, &path).unwrap().unwrap(), START);
        let found = &loaded.named(&job.bucket).unwrap().placement;
        assert_eq!((found.job, &found.hints, &found.shards), (job.job, &job.hints, &job.shards));
        for (found, saved) in found.weights.iter().zip(&job.weights) {
            assert_eq!(found.server, saved.server);
            assert!((found.weight - saved.weight).abs() < 1e-12, "no digit is dropped");
        }
        let nodes = |state: &State| state.members.view().nodes;
        assert_eq!(nodes(&loaded), nodes(&state));
    }

    #[tokio::test]
    async fn a_revision_that_is_on_disk_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = state_with(1, 1);
        let file = StateFile::create(Env::system(), folder.path().join("state.json"), state.kept()).unwrap();
        file.save(state.revision(), || panic!("asked for a state that nobody needs")).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_makes_no_sense_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let future = r#"{"format":3,"state":{"highest_id":1,"view_version":1,"nodes":[],"jobs":[]}}"#;
        for text in ["", "{}", "not json", future] {
            std::fs::write(&path, text).unwrap();
            let error = StateFile::load(&FileSystem, &path).unwrap_err().to_string();
            assert!(error.contains("state.json"), "{error}");
        }
        let nowhere = folder.path().join("missing/state.json");
        assert!(StateFile::create(Env::system(), nowhere, state_with(0, 0).kept()).is_err());
    }
}
