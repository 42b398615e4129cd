//! HeadBucket: is it there, where, and with which hints.

use super::create_bucket::granted;
use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::refusal::Refusal;
use s3s::dto::{HeadBucketInput, HeadBucketOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<HeadBucketInput>,
) -> Result<S3Response<HeadBucketOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::ListBucket),
            &super::bucket_name(&input.bucket)?,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    // A placement that is remembered may be of a job that has ended.
    ops.ping(&mut bucket).await?;
    let output = HeadBucketOutput { bucket_region: Some(ops.region.to_string()), ..Default::default() };
    Ok(S3Response::with_headers(output, granted(&bucket.placement)))
}
