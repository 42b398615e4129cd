//! What the tests of this crate share: a controller's inside without its ticks, over stand-ins for the other planes and a clock
//! that only the test moves.

use crate::controller::ControllerConfig;
use crate::doing::Doing;
use crate::state::event::{Event, Reply, Request};
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::cluster::{Directory, NodeSpec, Role};
use pocket_api::conformance::control::stubs::{StubDirectory, StubServer, StubShard};
use pocket_api::control::{Configuration, ControlError, EndJob, EndMode, Heartbeat, Placement, Registration};
use pocket_api::env::Env;
use pocket_api::hints::JobHints;
use pocket_api::ids::NodeId;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::settings::JobSettings;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

pub(crate) fn registration(name: &str, hints: JobHints) -> Registration {
    Registration {
        tenant: TenantName::parse("alice").unwrap(),
        bucket: bucket(name),
        settings: JobSettings::asking(hints),
    }
}

pub(crate) fn spec(role: Role) -> NodeSpec {
    NodeSpec { role, address: String::new(), host: "host".into(), capacity_bytes: 1 << 30 }
}

/// The inside of a controller with its surroundings. Time moves only by [`Rig::round`]; tests that use it run on a paused
/// runtime.
pub(crate) struct Rig {
    pub(crate) doing: Arc<Doing>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: Arc<StubDirectory>,
    pub(crate) shards: Vec<(NodeId, Arc<StubShard>)>,
    pub(crate) servers: Vec<(NodeId, Arc<StubServer>)>,
}

impl Rig {
    pub(crate) async fn new(shards: usize, servers: usize) -> Self {
        Self::with_file(None, shards, servers).await
    }

    pub(crate) async fn with_file(state_file: Option<PathBuf>, shards: usize, servers: usize) -> Self {
        let directory = Arc::new(StubDirectory::default());
        let clock = Arc::new(ManualClock::at(START));
        let env = Env::with_clock(clock.clone());
        let config = ControllerConfig { state_file, ..ControllerConfig::default() };
        let doing = Doing::open(config, directory.clone(), env).unwrap();
        let mut rig = Self { doing, clock, directory, shards: Vec::new(), servers: Vec::new() };
        for _ in 0..shards {
            let (node, shard) = (rig.join(Role::Metadata).await, Arc::new(StubShard::default()));
            rig.directory.put_shard(node, shard.clone());
            rig.shards.push((node, shard));
        }
        for _ in 0..servers {
            let (node, server) = (rig.join(Role::Storage).await, Arc::new(StubServer::default()));
            rig.directory.put_server(node, server.clone());
            rig.servers.push((node, server));
        }
        rig
    }

    pub(crate) async fn join(&self, role: Role) -> NodeId {
        self.join_as(spec(role)).await
    }

    pub(crate) async fn join_as(&self, spec: NodeSpec) -> NodeId {
        match self.doing.ask(Request::Join(spec)).await.unwrap() {
            Reply::Joined(joined) => joined.node,
            other => panic!("{other:?}"),
        }
    }

    /// Another controller over the same surroundings, from the state file of this one, which has ended.
    pub(crate) fn restart(&mut self, state_file: PathBuf) {
        self.doing = self.successor(state_file);
    }

    /// Likewise, beside this one.
    pub(crate) fn successor(&self, state_file: PathBuf) -> Arc<Doing> {
        let config = ControllerConfig { state_file: Some(state_file), ..ControllerConfig::default() };
        let env = Env::with_clock(self.clock.clone());
        Doing::open(config, self.directory.clone(), env).unwrap()
    }

    pub(crate) async fn register(&self, name: &str) -> Result<Placement, ControlError> {
        self.register_with(name, JobHints::default()).await
    }

    pub(crate) async fn register_with(&self, name: &str, hints: JobHints) -> Result<Placement, ControlError> {
        self.placed(Request::Register(registration(name, hints))).await
    }

    pub(crate) async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        self.placed(Request::Configure(configuration)).await
    }

    pub(crate) async fn placed(&self, request: Request) -> Result<Placement, ControlError> {
        match self.doing.ask(request).await? {
            Reply::Placement(placement) => Ok(placement),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn end(&self, name: &str, mode: EndMode) -> Result<(), ControlError> {
        let end = EndJob { tenant: None, bucket: bucket(name), job: None, mode };
        self.doing.ask(Request::End(end)).await.map(drop)
    }

    /// What is shown of a job, whatever is going on with it.
    pub(crate) fn placement(&self, name: &str) -> Result<Placement, ControlError> {
        self.doing.read(|state, now| state.placement(&bucket(name), now))
    }

    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.doing.read(|state, _| state.members.contains(node))
    }

    pub(crate) async fn leave(&self, node: NodeId) {
        self.doing.ask(Request::Leave(node)).await.unwrap();
    }

    pub(crate) async fn beat(&self, node: NodeId) {
        let heartbeat = Heartbeat::first(node);
        // One whose death is being written down is told so.
        let _told = self.doing.ask(Request::Beat(heartbeat)).await;
    }

    /// Lets so much time pass, in which all members but `silent` beat, and then all that is due happen to its end.
    pub(crate) async fn round(&self, time: Duration, silent: &[NodeId]) {
        self.clock.advance(time);
        for node in self.directory.view().nodes.iter().map(|node| node.id) {
            if !silent.contains(&node) {
                self.beat(node).await;
            }
        }
        self.tick().await;
    }

    /// What is due happens, to its end.
    pub(crate) async fn tick(&self) {
        self.doing.handle(Event::Tick { after: Duration::ZERO });
        settle().await;
    }
}

/// Lets all calls that are on their way be answered, or be given up.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_secs(20)).await;
}
