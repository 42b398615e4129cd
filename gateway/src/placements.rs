//! The one way to a bucket and its shards: finds where a bucket lives in [`known`], has each request admitted by
//! [`admission`], and calls. A placement that has become stale is found out by the shard that refuses it, never by the
//! clock; then it is asked for again, and so is the question whether the request may.

mod admission;
mod bucket;
mod known;
mod placed;
mod recent;
mod shards;
mod table;
#[cfg(test)]
mod tests;
mod weights;

pub(crate) use bucket::{Bucket, Unasked};

use crate::errors::CallError;
use admission::Admission;
use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use known::Known;
use pocket_access::Ask;
use pocket_access::cors::Cors;
use pocket_api::clock::Clock;
use pocket_api::cluster::Directory;
use pocket_api::control::{Control, ControlError, Placement, WeightMap};
use pocket_api::env::Env;
use pocket_api::ids::{JobId, NodeId};
use pocket_api::limits::CHANGE_WITHIN;
use pocket_api::metadata::{Answer, JobRef, Request};
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::ObjectMeta;
use shards::Shards;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often one request follows a placement: once because the remembered one was stale, once more because it changed
/// while the request was on its way.
const REFETCHES_MAX: usize = 2;
/// How many answers of the controller's one such step waits for.
const QUESTIONS_MAX: usize = 2;

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
    known: Arc<Known>,
    shards: Shards,
    admission: Admission,
    clock: Arc<dyn Clock>,
}

impl Placements {
    /// Background work ends when the last clone is dropped.
    pub(crate) fn start(control: Arc<dyn Control>, directory: Arc<dyn Directory>, env: Env) -> Self {
        let shards = Shards::new(directory);
        let known = Known::start(control, env.clone());
        Self { known, admission: Admission::new(shards.clone(), env.clock()), shards, clock: env.clock() }
    }

