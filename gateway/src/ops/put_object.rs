//! PutObject: write the bytes, then make them visible in one step; or, with an offset, append them.

use super::append_object::{self, Wanted};
use super::{Operations, ask, committed, context, object_key};
use crate::access::acl::Said;
use crate::checksums::show_checksum;
use crate::errors::s3;
use crate::headers::{self, given};
use crate::refusal::{ErrorCode, Refusal};
use crate::writer::Source;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use pocket_api::conditions::WriteCondition;
use pocket_api::hints::ObjectHints;
use pocket_api::limits::INLINE_MAX_BYTES;
use pocket_api::metadata::{Commit, NewMeta, Request};
use pocket_api::object::ObjectHeaders;
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    mut request: S3Request<PutObjectInput>,
) -> Result<S3Response<PutObjectOutput>, Refusal> {
    let context = context(&request)?;
    let condition = headers::write_condition(&request.headers)?;
    let acl = Said::read(&request.headers)?;
    let object_headers = given!(request, &acl).into_headers()?;
    let hints = headers::object_hints(&request.headers, object_headers.as_deref())?;
    let input = request.input;
    let key = object_key(&input.key)?;
    let size = match context.body_max_bytes {
        Some(max_bytes) => max_bytes,
        None => content_length(input.content_length)?,
    };
    let md5 = content_md5(input.content_md5.as_deref())?;
    let mut bucket = ops
        .bucket_to_write(
            ask!(request, context, super::writing(&request.headers, &acl))
                .on(&key)
                .making_object(&acl)
                .tagged(super::tags_of(object_headers.as_ref())),
            &input.bucket,
            &key,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;

    let seen = match input.write_offset_bytes {
        None => None,
        Some(offset) => {
            let of_creation = |h: &ObjectHeaders| !h.user.is_empty() || h.storage_class.is_some();
            let describes =
                hints != ObjectHints::default() || object_headers.as_deref().is_some_and(of_creation);
            let wanted = Wanted { key: &key, offset, size, condition: &condition, describes, acl: &acl };
            append_object::look(ops, &mut bucket, wanted).await?
        }
    };
    let body = input.body.ok_or_else(missing_length)?;
    let inline_max_bytes = seen.as_ref().map_or(INLINE_MAX_BYTES, append_object::inline_max_bytes);
    let source = Source { body, size, inline_max_bytes, md5, connection: &context.connection };
    let written = match context.body_max_bytes {
        Some(_) => ops.writer.write_at_most(&bucket, &key, source).await,
        None => ops.writer.write(&bucket, &key, source).await,
    };
    let written = written.map_err(|e| e.of_body(&context.body))?;
    let checksum = context.body.verified()?;

    let answer = match seen {
        Some(seen) => append_object::commit(ops, &mut bucket, &key, &seen, written, checksum).await?,
        None => {
            let (write, size, etag) = (written.write, written.size, written.etag);
            let meta = NewMeta { etag, checksum, headers: object_headers.clone(), hints };
            let appends = input.write_offset_bytes.is_some();
            let holds = if appends && condition == WriteCondition::None {
                WriteCondition::Absent
            } else {
                condition.clone()
            };
            let make = |content| {
                let (key, meta, condition) = (key.clone(), meta.clone(), holds.clone());
                Request::Commit(Commit { key, write, size, content, meta, condition })
            };
            let outcome = written.commit(&ops.placements, &mut bucket, &key, make).await;
            outcome.map_err(|error| match appends {
                true => append_object::of_creation(&bucket, error, &condition),
                false => bucket.failure(error),
            })?
        }
    };
    let committed = committed(answer)?;

    let mut output = PutObjectOutput {
        e_tag: Some(headers::etag(&committed.etag)),
        expiration: headers::expiration(committed.expires_at, committed.rule_end.as_ref()),
        size: input.write_offset_bytes.map(|_| committed.size as i64),
        checksum_type: committed.checksum.as_ref().map(|c| super::shown::checksum_type(c.kind)),
        ..Default::default()
    };
    show_checksum!(output, &committed.checksum, 0);
    Ok(S3Response::new(output))
}

/// Of the decoded body, as the edge passes it on.
pub(super) fn content_length(length: Option<i64>) -> Result<u64, Refusal> {
    length.and_then(|n| u64::try_from(n).ok()).ok_or_else(missing_length)
}

fn missing_length() -> Refusal {
    s3(ErrorCode::MissingContentLength, "You must provide the Content-Length HTTP header.")
}

/// The edge holds the body against it, so here it is the body's MD5.
pub(super) fn content_md5(header: Option<&str>) -> Result<Option<[u8; 16]>, Refusal> {
    let Some(header) = header else { return Ok(None) };
    let digest = BASE64.decode(header).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let bad = || s3(ErrorCode::InvalidDigest, "The Content-MD5 you specified was not valid.");
    digest.map(Some).ok_or_else(bad)
}
