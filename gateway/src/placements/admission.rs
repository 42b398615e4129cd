//! Whether a request may do all that it asks for, decided with everything that the decision needs: the bucket's rules, and
//! what each object says where a rule asks for that. Decided anew whenever the placement was, since with it came the rules.

use super::bucket::Bucket;
use super::shards::Shards;
use crate::errors::CallError;
use futures::future::join_all;
use pocket_access::Ask;
use pocket_access::action::Action;
use pocket_api::clock::Clock;
use pocket_api::metadata::MetadataError;
use pocket_api::names::ObjectKey;
use pocket_api::object::ObjectMeta;
use std::sync::Arc;

/// Keys of one request that are decided at once: their shards answer meanwhile, and after so many decisions others have
/// their turn. Each takes some tens of microseconds; by a policy that may take long it is one.
const DECIDED_AT_ONCE: usize = 32;

#[derive(Clone)]
pub(super) struct Admission {
    shards: Shards,
    clock: Arc<dyn Clock>,
}

impl Admission {
    pub(super) fn new(shards: Shards, clock: Arc<dyn Clock>) -> Self {
        Self { shards, clock }
    }

    /// Whether a request may do all that it asks for.
    pub(super) async fn admit(&self, bucket: &Bucket<'_>) -> Result<(), CallError> {
        for ask in &bucket.asks {
            if ask.keys.is_empty() || !bucket.asks_for_object(ask, &*self.clock) {
                bucket.decide(ask, None, &*self.clock)?;
                continue;
            }
            for key in ask.keys {
                self.admit_one(bucket, &ask.on(key), key).await?;
            }
        }
        Ok(())
    }

    /// The same for each of `keys` by itself.
    pub(super) async fn admit_each(
        &self,
        bucket: &Bucket<'_>,
        keys: &[&ObjectKey],
    ) -> Vec<Result<(), CallError>> {
        let mut outcomes = Vec::with_capacity(keys.len());
        let policy = bucket.rules().policy.as_ref();
        let takes_long = policy.is_some_and(|policy| policy.policy.may_take_long());
        for some in keys.chunks(if takes_long { 1 } else { DECIDED_AT_ONCE }) {
            outcomes.extend(join_all(some.iter().map(|key| self.admit_key(bucket, key))).await);
            tokio::task::yield_now().await;
        }
        outcomes
    }

    async fn admit_key(&self, bucket: &Bucket<'_>, key: &ObjectKey) -> Result<(), CallError> {
        for ask in &bucket.asks {
            let ask = ask.on(key);
            match bucket.asks_for_object(&ask, &*self.clock) {
                true => self.admit_one(bucket, &ask, key).await?,
                false => bucket.decide(&ask, None, &*self.clock)?,
            }
        }
        Ok(())
    }

    /// `ask` is for `key` alone, and its object has a say.
    async fn admit_one(&self, bucket: &Bucket<'_>, ask: &Ask<'_>, key: &ObjectKey) -> Result<(), CallError> {
        match self.shards.find(bucket, key).await? {
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

    /// Whether an object that was found is still one that may be seen: its tags and its ACL may be others than those
    /// that the request was admitted by. For a bucket that was asked for this object alone.
    pub(super) fn admits_found(&self, bucket: &Bucket<'_>, found: &ObjectMeta) -> Result<(), CallError> {
        let mut asks = bucket.asks.iter().filter(|ask| bucket.asks_for_object(ask, &*self.clock));
        asks.try_for_each(|ask| bucket.decide(ask, found.headers.as_deref(), &*self.clock))
    }

    /// What a request's caller may know of an error of a call for it.
    pub(super) fn shown(&self, bucket: &Bucket<'_>, error: CallError) -> CallError {
        bucket.shown(error, &*self.clock)
    }
}
