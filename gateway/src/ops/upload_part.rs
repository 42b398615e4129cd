//! UploadPart: write the bytes, then name them in the upload. A part of the same number is replaced.

use super::list_parts::upload_page;
use super::{Operations, ask};
use crate::access::action::Action;
use crate::calls::{Call, PartWritten, Serve, UploadPart};
use crate::errors::{from_call, no_such_upload, s3};
use crate::placements::Bucket;
use crate::refusal::{ErrorCode, Refusal};
use crate::writer::Source;
use pocket_api::checksum::ChecksumAlgorithm;
use pocket_api::limits::INLINE_MAX_BYTES;
use pocket_api::metadata::{PutPart, Request, UploadId, UploadInfo};
use pocket_api::names::ObjectKey;

impl Serve<UploadPart> for Operations {
    async fn serve(&self, mut call: Call<UploadPart>) -> Result<PartWritten, Refusal> {
        let UploadPart { bucket: name, key, upload, number, size, md5, body } = &mut call.input;
        let (number, size, md5) = (*number, *size, *md5);
        let ask = ask!(call, call.context, Action::PutObject).on(key);
        let expected_owner = call.expected_owner.as_str();
        let mut bucket = self.bucket(ask, name, expected_owner).await?;
        let info = check_upload(self, &mut bucket, key, upload, size).await?;

        let (inline_max_bytes, connection) = (INLINE_MAX_BYTES, &call.context.connection);
        let source = Source { body: &mut *body, size, inline_max_bytes, md5, connection };
        let written = self.writer.write(&bucket, key, source).await?;
        let checksum = body.checksum()?;
        if let Some(sum) = &checksum {
            // Only a small part comes here without.
            let info = match info {
                Some(info) => info,
                None => open_upload(self, &mut bucket, key, upload).await?,
            };
            check_algorithm(&info, sum.algorithm)?;
        }

        let (write, etag) = (written.write, written.etag);
        let make = |content| {
            let (key, upload, checksum) = (key.clone(), upload.clone(), checksum.clone());
            Request::PutPart(PutPart { key, upload, number, write, size, etag, checksum, content })
        };
        written.commit(&self.placements, &mut bucket, key, make).await.map_err(from_call)?;
        Ok(PartWritten { etag, checksum })
    }
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