    /// The bucket of a request, which is yet to be admitted.
    pub(crate) async fn find<'r>(&self, name: &BucketName, ask: Ask<'r>) -> Result<Bucket<'r>, CallError> {
        self.bucket(name, smallvec![ask]).await
    }

    async fn bucket<'r>(
        &self,
        name: &BucketName,
        asks: SmallVec<[Ask<'r>; 1]>,
    ) -> Result<Bucket<'r>, CallError> {
        let until = self.clock.now() + CHANGE_WITHIN;
        Ok(Bucket { placement: self.known.get(name).await?, asks, until })
    }

    /// Whether a request may do what it asks for. Whoever is refused was refused by what holds now: a placement that is
    /// remembered may be older than the rule that lets the request in.
    pub(crate) async fn admit(&self, bucket: &mut Bucket<'_>) -> Result<(), CallError> {
        for refetches in 0.. {
            let outcome = self.admission.admit(bucket).await;
            let is_stale = self.is_outdated(bucket, &outcome).await;
            if !is_stale || refetches == REFETCHES_MAX || !self.replace(bucket).await? {
                return outcome;
            }
        }
        unreachable!("the loop above ends by return")
    }

    /// Whether an outcome may be another one by what holds now.
    async fn is_outdated(&self, bucket: &Bucket<'_>, outcome: &Result<(), CallError>) -> bool {
        match outcome {
            Err(error) if error.is_refusal() => self.shards.have_changed(bucket).await,
            outcome => self.shards.is_stale(outcome),
        }
    }

    /// See [`Admission::admits_found`].
    pub(crate) fn admits_found(&self, bucket: &Bucket<'_>, found: &ObjectMeta) -> Result<(), CallError> {
        self.admission.admits_found(bucket, found)
    }

    /// See [`Admission::shown`].
    pub(crate) fn shown(&self, bucket: &Bucket<'_>, error: CallError) -> CallError {
        self.admission.shown(bucket, error)
    }

    /// A bucket's CORS configuration by what holds now.
    pub(crate) async fn cors(&self, name: &BucketName) -> Result<Option<Arc<Cors>>, CallError> {
        let mut bucket = self.bucket(name, SmallVec::new()).await?;
        if self.shards.have_changed(&bucket).await {
            self.replace(&mut bucket).await?;
        }
        Ok(bucket.rules().cors.clone())
    }

    /// A bucket's CORS configuration, if the bucket is remembered.
    pub(crate) fn remembered_cors(&self, name: &BucketName) -> Option<Arc<Cors>> {
        self.known.remembered(name)?.rules()?.cors.clone()
    }

    /// Remembers what the controller says from now on, which the answer to an earlier question may not be: for a bucket
    /// that may have changed a moment ago.
    pub(crate) async fn get_anew(&self, name: &BucketName) -> Result<(), ControlError> {
        self.known.get_anew(name).await.map(drop)
    }

    /// As [`Self::get_anew`], for a request that was admitted, and has to be again.
    pub(crate) async fn renew(&self, bucket: &mut Bucket<'_>) -> Result<(), CallError> {
        let placement = self.known.get_anew(&bucket.placement.bucket).await?;
        if placement.tenant != bucket.placement.tenant {
            return Err(ControlError::WrongTenant.into());
        }
        bucket.placement = placement;
        self.admission.admit(bucket).await
    }

    /// What the controller has just said of a bucket.
    pub(crate) fn learn(&self, bucket: &mut Bucket<'_>, placement: Placement) -> Result<(), ControlError> {
        bucket.placement = self.known.learn(placement)?;
        Ok(())
    }

    /// After this gateway made the bucket or ended it: what was heard of the name before counts no more.
    pub(crate) fn forget(&self, name: &BucketName) {
        self.known.forget(name);
    }

    /// Jobs whose placement is remembered.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.known.jobs()
    }

    /// These weight maps have changed.
    pub(crate) fn learn_weights(&self, maps: &[WeightMap]) {
        self.known.learn_weights(maps);
    }

    /// These have ended.
    pub(crate) fn drop_jobs(&self, ended: &[JobId]) {
        self.known.drop_jobs(ended);
    }

    /// Asks the controller again, unless somebody else already did. False when nothing has changed.
    async fn replace(&self, bucket: &mut Bucket<'_>) -> Result<bool, ControlError> {
        let stale = bucket.job();
        let is_stale = |p: &Placement| p.job == stale.job && p.epoch <= stale.epoch;
        // The first question may be one that somebody else asked before the change, and whose answer came after it. A
        // second one was asked after that answer, so it is believed whatever it says.
        for _ in 0..QUESTIONS_MAX {
            bucket.placement = self.known.get_unless(&bucket.placement.bucket.clone(), is_stale).await?;
            if !is_stale(&bucket.placement) {
                break;
            }
        }
        Ok(bucket.job() != stale)
    }

    /// As [`Self::replace`], for a request that is on its way.
    async fn follow(&self, bucket: &mut Bucket<'_>) -> Result<bool, CallError> {
        let tenant = bucket.placement.tenant.clone();
        let changed = self.replace(bucket).await?;
        // The name may have gone to another tenant meanwhile, and this request was admitted for the old one's.
        if bucket.placement.tenant != tenant {
            return Err(ControlError::WrongTenant.into());
        }
        Ok(changed)
    }

    /// As [`Self::follow`]; what the request may is decided anew.
    async fn refetch(&self, bucket: &mut Bucket<'_>) -> Result<bool, CallError> {
        let changed = self.follow(bucket).await?;
        if changed {
            self.admission.admit(bucket).await?;
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
            if !self.shards.is_stale(&outcome) || refetches == REFETCHES_MAX || !self.refetch(bucket).await? {
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
            if !self.shards.is_stale(&outcome) || refetches == REFETCHES_MAX || !self.refetch(bucket).await? {
                return outcome;
            }
        }
        unreachable!("the loop above ends by return")
    }

    /// Sends what `make` builds for the keys of one shard to each shard, as far as the request may do to a key what it asks
    /// for: an outcome for every key. Each key is admitted by itself, by what its object says, and is again whenever the
    /// placement turned out to be stale; its keys' shards may part then.
    pub(crate) async fn call_each(
        &self,
        bucket: &mut Bucket<'_>,
        keys: &[ObjectKey],
        make: impl Fn(Vec<ObjectKey>) -> Request + Send + Sync,
    ) -> Vec<Result<(), CallError>> {
        let mut outcomes = vec![Ok(()); keys.len()];
        let mut left: Vec<usize> = (0..keys.len()).collect();
        for refetches in 0..=REFETCHES_MAX {
            let asked: Vec<&ObjectKey> = left.iter().map(|&i| &keys[i]).collect();
            let admitted = self.admission.admit_each(bucket, &asked).await;
            left.iter().zip(admitted).for_each(|(&i, outcome)| outcomes[i] = outcome);
            // One that a shard could not be asked about says nothing of the rules.
            let is_refusal = |outcome: &&Result<(), CallError>| {
                outcome.as_ref().is_err_and(|error| error.is_refusal()) || self.shards.is_stale(*outcome)
            };
            let refused = left.iter().map(|&i| &outcomes[i]).find(is_refusal);
            if let Some(refused) = refused
                && refetches < REFETCHES_MAX
                && self.is_outdated(bucket, refused).await
            {
                match self.follow(bucket).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => {
                        left.iter().for_each(|&i| outcomes[i] = Err(error.clone()));
                        break;
                    }
                }
            }
            let stale = self.send_each(bucket, keys, &left, &mut outcomes, &make).await;
            if stale.is_empty() || refetches == REFETCHES_MAX {
                break;
            }
            match self.follow(bucket).await {
                Ok(true) => left = stale,
                Ok(false) => break,
                Err(error) => {
                    stale.iter().for_each(|&i| outcomes[i] = Err(error.clone()));
                    break;
                }
            }
        }
        outcomes
    }

    /// Those of `left` whose shard finds the placement stale. Keys that have failed already are passed over.
    async fn send_each(
        &self,
        bucket: &Bucket<'_>,
        keys: &[ObjectKey],
        left: &[usize],
        outcomes: &mut [Result<(), CallError>],
        make: &(impl Fn(Vec<ObjectKey>) -> Request + Send + Sync),
    ) -> Vec<usize> {
        let mut by_shard: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for &i in left.iter().filter(|&&i| outcomes[i].is_ok()) {
            by_shard.entry(bucket.shard(&keys[i])).or_default().push(i);
        }
        let calls = by_shard.into_iter().map(|(shard, places)| {
            let request = make(places.iter().map(|&i| keys[i].clone()).collect());
            async move { (self.send(shard, bucket.job(), request, Bytes::new()).await, places) }
        });
        let mut stale = Vec::new();
        for (outcome, places) in join_all(calls).await {
            let is_stale = self.shards.is_stale(&outcome);
            if let Err(error) = outcome {
                places.iter().for_each(|&i| outcomes[i] = Err(error.clone()));
            }
            if is_stale {
                stale.extend(places);
            }
        }
        stale
    }

    pub(crate) async fn send(
        &self,
        node: NodeId,
        job: JobRef,
        request: Request,
        payload: Bytes,
    ) -> Result<Answer, CallError> {
        self.shards.send(node, job, request, payload).await
    }
}
