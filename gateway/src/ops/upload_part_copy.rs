//! UploadPartCopy: a part made of (a range of) an object, by references inside a bucket and by bytes between two.

use super::check_readable;
use super::copy_object::{copy_bytes, reading_source, source_of};
use super::upload_part::open_upload;
use super::{Operations, ask, context, copied_checksum, object_key};
use crate::access::action::Action;
use crate::checksums::show_checksum;
use crate::copies::{self, CopySource};
use crate::errors::{bad_argument, from_call};
use crate::headers;
use crate::refusal::Refusal;
use pocket_api::checksum::Checksum;
use pocket_api::clock::Timestamp;
use pocket_api::ids::WriteId;
use pocket_api::metadata::{ByteRange, PutPart, Request, Select, UploadId};
use pocket_api::object::{ETag, NewContent, ObjectMeta};
use s3s::dto::{CopyPartResult, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<UploadPartCopyInput>,
) -> Result<S3Response<UploadPartCopyOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let key = object_key(&input.key)?;
    let number = headers::part_number(input.part_number)?;
    let (source_bucket, source_key) = source_of(&input.copy_source)?;
    let select = match input.copy_source_range.as_deref() {
        Some(range) => Select::Range(headers::copy_source_range(range)?),
        None => Select::Whole,
    };
    let conditions = headers::read_conditions(
        input.copy_source_if_match,
        input.copy_source_if_none_match,
        input.copy_source_if_modified_since,
        input.copy_source_if_unmodified_since,
    );
    let upload = UploadId(input.upload_id.as_str().into());
    let writes = ask!(request, context, Action::PutObject).on(&key);
    let mut to = ops
        .bucket(writes, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref())
        .await?;
    let reads = ask!(request, context, reading_source(&input.copy_source)).on(&source_key);
    let owner = input.expected_source_bucket_owner.as_deref();
    let mut from = ops.bucket(reads, &super::bucket_name(source_bucket)?, owner).await?;

    let put_part = |write: WriteId, content: NewContent, part: &NewPart| {
        let (key, upload) = (key.clone(), upload.clone());
        let NewPart { size, etag, checksum, .. } = part.clone();
        Request::PutPart(PutPart { key, upload, number, write, size, etag, checksum, content })
    };
    let info = open_upload(ops, &mut to, &key, &upload).await?;
    let source = || CopySource { key: &source_key, conditions: &conditions, select };
    let checksum = match info.checksum {
        Some((algorithm, _)) => {
            Some(copied_checksum::find(ops, &context, &mut from, source(), algorithm).await?)
        }
        None => None,
    };
    let part_of =
        |meta: &ObjectMeta, size: u64, copied_at: Timestamp, write: WriteId| -> Result<NewPart, Refusal> {
            check_readable(meta)?;
            check_range(select, meta.size)?;
            let checksum = copied_checksum::of_copy(checksum.as_ref(), meta, size)?;
            Ok(NewPart { size, etag: part_tag(meta, size, write), checksum, copied_at })
        };
    let part = if from.placement.job == to.placement.job {
        to.ask_also(&from);
        let (reference, write, holder) = (ops.writer.mint(), ops.writer.mint(), to.shard(&key));
        let taken =
            copies::take(&ops.placements, &ops.directory, &mut to, source(), reference, holder).await?;
        from.catch_up(&to);
        let source = &taken.source;
        let admitted = ops.placements.admits_found(&from, &source.meta).map_err(from_call);
        let part = match admitted.and_then(|()| part_of(&source.meta, source.len, source.now, write)) {
            Ok(part) => part,
            Err(error) => {
                taken.release(&ops.directory, &to).await;
                return Err(error);
            }
        };
        let make = |content| put_part(write, content, &part);
        taken.commit(&ops.placements, &ops.directory, &mut to, &key, make).await.map_err(from_call)?;
        part
    } else {
        let (found, written) = copy_bytes(ops, &context, &mut from, source(), &to, &key).await?;
        let write = written.write;
        let part = NewPart { etag: written.etag, ..part_of(&found.meta, found.len, found.now, write)? };
        let make = |content| put_part(write, content, &part);
        written.commit(&ops.placements, &mut to, &key, make).await.map_err(from_call)?;
        part
    };

    let mut result = CopyPartResult {
        e_tag: Some(headers::etag(&part.etag)),
        last_modified: Some(headers::timestamp(part.copied_at)),
        ..Default::default()
    };
    show_checksum!(result, &part.checksum, 0);
    Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() }))
}

/// S3 reads less than a range asks for, and copies it not at all.
fn check_range(select: Select, size: u64) -> Result<(), Refusal> {
    match select {
        Select::Range(ByteRange::FromTo(first, last)) if last >= size => {
            let text = format!("Range specified is not valid for source object of size: {size}");
            Err(bad_argument("x-amz-copy-source-range", format!("bytes={first}-{last}"), text))
        }
        _ => Ok(()),
    }
}

/// What is known of a part without reading its bytes.
#[derive(Clone)]
struct NewPart {
    size: u64,
    etag: ETag,
    checksum: Option<Checksum>,
    /// By the source's shard.
    copied_at: Timestamp,
}

/// The tag of the source is that of the part too, if it is all of the source and an MD5.
fn part_tag(source: &ObjectMeta, size: u64, write: WriteId) -> ETag {
    if size == source.size && source.etag.parts == 0 { source.etag } else { ETag::opaque(write) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::ids::NodeId;

    #[test]
    fn a_part_that_is_a_whole_object_has_its_tag_and_any_other_has_its_own() {
        let source = ObjectMeta {
            size: 10,
            etag: ETag::md5([1; 16]),
            last_modified: Timestamp(0),
            expires_at: None,
            rule_end: None,
            reads_left: None,
            checksum: None,
            headers: None,
            parts: 0,
        };
        let write = WriteId { gateway: NodeId(1), number: 2 };
        let etag = |source: &ObjectMeta, size| part_tag(source, size, write);
        assert_eq!(etag(&source, 10), source.etag);
        assert_eq!(etag(&source, 9), ETag::opaque(write));
        let uploaded = ObjectMeta { etag: ETag { parts: 3, ..source.etag }, ..source };
        assert_eq!(etag(&uploaded, 10), ETag::opaque(write));
    }
}
