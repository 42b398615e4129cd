//! Hands what s3s has routed to the files of the operations, and counts it. What is not named here, s3s answers with
//! NotImplemented.

use super::*;
use crate::edge::answer::said_headers;
use crate::metrics::Operation;
use crate::refusal::Refusal;
use http::StatusCode;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Response, S3Result};

/// The edge answers with the refusal itself; of this error s3s makes an answer that nobody sees.
pub(super) fn tell(context: Option<Arc<RequestContext>>, refusal: Refusal) -> S3Error {
    let code = S3ErrorCode::from_bytes(refusal.code.as_str().as_bytes());
    let mut error =
        S3Error::with_message(code.unwrap_or(S3ErrorCode::InternalError), refusal.message.clone());
    error.set_status_code(StatusCode::from_u16(refusal.code.status()).unwrap_or_default());
    error.set_headers(refusal.said().map(said_headers).unwrap_or_default());
    if let Some(context) = context {
        let _ = context.refusal.set(refusal);
    }
    error
}

macro_rules! operations {
    ($($method:ident($input:ty) -> $output:ty = $operation:ident, $run:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(async fn $method(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let context = context(&request).ok();
                let outcome = self.metrics.count(Operation::$operation, $run(self, request)).await;
                outcome.map_err(|refusal| tell(context, refusal))
            })*
        }
    };
}

operations! {
    copy_object(CopyObjectInput) -> CopyObjectOutput = CopyObject, copy_object::run;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput
        = GetObjectAttributes, get_object_attributes::run;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput
        = CreateMultipartUpload, create_multipart_upload::run;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = UploadPartCopy, upload_part_copy::run;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput
        = CompleteMultipartUpload, complete_multipart_upload::run;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput
        = AbortMultipartUpload, abort_multipart_upload::run;
    list_parts(ListPartsInput) -> ListPartsOutput = ListParts, list_parts::run;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput
        = ListMultipartUploads, list_multipart_uploads::run;
}
