//! GetObjectAttributes: those that the request names, and no others.

use super::shown::checksum_type;
use super::{Operations, context, object_key};
use crate::checksums::show_checksum;
use crate::errors::{invalid_argument, s3};
use crate::headers;
use pocket_api::conditions::ReadConditions;
use pocket_api::metadata::{Lookup, Select, Want};
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, StorageClass,
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
    let lookup = Lookup {
        key: object_key(&input.key)?,
        conditions: ReadConditions::default(),
        select: Select::Whole,
        want: Want::Meta,
        wait: Duration::ZERO,
    };
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
    let mut bucket = ops.bucket(&context, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let (found, _) = ops.lookup(&mut bucket, lookup).await?;
    let meta = found.meta;

    let class =
        meta.headers.as_ref().and_then(|h| h.storage_class).map_or("STANDARD", |class| class.as_str());
    let checksum = meta.checksum.as_ref().filter(|_| wants("Checksum")).map(|sum| {
        let mut shown = Checksum { checksum_type: Some(checksum_type(sum.kind)), ..Default::default() };
        show_checksum!(shown, Some(sum), meta.parts);
        shown
    });
    // The parts themselves are listed only for uploads that are still going on.
    let parts =
        || GetObjectAttributesParts { total_parts_count: Some(meta.parts.into()), ..Default::default() };
    Ok(S3Response::new(GetObjectAttributesOutput {
        e_tag: wants("ETag").then(|| headers::etag(&meta.etag)),
        checksum,
        object_parts: (wants("ObjectParts") && meta.parts > 0).then(parts),
        object_size: wants("ObjectSize").then_some(meta.size as i64),
        storage_class: wants("StorageClass").then(|| StorageClass::from_static(class)),
        last_modified: Some(headers::timestamp(meta.last_modified)),
        ..Default::default()
    }))
}
