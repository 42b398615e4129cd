//! A storage server alone in the world: no shard can be asked, and time passes by the system's clock.

use pocket_api::budget::ByteBudget;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::cluster::{ClusterView, Directory};
use pocket_api::env::Env;
use pocket_api::ids::{ChunkId, JobId, NodeId, WriteId};
use pocket_api::metadata::Metadata;
use pocket_storage::{READY_BYTES, StorageConfig, StorageServer};
use std::sync::Arc;

struct Nobody;

impl Directory for Nobody {
    fn shard(&self, _: NodeId) -> Option<Arc<dyn Metadata>> {
        None
    }

    fn server(&self, _: NodeId) -> Option<Arc<dyn Chunks>> {
        None
    }

    fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }

    fn update(&self, _: ClusterView) {}
}

pub(crate) fn directory() -> Arc<dyn Directory> {
    Arc::new(Nobody)
}

/// Within a tokio runtime.
pub(crate) fn server(capacity_bytes: u64, budget: &ByteBudget) -> Arc<StorageServer> {
    let config = StorageConfig { capacity_bytes, budget: budget.clone(), ready_bytes: READY_BYTES };
    StorageServer::start(config, NodeId(7), directory(), Env::system()).unwrap()
}

pub(crate) async fn allocate(
    server: &StorageServer,
    job: u64,
    write: u64,
    sizes: &[u32],
) -> Result<Vec<ChunkId>, ChunkError> {
    let write = WriteId { gateway: NodeId(9), number: write };
    server
        .allocate(Allocate { job: JobId(job), write, shard: NodeId(5), sizes: sizes.to_vec(), is_last: true })
        .await
}
