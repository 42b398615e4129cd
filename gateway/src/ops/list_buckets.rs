//! ListBuckets: those of the caller's tenant.

use super::show_owner;
use super::{Operations, context, tenant};
use crate::errors::{bad_argument, from_control};
use crate::headers;
use crate::refusal::Refusal;
use pocket_api::clock::Timestamp;
use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput};
use s3s::{S3Request, S3Response};

/// S3's bounds on a page.
const BUCKETS_MAX: i32 = 10_000;

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<ListBucketsInput>,
) -> Result<S3Response<ListBucketsOutput>, Refusal> {
    let context = context(&request)?;
    let tenant = tenant(&context)?;
    let input = request.input;
    let max = input.max_buckets.unwrap_or(BUCKETS_MAX);
    if !(1..=BUCKETS_MAX).contains(&max) {
        let text = format!("max-buckets must be between 1 and {BUCKETS_MAX}: {max}");
        return Err(bad_argument("max-buckets", max, text));
    }
    let after = match input.continuation_token.as_deref() {
        None | Some("") => None,
        Some(token) => {
            let name = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = "The continuation token provided is incorrect";
            Some(name.ok_or_else(|| bad_argument("continuation-token", token, text))?)
        }
    };
    let prefix = input.prefix.unwrap_or_default();
    let here = input.bucket_region.is_none_or(|region| region == *ops.region);

    let jobs = if here { ops.control.jobs(Some(tenant)).await.map_err(from_control)? } else { Vec::new() };
    let mut listed = jobs.into_iter().filter(|job| {
        let name = job.bucket.as_str();
        name.starts_with(&prefix) && after.as_deref().is_none_or(|after| name > after)
    });
    let buckets: Vec<Bucket> = listed
        .by_ref()
        .take(max as usize)
        .map(|job| Bucket {
            name: Some(job.bucket.to_string()),
            creation_date: Some(headers::timestamp(Timestamp(job.created_at_ms))),
            bucket_region: Some(ops.region.to_string()),
        })
        .collect();
    let last = buckets.last().and_then(|bucket| bucket.name.as_deref());
    let token = listed.next().and(last).map(hex::encode);
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token: token,
        owner: Some(show_owner(tenant)),
        prefix: (!prefix.is_empty()).then_some(prefix),
    }))
}
