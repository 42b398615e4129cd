//! DeleteBucket: ends the job. Plain, only if it is empty; with `x-pocket-force-delete: true`, with all its data.

use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::errors::{access_denied, from_name};
use crate::headers;
use crate::refusal::Refusal;
use http::StatusCode;
use pocket_api::control::EndMode;
use pocket_api::names::BucketName;
use s3s::dto::{DeleteBucketInput, DeleteBucketOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<DeleteBucketInput>,
) -> Result<S3Response<DeleteBucketOutput>, Refusal> {
    let context = context(&request)?;
    let force = headers::flag(&request.headers, "x-pocket-force-delete")?;
    let input = request.input;
    let name = BucketName::parse(&input.bucket).map_err(from_name)?;
    let ask = ask!(request, context, Action::DeleteBucket);
    let bucket = ops.bucket_now(ask, &name, input.expected_bucket_owner.as_deref()).await?;
    // What S3 knows as DeleteBucket takes no object with it, so a policy that allows it does not mean this.
    if force && context.caller.tenant() != Some(&bucket.placement.tenant) {
        return Err(access_denied("Access Denied"));
    }
    ops.end(&bucket, if force { EndMode::Force } else { EndMode::IfEmpty }).await?;
    Ok(S3Response::with_status(DeleteBucketOutput {}, StatusCode::NO_CONTENT))
}
