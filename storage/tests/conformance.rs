//! The chunk seam's promises, kept by the server itself.

use pocket_api::budget::ByteBudget;
use pocket_api::chunks::Chunks;
use pocket_api::conformance::chunks::{CAPACITY_BYTES, suite};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_storage::{StorageConfig, StorageServer};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_the_promises_of_the_chunk_seam() {
    suite(async |directory, clock| {
        let budget = ByteBudget::new(CAPACITY_BYTES);
        let config = StorageConfig { capacity_bytes: CAPACITY_BYTES, budget, ready_bytes: 0 };
        let server = StorageServer::start(config, NodeId(7), directory, Env::with_clock(clock)).unwrap();
        server as Arc<dyn Chunks>
    })
    .await;
}
