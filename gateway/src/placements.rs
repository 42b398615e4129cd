//! Where buckets live: a bounded cache of what the controller said, and the one way to call a shard. A placement that
//! has become stale is found out by the shard that refuses it, never by the clock; only then is it fetched again.

mod bucket;

pub(crate) use bucket::Bucket;

use crate::access::Ask;
use crate::access::action::Action;
use crate::access::cors::Cors;
use crate::access::rules::Rules;
use crate::errors::CallError;
use crate::slices::end_step;
use bytes::Bytes;
use futures::future::try_join_all;
use moka::future::Cache;
use pocket_api::clock::Clock;
use pocket_api::cluster::Directory;
use pocket_api::control::{Control, ControlError, Placement};
use pocket_api::ids::{JobId, NodeId};
use pocket_api::metadata::{Answer, JobRef, MetadataError, Reply, Request};
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::ObjectMeta;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;
use std::time::Duration;

/// Memory for the buckets that are remembered: some 30,000 that say nothing but hints, and 30 with the longest settings.
const PLACEMENTS_MAX_BYTES: u64 = 16 << 20;
/// What a bucket takes by itself, without its settings.
const PLACEMENT_BYTES: usize = 500;
/// A safety net only: staleness is noticed by the shards.
const PLACEMENT_TTL: Duration = Duration::from_secs(60);
/// How often one request fetches a placement again: once because the cache was stale, once more because the placement
/// changed while the request was on its way.
const REFETCHES_MAX: usize = 2;
/// How many answers of the controller's one such fetch waits for.
const QUESTIONS_MAX: usize = 2;

/// A bucket as everybody sees it.
#[derive(Clone, Debug)]
struct Placed {
    placement: Arc<Placement>,
    rules: Option<Arc<Rules>>,
}

fn placed(placement: Placement) -> Result<Placed, ControlError> {
    let name = &placement.bucket;
    if placement.shards.is_empty() {
        return Err(ControlError::Unavailable(format!("bucket {name} has no shards")));
    }
    let rules = Rules::read(&placement.settings, name).map_err(ControlError::Unavailable)?;
    Ok(Placed { placement: Arc::new(placement), rules })
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
    clock: Arc<dyn Clock>,
    cache: Cache<BucketName, Placed>,
}

impl Placements {
    pub(crate) fn new(
        control: Arc<dyn Control>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // What is read out of the documents, once an epoch, is about as long as they are.
        let weight = |placed: &Placed| PLACEMENT_BYTES + 2 * placed.placement.settings.size_bytes();
        let cache = Cache::builder()
            .weigher(move |_, placed| u32::try_from(weight(placed)).unwrap_or(u32::MAX))
            .max_capacity(PLACEMENTS_MAX_BYTES)
            .time_to_live(PLACEMENT_TTL)
            .build();
        Self { control, directory, clock, cache }
    }

