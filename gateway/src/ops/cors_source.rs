//! What the edge asks the operations about buckets: their CORS configurations.

use super::Operations;
use crate::errors::from_call;
use async_trait::async_trait;
use pocket_access::cors::Cors;
use pocket_access::refusal::Refusal;
use pocket_api::names::BucketName;
use pocket_edge::calls::CorsSource;
use std::sync::Arc;

#[async_trait]
impl CorsSource for Operations {
    async fn current(&self, bucket: &BucketName) -> Result<Option<Arc<Cors>>, Refusal> {
        self.placements.cors(bucket).await.map_err(from_call)
    }

    async fn remembered(&self, bucket: &BucketName) -> Option<Arc<Cors>> {
        self.placements.remembered_cors(bucket)
    }
}
