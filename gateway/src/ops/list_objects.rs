//! ListObjects, versions 1 and 2: one page of keys and common prefixes, merged over the bucket's shards.

use super::list_items::{self, Shown};
use super::{Operations, ask, context, wrong_reply};
use crate::access::action::Action;
use crate::errors::from_call;
use crate::listing::{self, Encoding, Page, merge, read_token, start_after};
use crate::placements::Bucket;
use crate::refusal::Refusal;
use pocket_api::metadata::{List, ListItem, ListStart, Reply, Request};
use pocket_api::names::TenantName;
use s3s::dto::{ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Owner};
use s3s::{S3Request, S3Response};

pub(super) async fn run_v1(
    ops: &Operations,
    request: S3Request<ListObjectsInput>,
) -> Result<S3Response<ListObjectsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let max = listing::max_items(input.max_keys, "max-keys")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|d| !d.is_empty());
    let start = start_after(input.marker.clone(), &prefix, delimiter.as_deref());
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::ListBucket),
            &input.bucket,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let list = ListOf { prefix: &prefix, delimiter: delimiter.as_deref(), start };
    let page = page(ops, &mut bucket, list, max).await?;

    // S3 names the next marker only where the client could not know it: the last item may be a prefix.
    let next =
        page.items.last().filter(|_| page.more && delimiter.is_some()).map(|last| last.name().to_owned());
    let owner = Some(&bucket.placement.tenant);
    let items = list_items::write(&page.items, Shown::Objects, encoding, owner);
    let mut response = S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.write(prefix)),
        marker: Some(encoding.write(input.marker.unwrap_or_default())),
        max_keys: Some(max as i32),
        is_truncated: Some(page.more),
        delimiter: delimiter.map(|d| encoding.write(d)),
        next_marker: next.map(|name| encoding.write(name)),
        encoding_type: encoding.shown(),
        ..Default::default()
    });
    response.extensions.insert(items);
    Ok(response)
}

pub(super) async fn run_v2(
    ops: &Operations,
    request: S3Request<ListObjectsV2Input>,
) -> Result<S3Response<ListObjectsV2Output>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let max = listing::max_items(input.max_keys, "max-keys")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|d| !d.is_empty());
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => read_token(token)?,
        (None, Some(after)) if !after.is_empty() => ListStart::After(after.clone()),
        (None, _) => ListStart::Beginning,
    };
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::ListBucket),
            &input.bucket,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let list = ListOf { prefix: &prefix, delimiter: delimiter.as_deref(), start };
    let page = page(ops, &mut bucket, list, max).await?;

    let token = page.items.last().filter(|_| page.more).map(listing::token);
    let owner = input.fetch_owner.unwrap_or(false).then_some(&bucket.placement.tenant);
    let items = list_items::write(&page.items, Shown::Objects, encoding, owner);
    let mut response = S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.write(prefix)),
        max_keys: Some(max as i32),
        key_count: Some(page.items.len() as i32),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.more),
        next_continuation_token: token,
        delimiter: delimiter.map(|d| encoding.write(d)),
        encoding_type: encoding.shown(),
        start_after: input.start_after.map(|name| encoding.write(name)),
        ..Default::default()
    });
    response.extensions.insert(items);
    Ok(response)
}

/// What is listed.
pub(super) struct ListOf<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) start: ListStart,
}

pub(super) async fn page(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    list: ListOf<'_>,
    max: usize,
) -> Result<Page<ListItem>, Refusal> {
    if max == 0 {
        ops.ping(bucket).await?;
        return Ok(Page { items: Vec::new(), more: false });
    }
    let make = || {
        Request::List(List {
            prefix: list.prefix.to_owned(),
            start: list.start.clone(),
            delimiter: list.delimiter.map(str::to_owned),
            max: max as u32,
        })
    };
    let answers = ops.placements.call_all(bucket, make).await.map_err(from_call)?;
    let pages: Result<Vec<_>, Refusal> = answers
        .into_iter()
        .map(|answer| match answer.reply {
            Reply::Listed(page) => Ok(Page { items: page.items, more: page.more }),
            _ => Err(wrong_reply()),
        })
        .collect();
    Ok(merge(pages?, max))
}

pub(super) fn show_owner(tenant: &TenantName) -> Owner {
    Owner { display_name: Some(tenant.to_string()), id: Some(tenant.to_string()) }
}
