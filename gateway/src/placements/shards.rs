//! Calls to shards, and what their refusals say of the placement that they were called by.

use super::bucket::Bucket;
use crate::errors::CallError;
use bytes::Bytes;
use pocket_api::cluster::Directory;
use pocket_api::ids::NodeId;
use pocket_api::metadata::{Answer, JobRef, MetadataError, Reply, Request};
use pocket_api::names::ObjectKey;
use pocket_api::object::ObjectMeta;
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Shards(Arc<dyn Directory>);

impl Shards {
    pub(super) fn new(directory: Arc<dyn Directory>) -> Self {
        Self(directory)
    }

    pub(super) async fn send(
        &self,
        node: NodeId,
        job: JobRef,
        request: Request,
        payload: Bytes,
    ) -> Result<Answer, CallError> {
        let shard = self.0.shard(node).ok_or(CallError::Unreachable(node))?;
        Ok(shard.job(job, request, payload).await?)
    }

    /// Whether a call failed because its placement is not the bucket's any more.
    pub(super) fn is_stale<T>(&self, outcome: &Result<T, CallError>) -> bool {
        match outcome {
            Err(CallError::Metadata(MetadataError::NoSuchJob | MetadataError::StaleEpoch(_))) => true,
            // A dead shard is replaced, or takes its jobs with it: the controller knows which.
            Err(CallError::Unreachable(node)) => self.0.view().is_dead(*node),
            _ => false,
        }
    }

    /// Whether a shard knows the bucket's job otherwise than it is remembered here.
    pub(super) async fn have_changed(&self, bucket: &Bucket<'_>) -> bool {
        let asked = self.send(bucket.placement.shards[0], bucket.job(), Request::CheckEpoch, Bytes::new());
        self.is_stale(&asked.await)
    }

    /// What is said of an object; `None` where it is not there.
    pub(super) async fn find(
        &self,
        bucket: &Bucket<'_>,
        key: &ObjectKey,
    ) -> Result<Option<ObjectMeta>, CallError> {
        let describe = Request::Describe { key: key.clone() };
        let found = self.send(bucket.shard(key), bucket.job(), describe, Bytes::new()).await;
        match found {
            Ok(Answer { reply: Reply::Found(found), .. }) => Ok(Some(found.meta)),
            Ok(_) | Err(CallError::Metadata(MetadataError::NoSuchKey | MetadataError::Lost)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
