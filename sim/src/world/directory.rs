//! Who serves which node, and how one process sees the cluster.

use super::links::{RemoteChunks, RemoteControl, RemoteMetadata};
use super::net::Net;
use super::process::{OsProcess, Place};
use parking_lot::Mutex;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::{ClusterView, Directory};
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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    served: BTreeMap<NodeId, Served>,
    controller: Option<(Arc<OsProcess>, Arc<Controller>)>,
    expelled: Vec<String>,
}

impl Registry {
    pub(super) fn new(net: Arc<Net>) -> Arc<Self> {
        Arc::new(Self { net, state: Mutex::default() })
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

    /// The process at a place has ended, and what it held in memory with it.
    pub(super) fn died(&self, place: Place) {
        let mut state = self.state.lock();
        for served in state.served.values_mut().filter(|served| served.process.place == place) {
            served.seam = None;
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

    fn update(&self, view: ClusterView) {
        let mut current = self.view.lock();
        if view.version > current.version {
            *current = Arc::new(view);
        }
    }
}
