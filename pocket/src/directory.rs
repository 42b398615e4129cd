//! The directory of one process that holds every plane: finding a plane is comparing two numbers, and what is found is
//! the value itself.
//!
//! The assembly's side of the seam `Directory`; the wire's `RemoteDirectory` is the other.

use arc_swap::ArcSwap;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::{ClusterView, Directory};
use pocket_api::ids::NodeId;
use pocket_api::metadata::Metadata;
use std::sync::{Arc, OnceLock};

/// Holds one shard and one storage server, each set once when it has started.
#[derive(Default)]
pub(crate) struct LocalDirectory {
    shard: OnceLock<(NodeId, Arc<dyn Metadata>)>,
    server: OnceLock<(NodeId, Arc<dyn Chunks>)>,
    view: ArcSwap<ClusterView>,
}

impl LocalDirectory {
    /// The shard can be found from here on. Called once.
    pub(crate) fn place_shard(&self, node: NodeId, shard: Arc<dyn Metadata>) {
        let placed = self.shard.set((node, shard));
        assert!(placed.is_ok(), "a second shard in one process");
    }

    /// The storage server can be found from here on. Called once.
    pub(crate) fn place_server(&self, node: NodeId, server: Arc<dyn Chunks>) {
        let placed = self.server.set((node, server));
        assert!(placed.is_ok(), "a second storage server in one process");
    }
}

impl Directory for LocalDirectory {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.shard.get().filter(|(id, _)| *id == node).map(|(_, shard)| shard.clone())
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.server.get().filter(|(id, _)| *id == node).map(|(_, server)| server.clone())
    }

    fn view(&self) -> Arc<ClusterView> {
        self.view.load_full()
    }

    fn update(&self, view: ClusterView) {
        let view = Arc::new(view);
        self.view.rcu(|held| if view.follows(held) { view.clone() } else { held.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_view_never_replaces_a_newer_one() {
        let directory = LocalDirectory::default();
        for (version, held) in [(2, 2), (1, 2), (2, 2), (3, 3)] {
            directory.update(ClusterView { version, ..ClusterView::default() });
            assert_eq!(directory.view().version, held);
        }
    }

    #[test]
    fn nothing_is_found_before_it_is_placed() {
        let directory = LocalDirectory::default();
        assert!(directory.shard(NodeId(1)).is_none() && directory.server(NodeId(1)).is_none());
    }
}
