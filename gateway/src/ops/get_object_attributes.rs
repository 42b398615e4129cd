//! GetObjectAttributes: those that the request names, and no others.

use super::shown::checksum_type;
use super::{Operations, ask, context, object_key, of_version};
use crate::access::action::{Action, Actions};
use crate::checksums::show_checksum;
use crate::context::BareETag;
use crate::errors::{invalid_argument, s3};
use crate::headers;
use crate::listing;
use crate::placements::Bucket;
use pocket_api::conditions::ReadConditions;
use pocket_api::metadata::{Lookup, Select, Want};
use pocket_api::names::ObjectKey;
use pocket_api::object::ObjectMeta;
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};
use std::time::Duration;

const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let context = context(&request)?;
    let input = request.input;
    let key = object_key(&input.key)?;
    // One header may name several.
    let named: Vec<&str> =
        input.object_attributes.iter().flat_map(|a| a.as_str().split(',')).map(str::trim).collect();
    if let Some(unknown) = named.iter().find(|name| !ATTRIBUTES.contains(name)) {
        return Err(invalid_argument(format!(
            "Invalid attribute name specified: {:?}",
            headers::shortened(unknown)
        )));
    }
    if named.is_empty() {
        return Err(s3(S3ErrorCode::InvalidRequest, "x-amz-object-attributes names no attribute"));
    }
    let wants = |name| named.contains(&name);
    let max = listing::max_items(input.max_parts, "x-amz-max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let bad = |_| invalid_argument(format!("x-amz-part-number-marker must be an integer from 0: {marker}"));
    let after = u32::try_from(marker).map_err(bad)?.min(u16::MAX.into()) as u16;
    let version = input.version_id.as_ref();
    let asked = Actions::from(of_version(version, Action::GetObject, Action::GetObjectVersion))
        .and(of_version(version, Action::GetObjectAttributes, Action::GetObjectVersionAttributes));
    let mut bucket = ops
        .bucket(ask!(request, context, asked).on(&key), &input.bucket, input.expected_bucket_owner.as_deref())
        .await?;
    let (meta, _) = part_of(ops, &mut bucket, &key, Select::Whole).await?;

    let class =
        meta.headers.as_ref().and_then(|h| h.storage_class).map_or("STANDARD", |class| class.as_str());
    let checksum = meta.checksum.as_ref().filter(|_| wants("Checksum")).map(|sum| {
        let mut shown = Checksum { checksum_type: Some(checksum_type(sum.kind)), ..Default::default() };
        show_checksum!(shown, Some(sum), meta.parts);
        shown
    });
    let object_parts = match wants("ObjectParts") && meta.parts > 0 {
        true => Some(parts(ops, &mut bucket, &key, &meta, after, max).await?),
        false => None,
    };
    let mut response = S3Response::new(GetObjectAttributesOutput {
        e_tag: wants("ETag").then(|| headers::etag(&meta.etag)),
        checksum,
        object_parts,
        object_size: wants("ObjectSize").then_some(meta.size as i64),
        storage_class: wants("StorageClass").then(|| StorageClass::from_static(class)),
        version_id: input.version_id,
        last_modified: Some(headers::timestamp(meta.last_modified)),
        ..Default::default()
    });
    response.extensions.insert(BareETag);
    Ok(response)
}

/// What is known of an object, and the size of what was selected of it.
async fn part_of(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    select: Select,
) -> S3Result<(ObjectMeta, u64)> {
    let lookup = Lookup {
        key: key.clone(),
        conditions: ReadConditions::default(),
        select,
        want: Want::Meta,
        wait: Duration::ZERO,
    };
    let (found, _) = ops.lookup(bucket, &lookup).await?;
    Ok((found.meta, found.len))
}

/// At most `max` parts above the number `after`, one lookup each: nothing but this rare call asks for them, so no
/// shard has an answer of its own for it. Shown are their sizes; their checksums are not kept when they are joined.
async fn parts(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    meta: &ObjectMeta,
    after: u16,
    max: usize,
) -> S3Result<GetObjectAttributesParts> {
    let mut listed: Vec<ObjectPart> = Vec::new();
    for number in (after.saturating_add(1)..=meta.parts).take(max) {
        let (now, size) = part_of(ops, bucket, key, Select::Part(number)).await?;
        if now.etag != meta.etag {
            let text = "The object was replaced while its parts were listed. Please try again.";
            return Err(s3(S3ErrorCode::OperationAborted, text));
        }
        let (part_number, size) = (Some(number.into()), Some(size as i64));
        listed.push(ObjectPart { part_number, size, ..Default::default() });
    }
    let last = listed.last().and_then(|part| part.part_number).unwrap_or(after.into());
    Ok(GetObjectAttributesParts {
        is_truncated: Some(max > 0 && last < meta.parts.into()),
        max_parts: Some(max as i32),
        next_part_number_marker: Some(last),
        part_number_marker: Some(after.into()),
        parts: Some(listed),
        total_parts_count: Some(meta.parts.into()),
    })
}
