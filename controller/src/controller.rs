//! The controller as the other planes see it: [`Control`] and [`Usage`] over one locked state.
//!
//! Whatever changes the state is an event, and what it wants done is done by [`crate::doing`]. A caller that goes away in the
//! middle leaves no half a job behind: the state goes on by itself.

use crate::doing::Doing;
use crate::state::event::{Event, Reply, Request};
use crate::store::StoreError;
use async_trait::async_trait;
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

#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// Where jobs and members are kept for the next start; `None` keeps them in memory only. Beside it lies a file with
    /// its name and a number more, which it names.
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

/// The control plane. Its upkeep ends when it is dropped.
pub struct Controller {
    doing: Arc<Doing>,
}

impl Controller {
    /// Loads what an earlier controller kept, and begins. Reaches shards and servers through `directory`, and tells
    /// it every new view.
    pub fn start(
        config: ControllerConfig,
        directory: Arc<dyn Directory>,
        env: Env,
    ) -> Result<Arc<Self>, StoreError> {
        let doing = Doing::open(config, directory, env)?;
        doing.start();
        Ok(Arc::new(Self { doing }))
    }

    async fn placed(&self, request: Request) -> Result<Placement, ControlError> {
        match self.doing.ask(request).await? {
            Reply::Placement(placement) => Ok(placement),
            other => unreachable!("answered with {other:?}"),
        }
    }

    async fn done(&self, request: Request) -> Result<(), ControlError> {
        self.doing.ask(request).await.map(drop)
    }
}

#[async_trait]
impl Control for Controller {
    async fn register(&self, registration: Registration) -> Result<Placement, ControlError> {
        self.placed(Request::Register(registration)).await
    }

    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        self.placed(Request::Placement(bucket.clone())).await
    }

    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        self.placed(Request::Configure(configuration)).await
    }

    async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        self.done(Request::End(end)).await
    }

    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        Ok(self.doing.summaries(tenant).await)
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        match self.doing.ask(Request::Join(spec)).await? {
            Reply::Joined(joined) => Ok(joined),
            other => unreachable!("answered with {other:?}"),
        }
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        match self.doing.ask(Request::Beat(heartbeat)).await? {
            Reply::Beat(reply) => Ok(reply),
            other => unreachable!("answered with {other:?}"),
        }
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        self.done(Request::Leave(node)).await
    }

    async fn forget(&self, node: NodeId) -> Result<Forgotten, ControlError> {
        match self.doing.ask(Request::Forget(node)).await? {
            Reply::Forgotten(forgotten) => Ok(forgotten),
            other => unreachable!("answered with {other:?}"),
        }
    }

    fn hung_up(&self, node: NodeId) {
        self.doing.handle(Event::HungUp(node));
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        let (nodes, held_for) = self.doing.read(|state, now| (state.nodes(), state.members.held_for(now)));
        Ok(ClusterStatus { nodes, jobs: self.doing.summaries(None).await, held_for })
    }
}

#[async_trait]
impl Usage for Controller {
    async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError> {
        if !self.doing.read(|state, _| state.members.contains(node)) {
            return Err(ControlError::NotAMember);
        }
        self.doing.handle(Event::Reported(node, Box::new(report)));
        Ok(())
    }
}
