//! DeleteObjects: up to 1,000 keys in one request, each with an outcome of its own.

use super::{Operations, ask, context, object_key, of_version};
use crate::access::Ask;
use crate::access::action::{Action, Actions};
use crate::errors::{from_call, not_implemented, s3};
use crate::refusal::{ErrorCode, Refusal};
use crate::versions::check_version;
use pocket_api::conditions::{ETagMatch, WriteCondition};
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::Request;
use pocket_api::names::ObjectKey;
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error, ObjectIdentifier};
use s3s::{S3Request, S3Response};
use std::collections::BTreeMap;

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<DeleteObjectsInput>,
) -> Result<S3Response<DeleteObjectsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > LIST_MAX_KEYS as usize {
        let text = format!("a request deletes 1 to {LIST_MAX_KEYS} objects, not {}", objects.len());
        return Err(s3(ErrorCode::MalformedXML, text));
    }
    if objects.iter().any(|o| o.last_modified_time.is_some() || o.size.is_some()) {
        return Err(not_implemented("conditions on an object's time or size are not implemented"));
    }
    let ask = ask!(request, context, Actions::NONE);
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = ops.bucket(ask, &super::bucket_name(&input.bucket)?, owner).await?;

    let mut failed: Vec<(usize, Refusal)> = Vec::new();
    let mut conditional: Vec<(usize, ObjectKey, WriteCondition, Actions)> = Vec::new();
    let mut alike: BTreeMap<Actions, (Vec<usize>, Vec<ObjectKey>)> = BTreeMap::new();
    for (i, object) in objects.iter().enumerate() {
        let version = object.version_id.as_ref();
        let asked =
            Actions::from(of_version(version.is_some(), Action::DeleteObject, Action::DeleteObjectVersion));
        match check(object) {
            Err(error) => failed.push((i, error)),
            Ok((key, WriteCondition::None)) => {
                let (places, keys) = alike.entry(asked).or_default();
                places.push(i);
                keys.push(key);
            }
            // The answer to a condition tells what is there.
            Ok((key, condition)) => conditional.push((i, key, condition, asked.and(Action::GetObject))),
        }
    }
    for (actions, (places, keys)) in alike {
        let mut bucket = bucket.clone().asking(Ask { actions, ..ask });
        let make = |keys| Request::DeleteMany { keys };
        let outcomes = ops.placements.call_each(&mut bucket, &keys, make).await;
        let errors = places.into_iter().zip(outcomes).filter_map(|(i, outcome)| Some((i, outcome.err()?)));
        failed.extend(errors.map(|(i, error)| (i, from_call(error))));
    }
    for (i, key, condition, actions) in conditional {
        let make = || Request::Delete { key: key.clone(), condition: condition.clone() };
        let outcome = async {
            let ask = Ask { actions, ..ask }.on(&key);
            ops.call(&mut ops.bucket(ask, &super::bucket_name(&input.bucket)?, owner).await?, &key, make)
                .await
        };
        if let Err(error) = outcome.await {
            failed.push((i, error));
        }
    }
    failed.sort_by_key(|(i, _)| *i);
    let quiet = input.delete.quiet.unwrap_or(false);
    Ok(S3Response::new(answer(objects, failed, quiet)))
}

fn check(object: &ObjectIdentifier) -> Result<(ObjectKey, WriteCondition), Refusal> {
    object.version_id.as_deref().map_or(Ok(()), check_version)?;
    let condition = match &object.e_tag {
        Some(tag) => WriteCondition::Matches(ETagMatch::parse(tag.value())),
        None => WriteCondition::None,
    };
    Ok((object_key(&object.key)?, condition))
}

/// `failed` is in the order of the objects.
fn answer(objects: Vec<ObjectIdentifier>, failed: Vec<(usize, Refusal)>, quiet: bool) -> DeleteObjectsOutput {
    let mut failed = failed.into_iter().peekable();
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (i, object) in objects.into_iter().enumerate() {
        match failed.next_if(|(at, _)| *at == i) {
            Some((_, error)) => errors.push(Error {
                code: Some(error.code.as_str().to_owned()),
                message: Some(error.message.into_owned()),
                key: Some(object.key),
                version_id: object.version_id,
            }),
            None if quiet => {}
            None => {
                let (key, version_id) = (Some(object.key), object.version_id);
                deleted.push(DeletedObject { key, version_id, ..Default::default() });
            }
        }
    }
    DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() }
}
