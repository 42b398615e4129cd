//! Who serves which node, and how one process sees the cluster.

use super::links::{RemoteChunks, RemoteControl, RemoteMetadata};
use super::net::Net;
use super::process::{Machine, OsProcess, Place};
use crate::plants::Plant;
use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::{ClusterView, Directory, NodeSpec};
use pocket_api::control::Control;
use pocket_api::ids::NodeId;
use pocket_api::metadata::Metadata;
use pocket_controller::Controller;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands at an address for others to call.
#[derive(Clone)]
pub(super) enum Seam {
    Shard(Arc<dyn Metadata>),
    Server(Arc<dyn Chunks>),
    /// Called by clients alone.
    Gateway,
}

#[derive(Clone)]
struct Served {
    process: Arc<OsProcess>,
    /// `None` once the process has ended, or has given its node up.
    seam: Option<Seam>,
}

/// All that can be called in the world.
pub(super) struct Registry {
    pub(super) net: Arc<Net>,
    /// What is wrong with the cluster.
    pub(super) plant: Option<Plant>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By what they listen on.
    machines: BTreeMap<String, Arc<Machine>>,
    served: BTreeMap<NodeId, Served>,
    controller: Option<(Arc<OsProcess>, Arc<Controller>)>,
    expelled: Vec<String>,
}

impl Registry {
    pub(super) fn new(net: Arc<Net>, plant: Option<Plant>) -> Arc<Self> {
        Arc::new(Self { net, plant, state: Mutex::default() })
    }

    pub(super) fn know(&self, machines: &[Arc<Machine>]) {
        let machines = machines.iter().map(|machine| (machine.address(), machine.clone()));
        self.state.lock().machines = machines.collect();
    }

    /// Whether an address refuses whoever asks from `own`: nobody listens there, and the answer comes.
    pub(super) async fn refuses(&self, own: Place, address: &str) -> bool {
        let Some(machine) = self.state.lock().machines.get(address).cloned() else { return false };
        let asked = self.net.travel(own, machine.place, "connect").await;
        let refuses = !machine.is_up();
        asked && self.net.travel(machine.place, own, "connect").await && refuses
    }

    pub(super) fn serve(&self, node: NodeId, process: &Arc<OsProcess>, seam: Seam) {
        self.state.lock().served.insert(node, Served { process: process.clone(), seam: Some(seam) });
    }

    /// The cluster has given up a node whose process lives.
    pub(super) fn expel(&self, node: NodeId, name: String) {
        let mut state = self.state.lock();
        state.expelled.push(name);
        if let Some(served) = state.served.get_mut(&node) {
            served.seam = None;
        }
    }

    pub(super) fn expelled(&self) -> Vec<String> {
        self.state.lock().expelled.clone()
    }

    pub(super) fn serve_control(&self, process: &Arc<OsProcess>, controller: Arc<Controller>) {
        self.state.lock().controller = Some((process.clone(), controller));
    }

    pub(super) fn controller(&self) -> Option<(Arc<OsProcess>, Arc<Controller>)> {
        self.state.lock().controller.clone()
    }

    /// The process at a place has ended, and what it held in memory with it. Its machine closes its lines to the controller.
    pub(super) fn died(self: &Arc<Self>, place: Place) {
        let mut state = self.state.lock();
        let of_it = state.served.iter_mut().filter(|(_, served)| served.process.place == place);
        let nodes: Vec<NodeId> =
            of_it.filter_map(|(node, served)| served.seam.take().map(|_| *node)).collect();
        if let Some((controller, _)) = &state.controller
            && let Some(env) = controller.env()
        {
            let (registry, there) = (self.clone(), controller.place);
            env.spawn(async move {
                if !registry.net.travel(place, there, "close").await {
                    return;
                }
                if let Some((_, controller)) = registry.controller() {
                    nodes.into_iter().for_each(|node| controller.hung_up(node));
                }
            });
        }
        if state.controller.as_ref().is_some_and(|(process, _)| process.place == place) {
            state.controller = None;
        }
    }

    pub(super) fn find(&self, node: NodeId) -> Option<(Arc<OsProcess>, Option<Seam>)> {
        self.state.lock().served.get(&node).map(|served| (served.process.clone(), served.seam.clone()))
    }
}

/// The cluster as one process sees it: nodes of its newest view, each by a link. As in a real process, whatever is not in the view
/// is not called.
pub(super) struct WorldDirectory {
    registry: Arc<Registry>,
    own: Place,
    view: Mutex<Arc<ClusterView>>,
}

impl WorldDirectory {
    pub(super) fn new(registry: Arc<Registry>, own: Place, view: ClusterView) -> Arc<Self> {
        Arc::new(Self { registry, own, view: Mutex::new(Arc::new(view)) })
    }

    pub(super) fn control(registry: Arc<Registry>, own: Place) -> Arc<RemoteControl> {
        Arc::new(RemoteControl { registry, own })
    }
}

#[async_trait]
impl Directory for WorldDirectory {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.view.lock().node(node)?;
        Some(Arc::new(RemoteMetadata { registry: self.registry.clone(), own: self.own, node }))
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.view.lock().node(node)?;
        Some(Arc::new(RemoteChunks { registry: self.registry.clone(), own: self.own, node }))
    }

    fn view(&self) -> Arc<ClusterView> {
        self.view.lock().clone()
    }

    async fn refuses(&self, node: &NodeSpec) -> bool {
        self.registry.refuses(self.own, &node.address).await
    }

    fn update(&self, view: ClusterView) {
        let mut current = self.view.lock();
        if view.follows(&current) {
            *current = Arc::new(view);
        }
    }
}