    /// The bucket of a request that may do what it asks for. Whoever is refused was refused by what holds now: a
    /// placement that is remembered may be older than the rule that lets the request in.
    pub(crate) async fn bucket<'r>(&self, name: &BucketName, ask: Ask<'r>) -> Result<Bucket<'r>, CallError> {
        let Placed { placement, rules } = self.get(name).await?;
        let mut bucket = Bucket { placement, rules, asks: smallvec![ask] };
        for refetches in 0.. {
            let outcome = self.admit(&bucket).await;
            let is_stale = match &outcome {
                Err(CallError::Denied | CallError::OwnersAlone | CallError::Refused(_)) => {
                    self.has_changed(&bucket).await
                }
                outcome => self.is_stale(outcome),
            };
            if !is_stale || refetches == REFETCHES_MAX || !self.replace(&mut bucket).await? {
                return outcome.map(|()| bucket);
            }
        }
        unreachable!("the loop above ends by return")
    }

    /// Which of `keys` the request may do what it asks for to.
    pub(crate) async fn admits_each(
        &self,
        bucket: &mut Bucket<'_>,
        keys: &[ObjectKey],
    ) -> Result<Vec<bool>, CallError> {
        let mut admitted = self.admit_each(bucket, keys).await?;
        if admitted.contains(&false) && self.has_changed(bucket).await {
            self.replace(bucket).await?;
            admitted = self.admit_each(bucket, keys).await?;
        }
        Ok(admitted)
    }

    async fn admit_each(&self, bucket: &Bucket<'_>, keys: &[ObjectKey]) -> Result<Vec<bool>, CallError> {
        let mut admitted = Vec::with_capacity(keys.len());
        for (step, key) in keys.iter().enumerate() {
            let mut outcome = Ok(());
            for ask in &bucket.asks {
                outcome = outcome.and(self.admit_one(bucket, &ask.on(key)).await);
            }
            match outcome {
                Ok(()) => admitted.push(true),
                Err(CallError::Denied | CallError::OwnersAlone) => admitted.push(false),
                Err(error) => return Err(error),
            }
            if bucket.rules.is_some() {
                end_step(step).await;
            }
        }
        Ok(admitted)
    }

    /// Whether a request may do all that it asks for.
    async fn admit(&self, bucket: &Bucket<'_>) -> Result<(), CallError> {
        for ask in &bucket.asks {
            self.admit_one(bucket, ask).await?;
        }
        Ok(())
    }

    async fn admit_one(&self, bucket: &Bucket<'_>, ask: &Ask<'_>) -> Result<(), CallError> {
        match ask.keys {
            [_, _, ..] if bucket.rules.is_some() => {
                for (step, key) in ask.keys.iter().enumerate() {
                    self.admit_key(bucket, &ask.on(key)).await?;
                    end_step(step).await;
                }
                Ok(())
            }
            _ => self.admit_key(bucket, ask).await,
        }
    }

    /// As [`Self::admit_one`], for one key at most.
    async fn admit_key(&self, bucket: &Bucket<'_>, ask: &Ask<'_>) -> Result<(), CallError> {
        let [key] = ask.keys else { return bucket.decide(ask, None, &*self.clock) };
        if !bucket.asks_for_object(ask) {
            return bucket.decide(ask, None, &*self.clock);
        }
        match self.find(bucket, key).await? {
            Some(found) => bucket.decide(ask, found.headers.as_deref(), &*self.clock),
            None => match bucket.decide(ask, None, &*self.clock) {
                // It would have been for the object to say, and who may list learns that there is none.
                Err(CallError::Denied)
                    if bucket.asks_for_acl(ask) && bucket.may(Action::ListBucket, &*self.clock) =>
                {
                    Err(MetadataError::NoSuchKey.into())
                }
                decided => decided,
            },
        }
    }

    /// What is said of an object; `None` where it is not there.
    async fn find(&self, bucket: &Bucket<'_>, key: &ObjectKey) -> Result<Option<ObjectMeta>, CallError> {
        let describe = Request::Describe { key: key.clone() };
        let found = self.send(bucket.shard(key), bucket.job(), describe, Bytes::new()).await;
        match found {
            Ok(Answer { reply: Reply::Found(found), .. }) => Ok(Some(found.meta)),
            Ok(_) | Err(CallError::Metadata(MetadataError::NoSuchKey | MetadataError::Lost)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an object that was found is still one that may be seen: its tags and its ACL may be others than those
    /// that the request was admitted by. For a bucket that was asked for this object alone.
    pub(crate) fn admits_found(&self, bucket: &Bucket<'_>, found: &ObjectMeta) -> Result<(), CallError> {
        for ask in bucket.asks.iter().filter(|ask| bucket.asks_for_object(ask)) {
            bucket.decide(ask, found.headers.as_deref(), &*self.clock)?;
        }
        Ok(())
    }

    /// What a request's caller may know of an error of a call for it.
    pub(crate) fn shown(&self, bucket: &Bucket<'_>, error: CallError) -> CallError {
        bucket.shown(error, &*self.clock)
    }

    /// Whether a shard knows the bucket's job otherwise than it is remembered here.
    async fn has_changed(&self, bucket: &Bucket<'_>) -> bool {
        let asked = self.send(bucket.placement.shards[0], bucket.job(), Request::CheckEpoch, Bytes::new());
        self.is_stale(&asked.await)
    }

    /// A bucket's CORS configuration by what holds now.
    pub(crate) async fn cors(&self, name: &BucketName) -> Result<Option<Arc<Cors>>, CallError> {
        let Placed { placement, rules } = self.get(name).await?;
        let mut bucket = Bucket { placement, rules, asks: SmallVec::new() };
        if self.has_changed(&bucket).await {
            self.replace(&mut bucket).await?;
        }
        Ok(bucket.rules.and_then(|rules| rules.cors.clone()))
    }

    /// Whether a bucket that is remembered has a policy.
    pub(crate) async fn has_policy(&self, name: &BucketName) -> bool {
        let placed = self.cache.get(name).await;
        placed.and_then(|placed| placed.rules).is_some_and(|rules| rules.policy.is_some())
    }

    /// A bucket's CORS configuration, if the bucket is remembered.
    pub(crate) async fn remembered_cors(&self, name: &BucketName) -> Option<Arc<Cors>> {
        self.cache.get(name).await?.rules?.cors.clone()
    }

    /// Concurrent misses of one bucket make one call.
    async fn get(&self, name: &BucketName) -> Result<Placed, ControlError> {
        if let Some(placed) = self.cache.get(name).await {
            return Ok(placed);
        }
        let placed = self.cache.try_get_with_by_ref(name, self.ask_controller(name)).await;
        placed.map_err(|error| ControlError::clone(&error))
    }

    /// Remembers what the controller says from now on, which the answer to an earlier question may not be: for a bucket
    /// that is known to have changed a moment ago.
    pub(crate) async fn get_anew(&self, name: &BucketName) -> Result<(), ControlError> {
        let placed = self.ask_controller(name).await?;
        self.cache.insert(name.clone(), placed).await;
        Ok(())
    }

    /// As [`Self::get_anew`], for a request that was admitted, and has to be again.
    pub(crate) async fn renew(&self, bucket: &mut Bucket<'_>) -> Result<(), CallError> {
        let placement = self.control.placement(&bucket.placement.bucket).await?;
        if placement.tenant != bucket.placement.tenant {
            return Err(ControlError::WrongTenant.into());
        }
        self.learn(bucket, placement).await?;
        self.admit(bucket).await
    }

    /// What the controller has just said of a bucket.
    pub(crate) async fn learn(
        &self,
        bucket: &mut Bucket<'_>,
        placement: Placement,
    ) -> Result<(), ControlError> {
        let placed = placed(placement)?;
        self.cache.insert(placed.placement.bucket.clone(), placed.clone()).await;
        (bucket.placement, bucket.rules) = (placed.placement, placed.rules);
        Ok(())
    }

    async fn ask_controller(&self, name: &BucketName) -> Result<Placed, ControlError> {
        placed(self.control.placement(name).await?)
    }

    /// After this gateway made the bucket or ended it.
    pub(crate) async fn forget(&self, name: &BucketName) {
        self.cache.invalidate(name).await;
    }

    /// Asks the controller again, unless somebody else already did. False when nothing has changed.
    async fn replace(&self, bucket: &mut Bucket<'_>) -> Result<bool, ControlError> {
        let stale = bucket.job();
        let name = bucket.placement.bucket.clone();
        let is_stale = |p: &Placed| p.placement.job == stale.job && p.placement.epoch <= stale.epoch;
        // The first question may be one that somebody else asked before the change, and whose answer came after it. A
        // second one was asked after that answer, so it is believed whatever it says.
        for _ in 0..QUESTIONS_MAX {
            if self.cache.get(&name).await.as_ref().is_some_and(is_stale) {
                self.cache.invalidate(&name).await;
            }
            let placed = self.get(&name).await?;
            let is_answer = !is_stale(&placed);
            (bucket.placement, bucket.rules) = (placed.placement, placed.rules);
            if is_answer {
                break;
            }
        }
        Ok(bucket.job() != stale)
    }

    /// As [`Self::replace`], for a request that is on its way and has to be admitted again.
    async fn refetch(&self, bucket: &mut Bucket<'_>) -> Result<bool, CallError> {
        let tenant = bucket.placement.tenant.clone();
        let changed = self.replace(bucket).await?;
        // The name may have gone to another tenant meanwhile, and this request was admitted for the old one's.
        if bucket.placement.tenant != tenant {
            return Err(ControlError::WrongTenant.into());
        }
        if changed {
            self.admit(bucket).await?;
        }
        Ok(changed)
    }

    /// Sends what `make` builds to the shard of `key`. Follows a stale placement as far as `follow` allows.
    pub(crate) async fn call(
        &self,
        bucket: &mut Bucket<'_>,
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
        bucket: &mut Bucket<'_>,
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
        self.cache.iter().map(|(_, placed)| placed.placement.job).collect()
    }

    /// These have ended. The cache forgets them on its own time, the shards refuse them at once.
    pub(crate) fn drop_jobs(&self, handle: &tokio::runtime::Handle, ended: &[JobId]) {
        let names: Vec<_> = self
            .cache
            .iter()
            .filter(|(_, p)| ended.contains(&p.placement.job))
            .map(|(name, _)| name)
            .collect();
        let cache = self.cache.clone();
        handle.spawn(async move {
            for name in names {
                cache.invalidate(&*name).await;
            }
        });
    }
}

#[cfg(test)]
mod tests;
