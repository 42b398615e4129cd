//! Where buckets live: a bounded cache of what the controller said, and the one way to call a shard. A placement that
//! has become stale is found out by the shard that refuses it, never by the clock; only then is it fetched again.

use crate::errors::CallError;
use bytes::Bytes;
use futures::future::try_join_all;
use moka::future::Cache;
use pocket_api::cluster::Directory;
use pocket_api::control::{Control, ControlError, Placement, shard_of};
use pocket_api::ids::{JobId, NodeId};
use pocket_api::metadata::{Answer, JobRef, MetadataError, Request};
use pocket_api::names::{BucketName, ObjectKey};
use std::sync::Arc;
use std::time::Duration;

/// Buckets remembered at once. A placement takes some 500 bytes, so the cache stays below 5 MiB.
const PLACEMENTS_MAX: u64 = 10_000;
/// A safety net only: staleness is noticed by the shards.
const PLACEMENT_TTL: Duration = Duration::from_secs(60);
/// How often one request fetches a placement again: once because the cache was stale, once more because the placement
/// changed while the request was on its way.
const REFETCHES_MAX: usize = 2;

/// A bucket as one request sees it. Its placement is replaced when a shard finds it stale.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) placement: Arc<Placement>,
}

impl Bucket {
    pub(crate) fn job(&self) -> JobRef {
        JobRef { job: self.placement.job, epoch: self.placement.epoch }
    }

    /// The shard that a key lives at.
    pub(crate) fn shard(&self, key: &ObjectKey) -> NodeId {
        self.placement.shards[shard_of(key.as_str(), self.placement.shards.len())]
    }
}

/// What a call may do when its placement turns out to be stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Go wherever the key lives now, be it a new life of the bucket.
    Key,
    /// Go on only at the same shard of the same job, because bytes were written for it.
    SameShard,
}

#[derive(Clone)]
pub(crate) struct Placements {
    control: Arc<dyn Control>,
    directory: Arc<dyn Directory>,
    cache: Cache<BucketName, Arc<Placement>>,
}

impl Placements {
    pub(crate) fn new(control: Arc<dyn Control>, directory: Arc<dyn Directory>) -> Self {
        let cache = Cache::builder().max_capacity(PLACEMENTS_MAX).time_to_live(PLACEMENT_TTL).build();
        Self { control, directory, cache }
    }

    /// Concurrent misses of one bucket make one call.
    pub(crate) async fn get(&self, name: &BucketName) -> Result<Bucket, ControlError> {
        if let Some(placement) = self.cache.get(name).await {
            return Ok(Bucket { placement });
        }
        let placement = self.cache.try_get_with_by_ref(name, self.ask(name)).await;
        placement.map(|placement| Bucket { placement }).map_err(|error| ControlError::clone(&error))
    }

    /// What the controller says from now on, which the answer to an earlier question may not be: for a bucket that is
    /// known to have changed a moment ago.
    pub(crate) async fn get_anew(&self, name: &BucketName) -> Result<Bucket, ControlError> {
        let placement = self.ask(name).await?;
        self.cache.insert(name.clone(), placement.clone()).await;
        Ok(Bucket { placement })
    }

    async fn ask(&self, name: &BucketName) -> Result<Arc<Placement>, ControlError> {
        let placement = self.control.placement(name).await?;
        if placement.shards.is_empty() {
            return Err(ControlError::Unavailable(format!("bucket {name} has no shards")));
        }
        Ok(Arc::new(placement))
    }

    /// After this gateway made the bucket or ended it.
    pub(crate) async fn forget(&self, name: &BucketName) {
        self.cache.invalidate(name).await;
    }

    /// Asks the controller again, unless somebody else already did. False when nothing has changed.
    async fn refetch(&self, bucket: &mut Bucket) -> Result<bool, ControlError> {
        let stale = bucket.job();
        let name = &bucket.placement.bucket;
        let is_stale = |p: &Arc<Placement>| p.job == stale.job && p.epoch <= stale.epoch;
        if self.cache.get(name).await.as_ref().is_some_and(is_stale) {
            self.cache.invalidate(name).await;
        }
        let found = self.get(name).await?;
        // The name may have gone to another tenant meanwhile, and this request was admitted for the old one's.
        if found.placement.tenant != bucket.placement.tenant {
            return Err(ControlError::WrongTenant);
        }
        let changed = found.job() != stale;
        *bucket = found;
        Ok(changed)
    }

    /// Sends what `make` builds to the shard of `key`. Follows a stale placement as far as `follow` allows.
    pub(crate) async fn call(
        &self,
        bucket: &mut Bucket,
        key: &ObjectKey,
        follow: Follow,
        payload: Bytes,
        make: impl Fn() -> Request + Send + Sync,
    ) -> Result<Answer, CallError> {
        for refetches in 0.. {
            let node = bucket.shard(key);
            let job = bucket.job();
            let outcome = self.send(node, job, make(), payload.clone()).await;
            if !self.is_stale(&outcome) || refetches == REFETCHES_MAX || !self.refetch(bucket).await? {
                return outcome;
            }
            if follow == Follow::SameShard && (bucket.placement.job != job.job || bucket.shard(key) != node) {
                return Err(CallError::Moved);
            }
        }
        unreachable!("the loop above ends by return")
    }

    /// Sends the same request to all shards of a bucket; the answers come in the order of the shards. One failure
    /// fails all.
    pub(crate) async fn call_all(
        &self,
        bucket: &mut Bucket,
        make: impl Fn() -> Request + Send + Sync,
    ) -> Result<Vec<Answer>, CallError> {
        for refetches in 0.. {
            let job = bucket.job();
            let shards = &bucket.placement.shards;
            let outcome = match shards[..] {
                [only] => self.send(only, job, make(), Bytes::new()).await.map(|answer| vec![answer]),
                _ => try_join_all(shards.iter().map(|&n| self.send(n, job, make(), Bytes::new()))).await,
            };
            if !self.is_stale(&outcome) || refetches == REFETCHES_MAX || !self.refetch(bucket).await? {
                return outcome;
            }
        }
        unreachable!("the loop above ends by return")
    }

    pub(crate) async fn send(
        &self,
        node: NodeId,
        job: JobRef,
        request: Request,
        payload: Bytes,
    ) -> Result<Answer, CallError> {
        let shard = self.directory.shard(node).ok_or(CallError::Unreachable(node))?;
        Ok(shard.job(job, request, payload).await?)
    }

    fn is_stale<T>(&self, outcome: &Result<T, CallError>) -> bool {
        match outcome {
            Err(CallError::Metadata(MetadataError::NoSuchJob | MetadataError::StaleEpoch(_))) => true,
            // A dead shard is replaced, or takes its jobs with it: the controller knows which.
            Err(CallError::Unreachable(node)) => self.directory.view().is_dead(*node),
            _ => false,
        }
    }

    /// Jobs whose placement is remembered.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.cache.iter().map(|(_, placement)| placement.job).collect()
    }

    /// These have ended. The cache forgets them on its own time, the shards refuse them at once.
    pub(crate) fn drop_jobs(&self, handle: &tokio::runtime::Handle, ended: &[JobId]) {
        let names: Vec<_> =
            self.cache.iter().filter(|(_, p)| ended.contains(&p.job)).map(|(name, _)| name).collect();
        let cache = self.cache.clone();
        handle.spawn(async move {
            for name in names {
                cache.invalidate(&*name).await;
            }
        });
    }
}
