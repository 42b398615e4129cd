//! The real planes on their in-process seams: two shards, two storage servers, and as many gateways as are wanted.

use super::ask::{Ask, TENANTS};
use http::Method;
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::{ClusterView, Directory, NodeSpec, Role};
use pocket_api::control::{Control, Heartbeat, JobHolder};
use pocket_api::env::Env;
use pocket_api::ids::{JobId, NodeId};
use pocket_api::limits::HEARTBEAT_EVERY;
use pocket_api::metadata::Metadata;
use pocket_api::names::TenantName;
use pocket_controller::{Controller, ControllerConfig};
use pocket_edge::credentials::Credentials;
use pocket_gateway::config::GatewayConfig;
use pocket_gateway::gateway::Gateway;
use pocket_gateway::planes::Planes;
use pocket_metadata::{Shard, ShardConfig};
use pocket_storage::{StorageConfig, StorageServer};
use std::collections::HashMap;
use std::sync::Arc;

/// Of each of the two storage servers.
pub(crate) const CAPACITY_BYTES: u64 = 32 << 20;
const METADATA_BYTES: u64 = 64 << 20;

pub(crate) struct Cluster {
    /// The first of its gateways.
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) directory: Arc<LocalDirectory>,
    pub(crate) servers: Vec<Arc<StorageServer>>,
    pub(crate) shards: Vec<Arc<Shard>>,
    members: Members,
    env: Env,
    /// Keeps the members alive; aborted with the cluster.
    heartbeats: tokio::task::JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.heartbeats.abort();
    }
}

/// Finds the planes of this process; a test can make one unreachable.
#[derive(Default)]
pub(crate) struct LocalDirectory {
    pub(crate) shards: Mutex<HashMap<NodeId, Arc<dyn Metadata>>>,
    pub(crate) servers: Mutex<HashMap<NodeId, Arc<dyn Chunks>>>,
    view: Mutex<Arc<ClusterView>>,
}

impl Directory for LocalDirectory {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.shards.lock().get(&node).cloned()
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.servers.lock().get(&node).cloned()
    }

    fn view(&self) -> Arc<ClusterView> {
        self.view.lock().clone()
    }

    fn update(&self, view: ClusterView) {
        let mut current = self.view.lock();
        if view.follows(&current) {
            *current = Arc::new(view);
        }
    }
}

impl Cluster {
    pub(crate) async fn start_with(config: GatewayConfig, env: Env) -> Self {
        let directory = Arc::new(LocalDirectory::default());
        let seam: Arc<dyn Directory> = directory.clone();
        let controller = Controller::start(ControllerConfig::default(), seam.clone(), env.clone()).unwrap();
        let members = Members { controller, directory: directory.clone(), holders: Arc::default() };
        let (mut shards, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let node = members.join(Role::Metadata, METADATA_BYTES).await;
            let budget = ByteBudget::new(METADATA_BYTES);
            let shard = Shard::start(ShardConfig { budget }, node, seam.clone(), env.clone());
            directory.shards.lock().insert(node, shard.clone());
            members.add(node, shard.clone());
            shards.push(shard);
            members.beat().await;

            let node = members.join(Role::Storage, CAPACITY_BYTES).await;
            let budget = ByteBudget::new(CAPACITY_BYTES);
            let of_server = StorageConfig { capacity_bytes: CAPACITY_BYTES, budget, ready_bytes: 0 };
            let server = StorageServer::start(of_server, node, seam.clone(), env.clone()).unwrap();
            directory.servers.lock().insert(node, server.clone());
            members.add(node, server.clone());
            servers.push(server);
            // Making its memory takes a busy machine seconds, and nobody else has a turn before this.
            members.beat().await;
        }
        let gateway = members.gateway(config, members.controller.clone(), env.clone()).await;
        let heartbeats = tokio::spawn(members.clone().keep_alive());
        Self { gateway, directory, servers, shards, members, env, heartbeats }
    }

    /// One more gateway over the same planes, which knows nothing of the others.
    pub(crate) async fn another_gateway(&self) -> Arc<Gateway> {
        self.another_gateway_with(self.controller()).await
    }

    /// One more gateway, which sees the controller so. Its heartbeats reach the real one all the same.
    pub(crate) async fn another_gateway_with(&self, control: Arc<dyn Control>) -> Arc<Gateway> {
        self.members.gateway(GatewayConfig::default(), control, self.env.clone()).await
    }

    pub(crate) fn controller(&self) -> Arc<Controller> {
        self.members.controller.clone()
    }

    /// A request to the first gateway, of its first tenant. `path` as it goes over the wire.
    pub(crate) fn ask(&self, method: Method, path: impl Into<String>) -> Ask {
        Ask::of(self.gateway.clone(), method, path.into(), self.env.now())
    }
}

type Member = (NodeId, Arc<dyn JobHolder>);

/// Whoever has to be heard of now and then.
#[derive(Clone)]
struct Members {
    controller: Arc<Controller>,
    directory: Arc<LocalDirectory>,
    holders: Arc<Mutex<Vec<Member>>>,
}

impl Members {
    async fn join(&self, role: Role, capacity_bytes: u64) -> NodeId {
        let spec = NodeSpec { role, address: String::new(), host: "here".into(), capacity_bytes };
        self.controller.join(spec).await.unwrap().node
    }

    fn add(&self, node: NodeId, holder: Arc<dyn JobHolder>) {
        self.holders.lock().push((node, holder));
    }

    async fn gateway(&self, config: GatewayConfig, control: Arc<dyn Control>, env: Env) -> Arc<Gateway> {
        let node = self.join(Role::Gateway, 0).await;
        self.hear(node, vec![]).await;
        let directory = self.directory.clone();
        let mut credentials = Credentials::default();
        for tenant in TENANTS {
            let name = TenantName::parse(tenant.name).unwrap();
            assert!(credentials.add(tenant.access_key_id, tenant.secret, name));
        }
        let gateway = Gateway::start(config, credentials, Planes { node, control, directory, env });
        self.add(node, gateway.clone());
        gateway
    }

    /// One heartbeat of one member; the jobs that it holds and that have ended.
    async fn hear(&self, node: NodeId, jobs: Vec<JobId>) -> Vec<JobId> {
        let Ok(reply) = self.controller.heartbeat(Heartbeat { jobs, ..Heartbeat::first(node) }).await else {
            return vec![];
        };
        let view = reply.view.and_then(|update| update.onto(&self.directory.view()));
        view.into_iter().for_each(|view| self.directory.update(view));
        reply.ended
    }

    async fn beat(&self) {
        let holders = self.holders.lock().clone();
        for (node, holder) in holders {
            let ended = self.hear(node, holder.jobs()).await;
            holder.drop_jobs(&ended);
        }
    }

    async fn keep_alive(self) {
        loop {
            self.beat().await;
            tokio::time::sleep(HEARTBEAT_EVERY).await;
        }
    }
}
