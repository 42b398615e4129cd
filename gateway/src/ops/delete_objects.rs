//! DeleteObjects: up to 1,000 keys in one request, each with an outcome of its own.

use super::{Operations, ask, object_key, of_version};
use crate::access::Ask;
use crate::access::action::{Action, Actions};
use crate::calls::{Call, DeleteObjects, DeletedObjects, ObjectToDelete, Serve};
use crate::errors::{CallError, access_denied, from_call};
use crate::placements::{Bucket, Follow};
use crate::refusal::Refusal;
use crate::slices::end_step;
use crate::versions::check_version;
use bytes::Bytes;
use futures::future::join_all;
use pocket_api::conditions::WriteCondition;
use pocket_api::ids::NodeId;
use pocket_api::metadata::Request;
use pocket_api::names::{BucketName, ObjectKey};
use std::collections::BTreeMap;

/// Keys that a shard is asked to delete at once: it does so without anything between, in some microseconds each.
const KEYS_A_CALL: usize = 125;

/// A key of the list, with its place there.
type Listed = (usize, ObjectKey);

impl Serve<DeleteObjects> for Operations {
    async fn serve(&self, mut call: Call<DeleteObjects>) -> Result<DeletedObjects, Refusal> {
        let DeleteObjects { bucket: name, list: document } = &mut call.input;
        let owner = call.expected_owner.as_str();
        // Where no policy tells keys apart, any of them stands for all.
        let any_key = object_key("*")?;
        let to_delete = ask!(call, call.context, Action::DeleteObject).on(&any_key);
        let list = self.read(document, to_delete, name, owner).await?;
        let ask = ask!(call, call.context, Actions::NONE);
        let bucket = self.bucket(ask, name, owner).await?;

        let mut failed: Vec<(usize, Refusal)> = Vec::new();
        let mut conditional: Vec<(Listed, WriteCondition, Actions)> = Vec::new();
        let mut alike: BTreeMap<(NodeId, Actions), Vec<Listed>> = BTreeMap::new();
        for (i, object) in list.objects.iter().enumerate() {
            let versioned = object.named.version.is_some();
            let asked =
                Actions::from(of_version(versioned, Action::DeleteObject, Action::DeleteObjectVersion));
            match check(object) {
                Err(error) => failed.push((i, error)),
                Ok((key, WriteCondition::None)) => {
                    alike.entry((bucket.shard(&key), asked)).or_default().push((i, key))
                }
                // The answer to a condition tells what is there.
                Ok((key, condition)) => conditional.push(((i, key), condition, asked.and(Action::GetObject))),
            }
        }
        let mut admitted = Vec::new();
        // One after the other, or one poll would have a slice of each.
        for ((_, actions), keys) in alike {
            let ask = Ask { actions, ..ask };
            match admit_many(self, bucket.clone().asking(ask), keys, &mut failed).await {
                Ok(may) => admitted.push((ask, may)),
                Err(refused) => failed.extend(refused),
            }
        }
        let bulk = admitted.iter().map(|(ask, admitted)| delete_many(self, *ask, name, owner, admitted));
        failed.extend(join_all(bulk).await.into_iter().flatten());
        for (step, ((i, key), condition, actions)) in conditional.into_iter().enumerate() {
            let ask = Ask { actions, ..ask };
            if let Err(error) = delete_one(self, ask, name, owner, &key, &condition).await {
                failed.push((i, error));
            }
            end_step(step).await;
        }
        failed.sort_by_key(|(i, _)| *i);
        Ok(answer(list.objects, failed, list.quiet))
    }
}

fn check(object: &ObjectToDelete) -> Result<(ObjectKey, WriteCondition), Refusal> {
    object.named.version.as_deref().map_or(Ok(()), check_version)?;
    let condition = object.if_match.clone().map_or(WriteCondition::None, WriteCondition::Matches);
    Ok((object_key(&object.named.key)?, condition))
}

