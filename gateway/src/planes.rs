//! What a gateway needs of the rest of the cluster: the seams it calls, and who it is.

use pocket_api::clock::Clock;
use pocket_api::cluster::Directory;
use pocket_api::control::Control;
use pocket_api::ids::NodeId;
use std::sync::Arc;

/// The other planes, in this process or across a network: the gateway cannot tell.
#[derive(Clone)]
pub struct Planes {
    /// This gateway: the first half of every write id that it mints.
    pub node: NodeId,
    pub control: Arc<dyn Control>,
    /// Finds shards and storage servers.
    pub directory: Arc<dyn Directory>,
    pub clock: Arc<dyn Clock>,
}
