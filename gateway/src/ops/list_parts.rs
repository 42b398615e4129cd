//! ListParts: one page of the parts of an upload that is going on.

use super::checksum_type;
use super::show_owner;
use super::{Operations, ask, context, object_key, wrong_reply};
use crate::access::action::Action;
use crate::checksums::show_checksum;
use crate::errors::{bad_argument, no_such_upload};
use crate::headers;
use crate::listing;
use crate::placements::Bucket;
use crate::refusal::Refusal;
use pocket_api::metadata::{Reply, Request, UploadId, UploadPage, UploadedPart};
use pocket_api::names::ObjectKey;
use s3s::dto::{ChecksumAlgorithm, Initiator, ListPartsInput, ListPartsOutput, Part, StorageClass};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<ListPartsInput>,
) -> Result<S3Response<ListPartsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let key = object_key(&input.key)?;
    let max = listing::max_items(input.max_parts, "max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let bad = |_| {
        let text = format!("Argument part-number-marker must be an integer from 0: {marker}");
        bad_argument("part-number-marker", marker, text)
    };
    // A marker beyond the highest part number is allowed and leads to nothing.
    let after = u32::try_from(marker).map_err(bad)?.min(u16::MAX.into()) as u16;
    let upload = UploadId(input.upload_id.as_str().into());
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::ListMultipartUploadParts).on(&key),
            &super::bucket_name(&input.bucket)?,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    // A shard is never asked for nothing.
    let mut page = upload_page(ops, &mut bucket, &key, &upload, after, max.max(1) as u32).await?;
    if page.completed.is_some() {
        return Err(no_such_upload());
    }
    if max == 0 {
        page.parts.clear();
        page.more = false;
    }
    let class = page.info.storage_class.map_or("STANDARD", |class| class.as_str());
    let owner = &bucket.placement.tenant;
    let id = Some(owner.to_string());
    let (abort_date, abort_rule_id) = headers::abort(page.rule_end.as_ref());
    Ok(S3Response::new(ListPartsOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        checksum_algorithm: page.info.checksum.map(|(a, _)| ChecksumAlgorithm::from_static(a.as_str())),
        checksum_type: page.info.checksum.map(|(_, kind)| checksum_type(kind)),
        initiator: Some(Initiator { display_name: id.clone(), id }),
        is_truncated: Some(page.more),
        key: Some(input.key),
        max_parts: Some(max as i32),
        next_part_number_marker: page.parts.last().map(|part| part.number.into()),
        owner: Some(show_owner(owner)),
        part_number_marker: Some(marker),
        parts: Some(page.parts.iter().map(show_part).collect()),
        storage_class: Some(StorageClass::from_static(class)),
        upload_id: Some(input.upload_id),
        ..Default::default()
    }))
}

fn show_part(part: &UploadedPart) -> Part {
    let mut shown = Part {
        e_tag: Some(headers::etag(&part.etag)),
        last_modified: Some(headers::timestamp(part.last_modified)),
        part_number: Some(part.number.into()),
        size: Some(part.size as i64),
        ..Default::default()
    };
    show_checksum!(shown, &part.checksum, 0);
    shown
}

/// An upload with parts of numbers above `after`.
pub(super) async fn upload_page(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    upload: &UploadId,
    after: u16,
    max: u32,
) -> Result<UploadPage, Refusal> {
    let make = || Request::Upload { key: key.clone(), upload: upload.clone(), after, max };
    match ops.call(bucket, key, make).await?.reply {
        Reply::Upload(page) => Ok(*page),
        _ => Err(wrong_reply()),
    }
}
