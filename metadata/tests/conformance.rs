//! The shard keeps the promises of its seam.

use pocket_api::conformance::metadata::suite;
use pocket_api::env::Env;
use pocket_api::metadata::Metadata;
use pocket_metadata::{Shard, ShardConfig};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shard_passes_the_suite() {
    suite(async |world| {
        let config = ShardConfig { budget: world.budget() };
        let shard = Shard::start(config, world.node(), world.directory(), Env::with_clock(world.clock()));
        shard as Arc<dyn Metadata>
    })
    .await;
}
