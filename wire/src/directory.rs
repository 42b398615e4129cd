//! The cluster as this process sees it over the network: the newest view, and a client for each node in it. A node
//! that leaves the view takes its client with it, and every call to it fails at once.

use crate::client::PlaneClient;
use crate::secret::ClusterSecret;
use crate::socket;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::{ClusterView, Directory, NodeSpec, Role};
use pocket_api::ids::NodeId;
use pocket_api::metadata::Metadata;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub struct RemoteDirectory {
    own: NodeId,
    secret: Option<ClusterSecret>,
    /// Replaced as a whole with each view; read on every call.
    members: ArcSwap<Members>,
    /// Held while a view is taken over.
    updating: Mutex<()>,
}

#[derive(Debug)]
struct Members {
    view: Arc<ClusterView>,
    /// Shards and storage servers; those of other roles are not called.
    clients: HashMap<NodeId, (Role, Arc<PlaneClient>)>,
}

impl RemoteDirectory {
    /// For the process whose node is `own`; `view` is what it was given when it joined.
    pub fn new(own: NodeId, secret: Option<ClusterSecret>, view: ClusterView) -> Arc<Self> {
        let nobody = Members { view: Arc::default(), clients: HashMap::new() };
        let directory =
            Self { own, secret, members: ArcSwap::from_pointee(nobody), updating: Mutex::new(()) };
        directory.take_over(view);
        Arc::new(directory)
    }

    fn client(&self, node: NodeId, role: Role) -> Option<Arc<PlaneClient>> {
        let members = self.members.load();
        members.clients.get(&node).filter(|(found, _)| *found == role).map(|(_, client)| client.clone())
    }

    fn take_over(&self, view: ClusterView) {
        let old = self.members.load();
        let called = |role| matches!(role, Role::Metadata | Role::Storage);
        let clients = view.nodes.iter().filter(|node| called(node.spec.role)).map(|node| {
            let client = old.clients.get(&node.id).map(|(_, client)| client.clone()).unwrap_or_else(|| {
                let address = &node.spec.address;
                Arc::new(PlaneClient::new(self.own, self.secret.clone(), node.id, address))
            });
            (node.id, (node.spec.role, client))
        });
        let clients: HashMap<_, _> = clients.collect();
        let gone = old.clients.iter().filter(|(id, _)| !clients.contains_key(id));
        let gone: Vec<Arc<PlaneClient>> = gone.map(|(_, (_, client))| client.clone()).collect();
        self.members.store(Arc::new(Members { view: Arc::new(view), clients }));
        for client in gone {
            client.leave("it has left the cluster");
        }
    }
}

#[async_trait]
impl Directory for RemoteDirectory {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        self.client(node, Role::Metadata).map(|client| client as Arc<dyn Metadata>)
    }

    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.client(node, Role::Storage).map(|client| client as Arc<dyn Chunks>)
    }

    fn view(&self) -> Arc<ClusterView> {
        self.members.load().view.clone()
    }

    fn update(&self, view: ClusterView) {
        let _updating = self.updating.lock();
        if view.follows(&self.members.load().view) {
            self.take_over(view);
        }
    }

    async fn refuses(&self, node: &NodeSpec) -> bool {
        socket::refuses(&node.address, self.secret.as_ref()).await
    }
}
