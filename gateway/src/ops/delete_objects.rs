//! DeleteObjects: up to 1,000 keys in one request, each with an outcome of its own.

use super::{Operations, ask, object_key, of_version};
use crate::errors::from_call;
use pocket_access::Ask;
use pocket_access::action::{Action, Actions};
use pocket_access::refusal::Refusal;
use pocket_api::conditions::WriteCondition;
use pocket_api::metadata::Request;
use pocket_api::names::{BucketName, ObjectKey};
use pocket_edge::calls::{Call, DeleteObjects, DeletedObjects, ObjectToDelete, Serve};
use pocket_edge::versions::check_version;
use std::collections::BTreeMap;

/// Keys that a shard deletes in one step, under its lock: a microsecond or two each.
const KEYS_A_CALL: usize = 256;

/// A key of the list, with its place there.
type Listed = (usize, ObjectKey);

impl Serve<DeleteObjects> for Operations {
    async fn serve(&self, mut call: Call<DeleteObjects>) -> Result<DeletedObjects, Refusal> {
        let DeleteObjects { bucket: name, list: document } = &mut call.input;
        let owner = call.expected_owner.as_str();
        // Where no policy tells keys apart, any of them stands for all.
        let any_key = object_key("*")?;
        let to_delete = ask!(call, call.context, Action::DeleteObject).on(&any_key);
        let any_of = Actions::from(Action::DeleteObject).and(Action::DeleteObjectVersion);
        let (list, bucket) = self.read(document, to_delete, any_of, name, owner).await?;
        // Each key is admitted by itself.
        let ask = ask!(call, call.context, Actions::NONE);
        let bucket = bucket.asking(ask);

        let mut failed: Vec<(usize, Refusal)> = Vec::new();
        let mut conditional: Vec<(Listed, WriteCondition, Actions)> = Vec::new();
        let mut alike: BTreeMap<Actions, (Vec<usize>, Vec<ObjectKey>)> = BTreeMap::new();
        for (i, object) in list.objects.iter().enumerate() {
            let versioned = object.named.version.is_some();
            let asked =
                Actions::from(of_version(versioned, Action::DeleteObject, Action::DeleteObjectVersion));
            match check(object) {
                Err(error) => failed.push((i, error)),
                Ok((key, WriteCondition::None)) => {
                    let (places, keys) = alike.entry(asked).or_default();
                    places.push(i);
                    keys.push(key);
                }
                // The answer to a condition tells what is there.
                Ok((key, condition)) => conditional.push(((i, key), condition, asked.and(Action::GetObject))),
            }
        }
        for (actions, (places, keys)) in alike {
            let mut bucket = bucket.clone().asking(Ask { actions, ..ask });
            let make = |keys| Request::DeleteMany { keys };
            for (places, keys) in places.chunks(KEYS_A_CALL).zip(keys.chunks(KEYS_A_CALL)) {
                let outcomes = self.placements.call_each(&mut bucket, keys, make).await;
                let errors =
                    places.iter().zip(outcomes).filter_map(|(i, outcome)| Some((*i, outcome.err()?)));
                failed.extend(errors.map(|(i, error)| (i, from_call(error))));
            }
        }
        for ((i, key), condition, actions) in conditional {
            let ask = Ask { actions, ..ask };
            if let Err(error) = delete_one(self, ask, name, owner, &key, &condition).await {
                failed.push((i, error));
            }
            // Where the shard is in this process nothing waits, and a decision may take all of a poll.
            tokio::task::yield_now().await;
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
