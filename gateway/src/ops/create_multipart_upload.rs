//! CreateMultipartUpload: everything that is said of the object is said here, its bytes come later.

use super::checksum_type;
use super::{Operations, ask, context, object_key, wrong_reply};
use crate::access::acl::Said;
use crate::checksums;
use crate::headers::{self, given};
use crate::refusal::Refusal;
use pocket_api::metadata::{CreateUpload, Reply, Request};
use s3s::dto::{ChecksumAlgorithm, CreateMultipartUploadInput, CreateMultipartUploadOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    mut request: S3Request<CreateMultipartUploadInput>,
) -> Result<S3Response<CreateMultipartUploadOutput>, Refusal> {
    let context = context(&request)?;
    let acl = Said::read(&request.headers)?;
    let object_headers = given!(request, &acl).into_headers()?;
    let hints = headers::object_hints(&request.headers, object_headers.as_deref())?;
    let input = request.input;
    let key = object_key(&input.key)?;
    let algorithm = input.checksum_algorithm.as_ref().map(|a| a.as_str());
    let kind = input.checksum_type.as_ref().map(|kind| kind.as_str());
    let checksum = checksums::announced(algorithm, kind)?;
    let mut bucket = ops
        .bucket_to_write(
            ask!(request, context, super::writing_by(&request.headers, &acl))
                .on(&key)
                .making_object(&acl)
                .tagged(super::tags_of(object_headers.as_ref())),
            &super::bucket_name(&input.bucket)?,
            &key,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;

    let make = || {
        let (key, headers, hints) = (key.clone(), object_headers.clone(), hints.clone());
        Request::CreateUpload(CreateUpload { key, headers, hints, checksum })
    };
    let (upload, rule_end) = match ops.call(&mut bucket, &key, make).await?.reply {
        Reply::UploadCreated { upload, rule_end } => (upload, rule_end),
        _ => return Err(wrong_reply()),
    };
    let (abort_date, abort_rule_id) = headers::abort(rule_end.as_ref());
    Ok(S3Response::new(CreateMultipartUploadOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload.to_string()),
        checksum_algorithm: checksum.map(|(a, _)| ChecksumAlgorithm::from_static(a.as_str())),
        checksum_type: checksum.map(|(_, kind)| checksum_type(kind)),
        ..Default::default()
    }))
}