/// Keys of one shard that may be deleted.
struct Admitted<'r> {
    bucket: Bucket<'r>,
    places: Vec<usize>,
    keys: Vec<ObjectKey>,
    /// The placement has not changed since the keys were found to be of one shard.
    of_one_shard: bool,
}

/// Decides key by key; those that may not be deleted are added to `failed`.
async fn admit_many<'r>(
    ops: &Operations,
    mut bucket: Bucket<'r>,
    keys: Vec<Listed>,
    failed: &mut Vec<(usize, Refusal)>,
) -> Result<Admitted<'r>, Vec<(usize, Refusal)>> {
    let (places, keys): (Vec<usize>, Vec<ObjectKey>) = keys.into_iter().unzip();
    let job = bucket.job();
    let admitted = match ops.placements.admits_each(&mut bucket, &keys).await {
        Ok(admitted) => admitted,
        Err(error) => return Err(places.into_iter().map(|i| (i, from_call(error.clone()))).collect()),
    };
    let (mut may_places, mut may_keys) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for ((i, key), is_admitted) in places.into_iter().zip(keys).zip(admitted) {
        if is_admitted {
            may_places.push(i);
            may_keys.push(key);
        } else {
            failed.push((i, access_denied("Access Denied")));
        }
    }
    let of_one_shard = bucket.job() == job;
    Ok(Admitted { bucket, places: may_places, keys: may_keys, of_one_shard })
}

/// Should the placement change meanwhile, shards may part, and rules may tell keys apart: then each key goes its own way, and is
/// decided about by itself.
async fn delete_many(
    ops: &Operations,
    ask: Ask<'_>,
    name: &BucketName,
    owner: Option<&str>,
    admitted: &Admitted<'_>,
) -> Vec<(usize, Refusal)> {
    let mut failed = Vec::new();
    let slices = admitted.places.chunks(KEYS_A_CALL).zip(admitted.keys.chunks(KEYS_A_CALL));
    for (places, keys) in slices {
        let mut bucket = admitted.bucket.clone().asking(Ask { keys, ..ask });
        let make = || Request::DeleteMany { keys: keys.to_vec() };
        let outcome = match admitted.of_one_shard {
            true => ops.placements.call(&mut bucket, &keys[0], Follow::SameShard, Bytes::new(), make).await,
            false => Err(CallError::Moved),
        };
        match outcome {
            Ok(_) => {}
            Err(CallError::Moved | CallError::Denied | CallError::OwnersAlone) => {
                for (step, (i, key)) in places.iter().zip(keys).enumerate() {
                    let outcome = delete_one(ops, ask, name, owner, key, &WriteCondition::None).await;
                    failed.extend(outcome.err().map(|error| (*i, error)));
                    end_step(step).await;
                }
            }
            Err(error) => failed.extend(places.iter().map(|i| (*i, from_call(error.clone())))),
        }
        tokio::task::yield_now().await;
    }
    failed
}

async fn delete_one(
    ops: &Operations,
    ask: Ask<'_>,
    name: &BucketName,
    owner: Option<&str>,
    key: &ObjectKey,
    condition: &WriteCondition,
) -> Result<(), Refusal> {
    let make = || Request::Delete { key: key.clone(), condition: condition.clone() };
    let mut bucket = ops.bucket(ask.on(key), name, owner).await?;
    ops.call(&mut bucket, key, make).await?;
    Ok(())
}

/// `failed` is in the order of the objects.
fn answer(objects: Vec<ObjectToDelete>, failed: Vec<(usize, Refusal)>, quiet: bool) -> DeletedObjects {
    let mut failed = failed.into_iter().peekable();
    let mut answer = DeletedObjects::default();
    for (i, object) in objects.into_iter().enumerate() {
        match failed.next_if(|(at, _)| *at == i) {
            Some((_, refusal)) => answer.failed.push((object.named, refusal)),
            None if quiet => {}
            None => answer.deleted.push(object.named),
        }
    }
    answer
}
