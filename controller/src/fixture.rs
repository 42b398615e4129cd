//! What the tests of this crate share: states with members, and a controller's inside without its upkeep, over
//! stand-ins for the other planes and a clock that only the test moves.

use crate::controller::{ControllerConfig, Shared};
use crate::state::State;
use futures::FutureExt;
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::cluster::{NodeSpec, Role};
use pocket_api::conformance::control::stubs::{StubDirectory, StubServer, StubShard};
use pocket_api::control::{ControlError, EndJob, EndMode, Placement, Registration, Weight};
use pocket_api::env::Env;
use pocket_api::hints::JobHints;
use pocket_api::ids::{Epoch, JobId, NodeId};
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

pub(crate) fn placement(name: &str, hints: JobHints, shards: &[u64], weights: &[Weight]) -> Placement {
    Placement {
        job: JobId(1),
        epoch: Epoch(1),
        bucket: bucket(name),
        tenant: TenantName::parse("alice").unwrap(),
        created_at_ms: START.0,
        settings: JobSettings::asking(hints.clone()).into(),
        hints,
        shards: shards.iter().map(|&id| NodeId(id)).collect(),
        weights: weights.to_vec(),
    }
}

fn spec(role: Role) -> NodeSpec {
    NodeSpec { role, address: String::new(), host: "host".into(), capacity_bytes: 1 << 30 }
}

/// A state with so many live shards and servers of 1 GiB.
pub(crate) fn state_with(shards: usize, servers: usize) -> State {
    let mut state = State::new(START);
    for role in [Role::Metadata].repeat(shards).into_iter().chain([Role::Storage].repeat(servers)) {
        state.join(spec(role), START).unwrap();
    }
    state
}

/// The inside of a controller with its surroundings. Time and upkeep move only by [`Rig::round`].
pub(crate) struct Rig {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: Arc<StubDirectory>,
    pub(crate) shards: Vec<(NodeId, Arc<StubShard>)>,
    pub(crate) servers: Vec<(NodeId, Arc<StubServer>)>,
}

impl Rig {
    pub(crate) fn new(shards: usize, servers: usize) -> Self {
        Self::with_file(None, shards, servers)
    }

    pub(crate) fn with_file(state_file: Option<PathBuf>, shards: usize, servers: usize) -> Self {
        let directory = Arc::new(StubDirectory::default());
        let clock = Arc::new(ManualClock::at(START));
        let env = Env::with_clock(clock.clone());
        let config = ControllerConfig { state_file, ..ControllerConfig::default() };
        let shared = Shared::open(config, directory.clone(), env).unwrap();
        let mut rig = Self { shared, clock, directory, shards: Vec::new(), servers: Vec::new() };
        for _ in 0..shards {
            let (node, shard) = (rig.join(Role::Metadata), Arc::new(StubShard::default()));
            rig.directory.put_shard(node, shard.clone());
            rig.shards.push((node, shard));
        }
        for _ in 0..servers {
            let (node, server) = (rig.join(Role::Storage), Arc::new(StubServer::default()));
            rig.directory.put_server(node, server.clone());
            rig.servers.push((node, server));
        }
        rig
    }

    pub(crate) fn join(&self, role: Role) -> NodeId {
        self.join_as(spec(role))
    }

    pub(crate) fn join_as(&self, spec: NodeSpec) -> NodeId {
        self.shared.change(|state, now| state.join(spec, now)).unwrap()
    }

    /// Another controller over the same surroundings, from the state file of this one.
    pub(crate) fn restart(&mut self, state_file: PathBuf) {
        let config = ControllerConfig { state_file: Some(state_file), ..ControllerConfig::default() };
        let env = Env::with_clock(self.clock.clone());
        self.shared = Shared::open(config, self.directory.clone(), env).unwrap();
    }

    pub(crate) async fn register(&self, name: &str) -> Result<Placement, ControlError> {
        self.shared.register(registration(name, JobHints::default())).await
    }

    pub(crate) async fn end(&self, name: &str, mode: EndMode) -> Result<(), ControlError> {
        self.shared.end(EndJob { tenant: None, bucket: bucket(name), job: None, mode }).await
    }

    pub(crate) fn placement(&self, name: &str) -> Result<Placement, ControlError> {
        self.shared.read(|state, now| {
            state.named(&bucket(name)).ok_or(ControlError::NoSuchBucket)?.shown(now).cloned()
        })
    }

    pub(crate) fn leave(&self, node: NodeId) {
        self.shared.change(|state, _| state.bury(&[node]));
    }

    /// Lets so much time pass, in which all members but `silent` beat, and then one round of upkeep to its end, and another
    /// one where that has something to follow it.
    pub(crate) async fn round(&self, time: Duration, silent: &[NodeId]) {
        self.clock.advance(time);
        self.shared.change(|state, now| {
            for node in state.members.view().nodes {
                if !silent.contains(&node.id) {
                    state.members.heard(node.id, now).unwrap();
                }
            }
        });
        let _earlier = self.shared.wake.notified().now_or_never();
        self.tick().await;
        if self.shared.wake.notified().now_or_never().is_some() {
            self.tick().await;
        }
    }

    /// One round of upkeep to its end.
    pub(crate) async fn tick(&self) {
        for task in self.shared.tick(Duration::ZERO) {
            task.await.unwrap();
        }
    }
}
