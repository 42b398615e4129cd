//! GetObjectAttributes: those that the request names, and no others.

use super::checksum_type;
use super::{Operations, ask, context, object_key, of_version, wrong_reply};
use crate::access::action::{Action, Actions};
use crate::checksums::show_checksum;
use crate::context::BareETag;
use crate::errors::{bad_argument, from_call, s3};
use crate::headers;
use crate::listing;
use crate::placements::Bucket;
use crate::refusal::{ErrorCode, Refusal};
use pocket_api::metadata::{PartsPage, Reply, Request};
use pocket_api::names::ObjectKey;
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};
use s3s::{S3Request, S3Response};

const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<GetObjectAttributesInput>,
) -> Result<S3Response<GetObjectAttributesOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let key = object_key(&input.key)?;
    // One header may name several.
    let named: Vec<&str> =
        input.object_attributes.iter().flat_map(|a| a.as_str().split(',')).map(str::trim).collect();
    if let Some(unknown) = named.iter().find(|name| !ATTRIBUTES.contains(name)) {
        let text = format!("Invalid attribute name specified: {:?}", headers::shortened(unknown));
        return Err(bad_argument("x-amz-object-attributes", unknown, text));
    }
    if named.is_empty() {
        return Err(s3(ErrorCode::InvalidRequest, "x-amz-object-attributes names no attribute"));
    }
    let wants = |name| named.contains(&name);
    let max = listing::max_items(input.max_parts, "x-amz-max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let bad = |_| {
        let text = format!("x-amz-part-number-marker must be an integer from 0: {marker}");
        bad_argument("x-amz-part-number-marker", marker, text)
    };
    let after = u32::try_from(marker).map_err(bad)?.min(u16::MAX.into()) as u16;
    let version = input.version_id.as_ref();
    let asked = Actions::from(of_version(version.is_some(), Action::GetObject, Action::GetObjectVersion))
        .and(of_version(version.is_some(), Action::GetObjectAttributes, Action::GetObjectVersionAttributes));
    let mut bucket = ops
        .bucket(
            ask!(request, context, asked).on(&key),
            &super::bucket_name(&input.bucket)?,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let wants_parts = wants("ObjectParts");
    let page = parts_page(ops, &mut bucket, &key, after, if wants_parts { max as u32 } else { 0 }).await?;
    let meta = &page.meta;

    let class =
        meta.headers.as_ref().and_then(|h| h.storage_class).map_or("STANDARD", |class| class.as_str());
    let checksum = meta.checksum.as_ref().filter(|_| wants("Checksum")).map(|sum| {
        let mut shown = Checksum { checksum_type: Some(checksum_type(sum.kind)), ..Default::default() };
        show_checksum!(shown, Some(sum), meta.parts);
        shown
    });
    let object_parts = (wants_parts && meta.parts > 0).then(|| show_parts(&page, after, max));
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

async fn parts_page(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    after: u16,
    max: u32,
) -> Result<PartsPage, Refusal> {
    match ops.call(bucket, key, || Request::Parts { key: key.clone(), after, max }).await?.reply {
        Reply::Parts(page) => {
            ops.placements.admits_found(bucket, &page.meta).map_err(from_call)?;
            Ok(*page)
        }
        _ => Err(wrong_reply()),
    }
}

fn show_parts(page: &PartsPage, after: u16, max: usize) -> GetObjectAttributesParts {
    let show = |part: &pocket_api::metadata::ObjectPart| {
        let (part_number, size) = (Some(part.number.into()), Some(part.size as i64));
        let mut shown = ObjectPart { part_number, size, ..Default::default() };
        show_checksum!(shown, &part.checksum, 0);
        shown
    };
    GetObjectAttributesParts {
        is_truncated: Some(max > 0 && page.more),
        max_parts: Some(max as i32),
        next_part_number_marker: Some(page.parts.last().map_or(after, |part| part.number).into()),
        part_number_marker: Some(after.into()),
        parts: Some(page.parts.iter().map(show).collect()),
        total_parts_count: Some(page.meta.parts.into()),
    }
}
