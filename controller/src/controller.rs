//! The controller as the other planes see it: [`Control`] and [`Usage`] over one locked state.
//!
//! Whatever changes the state runs in a task of its own: a caller that goes away in the middle does not leave half a
//! job behind. The lock is never held across an await.

use crate::gates::Gates;
use crate::job::Job;
use crate::metrics::{DeathCause, Metrics};
use crate::state::State;
use crate::state_file::StateFile;
use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::{Directory, NodeSpec};
use pocket_api::control::{
    ClusterStatus, Configuration, Control, ControlError, EndJob, Forgotten, Heartbeat, HeartbeatReply,
    JobSummary, Joined, Placement, Registration,
};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::limits::NODE_TIMEOUT;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::{Usage, UsageReport};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore};

#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// Where jobs and members are kept for the next start; `None` keeps them in memory only.
    pub state_file: Option<PathBuf>,
    /// A node that was silent for longer than this is dead, though there is no evidence of its end. [`Duration::MAX`]:
    /// silence kills nobody, as where all nodes are one process.
    pub node_timeout: Duration,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self { state_file: None, node_timeout: NODE_TIMEOUT }
    }
}

/// Why a controller did not start.
#[derive(Debug, Error)]
pub enum ControllerError {
    #[error("state file {}: {source}", path.display())]
    StateFile { path: PathBuf, source: std::io::Error },
    #[error("state file {} cannot be used: {reason}", path.display())]
    BadStateFile { path: PathBuf, reason: String },
}

/// The control plane. Its upkeep ends when it is dropped.
pub struct Controller {
    shared: Arc<Shared>,
}

/// What the calls and the upkeep work on.
pub(crate) struct Shared {
    state: Mutex<State>,
    file: Option<StateFile>,
    pub(crate) gates: Gates,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) env: Env,
    pub(crate) metrics: Metrics,
    pub(crate) node_timeout: Duration,
    /// One permit for each node whose address is being asked.
    pub(crate) askers: Arc<Semaphore>,
    /// Its one permit is held while the silent are declared dead, and for a while where that failed.
    pub(crate) burial: Arc<Semaphore>,
    /// One permit for each job that the upkeep works on.
    pub(crate) hands: Arc<Semaphore>,
    /// There may be something to do before the next tick.
    pub(crate) wake: Arc<Notify>,
}

impl Controller {
    /// Loads what an earlier controller kept, and begins. Reaches shards and servers through `directory`, and tells
    /// it every new view.
    pub fn start(
        config: ControllerConfig,
        directory: Arc<dyn Directory>,
        env: Env,
    ) -> Result<Arc<Self>, ControllerError> {
        let shared = Shared::open(config, directory, env)?;
        crate::upkeep::start(&shared);
        Ok(Arc::new(Self { shared }))
    }

    /// Runs a change to its end, whether or not the caller waits for it.
    async fn run<T, Change>(&self, change: impl FnOnce(Arc<Shared>) -> Change) -> Result<T, ControlError>
    where
        T: Send + 'static,
        Change: Future<Output = Result<T, ControlError>> + Send + 'static,
    {
        let task = self.shared.env.spawn(change(self.shared.clone()));
        task.await.unwrap_or_else(|error| Err(ControlError::Unavailable(error.to_string())))
    }
}

impl Shared {
    pub(crate) fn open(
        config: ControllerConfig,
        directory: Arc<dyn Directory>,
        env: Env,
    ) -> Result<Arc<Self>, ControllerError> {
        let now = env.now();
        let (state, file) = match config.state_file {
            None => (State::new(now), None),
            Some(path) => {
                let kept = StateFile::load(&*env.disk(), &path)?;
                let state = kept.map_or_else(|| State::new(now), |kept| State::restored(kept, now));
                let file = StateFile::create(env.clone(), path, state.kept())?;
                (state, Some(file))
            }
        };
        directory.update(state.members.view());
        Ok(Arc::new(Self {
            state: Mutex::new(state),
            file,
            gates: Gates::default(),
            directory,
            env,
            metrics: Metrics::new(),
            node_timeout: config.node_timeout,
            askers: Arc::new(Semaphore::new(crate::upkeep::ASKERS)),
            burial: Arc::new(Semaphore::new(1)),
            hands: Arc::new(Semaphore::new(crate::upkeep::HANDS)),
            wake: Arc::new(Notify::new()),
        }))
    }

