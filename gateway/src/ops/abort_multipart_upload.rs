//! AbortMultipartUpload: gives back what its parts hold. Aborting again succeeds; an id that was never issued is 404.

use super::{Operations, ask, context, object_key};
use crate::access::action::Action;
use crate::errors::not_implemented;
use crate::refusal::Refusal;
use http::StatusCode;
use pocket_api::metadata::{Request, UploadId};
use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<S3Response<AbortMultipartUploadOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    if input.if_match_initiated_time.is_some() {
        return Err(not_implemented("a condition on the time of the upload is not implemented"));
    }
    let key = object_key(&input.key)?;
    let upload = UploadId(input.upload_id.as_str().into());
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::AbortMultipartUpload).on(&key),
            &super::bucket_name(&input.bucket)?,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    ops.call(&mut bucket, &key, || Request::Abort { key: key.clone(), upload: upload.clone() }).await?;
    Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), StatusCode::NO_CONTENT))
}
