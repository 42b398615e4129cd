//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging: the tags of an object that stays the same one. A tag that
//! carries a hint is acted on when it is put: a TTL counts from now. Without one the object's bounds stay as they are.

use super::{Operations, ask, context, object_key, of_version};
use crate::access::action::Action;
use crate::errors::from_hint;
use crate::refusal::Refusal;
use crate::tags::{self, Tagged};
use pocket_api::conditions::ReadConditions;
use pocket_api::hints::ObjectHints;
use pocket_api::metadata::{Lookup, Request, Select, Want};
use pocket_api::object::Tags;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response};
use std::time::Duration;

pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetObjectTaggingInput>,
) -> Result<S3Response<GetObjectTaggingOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let lookup = Lookup {
        key: object_key(&input.key)?,
        conditions: ReadConditions::default(),
        select: Select::Whole,
        want: Want::Meta,
        wait: Duration::ZERO,
    };
    let asked =
        of_version(input.version_id.is_some(), Action::GetObjectTagging, Action::GetObjectVersionTagging);
    let ask = ask!(request, context, asked).on(&lookup.key);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    let (found, _) = ops.lookup(&mut bucket, &lookup).await?;
    let headers = found.meta.headers.as_deref();
    let tag_set = tags::to_set(headers.map_or(&[][..], |headers| &headers.tags));
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set, ..Default::default() }))
}

pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutObjectTaggingInput>,
) -> Result<S3Response<PutObjectTaggingOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let tags = tags::from_set(input.tagging.tag_set, Tagged::Object)?;
    let hints = ObjectHints::parse(tags::hints(&tags)).map_err(from_hint)?;
    let key = object_key(&input.key)?;
    let asked =
        of_version(input.version_id.is_some(), Action::PutObjectTagging, Action::PutObjectVersionTagging);
    let ask = ask!(request, context, asked).on(&key).tagged(&tags);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    let make = || Request::SetTags { key: key.clone(), tags: tags.clone(), hints: hints.clone() };
    ops.call(&mut bucket, &key, make).await?;
    Ok(S3Response::new(PutObjectTaggingOutput::default()))
}

pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Result<S3Response<DeleteObjectTaggingOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let key = object_key(&input.key)?;
    let asked = of_version(
        input.version_id.is_some(),
        Action::DeleteObjectTagging,
        Action::DeleteObjectVersionTagging,
    );
    let ask = ask!(request, context, asked).on(&key);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    let make = || Request::SetTags { key: key.clone(), tags: Tags::new(), hints: ObjectHints::default() };
    ops.call(&mut bucket, &key, make).await?;
    Ok(S3Response::new(DeleteObjectTaggingOutput::default()))
}
