//! ListObjects, versions 1 and 2: one page of keys and common prefixes, merged over the bucket's shards.

use super::shown::checksum_type;
use super::{Operations, ask, context, wrong_reply};
use crate::access::action::Action;
use crate::errors::from_call;
use crate::headers;
use crate::listing::{self, Encoding, Page, merge, read_token, start_after};
use crate::placements::Bucket;
use pocket_api::metadata::{List, ListItem, ListStart, ListedObject, Reply, Request};
use pocket_api::names::TenantName;
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass, Owner,
};
use s3s::{S3Request, S3Response, S3Result};

pub(super) async fn run_v1(
    ops: &Operations,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
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
    let (more, owner) = (page.more, Some(&bucket.placement.tenant));
    let (contents, common_prefixes) = shown(page, encoding, owner);
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.write(prefix)),
        marker: Some(encoding.write(input.marker.unwrap_or_default())),
        max_keys: Some(max as i32),
        is_truncated: Some(more),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: delimiter.map(|d| encoding.write(d)),
        next_marker: next.map(|name| encoding.write(name)),
        encoding_type: encoding.shown(),
        ..Default::default()
    }))
}

pub(super) async fn run_v2(
    ops: &Operations,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
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
    let (more, count) = (page.more, page.items.len());
    let owner = input.fetch_owner.unwrap_or(false).then_some(&bucket.placement.tenant);
    let (contents, common_prefixes) = shown(page, encoding, owner);
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.write(prefix)),
        max_keys: Some(max as i32),
        key_count: Some(count as i32),
        continuation_token: input.continuation_token,
        is_truncated: Some(more),
        next_continuation_token: token,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: delimiter.map(|d| encoding.write(d)),
        encoding_type: encoding.shown(),
        start_after: input.start_after.map(|name| encoding.write(name)),
        ..Default::default()
    }))
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
) -> S3Result<Page<ListItem>> {
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
    let pages: S3Result<Vec<_>> = answers
        .into_iter()
        .map(|answer| match answer.reply {
            Reply::Listed(page) => Ok(Page { items: page.items, more: page.more }),
            _ => Err(wrong_reply()),
        })
        .collect();
    Ok(merge(pages?, max))
}

fn shown(
    page: Page<ListItem>,
    encoding: Encoding,
    owner: Option<&TenantName>,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for item in page.items {
        match item {
            ListItem::Object(object) => contents.push(show_object(object, encoding, owner)),
            ListItem::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(encoding.write(prefix)) }),
        }
    }
    (contents, prefixes)
}

fn show_object(object: ListedObject, encoding: Encoding, owner: Option<&TenantName>) -> Object {
    let class = object.storage_class.map_or("STANDARD", |class| class.as_str());
    Object {
        checksum_algorithm: object.checksum.map(|(a, _)| vec![ChecksumAlgorithm::from_static(a.as_str())]),
        checksum_type: object.checksum.map(|(_, kind)| checksum_type(kind)),
        e_tag: Some(headers::etag(&object.etag)),
        key: Some(encoding.write(object.key.into())),
        last_modified: Some(headers::timestamp(object.last_modified)),
        owner: owner.map(show_owner),
        restore_status: None,
        size: Some(object.size as i64),
        storage_class: Some(ObjectStorageClass::from_static(class)),
    }
}

pub(super) fn show_owner(tenant: &TenantName) -> Owner {
    Owner { display_name: Some(tenant.to_string()), id: Some(tenant.to_string()) }
}
