//! DeleteObjects: up to 1,000 keys in one request, each with an outcome of its own.

use super::{Operations, context, object_key};
use crate::errors::{from_call, not_implemented, refused, s3};
use crate::placements::{Bucket, Follow};
use crate::versions::check_version;
use bytes::Bytes;
use futures::future::join_all;
use pocket_api::conditions::{ETagMatch, WriteCondition};
use pocket_api::ids::NodeId;
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::Request;
use pocket_api::names::ObjectKey;
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error, ObjectIdentifier};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use std::collections::BTreeMap;

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let context = context(&request)?;
    let input = request.input;
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > LIST_MAX_KEYS as usize {
        let text = format!("a request deletes 1 to {LIST_MAX_KEYS} objects, not {}", objects.len());
        return Err(s3(S3ErrorCode::MalformedXML, text));
    }
    if objects.iter().any(|o| o.last_modified_time.is_some() || o.size.is_some()) {
        return Err(not_implemented("conditions on an object's time or size are not implemented"));
    }
    let bucket = ops.bucket(&context, &input.bucket, input.expected_bucket_owner.as_deref()).await?;

    let mut failed: Vec<(usize, S3Error)> = Vec::new();
    let mut conditional: Vec<(usize, ObjectKey, WriteCondition)> = Vec::new();
    let mut by_shard: BTreeMap<NodeId, Vec<(usize, ObjectKey)>> = BTreeMap::new();
    for (i, object) in objects.iter().enumerate() {
        match check(object) {
            Err(error) => failed.push((i, error)),
            Ok((key, WriteCondition::None)) => by_shard.entry(bucket.shard(&key)).or_default().push((i, key)),
            Ok((key, condition)) => conditional.push((i, key, condition)),
        }
    }
    let bulk = join_all(by_shard.into_values().map(|keys| delete_many(ops, bucket.clone(), keys))).await;
    failed.extend(bulk.into_iter().flatten());
    for (i, key, condition) in conditional {
        let make = || Request::Delete { key: key.clone(), condition: condition.clone() };
        if let Err(error) = ops.call(&mut bucket.clone(), &key, make).await {
            failed.push((i, error));
        }
    }
    failed.sort_by_key(|(i, _)| *i);
    let quiet = input.delete.quiet.unwrap_or(false);
    Ok(S3Response::new(answer(objects, failed, quiet)))
}

fn check(object: &ObjectIdentifier) -> S3Result<(ObjectKey, WriteCondition)> {
    object.version_id.as_deref().map_or(Ok(()), check_version).map_err(refused)?;
    let condition = match &object.e_tag {
        Some(tag) => WriteCondition::Matches(ETagMatch::parse(tag.value())),
        None => WriteCondition::None,
    };
    Ok((object_key(&object.key)?, condition))
}

/// All keys of one shard. Should the placement change meanwhile, their shards may part: then each goes its own way.
async fn delete_many(
    ops: &Operations,
    mut bucket: Bucket,
    keys: Vec<(usize, ObjectKey)>,
) -> Vec<(usize, S3Error)> {
    let Some((_, first)) = keys.first() else { return Vec::new() };
    let make = || Request::DeleteMany { keys: keys.iter().map(|(_, key)| key.clone()).collect() };
    let outcome = ops.placements.call(&mut bucket, first, Follow::SameShard, Bytes::new(), make).await;
    match outcome {
        Ok(_) => Vec::new(),
        Err(crate::errors::CallError::Moved) => {
            let mut failed = Vec::new();
            for (i, key) in keys {
                let make = || Request::Delete { key: key.clone(), condition: WriteCondition::None };
                if let Err(error) = ops.call(&mut bucket, &key, make).await {
                    failed.push((i, error));
                }
            }
            failed
        }
        Err(error) => keys.iter().map(|(i, _)| (*i, from_call(error.clone()))).collect(),
    }
}

/// `failed` is in the order of the objects.
fn answer(objects: Vec<ObjectIdentifier>, failed: Vec<(usize, S3Error)>, quiet: bool) -> DeleteObjectsOutput {
    let mut failed = failed.into_iter().peekable();
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (i, object) in objects.into_iter().enumerate() {
        match failed.next_if(|(at, _)| *at == i) {
            Some((_, error)) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
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
