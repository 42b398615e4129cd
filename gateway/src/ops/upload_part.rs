//! UploadPart: write the bytes, then name them in the upload. A part of the same number is replaced.

use super::list_parts::upload_page;
use super::put_object::{content_length, content_md5};
use super::{Operations, ask, context, object_key};
use crate::access::action::Action;
use crate::checksums::show_checksum;
use crate::errors::{from_call, no_such_upload, s3};
use crate::headers;
use crate::placements::Bucket;
use crate::refusal::{ErrorCode, Refusal};
use crate::writer::Source;
use pocket_api::checksum::ChecksumAlgorithm;
use pocket_api::limits::INLINE_MAX_BYTES;
use pocket_api::metadata::{PutPart, Request, UploadId, UploadInfo};
use pocket_api::names::ObjectKey;
use s3s::dto::{StreamingBlob, UploadPartInput, UploadPartOutput};
use s3s::{Body, S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<UploadPartInput>,
) -> Result<S3Response<UploadPartOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let key = object_key(&input.key)?;
    let number = headers::part_number(input.part_number)?;
    let size = content_length(input.content_length)?;
    let md5 = content_md5(input.content_md5.as_deref())?;
    let upload = UploadId(input.upload_id.as_str().into());
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::PutObject).on(&key),
            &input.bucket,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let info = check_upload(ops, &mut bucket, &key, &upload, size).await?;

    let body = input.body.unwrap_or_else(|| StreamingBlob::from(Body::empty()));
    let inline_max_bytes = INLINE_MAX_BYTES;
    let source = Source { body, size, inline_max_bytes, md5, connection: &context.connection };
    let written = ops.writer.write(&bucket, &key, source).await.map_err(|e| e.of_body(&context.body))?;
    let checksum = context.body.verified()?;
    if let Some(sum) = &checksum {
        // Only a small part comes here without.
        let info = match info {
            Some(info) => info,
            None => open_upload(ops, &mut bucket, &key, &upload).await?,
        };
        check_algorithm(&info, sum.algorithm)?;
    }

    let (write, etag) = (written.write, written.etag);
    let make = |content| {
        let (key, upload, checksum) = (key.clone(), upload.clone(), checksum.clone());
        Request::PutPart(PutPart { key, upload, number, write, size, etag, checksum, content })
    };
    written.commit(&ops.placements, &mut bucket, &key, make).await.map_err(from_call)?;

    let mut output = UploadPartOutput { e_tag: Some(headers::etag(&etag)), ..Default::default() };
    show_checksum!(output, &checksum, 0);
    Ok(S3Response::new(output))
}

/// Refuses a large part of an upload that is not there before its body is read and space is taken for it. For a small
/// one that would cost more than finding out when it is committed.
pub(super) async fn check_upload(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    upload: &UploadId,
    size: u64,
) -> Result<Option<UploadInfo>, Refusal> {
    if size <= INLINE_MAX_BYTES as u64 {
        return Ok(None);
    }
    open_upload(ops, bucket, key, upload).await.map(Some)
}

/// What was said of an upload that is going on.
pub(super) async fn open_upload(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    upload: &UploadId,
) -> Result<UploadInfo, Refusal> {
    let page = upload_page(ops, bucket, key, upload, u16::MAX, 1).await?;
    if page.completed.is_some() { Err(no_such_upload()) } else { Ok(page.info) }
}

/// A sum of another algorithm than the announced one would leave the object without its checksum, unnoticed.
fn check_algorithm(info: &UploadInfo, found: ChecksumAlgorithm) -> Result<(), Refusal> {
    match info.checksum {
        Some((announced, _)) if announced != found => {
            let text = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {announced}, actual checksum Type: {found}"
            );
            Err(s3(ErrorCode::InvalidRequest, text))
        }
        _ => Ok(()),
    }
}
