//! GetBucketLocation: the gateway's region for every bucket.

use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::refusal::Refusal;
use s3s::dto::{BucketLocationConstraint, GetBucketLocationInput, GetBucketLocationOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<GetBucketLocationInput>,
) -> Result<S3Response<GetBucketLocationOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::GetBucketLocation),
            &super::bucket_name(&input.bucket)?,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    ops.ping(&mut bucket).await?;
    // S3 shows its first region as nothing.
    let region =
        (*ops.region != *"us-east-1").then(|| BucketLocationConstraint::from(ops.region.to_string()));
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint: region }))
}
