//! ListObjectVersions: every object has one version, the null version, and it is the latest. Clients that clean a bucket
//! up list by this operation and delete what they find.

use super::list_items::{self, Shown};
use super::list_objects::{ListOf, page};
use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::errors::invalid_argument;
use crate::listing::{self, Encoding, start_after};
use crate::refusal::Refusal;
use crate::versions::{NULL_VERSION, check_version};
use pocket_api::metadata::ListItem;
use s3s::dto::{ListObjectVersionsInput, ListObjectVersionsOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<ListObjectVersionsInput>,
) -> Result<S3Response<ListObjectVersionsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let max = listing::max_items(input.max_keys, "max-keys")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|d| !d.is_empty());
    let key_marker = input.key_marker.filter(|marker| !marker.is_empty());
    if let Some(version) = &input.version_id_marker {
        if key_marker.is_none() {
            return Err(invalid_argument("A version-id marker cannot be specified without a key marker."));
        }
        check_version(version)?;
    }
    // With or without a version, the list goes on behind the key: it has no second version.
    let start = start_after(key_marker.clone(), &prefix, delimiter.as_deref());
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::ListBucketVersions),
            &input.bucket,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let list = ListOf { prefix: &prefix, delimiter: delimiter.as_deref(), start };
    let page = page(ops, &mut bucket, list, max).await?;

    let last = page.items.last().filter(|_| page.more);
    let next_key_marker = last.map(|item| encoding.write(item.name().to_owned()));
    let next_version = last.filter(|item| matches!(item, ListItem::Object(_))).map(|_| NULL_VERSION.into());
    let owner = Some(&bucket.placement.tenant);
    let items = list_items::write(&page.items, Shown::Versions, encoding, owner);
    let mut response = S3Response::new(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.write(prefix)),
        key_marker: Some(encoding.write(key_marker.unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        next_key_marker,
        next_version_id_marker: next_version,
        max_keys: Some(max as i32),
        is_truncated: Some(page.more),
        delimiter: delimiter.map(|d| encoding.write(d)),
        encoding_type: encoding.shown(),
        ..Default::default()
    });
    response.extensions.insert(items);
    Ok(response)
}