    /// Looks at the state, with the time.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State, Timestamp) -> R) -> R {
        let state = self.state.lock();
        look(&state, self.env.now())
    }

    /// Changes the state; a new view goes to the directory at once.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let mut state = self.state.lock();
        let before = state.members.version();
        let result = change(&mut state, self.env.now());
        let view = (state.members.version() != before).then(|| state.members.view());
        drop(state);
        if let Some(view) = view {
            self.directory.update(view);
        }
        result
    }

    /// Returns when the state as it is now, or a later one, survives a restart.
    pub(crate) async fn keep(&self) -> Result<(), ControlError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let revision = self.read(|state, _| state.revision());
        file.save(revision, || self.read(|state, _| state.kept())).await.map_err(|error| {
            self.metrics.failed_saves.increment(1);
            tracing::warn!(%error, "cannot write the state file");
            ControlError::Unavailable(format!("cannot write the state file: {error}"))
        })
    }

    pub(crate) async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        // In the middle of a change shards refuse what is still shown here: whoever asks because of that waits for its
        // outcome, and is not told the same again.
        if self.read(|state, _| state.named(bucket).is_some_and(Job::is_changing)) {
            let _inside = self.gates.enter(bucket).await;
        }
        self.read(|state, now| state.named(bucket).ok_or(ControlError::NoSuchBucket)?.shown(now).cloned())
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        let described = described(&spec);
        let older = self.read(|state, _| state.members.replaced_by(&spec))?;
        self.bury(&older, DeathCause::Replaced).await?;
        let (node, view) = self.change(|state, now| {
            let node = state.join(spec, now)?;
            Ok::<_, ControlError>((node, state.members.view()))
        })?;
        if let Err(unkept) = self.keep().await {
            // Nobody was told its id: it asks again and gets another one.
            self.change(|state, _| state.bury(&[node]));
            return Err(unkept);
        }
        tracing::info!(%node, "joined: {described}");
        self.wake.notify_one();
        Ok(Joined { node, view })
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        self.known(node)?;
        self.bury(&[node], DeathCause::Left).await
    }

    async fn forget_node(&self, node: NodeId) -> Result<Forgotten, ControlError> {
        let lost = self.read(|state, _| state.lost_with(node)).ok_or(ControlError::NotAMember)?;
        self.bury(&[node], DeathCause::Forgotten).await?;
        Ok(lost)
    }

    fn known(&self, node: NodeId) -> Result<(), ControlError> {
        self.read(|state, _| state.members.contains(node)).then_some(()).ok_or(ControlError::NotAMember)
    }

    /// Declares nodes dead: the state file first, then the view, then what follows from it. Where the file cannot be
    /// written nothing has happened. Those on whose death somebody else is at work, or who are dead, are passed over. Not to be
    /// dropped on its way.
    pub(crate) async fn bury(&self, nodes: &[NodeId], cause: DeathCause) -> Result<(), ControlError> {
        let doomed = self.change(|state, _| state.doom(nodes));
        if doomed.is_empty() {
            return Ok(());
        }
        let ids: Vec<NodeId> = doomed.iter().map(|(node, _)| *node).collect();
        if let Err(unkept) = self.keep().await {
            self.change(|state, _| state.spare(&ids));
            return Err(unkept);
        }
        self.change(|state, _| state.bury(&ids));
        for (node, spec) in &doomed {
            self.metrics.dead(cause).increment(1);
            let described = described(spec);
            match cause {
                DeathCause::Left => tracing::info!(%node, "left: {described}"),
                _ => tracing::warn!(%node, cause = cause.as_str(), "declared dead: {described}"),
            }
        }
        self.wake.notify_one();
        Ok(())
    }
}

#[async_trait]
impl Control for Controller {
    async fn register(&self, registration: Registration) -> Result<Placement, ControlError> {
        self.run(|shared| async move { shared.register(registration).await }).await
    }

    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        self.shared.placement(bucket).await
    }

    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        self.run(|shared| async move { shared.configure(configuration).await }).await
    }

    async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        self.run(|shared| async move { shared.end(end).await }).await
    }

    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        Ok(self.shared.read(|state, now| state.summaries(tenant, now)))
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        self.run(|shared| async move { shared.join(spec).await }).await
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        let Heartbeat { node, view_version, jobs } = heartbeat;
        self.shared.change(|state, now| {
            state.members.heard(node, now)?;
            let old = view_version != state.members.version();
            Ok(HeartbeatReply { view: old.then(|| state.members.view()), ended: state.ended(jobs) })
        })
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        self.run(move |shared| async move { shared.leave(node).await }).await
    }

    async fn forget(&self, node: NodeId) -> Result<Forgotten, ControlError> {
        self.run(move |shared| async move { shared.forget_node(node).await }).await
    }

    fn hung_up(&self, node: NodeId) {
        self.shared.change(|state, now| state.members.hung_up(node, now));
        self.shared.wake.notify_one();
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        Ok(self.shared.read(|state, now| {
            let nodes = state.members.view().nodes.into_iter();
            let with_report = nodes.map(|node| {
                let report = state.report(node.id).map(|latest| latest.report.clone());
                (node, report)
            });
            let held_for = state.members.held_for(now);
            ClusterStatus { nodes: with_report.collect(), jobs: state.summaries(None, now), held_for }
        }))
    }
}

#[async_trait]
impl Usage for Controller {
    async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError> {
        self.shared.change(|state, now| state.reported(node, report, now))
    }
}

/// A node as the log names it. In one process there are no addresses.
pub(crate) fn described(spec: &NodeSpec) -> String {
    let NodeSpec { role, address, host, .. } = spec;
    if address.is_empty() {
        format!("{role} on {host:?}")
    } else {
        format!("{role} at {address:?} on {host:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::cluster::Role;

    #[test]
    fn a_node_without_address_is_named_without_one() {
        let spec = |address: &str| NodeSpec {
            role: Role::Metadata,
            address: address.into(),
            host: "vm".into(),
            capacity_bytes: 0,
        };
        assert_eq!(described(&spec("")), "metadata on \"vm\"");
        assert_eq!(described(&spec("127.0.0.1:9020")), "metadata at \"127.0.0.1:9020\" on \"vm\"");
    }
}
