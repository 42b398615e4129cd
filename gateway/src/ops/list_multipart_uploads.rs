//! ListMultipartUploads: uploads that are neither completed nor aborted, merged over the bucket's shards.

use super::checksum_type;
use super::show_owner;
use super::{Operations, ask, context, wrong_reply};
use crate::access::action::Action;
use crate::errors::from_call;
use crate::headers;
use crate::listing::{self, Encoding, Item, Page, is_common_prefix, merge};
use crate::refusal::Refusal;
use pocket_api::metadata::{ListUploads, Reply, Request, UploadInfo, UploadsItem, UploadsStart};
use pocket_api::names::TenantName;
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    MultipartUpload, StorageClass,
};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<ListMultipartUploadsInput>,
) -> Result<S3Response<ListMultipartUploadsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let encoding = Encoding::parse(input.encoding_type.as_ref().map(|encoding| encoding.as_str()))?;
    let max = listing::max_items(input.max_uploads, "max-uploads")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|d| !d.is_empty());
    let key_marker = input.key_marker.filter(|marker| !marker.is_empty());
    // Without a key marker the other one has no meaning, and S3 ignores it.
    let upload_marker = input.upload_id_marker.filter(|marker| !marker.is_empty() && key_marker.is_some());
    let start = match (key_marker.clone(), upload_marker.clone()) {
        (None, _) => UploadsStart::Beginning,
        (Some(key), Some(upload)) => UploadsStart::AfterUpload(key, upload),
        (Some(key), None) if is_common_prefix(&key, &prefix, delimiter.as_deref()) => {
            UploadsStart::AfterPrefix(key)
        }
        (Some(key), None) => UploadsStart::AfterKey(key),
    };
    let mut bucket = ops
        .bucket(
            ask!(request, context, Action::ListBucketMultipartUploads),
            &super::bucket_name(&input.bucket)?,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let page = if max == 0 {
        ops.ping(&mut bucket).await?;
        Page { items: Vec::new(), more: false }
    } else {
        let make = || {
            let (prefix, start, delimiter) = (prefix.clone(), start.clone(), delimiter.clone());
            Request::ListUploads(ListUploads { prefix, start, delimiter, max: max as u32 })
        };
        let answers = ops.placements.call_all(&mut bucket, make).await.map_err(from_call)?;
        let pages: Result<Vec<_>, Refusal> = answers
            .into_iter()
            .map(|answer| match answer.reply {
                Reply::Uploads(page) => Ok(Page { items: page.items, more: page.more }),
                _ => Err(wrong_reply()),
            })
            .collect();
        merge(pages?, max)
    };

    let last = page.items.last().filter(|_| page.more);
    let next_key = last.map(|item| encoding.write(item.name().to_owned()));
    let next_upload = last.and_then(|item| match item {
        UploadsItem::Upload(upload) => Some(upload.upload.to_string()),
        UploadsItem::Prefix(_) => None,
    });
    let more = page.more;
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for item in page.items {
        match item {
            UploadsItem::Upload(upload) => uploads.push(show(upload, encoding, &bucket.placement.tenant)),
            UploadsItem::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(encoding.write(prefix)) })
            }
        }
    }
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        common_prefixes: Some(prefixes),
        delimiter: delimiter.map(|d| encoding.write(d)),
        encoding_type: encoding.shown(),
        is_truncated: Some(more),
        key_marker: Some(encoding.write(key_marker.unwrap_or_default())),
        max_uploads: Some(max as i32),
        next_key_marker: next_key,
        next_upload_id_marker: next_upload,
        prefix: Some(encoding.write(prefix)),
        upload_id_marker: Some(upload_marker.unwrap_or_default()),
        uploads: Some(uploads),
        ..Default::default()
    }))
}

/// Only a bucket's owner writes to it, so the owner is also who began the upload.
fn show(upload: UploadInfo, encoding: Encoding, tenant: &TenantName) -> MultipartUpload {
    let class = upload.storage_class.map_or("STANDARD", |class| class.as_str());
    let id = Some(tenant.to_string());
    MultipartUpload {
        checksum_algorithm: upload.checksum.map(|(a, _)| ChecksumAlgorithm::from_static(a.as_str())),
        checksum_type: upload.checksum.map(|(_, kind)| checksum_type(kind)),
        initiated: Some(headers::timestamp(upload.initiated)),
        initiator: Some(Initiator { display_name: id.clone(), id }),
        key: Some(encoding.write(upload.key.into())),
        owner: Some(show_owner(tenant)),
        storage_class: Some(StorageClass::from_static(class)),
        upload_id: Some(upload.upload.to_string()),
    }
}
