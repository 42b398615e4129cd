//! What a gateway is made with: the seams it calls, who it is, and the process that it lives in.

use pocket_api::cluster::Directory;
use pocket_api::control::Control;
use pocket_api::env::Env;
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
    pub env: Env,
}
