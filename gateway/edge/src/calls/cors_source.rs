//! What the edge asks beside the calls: which pages of a browser may read an answer.

use async_trait::async_trait;
use pocket_access::cors::Cors;
use pocket_access::refusal::Refusal;
use pocket_api::names::BucketName;
use std::sync::Arc;

/// Knows the CORS configurations of buckets.
#[async_trait]
pub trait CorsSource: Send + Sync + 'static {
    /// For a preflight, which nobody behind the edge looks at again: what holds now. `None` where the bucket has no
    /// configuration.
    async fn current(&self, bucket: &BucketName) -> Result<Option<Arc<Cors>>, Refusal>;

    /// For an answer that is on its way: what was found out for the request itself.
    async fn remembered(&self, bucket: &BucketName) -> Option<Arc<Cors>>;
}
