//! The real planes, seen over the wire, keep every promise of their seams.

use pocket_api::budget::ByteBudget;
use pocket_api::chunks::Chunks;
use pocket_api::conformance::{chunks, control, metadata};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::metadata::Metadata;
use pocket_controller::{Controller, ControllerConfig};
use pocket_metadata::{Shard, ShardConfig};
use pocket_storage::{StorageConfig, StorageServer};
use pocket_wire::{ClusterSecret, PlaneClient, RemoteControl, ServedPlanes, serve_control, serve_planes};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn secret() -> Option<ClusterSecret> {
    Some(ClusterSecret::new("s3cret".into()))
}

/// Serves planes as node `node` and answers a client of them.
async fn over_the_wire(node: NodeId, planes: ServedPlanes, shutdown: &CancellationToken) -> Arc<PlaneClient> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve_planes(listener, node, planes, secret(), shutdown.clone()));
    Arc::new(PlaneClient::new(NodeId(100), secret(), node, &address))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_over_the_wire_keeps_the_promises_of_its_seam() {
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    metadata::suite(async |world| {
        let config = ShardConfig { budget: world.budget() };
        let shard = Shard::start(config, world.node(), world.directory(), Env::with_clock(world.clock()));
        let planes = ServedPlanes { metadata: Some(shard), chunks: None };
        over_the_wire(world.node(), planes, &shutdown).await as Arc<dyn Metadata>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_server_over_the_wire_keeps_the_promises_of_its_seam() {
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    chunks::suite(async |directory, clock| {
        let (node, capacity_bytes) = (NodeId(7), chunks::CAPACITY_BYTES);
        let budget = ByteBudget::new(capacity_bytes);
        let config = StorageConfig { capacity_bytes, budget, ready_bytes: 0 };
        let server = StorageServer::start(config, node, directory, Env::with_clock(clock)).unwrap();
        let planes = ServedPlanes { metadata: None, chunks: Some(server) };
        over_the_wire(node, planes, &shutdown).await as Arc<dyn Chunks>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_over_the_wire_keeps_the_promises_of_its_seams() {
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    control::suite(async |directory, clock| {
        let config = ControllerConfig::default();
        let controller = Controller::start(config, directory, Env::with_clock(clock)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served =
            serve_control(listener, controller.clone(), controller.clone(), secret(), shutdown.clone());
        tokio::spawn(served);
        let remote = Arc::new(RemoteControl::connect(&address, secret()));
        control::Seams { control: remote.clone(), usage: remote, carried: controller }
    })
    .await;
}
