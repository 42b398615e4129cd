//! UploadPart: write the bytes, then name them in the upload. A part of the same number is replaced. A part without a checksum
//! gets that which its upload announced, computed while its bytes pass: of the sums of all parts that of the whole object is
//! made.

use super::list_parts::upload_page;
use super::{Operations, ask};
use crate::checksums;
use crate::errors::{CallError, from_call, no_such_upload, other_checksum};
use crate::placements::Bucket;
use crate::writer::{Source, Written};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use pocket_api::limits::INLINE_MAX_BYTES;
use pocket_api::metadata::{MetadataError, PutPart, Request, UploadId, UploadInfo};
use pocket_api::names::ObjectKey;
use pocket_edge::calls::{Call, PartWritten, Serve, UploadPart};

impl Serve<UploadPart> for Operations {
    async fn serve(&self, mut call: Call<UploadPart>) -> Result<PartWritten, Refusal> {
        let UploadPart { bucket: name, key, upload, number, size, md5, named, body } = &mut call.input;
        let (number, size, md5, named) = (*number, *size, *md5, *named);
        let ask = ask!(call, call.context, Action::PutObject).on(key);
        let expected_owner = call.expected_owner.as_str();
        let mut bucket = self.bucket(ask, name, expected_owner).await?;
        // A large part of an upload that is not there is refused before its body is read and space is taken for it. For a
        // small one that would cost more than finding out when it is committed.
        let announced = match size > INLINE_MAX_BYTES as u64 {
            true => open_upload(self, &mut bucket, key, upload).await?.checksum,
            false => None,
        };
        let sum = missing_sum(named, announced)?;

        let (inline_max_bytes, connection) = (INLINE_MAX_BYTES, &call.context.connection);
        let source = Source { body: &mut *body, size, inline_max_bytes, md5, sum, connection };
        let written = self.writer.write(&bucket, key, source).await?;
        let sent = body.checksum()?;

        let put = async |bucket: &mut Bucket<'_>, written: Written, checksum: &Option<Checksum>| {
            let (write, etag) = (written.write, written.etag);
            let make = |content| {
                let (key, upload, checksum) = (key.clone(), upload.clone(), checksum.clone());
                Request::PutPart(PutPart { key, upload, number, write, size, etag, checksum, content })
            };
            written.commit(&self.placements, bucket, key, make).await
        };
        let (etag, checksum) = (written.etag, sent.or_else(|| written.checksum.clone()));
        let small = written.small();
        let refused = match put(&mut bucket, written, &checksum).await {
            Ok(_) => return Ok(PartWritten { etag, checksum }),
            Err(error) => error,
        };
        // Only a small part comes here: of a large one it was known what its upload announced.
        let CallError::Metadata(MetadataError::OtherChecksum(algorithm, kind)) = refused else {
            return Err(from_call(refused));
        };
        let (Some(small), Some(missing)) = (small, missing_sum(named, Some((algorithm, kind)))?) else {
            return Err(from_call(refused));
        };
        let written = small.summed_by(missing);
        let checksum = written.checksum.clone();
        put(&mut bucket, written, &checksum).await.map_err(from_call)?;
        Ok(PartWritten { etag, checksum })
    }
}

/// Which checksum is to be computed of a part, because its client sends none. A sum over sums is made of those that were sent,
/// and so it is refused that one of them is missing, as in S3.
fn missing_sum(
    named: Option<ChecksumAlgorithm>,
    announced: Option<(ChecksumAlgorithm, ChecksumKind)>,
) -> Result<Option<ChecksumAlgorithm>, Refusal> {
    match (named, announced) {
        (Some(named), Some((announced, _))) if named != announced => {
            Err(other_checksum(announced, Some(named)))
        }
        (Some(_), _) => Ok(None),
        (None, Some((announced, ChecksumKind::Composite))) => Err(other_checksum(announced, None)),
        (None, Some((announced, ChecksumKind::FullObject))) => Ok(Some(announced)),
        (None, None) => Ok(Some(checksums::UNANNOUNCED.0)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;
    use pocket_api::checksum::ChecksumAlgorithm::*;
    use pocket_api::checksum::ChecksumKind::*;

    #[test]
    fn a_sum_is_computed_where_the_whole_object_is_to_have_one_and_nobody_sends_it() {
        let refused = Err(ErrorCode::InvalidRequest);
        for (named, announced, expected) in [
            (None, None, Ok(Some(Crc64Nvme))),
            (None, Some((Crc32c, FullObject)), Ok(Some(Crc32c))),
            (None, Some((Sha256, Composite)), refused),
            (Some(Sha1), None, Ok(None)),
            (Some(Crc32), Some((Crc32, Composite)), Ok(None)),
            (Some(Crc32), Some((Crc64Nvme, FullObject)), refused),
        ] {
            let missing = missing_sum(named, announced).map_err(|refusal| refusal.code);
            assert_eq!(missing, expected, "{named:?} {announced:?}");
        }
    }
}
